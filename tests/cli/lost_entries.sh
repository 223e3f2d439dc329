#!/bin/bash
# A sector of a fixed disk's BAT is zero: who only reads says so and goes on, a merge in place refuses and names the repair, which puts
# all back; a sound disk of any size is opened in silence.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
expect 0 vhdx create --fixed --size 256M disk.vhdx
bat=$((0x300000))
first=$(od -An -t u8 -j $bat -N 8 disk.vhdx)
first=$((first >> 20 << 20))
for at in 0 8 70 200; do
    put disk.vhdx $((first + (at << 20))) "content of MiB $at"
done
hash=$(hash_of disk.vhdx)
expect 0 vhdx info disk.vhdx
[ ! -s err ] || fail "a sound disk: $(cat err)"
dd if=/dev/zero of=disk.vhdx bs=8 seek=$((bat / 8 + 2)) count=3 conv=notrunc status=none
expect 4 vhdx verify disk.vhdx
says out VHDX-BAT-LOST-ENTRIES
for command in info hash map "export -o out.raw" "merge -o flat.vhdx"; do
    expect 0 vhdx $command disk.vhdx
    says err "vhdx: warning: disk.vhdx: entries of the BAT are lost"
    says err "'vhdx verify disk.vhdx'"
    [ "$(grep -c warning err)" = 1 ] || fail "$command says it more than once: $(cat err)"
done
expect 0 vhdx create --parent disk.vhdx child.avhdx
sum=$(cksum <disk.vhdx)
for how in "" --dry-run; do
    expect 8 vhdx merge $how child.avhdx
    says err "'vhdx repair' puts them back"
done
[ "$(cksum <disk.vhdx)" = "$sum" ] || fail "a merge that was refused has written"
expect 1 vhdx repair --no-undo disk.vhdx
[ "$(hash_of disk.vhdx 2>err)" = "$hash" ] || fail "the repair did not put all back"
[ ! -s err ] || fail "still told: $(cat err)"
expect 0 vhdx merge child.avhdx

expect 0 vhdx create --size 64T --block-size 1M large.vhdx
for command in info map; do
    expect 0 vhdx $command large.vhdx
    [ ! -s err ] || fail "a sound disk: $(cat err)"
done
