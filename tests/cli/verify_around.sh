#!/bin/bash
# verify beyond the structures: ancestors (--chain), payload (--data), block hashes (--manifest); exit status, words, JSON, and that nothing is
# written but the manifest.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 64M
before=$(cat disk*vhdx | cksum)

expect 0 vhdx verify --chain --data disk_2.avhdx
says out "disk_2.avhdx: clean"
says out "disk_1.avhdx: clean"
says out "disk.vhdx: clean"
expect 0 vhdx verify --chain --json disk_2.avhdx
says out '"path": "disk_2.avhdx"'

expect 0 vhdx verify --data --manifest hashes disk.vhdx
says hashes "vhdx-manifest 1"
cp hashes hashes.first
expect 0 vhdx verify --data --manifest hashes disk.vhdx
cmp -s hashes hashes.first || fail "a manifest that is there was written to"
[ ! -e hashes.unfinished ] || fail "something is left of making the manifest"
expect 8 vhdx verify --data --manifest hashes disk_1.avhdx
says err "not of the disk"
expect 16 vhdx verify --manifest hashes disk.vhdx
printf 'x' >letter
expect 8 vhdx verify --data --manifest letter disk.vhdx
says err "no manifest"
[ "$(cat letter)" = x ] || fail "a file that is no manifest was written to"
[ "$(cat disk*vhdx | cksum)" = "$before" ] || fail "a disk was written to"

# One byte of the payload, behind everybody's back
cp disk.vhdx changed.vhdx
at=$(vhdx map --json disk.vhdx | tr -d ' \n' | grep -o '"state":"data"[^}]*"file_offset":[0-9]*' | head -n 1 | grep -o '[0-9]*$')
[ -n "$at" ] || fail "the disk has no data"
printf '\x5a\xa5\x5a\xa5' | dd of=changed.vhdx bs=1 seek="$((at + 100))" conv=notrunc status=none
expect 4 vhdx verify --data --manifest hashes changed.vhdx
says out "VHDX-DATA-CHANGED"
says out "not what the manifest says"
rm changed.vhdx

# A parent that was written to, one that lies elsewhere, and none
mkdir elsewhere
mv disk.vhdx elsewhere
expect 4 vhdx verify --chain disk_2.avhdx
says out "VHDX-PARENT-MISSING"
expect 0 vhdx verify -v --chain --parent elsewhere disk_2.avhdx
says out "VHDX-PARENT-PATH-STALE"
vhdx create --size 64M disk.vhdx || fail "create"
expect 4 vhdx verify --chain disk_2.avhdx
says out "VHDX-PARENT-MISMATCH"
expect 4 vhdx verify --chain --json disk_2.avhdx
says out '"VHDX-PARENT-MISMATCH"'
mv elsewhere/disk.vhdx disk.vhdx

# Neighbours
cp disk_1.avhdx copy.avhdx
expect 0 vhdx verify --chain disk_2.avhdx
says out "VHDX-CHAIN-TWIN"
says out "copy.avhdx"
