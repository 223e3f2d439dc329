#!/bin/bash
# What `make demo` shows: a disk with a real file system and two checkpoints, made the way a virtual machine leaves
# them, merged into one disk that reads the same; that disk damaged, checked, repaired and damaged again by undo; and a
# small estate of disks in which the search for orphans says what belongs to what. Needs VHDX (the tool) and GUEST (testdata/guest.c, which plays the
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

# ---- damage, and the way back ----------------------------------------------------------------------------------------
# A command whose answer may be "problems are left".
look() { show "$@" || [ $? = 4 ] || fail "$* failed"; }

say "Now the disk is damaged: a header and both tables of regions are overwritten, as by a failing medium."
damage() { pattern "what was never written here" "$2" | dd of=disk.vhdx bs=4096 seek=$(($1 / 4096)) conv=notrunc status=none; }
damage 0x10000 4096
damage 0x30000 65536
damage 0x40000 65536
if vhdx hash disk.vhdx; then fail "a damaged disk was read"; fi
say "What is wrong with it?"
look vhdx verify disk.vhdx
say "What would be done about it?"
look vhdx repair --dry-run disk.vhdx
say "Repair. What is overwritten goes to an undo file first."
show vhdx repair disk.vhdx || [ $? = 1 ] || fail "the repair did not correct everything"
show vhdx verify disk.vhdx
show vhdx hash disk.vhdx | tee ../repaired
[ "$(tail -n 1 ../repaired | cut -d' ' -f1)" = "$before" ] || fail "the repaired disk reads differently"
say "And back: the damage is there again, byte for byte. Then once more the repair, for what follows."
show vhdx undo disk.vhdx.vhdx-undo
if vhdx hash disk.vhdx 2>/dev/null; then fail "undo did not lead back"; fi
rm disk.vhdx.vhdx-undo
vhdx repair -q disk.vhdx || [ $? = 1 ] || fail "the second repair"
rm disk.vhdx.vhdx-undo

# ---- an estate -------------------------------------------------------------------------------------------------------
cd ..
say "A volume with the disks of two machines, a parent that was moved, and what a deleted checkpoint left:"
mkdir -p volume/web volume/mail volume/golden
mv vm/disk.vhdx volume/web/web.vhdx
machine() {
    cat >"$1" <<END
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<configuration>
  <_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive0>
    <pathname type="string">$3</pathname><type type="string">VHD</type>
  </drive0></controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
  <global_settings><snapshots><list><size type="integer">0</size></list></snapshots></global_settings>
  <manifest><size type="integer">0</size></manifest>
  <properties><global_id type="string">$4</global_id><name type="string">$2</name>
    <type_id type="string">Virtual Machines</type_id><version type="integer">1280</version></properties>
</configuration>
END
}
(cd volume/web && vhdx create --parent web.vhdx used.avhdx && vhdx create --parent web.vhdx "left over.avhdx")
(cd volume/mail && vhdx create --size 64M base.vhdx && vhdx create --parent base.vhdx mail.avhdx && mv base.vhdx ../golden)
machine volume/web/web.xml web 'D:\VMs\web\used.avhdx' 282874FC-59D6-4F30-BC04-5FDD909C82E0
machine volume/mail/mail.xml mail 'D:\VMs\mail\mail.avhdx' 382874FC-59D6-4F30-BC04-5FDD909C82E0
show find volume -type f
say "Which of these files belongs to what, and what is to be done?"
look vhdx orphans volume

echo
echo "demo: merged disk equals the chain before the merge: XXH3-128 $after"
