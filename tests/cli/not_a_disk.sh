#!/bin/bash
# Files that are no disk, no file at all, a directory, a cut-off disk: 8 and one line that names the file.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

: >empty
head -c 3000000 /dev/zero >zeros
echo "a text" >text
expect 0 vhdx create --size 64M whole.vhdx
head -c 100000 whole.vhdx >cut.vhdx
head -c 1500000 whole.vhdx >cut2.vhdx
mkdir directory
for f in empty zeros text cut.vhdx cut2.vhdx directory missing directory/missing missing/missing; do
    for c in info map hash "export -o new.raw" merge "merge -o new.vhdx" "create --parent"; do
        case $c in
        create*) expect 8 vhdx $c $f new.avhdx ;;
        *) expect 8 vhdx $c $f ;;
        esac
        one_line_of_error
        says err "vhdx: $f"
    done
done
for f in new.*; do
    [ ! -e "$f" ] || fail "a refused command made $f"
done
