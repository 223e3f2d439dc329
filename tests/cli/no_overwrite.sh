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

# --overwrite: the old file goes when the new one is complete, and never when it is a disk that is read.
cp 0.raw precious
for refused in "create --size 4M" "merge -o precious"; do
    case $refused in
    create*) expect 8 vhdx $refused precious ;;
    *) expect 8 vhdx $refused disk_2.avhdx ;;
    esac
    says err "--overwrite"
    cmp precious 0.raw || fail "$refused has overwritten a file"
done
expect 0 vhdx create --size 4M --overwrite precious
expect 0 vhdx verify precious
cp 0.raw precious
expect 0 vhdx merge --dry-run --overwrite -o precious disk_2.avhdx
cmp precious 0.raw || fail "a dry run has overwritten a file"
expect 0 vhdx merge --overwrite -o precious disk_2.avhdx
says out "into precious"
says out "'precious'"
says_not out vhdx-new
reads_as precious 2.raw
cp precious kept
ln disk_1.avhdx alias
for layer in disk.vhdx disk_1.avhdx disk_2.avhdx ./disk.vhdx alias; do
    for dry in "" --dry-run; do
        expect 8 vhdx merge $dry --overwrite -o $layer disk_2.avhdx
        one_line_of_error
    done
done
expect 8 vhdx create --overwrite --parent disk.vhdx disk.vhdx
expect 16 vhdx merge --overwrite disk_2.avhdx
mv disk.vhdx away.vhdx
expect 8 vhdx merge --overwrite -o precious disk_2.avhdx # fails, and loses nothing
mv away.vhdx disk.vhdx
cmp precious kept || fail "a merge that failed has overwritten a file"
[ -z "$(ls ./*.vhdx-new 2>/dev/null)" ] || fail "an unfinished file is left: $(ls)"
[ "$before" = "$(cat disk*.*vhdx | cksum)" ] || fail "a disk changed"
