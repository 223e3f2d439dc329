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

# Disks of other formats are called what they are, by info and verify, and by what writes in place. A VHD that is whole is read; one of
# fixed size begins as what is in it.
printf 'QFI\373' >other.qcow2
truncate -s 1M other.qcow2
printf 'KDMV' >other.vmdk
truncate -s 1M other.vmdk
printf 'conectix' >dynamic.vhd
truncate -s 1M dynamic.vhd
{
    head -c 65536 /dev/zero
    printf 'conectix\0\0\0\2\0\1\0\0\377\377\377\377\377\377\377\377'
    head -c 16 /dev/zero
    printf '\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\2\377\377\364\243'
    head -c 444 /dev/zero
} >fixed.vhd
printf '\125\252' | dd of=fixed.vhd bs=1 seek=510 conv=notrunc status=none
for c in info verify merge; do
    for f in "other.qcow2:a QCOW2 disk" "other.vmdk:a VMDK disk" "dynamic.vhd:a VHD disk" "fixed.vhd:a VHD disk"; do
        [ $c != merge ] && [ "${f%%:*}" = fixed.vhd ] && continue
        expect 8 vhdx $c "${f%%:*}"
        says err "this is no VHDX file: it is ${f#*:}"
    done
done
says err "'vhdx convert -o NEW fixed.vhd' makes a VHDX of it"
for c in info verify; do
    expect 0 vhdx $c fixed.vhd
done

for f in new.*; do
    [ ! -e "$f" ] || fail "a refused command made $f"
done
