#!/bin/bash
# A file with something in it is never overwritten by create and merge -o; a layer is never the output of export.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
echo precious >file
: >empty
before=$(cat *.vhdx *.avhdx | cksum)
expect 8 vhdx create --size 4M file
one_line_of_error
expect 8 vhdx create --size 4M disk.vhdx
expect 8 vhdx create --parent disk_1.avhdx disk_2.avhdx
expect 8 vhdx merge -o file disk_2.avhdx
one_line_of_error
expect 8 vhdx merge --dry-run -o file disk_2.avhdx
one_line_of_error
[ "$(cat file)" = precious ] || fail "a file was overwritten"
for layer in disk_2.avhdx disk_1.avhdx ./disk.vhdx; do
    vhdx export -o $layer disk_2.avhdx >out 2>err
    case $? in
    8 | 16) ;;
    *) fail "export -o $layer ended with neither 8 nor 16" ;;
    esac
    vhdx merge -o $layer disk_2.avhdx >out 2>err
    case $? in
    8 | 16) ;;
    *) fail "merge -o $layer ended with neither 8 nor 16" ;;
    esac
done
for arguments in "--into disk_2.avhdx disk_2.avhdx" "--into disk_2.avhdx disk_1.avhdx" disk.vhdx; do
    vhdx merge $arguments >out 2>err
    case $? in
    8 | 16) one_line_of_error ;;
    *) fail "merge $arguments ended with neither 8 nor 16" ;;
    esac
done
[ "$before" = "$(cat *.vhdx *.avhdx | cksum)" ] || fail "a disk changed"

expect 0 vhdx create --size 4M empty
for how in "" --salvage; do
    echo precious >file
    expect 8 vhdx export $how -o file disk.vhdx
    one_line_of_error
    says err "already there"
    says err "--overwrite"
    [ "$(cat file)" = precious ] || fail "export $how has overwritten a file"
    expect 0 vhdx export $how --overwrite -o file disk.vhdx
    cmp file 0.raw || fail "export $how --overwrite"
    : >file # an empty file is no loss
    [ -z "$how" ] || rm file.map
    expect 0 vhdx export $how -o file disk.vhdx
    cmp file 0.raw || fail "export $how"
done
rm file
expect 8 vhdx export --salvage -o file disk.vhdx
says err "file.map"
[ ! -e file ] || fail "a refused export made a file"
expect 8 vhdx export --overwrite -o disk_1.avhdx disk_2.avhdx
cmp disk.vhdx disk.vhdx && [ "$before" = "$(cat *.vhdx *.avhdx | cksum)" ] || fail "a disk changed"
