#!/bin/bash
# What `make demo` shows: a disk with a real file system and two checkpoints, made the way a virtual machine leaves
# them, merged into one disk that reads the same. Needs VHDX (the tool) and GUEST (testdata/guest.c, which plays the
# machine). Everything happens in a temporary directory; root is not needed, nothing is mounted.
# SPDX-License-Identifier: MIT

set -euo pipefail
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin
: "${VHDX:?run me by: make demo}" "${GUEST:?run me by: make demo}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$VHDX" "$work/bin/vhdx"
PATH=$work/bin:$PATH
cd "$work"

say() { printf '\n# %s\n' "$@"; }
show() {
    local word line='$'
    for word; do
        [[ $word == *' '* ]] && word="'$word'"
        line+=" $word"
    done
    echo "$line"
    "$@"
}
fail() {
    echo "demo: $1"
    exit 1
}

# ---- a machine's life, in raw files ----------------------------------------------------------------------------------
# A GPT disk of 256 MiB with one partition at 1 MiB. The file system is written beside it and laid into it, because the
# tools that need no root work on a file system, not on a partition.
first=2048 megabytes=254
lay_in() { dd if=fs.raw of="$1" bs=512 seek=$first conv=notrunc,sparse status=none; }
pattern() { yes "$1" | head -c "$2" || true; }

say "A virtual disk: partition table, one partition, a file system with files in it."
truncate -s 256M disk.0.raw
if command -v sfdisk >/dev/null; then
    echo "label: gpt
start=$first, size=$((megabytes * 2048)), type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=data" |
        sfdisk -q disk.0.raw
fi
mkdir files
pattern "line of the report as it was first written" 300000 >files/report.txt
head -c 6000000 "$VHDX" >files/program.bin
if command -v mke2fs >/dev/null && command -v debugfs >/dev/null; then
    mke2fs -q -t ext4 -d files -L demo fs.raw ${megabytes}M >mke2fs.log 2>&1
    change() { debugfs -w fs.raw >/dev/null 2>&1; }
else
    truncate -s ${megabytes}M fs.raw
    cat files/* | dd of=fs.raw conv=notrunc status=none
    change() { pattern "change $RANDOM" 700000 | dd of=fs.raw bs=1M seek=$((RANDOM % 200)) conv=notrunc status=none; }
fi
lay_in disk.0.raw

# conv=sparse does not write zeros over older data, so each later state is laid into an empty disk.
state() {
    truncate -s 256M "$1"
    dd if=disk.0.raw of="$1" bs=512 count=$first conv=notrunc,sparse status=none
    dd if=disk.0.raw of="$1" bs=512 skip=$((first + megabytes * 2048)) seek=$((first + megabytes * 2048)) \
        conv=notrunc,sparse status=none
    lay_in "$1"
}
pattern "line written after the first checkpoint" 400000 >after-first.txt
printf 'write after-first.txt after-first.txt\nrm report.txt\n' | change
state disk.1.raw
pattern "line written after the second checkpoint" 200000 >after-second.txt
printf 'write after-second.txt after-second.txt\nwrite files/report.txt report-restored.txt\n' | change
state disk.2.raw

mkdir vm
"$GUEST" vm/disk.vhdx disk.0.raw vm/disk_1.avhdx disk.1.raw vm/disk_2.avhdx disk.2.raw
echo "The machine ran with two checkpoints. What it leaves:"
show ls -s --block-size=K vm
cd vm

say "Who is who in this chain?"
show vhdx info --chain disk_2.avhdx

say "Where does the content lie? (first lines)"
show vhdx map disk_2.avhdx | sed -n 1,16p

say "The content that the machine sees, as one number, before the merge:"
show vhdx hash disk_2.avhdx | tee ../before
before=$(tail -n 1 ../before | cut -d' ' -f1)

say "What would a merge of all layers into the base do?"
show vhdx merge --dry-run --into disk.vhdx disk_2.avhdx

say "Merge, and remove the merged checkpoints:"
show vhdx merge --delete --into disk.vhdx disk_2.avhdx
show ls -s --block-size=K

say "The merged disk must read the same:"
show vhdx hash disk.vhdx | tee ../after
after=$(tail -n 1 ../after | cut -d' ' -f1)
[ "$before" = "$after" ] || fail "the merged disk differs from the chain: $after, not $before"

say "And other software must find the machine's files on it:"
show vhdx export -o merged.raw disk.vhdx
cmp merged.raw ../disk.2.raw || fail "the exported disk is not what the machine wrote"
echo "(cmp: merged.raw is what the machine wrote, byte for byte)"
if command -v qemu-img >/dev/null; then
    show qemu-img check disk.vhdx
    show qemu-img compare -f vhdx -F raw disk.vhdx merged.raw
fi
if command -v debugfs >/dev/null && command -v e2fsck >/dev/null; then
    dd if=merged.raw of=partition.raw bs=512 skip=$first count=$((megabytes * 2048)) conv=sparse status=none
    show e2fsck -fn partition.raw 2>/dev/null
    show debugfs -R 'ls -l /' partition.raw 2>/dev/null | grep -v '^ *$'
    debugfs -R 'cat after-second.txt' partition.raw 2>/dev/null | cmp - ../after-second.txt ||
        fail "after-second.txt is not what was written"
fi

echo
echo "demo: merged disk equals the chain before the merge: XXH3-128 $after"
