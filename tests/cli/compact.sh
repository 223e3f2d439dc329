#!/bin/bash
# A disk is compacted: it reads the same, is shorter, and a second run changes no byte. The dry run tells the same
# numbers and changes nothing; an undo file takes it back. What cannot be compacted is refused.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 64M
truncate -s 64M raw
for place in 0 30 31; do
    put raw $((place << 20)) "a block that stays"
done
for place in 9 17; do
    put raw $((place << 20)) "gone before long"
done
"$GUEST" -b 1 zeros.vhdx raw || fail "guest"
# The guest overwrites two blocks with zeros.
for offset in $(grep -abo "gone before long" zeros.vhdx | cut -d: -f1); do
    dd if=/dev/zero of=zeros.vhdx bs=16 count=1 seek="$offset" oflag=seek_bytes conv=notrunc status=none
done
before=$(hash_of zeros.vhdx)
cp zeros.vhdx copy.vhdx

expect 0 vhdx compact --dry-run --json zeros.vhdx
cmp zeros.vhdx copy.vhdx || fail "a dry run changed the disk"
if have_python; then
    planned=$(json 'd["file_size_after"]')
    [ "$(json 'd["file_size_before"]')" = "$(stat -c %s copy.vhdx)" ] || fail "another size before"
    [ "$(json 'd["blocks_zero"]')" = 2 ] || fail "not two blocks of zeros"
    [ "$(json 'd["virtual_size"]')" = 67108864 ] || fail "another virtual size"
fi
expect 0 vhdx compact --undo back zeros.vhdx
says out "given back:           2 MiB"
says out "vhdx undo back"
[ "$(hash_of zeros.vhdx)" = "$before" ] || fail "the compacted disk reads otherwise"
[ "$(stat -c %s zeros.vhdx)" = $(($(stat -c %s copy.vhdx) - 2097152)) ] || fail "the file is not 2 MiB shorter"
[ "$(stat -c %s zeros.vhdx)" = "${planned:-$(stat -c %s zeros.vhdx)}" ] || fail "the plan told another size"
expect 0 vhdx verify --data zeros.vhdx
cp zeros.vhdx once.vhdx
expect 0 vhdx compact zeros.vhdx
says out "As small as it can be"
cmp zeros.vhdx once.vhdx || fail "a second run changed the disk"
expect 0 vhdx undo back
cmp zeros.vhdx copy.vhdx || fail "the undo does not bring the old disk back"

# Many disks in one table, which tells what one disk tells; what cannot be compacted has its reason there.
expect 0 vhdx create --fixed --size 4M table.vhdx
expect 0 vhdx compact --estimate .
says out "fixed"
says out "all of them"
expect 0 vhdx compact --estimate --json .
if have_python; then
    [ "$(json '[d["file_size_before"] - d["file_size_after"] for d in d["disks"] if d["path"].endswith("zeros.vhdx")]')" = "[2097152]" ] ||
        fail "the table tells another number"
    [ "$(json 'd["reclaimable"] >= 2097152')" = True ] || fail "the sum is too small"
fi
expect 0 vhdx info --json --reclaimable zeros.vhdx
if have_python; then
    [ "$(json 'd["reclaimable"]')" = 2097152 ] || fail "info tells another number"
fi
expect 0 vhdx info --json zeros.vhdx
says_not out reclaimable
expect 16 vhdx compact --estimate --undo x .

# A disk is known by what hangs on it: only its zeros count.
expect 0 vhdx compact --dry-run --json disk.vhdx
if have_python; then
    [ "$(json 'd["zeros_only"]')" = True ] || fail "a parent was not taken for one"
fi
expect 0 vhdx compact --dry-run --json --force disk.vhdx
if have_python; then
    [ "$(json 'd["zeros_only"]')" = False ] || fail "--force does nothing"
fi

# Layers of a chain: each by itself, and the leaf goes on reading the same.
leaf=$(hash_of disk_2.avhdx)
for layer in disk.vhdx disk_1.avhdx disk_2.avhdx; do
    expect 0 vhdx compact --quiet "$layer"
    [ ! -s out ] || fail "something was printed in spite of --quiet"
done
[ "$(hash_of disk_2.avhdx)" = "$leaf" ] || fail "the leaf reads otherwise"
expect 0 vhdx verify --chain disk_2.avhdx

expect 0 vhdx create --fixed --size 8M fixed.vhdx
expect 8 vhdx compact fixed.vhdx
one_line_of_error
says err "fixed"
expect 8 vhdx compact --json fixed.vhdx
if have_python; then
    [ "$(json 'd["error"]["status"]')" = 8 ] || json 'd["error"]' >/dev/null
fi
expect 8 vhdx compact --undo zeros.vhdx zeros.vhdx
expect 8 vhdx compact nothing.vhdx
mv disk.vhdx away
expect 8 vhdx compact disk_1.avhdx
says err "parent"
