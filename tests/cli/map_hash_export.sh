#!/bin/bash
# What a chain reads as, told three ways: as bytes, as one number, as a map to the bytes in the files.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
before=$(cat *.vhdx *.avhdx | cksum)
for pair in disk.vhdx:0.raw disk_1.avhdx:1.raw disk_2.avhdx:2.raw; do
    reads_as "${pair%:*}" "${pair#*:}"
    expect 0 vhdx export -q --overwrite -o new.raw "${pair%:*}"
    [ ! -s out ] && [ ! -s err ] || fail "export -q prints something"
    cmp new.raw "${pair#*:}" || fail "export of $pair"
done
expect 0 vhdx export --overwrite -o new.raw disk.vhdx
says out "8 MiB (8388608 bytes) written"
expect 0 vhdx export --json --overwrite -o new.raw disk.vhdx
json_is '(d["path"], d["output"], d["virtual_size"])' "('disk.vhdx', 'new.raw', 8388608)"

# The same content in another layout has the same hash; other content has another one.
expect 0 vhdx hash disk_2.avhdx
grep -Eqx '[0-9a-f]{32}  disk_2\.avhdx' out || fail "hash: $(cat out)"
"$GUEST" other.vhdx 2.raw || fail "guest"
[ "$(hash_of other.vhdx)" = "$(hash_of disk_2.avhdx)" ] || fail "equal disks, different hashes"
[ "$(hash_of disk_1.avhdx)" != "$(hash_of disk_2.avhdx)" ] || fail "different disks, equal hashes"
rm other.vhdx
expect 0 vhdx hash --json disk_2.avhdx
json_is '(d["path"], len(d["xxh3_128"]), d["virtual_size"])' "('disk_2.avhdx', 32, 8388608)"
expect 8 vhdx hash --json disk.vhdx missing.vhdx disk_1.avhdx
json_is '[(f["path"], "error" in f, "xxh3_128" in f) for f in d["files"]]' \
    "[('disk.vhdx', False, True), ('missing.vhdx', True, False), ('disk_1.avhdx', False, True)]"
says err missing.vhdx
expect 8 vhdx hash missing.vhdx disk.vhdx
[ "$(wc -l <out)" = 1 ] || fail "one hash was expected"

# Whoever follows the map finds the disk: each data extent of the leaf's map is where the map says, the rest is zero.
expect 0 vhdx map disk_2.avhdx
says out "layer 0: disk_2.avhdx"
grep -Eq '^ +0 +512 +data +0 +[0-9]+$' out || fail "no row for the leaf's first sector: $(cat out)"
[ -z "$(awk 'length > 80' out)" ] || fail "rows of more than 80 columns"
expect 0 vhdx map --json disk_2.avhdx
json_is '(d["path"], d["virtual_size"])' "('disk_2.avhdx', 8388608)"
have_python && { python3 - <<'END' || fail "the map is wrong"; }
import json
d = json.load(open("out"))
raw = open("2.raw", "rb").read()
read, last = bytearray(len(raw)), 0
layers = set()
for e in d["extents"]:
    assert e["offset"] >= last, "sorted, without overlaps"
    last = e["offset"] + e["length"]
    assert e["state"] in ("data", "zero", "absent")
    assert (e["file_offset"] is None) == (e["state"] != "data")
    if e["state"] == "data":
        layers.add((e["layer"], e["path"].split("/")[-1]))
        f = open(e["path"], "rb")
        f.seek(e["file_offset"])
        read[e["offset"]:last] = f.read(e["length"])
assert last <= len(raw) and bytes(read) == raw, "the bytes that the map points at"
assert layers == {(0, "disk_2.avhdx"), (1, "disk_1.avhdx"), (2, "disk.vhdx")}, layers
END
[ "$before" = "$(cat *.vhdx *.avhdx | cksum)" ] || fail "a command that only reads changed a disk"
