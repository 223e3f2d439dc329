#!/bin/bash
# Disks with partitions made by sgdisk, resized at random, up and down: sgdisk and sfdisk find nothing wrong with the table
# afterwards, qemu-img nothing with the file, each partition has its bytes, and undo leads back. VHDX_RESIZES=N for so many
# (VHDX_SLOW: 1000).
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
PATH=$PATH:/usr/sbin:/sbin
need sgdisk sfdisk qemu-img

RANDOM=${VHDX_RESIZE_SEED:-7}
count=${VHDX_RESIZES:-${VHDX_SLOW:+1000}}
count=${count:-24}
sizes=(40M 41M 47M 64M 100M 101M 127M 300M 1G 3G)

expect() {
    local want=$1 status
    shift
    "$@" >out 2>err
    status=$?
    [ $status = "$want" ] || fail "$* ended with $status: $(cat out err)"
}

vhdx() { $VHDX "$@"; }

# new_disk BLOCK-SIZE KIND: d.vhdx with two partitions of 8 and 24 MiB, which hold p1 and p2.
new_disk() {
    rm -f d.vhdx d.raw
    truncate -s 64M d.raw
    sgdisk -n 1:2048:+8M -c 1:EFI -n 2:0:+24M -c 2:"Root ü" -t 1:ef00 d.raw >/dev/null || fail sgdisk
    head -c 2M /dev/urandom >p1
    head -c 3M /dev/urandom >p2
    dd if=p1 of=d.raw bs=1M seek=1 conv=notrunc status=none
    dd if=p2 of=d.raw bs=1M seek=30 conv=notrunc status=none
    qemu-img convert -f raw -O vhdx -o block_size="$1",subformat="$2" d.raw d.vhdx || fail "qemu-img convert"
}

look() {
    rm -f e.raw
    vhdx export -q -o e.raw d.vhdx || fail "$1: export"
    sgdisk -v e.raw >seen 2>&1
    grep -q 'No problems found' seen || fail "$1: sgdisk: $(cat seen)"
    sfdisk --verify e.raw >seen 2>&1 || fail "$1: sfdisk: $(cat seen)"
    grep -q 'No errors detected' seen || fail "$1: sfdisk: $(cat seen)"
    cmp -n $((2 << 20)) p1 <(tail -c +$((1 << 20 | 1)) e.raw) && cmp -n $((3 << 20)) p2 <(tail -c +$(((30 << 20) + 1)) e.raw) ||
        fail "$1: a partition has other bytes"
}

for ((i = 0; i < count; i++)); do
    if [ $((i % 12)) = 0 ]; then
        blocks=(1M 2M 32M)
        kinds=(dynamic dynamic fixed)
        kind=${kinds[RANDOM % 3]}
        new_disk "${blocks[RANDOM % 3]}" "$kind"
    fi
    size=${sizes[RANDOM % ${#sizes[@]}]}
    [ "$kind" = dynamic ] || size=${sizes[RANDOM % 7]}
    [ $((RANDOM % 4)) != 0 ] || size=$(((40 << 20) + RANDOM * 512))
    what="resize $i of $kind to $size"
    old=$(cksum <d.vhdx)
    if [ $((RANDOM % 8)) = 0 ]; then
        rm -f u
        expect 0 vhdx resize -q --undo u --size "$size" d.vhdx
        [ ! -e u ] || expect 0 vhdx undo -q u
        [ "$old" = "$(cksum <d.vhdx)" ] || fail "$what: undo does not lead back"
    fi
    if [ $((RANDOM % 8)) = 0 ]; then
        expect 0 vhdx resize -q --to-minimum d.vhdx
    else
        expect 0 vhdx resize -q --size "$size" d.vhdx
    fi
    look "$what"
    qemu-img check -q d.vhdx >seen 2>&1 || fail "$what: qemu-img check: $(cat seen)"
    qemu-img compare -q -f vhdx -F raw d.vhdx e.raw >seen 2>&1 || fail "$what: qemu reads otherwise: $(cat seen)"
done
expect 0 vhdx verify d.vhdx
