#!/bin/bash
# What is on a disk, whether Hyper-V would open it, and that a file was cut: the three things that people cannot tell from
# findings.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
PATH=$PATH:/usr/sbin:/sbin

# opens ANSWER: the last line of verify.
opens() { says out "Opens in Hyper-V: $1"; }

# Nothing was ever written to it; then something that is no file system; then one.
expect 0 vhdx create --size 64M empty.vhdx
expect 0 vhdx info empty.vhdx
says out "content:                none: the disk begins with zeros"
expect 0 vhdx verify empty.vhdx
says out "Content: none"
opens yes
make_chain 64M
expect 0 vhdx info disk_2.avhdx
says out "nothing recognizable is on this disk"
expect 0 vhdx info --json disk_2.avhdx
json_is 'd["content"]["state"]' unknown
expect 0 vhdx verify disk_2.avhdx
opens "yes; its parents were found, but not checked"
expect 0 vhdx verify --chain disk_2.avhdx
opens yes
says_not out "not checked"

# A lost parent is no finding where the chain is not checked, and the disk does not open.
mkdir away
mv disk_1.avhdx away
expect 0 vhdx verify disk_2.avhdx
opens "no, because the parent"
says out "Content: not known"
expect 4 vhdx verify --chain disk_2.avhdx
opens "no, because the parent was not found"
expect 4 vhdx verify --chain --json disk_2.avhdx
json_is 'd["files"][0]["opens"]["answer"], d["files"][0]["content"]' "('no', None)"
expect 0 vhdx verify --json --chain --parent away --parent . disk_2.avhdx
json_is '[f["opens"] and f["opens"]["answer"] for f in d["files"]]' "['yes', None, None]"
mv away/* .

# Damage of what is read when a disk is opened, and of single blocks.
cp disk.vhdx damaged.vhdx
dd if=/dev/zero of=damaged.vhdx bs=4096 seek=16 count=32 conv=notrunc status=none
expect 4 vhdx verify damaged.vhdx
opens "no, because neither header is valid"
expect 0 vhdx repair --json disk.vhdx

# Cut off: how much is missing comes first, and what reads it says so, too, with the next command.
truncate -s 512M full.raw
head -c 64M /dev/urandom | dd of=full.raw bs=1M seek=64 conv=notrunc iflag=fullblock status=none
"$GUEST" full.vhdx full.raw || fail "guest"
size=$(stat -c %s full.vhdx)
truncate -s $((size - 20 * 1048576)) full.vhdx
expect 4 vhdx verify full.vhdx
says out "The file was cut: 20 MiB (20971520 bytes) are missing at its end."
[ "$(sed -n 2p out)" = "The file was cut: 20 MiB (20971520 bytes) are missing at its end." ] || fail "not first: $(cat out)"
opens "perhaps not, because payload block"
expect 4 vhdx verify --json full.vhdx
json_is 'd["files"][0]["bytes_missing"]' 20971520
for command in hash "export -o x.raw"; do
    expect 8 vhdx $command full.vhdx
    says err "the file was cut: it ends at"
    says err "'vhdx verify full.vhdx' says what can be done"
done
# One entry that leads astray is no cut.
cp disk.vhdx astray.vhdx
printf '\006\000\000\100\000\000\000\000' | dd of=astray.vhdx bs=1 seek=$((0x300000)) conv=notrunc status=none
expect 4 vhdx verify astray.vhdx
says out VHDX-BAT-BEYOND-END
says_not out "The file was cut"

# A file system, as its own programs make it, whole and not closed cleanly.
command -v mke2fs >/dev/null && command -v debugfs >/dev/null || exit 0
truncate -s 64M fs.raw
mke2fs -q -F -t ext4 fs.raw >log 2>&1 || exit 0
"$GUEST" fs.vhdx fs.raw || fail "guest"
expect 0 vhdx info fs.vhdx
says out "ext2/3/4 without a partition table (clean)"
expect 0 vhdx verify fs.vhdx
says out "Content: ext2/3/4 without a partition table (clean)"
debugfs -w -R 'ssv state 0' fs.raw >log 2>&1 || exit 0
rm fs.vhdx
"$GUEST" fs.vhdx fs.raw || fail "guest"
expect 0 vhdx verify fs.vhdx
says out "Content: ext2/3/4 without a partition table (not closed cleanly)"
opens yes
dd if=/dev/urandom of=fs.raw bs=1 seek=$((1024 + 0x78)) count=16 conv=notrunc status=none
rm fs.vhdx
"$GUEST" fs.vhdx fs.raw || fail "guest"
expect 0 vhdx verify fs.vhdx
says out "things that were looked at)"
