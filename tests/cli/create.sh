#!/bin/bash
# What create is told, info shows: kinds, sizes and their spellings, sectors, identity.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

expect 0 vhdx create --size 127G dynamic.vhdx
[ ! -s out ] && [ ! -s err ] || fail "create prints something"
expect 0 vhdx info --json dynamic.vhdx
json_is 'd["path"]' dynamic.vhdx
json_is 'd["kind"]' dynamic
json_is 'd["virtual_size"]' $((127 << 30))
json_is 'd["block_size"]' $((32 << 20))
json_is 'd["logical_sector_size"]' 512
json_is 'd["physical_sector_size"]' 4096
json_is 'd["log"]' clean
json_is 'd["file_size"]' "$(stat -c %s dynamic.vhdx)"
json_is 'd["parent"]' None
json_is '" ".join(sorted(d))' "block_size content creator data_write_guid file_size file_write_guid format image_format kind log logical_sector_size merge \
parent path physical_sector_size virtual_disk_id virtual_size"
json_is '[len(d[k]) for k in d if k.endswith("_guid") or k.endswith("_id")]' "[36, 36, 36]"
json_is 'all(d[k] == d[k].lower() for k in d if k.endswith("_guid") or k.endswith("_id"))' True
expect 0 vhdx info dynamic.vhdx
says out "127 GiB (136365211648 bytes)"
says out "512 bytes"

expect 0 vhdx create --fixed --size 10M fixed.vhdx --json
json_is 'd["kind"]' fixed
json_is 'd["block_size"]' $((2 << 20))
expect 0 vhdx create --size=64M --sector-size=4096 --block-size 1M 4k.vhdx
expect 0 vhdx info --json 4k.vhdx
json_is '(d["logical_sector_size"], d["physical_sector_size"], d["block_size"])' "(4096, 4096, 1048576)"
expect 0 vhdx create --size 64M --physical-sector-size 512 512.vhdx
expect 0 vhdx info --json 512.vhdx
json_is 'd["physical_sector_size"]' 512

expect 0 vhdx create -v --parent 4k.vhdx child.avhdx
says out differencing
expect 0 vhdx info --json child.avhdx
json_is '(d["kind"], d["virtual_size"], d["logical_sector_size"])' "('differencing', 67108864, 4096)"
json_is 'd["parent"]["relative_path"]' '.\4k.vhdx'
json_is 'sorted(d["parent"])' "['absolute_win32_path', 'linkage', 'linkage2', 'relative_path', 'volume_path']"
expect 0 vhdx info --chain --json child.avhdx
json_is 'len(d["chain"])' 2
json_is 'd["chain"][0]["path"] == d["path"] == "child.avhdx"' True
json_is 'd["chain"][1]["data_write_guid"] == d["parent"]["linkage"]' True
expect 0 vhdx info --chain child.avhdx
says out "layer 0 (leaf)"
says out "layer 1 (base)"

guid=7c1f0a3e-0000-4000-8000-00000000beef
for text in $guid {7C1F0A3E-0000-4000-8000-00000000BEEF}; do
    rm -f id.vhdx
    expect 0 vhdx create --size 4M --data-write-guid "$text" id.vhdx
    expect 0 vhdx info --json id.vhdx
    json_is 'd["data_write_guid"]' $guid
done

# One size in all its spellings.
n=0
for size in 1073741824 1073741824B 1048576K 1048576KiB 1024M 1024MB 1G 1g 1GiB 1Gi; do
    n=$((n + 1))
    expect 0 vhdx create --size $size size$n.vhdx
    expect 0 vhdx info --json size$n.vhdx
    json_is 'd["virtual_size"]' 1073741824
done
expect 0 vhdx create --size 64T largest.vhdx
expect 0 vhdx info --json largest.vhdx
json_is 'd["virtual_size"]' $((64 << 40))

# Whatever is made on the way has a name that fits where the disk's own does.
long=$(printf 'n%.0s' {1..250}).vhdx
expect 0 vhdx create --size 16M "$long"
expect 0 vhdx merge -o "${long/n/m}" "$long"
expect 0 vhdx info "${long/n/m}"

# A stand-in for a lost parent: its ids, and sector sizes.
expect 0 vhdx create --size 4M --disk-id $guid --data-write-guid $guid stand-in.vhdx
expect 0 vhdx info --json stand-in.vhdx
json_is '(d["virtual_disk_id"], d["data_write_guid"])' "('$guid', '$guid')"
expect 0 vhdx create --parent stand-in.vhdx --physical-sector-size 512 sectors.avhdx
expect 0 vhdx info --json sectors.avhdx
json_is '(d["virtual_disk_id"], d["physical_sector_size"], d["parent"]["linkage"])' "('$guid', 512, '$guid')"
expect 0 vhdx hash sectors.avhdx
expect 16 vhdx create --parent stand-in.vhdx --disk-id $guid no.avhdx
one_line_of_error
expect 16 vhdx create --size 4M --disk-id 1234 no.vhdx
one_line_of_error
says err "not a GUID"
