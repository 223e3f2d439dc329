#!/bin/bash
# export --salvage: what it prints, where its files go, how it ends, and that it leaves the disk alone.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
before=$(cat *.vhdx *.avhdx | cksum)

# A sound chain: all good, status 0, the same bytes as the strict export.
expect 0 vhdx export --salvage -o new.raw disk_2.avhdx
cmp new.raw 2.raw || fail "salvage of a sound chain"
says out "new.raw.map"
says new.raw.map "0x00000000  0x00800000  +"
[ ! -e new.raw.pieces ] || fail "pieces of a sound chain"
expect 0 vhdx export --salvage --json --overwrite --map other.map -o new.raw disk_2.avhdx
json_is '(d["path"], d["output"], d["map"], d["pieces"], d["virtual_size"], d["good"], d["ranges"])' \
    "('disk_2.avhdx', 'new.raw', 'other.map', None, 8388608, 8388608, [])"
expect 0 vhdx export --salvage -q --overwrite -o new.raw disk_2.avhdx
[ ! -s out ] && [ ! -s err ] || fail "-q prints something"

# Without its parent: status 4, the layer's own sectors, the rest is '?'.
mkdir alone
cp disk_1.avhdx alone
expect 4 vhdx export --salvage -o alone.raw alone/disk_1.avhdx
says out missing
says err "only what the layers above hold is written"
[ -z "$(awk 'length > 80' out)" ] || fail "lines of more than 80 columns: $(cat out)"
grep -q ' ?$' alone.raw.map || fail "nothing is missing in the map"
expect 4 vhdx export --salvage --json --overwrite -o alone.raw alone/disk_1.avhdx
json_is 'd["parent_missing"], sorted(set(r["kind"] for r in d["ranges"]))' "(True, ['missing'])"

# Nothing is left that tells sizes or places: only pieces, and no raw file that would look like a disk.
mkdir pieces
cp disk.vhdx pieces
dd if=/dev/zero of=pieces/disk.vhdx bs=1M count=4 conv=notrunc status=none
expect 4 vhdx export --salvage -o all.raw pieces/disk.vhdx
says out "not known"
says out "all.raw.pieces"
says err "only pieces of it can be had"
[ -z "$(awk 'length > 80' out)" ] || fail "lines of more than 80 columns: $(cat out)"
[ ! -e all.raw ] || fail "a raw file of a size that nobody knows"
cmp -n 1048576 all.raw.pieces <(tail -c +4194305 pieces/disk.vhdx) || fail "the first piece is the first block"
says all.raw.map "Their places on the virtual disk are not known"
expect 4 vhdx export --salvage --json --overwrite -o all.raw pieces/disk.vhdx
json_is 'd["output"], d["virtual_size"], d["pieces"], d["good"], sorted(set(r["kind"] for r in d["ranges"]))' \
    "(None, 0, 'all.raw.pieces', 0, ['piece'])"
mv pieces/disk.vhdx pieces/disk
expect 8 vhdx export --salvage -o none.raw pieces/disk
one_line_of_error
says err ".vhdx"
[ ! -e none.raw.pieces ] || fail "pieces of what nobody says was a disk"
rm -r pieces

# Usage.
expect 16 vhdx export --salvage -o - disk.vhdx
one_line_of_error
expect 16 vhdx export --bad-ranges m -o new.raw disk.vhdx
one_line_of_error
expect 16 vhdx export --bad-ranges m -o new.raw disk.vhdx
one_line_of_error
echo "hello" >bad.map
expect 8 vhdx export --salvage --bad-ranges bad.map -o refused.raw disk.vhdx
one_line_of_error
says err "line 1"
[ ! -e refused.raw ] || fail "a file was left behind"
expect 8 vhdx export --salvage -o disk_1.avhdx disk_2.avhdx
one_line_of_error
expect 8 vhdx export --salvage -o refused.raw bad.map
one_line_of_error
rm -r alone
[ "$before" = "$(cat *.vhdx *.avhdx | cksum)" ] || fail "a disk was written to"
