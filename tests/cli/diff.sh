#!/bin/bash
# vhdx diff: two disks, one disk and what lies below it, by structure and by data; JSON, exit status, refusals.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
make_chain 8M
before=$(cat ./*.vhdx ./*.avhdx | cksum)

refused() {
    local status=$1 text=$2
    shift 2
    expect "$status" vhdx diff "$@"
    says err "$text"
}

# What the leaf holds beyond its parent: two sectors. The sum of both children against the base.
expect 0 vhdx diff disk_2.avhdx
grep -Eq '^ +0 +512$' out && grep -Eq '^ +4608 +512$' out || fail "the ranges are not there: $(cat out)"
says out "1 KiB (1024 bytes) in 2 ranges, by what the layers say"
expect 0 vhdx diff --json disk_2.avhdx
json_is 'sorted(d)' "['a', 'b', 'by', 'bytes', 'format', 'ranges', 'shared_layers', 'virtual_size_a', 'virtual_size_b']"
json_is 'd["ranges"]' "[{'offset': 0, 'length': 512}, {'offset': 4608, 'length': 512}]"
json_is '(d["a"], d["b"], d["by"], d["bytes"], d["shared_layers"], d["virtual_size_a"])' "('disk_2.avhdx', 'disk_1.avhdx', 'structure', 1024, 2, 8388608)"
for layer in 2 disk.vhdx; do
    expect 0 vhdx diff --json --below $layer disk_2.avhdx
    json_is '([r["offset"] for r in d["ranges"]], d["b"])' "([0, 4096, 5242880], 'disk.vhdx')"
done
json_is '[r["length"] for r in d["ranges"]]' "[512, 1024, 512]"

# Two names; the other way round it is the same. A disk and itself.
cp out below
for pair in "disk_2.avhdx disk.vhdx" "disk.vhdx disk_2.avhdx"; do
    expect 0 vhdx diff --json $pair
    json_is 'd["ranges"] == json.load(open("below"))["ranges"]' True
done
expect 0 vhdx diff --exit-code disk.vhdx disk.vhdx
says out "0 bytes in 0 ranges"
expect 1 vhdx diff --exit-code disk_1.avhdx disk_2.avhdx
expect 0 vhdx diff disk_1.avhdx disk_2.avhdx
expect 1 vhdx diff -q --exit-code disk_1.avhdx disk_2.avhdx
[ ! -s out ] || fail "-q prints: $(cat out)"

# Disks that share nothing: by structure all that either holds, by data what is different.
expect 0 vhdx merge -q -o flat.vhdx disk_2.avhdx
expect 1 vhdx diff --exit-code flat.vhdx disk_2.avhdx
says err "share no layer"
expect 0 vhdx diff --exit-code --data flat.vhdx disk_2.avhdx
says_not err "share no layer"
expect 1 vhdx diff --exit-code --json --data flat.vhdx disk_1.avhdx
json_is '([(r["offset"], r["length"]) for r in d["ranges"]], d["by"], d["shared_layers"])' "([(0, 512), (4608, 512)], 'data', 0)"

# Behind the end of the smaller disk all is different.
vhdx resize -q --size 12M flat.vhdx
expect 0 vhdx diff --json --data flat.vhdx disk_2.avhdx
json_is 'd["ranges"]' "[{'offset': 8388608, 'length': 4194304}]"
rm flat.vhdx

# Bad usage, and disks that are none.
refused 16 "has no parent" disk.vhdx
refused 16 "no layer below" --below 3 disk_2.avhdx
refused 16 "no layer below" --below other.vhdx disk_2.avhdx
refused 16 "goes with one disk" --below 1 disk_2.avhdx disk.vhdx
refused 16 "no file given"
refused 8 "No such file" disk_2.avhdx missing.vhdx
refused 8 "No such file" --json missing.vhdx
echo text >text
refused 8 "no VHDX file" disk.vhdx text
[ "$before" = "$(cat ./*.vhdx ./*.avhdx | cksum)" ] || fail "a disk was written to"
