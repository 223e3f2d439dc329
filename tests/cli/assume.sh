#!/bin/bash
# --assume of repair and export --salvage: what is said is taken, what no disk has is a usage error.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

vhdx create --size 40M --block-size 1M disk.vhdx > /dev/null

for wrong in size=1M virtual-size= virtual-size=0 virtual-size=1000 block-size=3M block-size=512M logical-sector=1024; do
    expect 16 vhdx repair --assume $wrong disk.vhdx
    expect 16 vhdx export --salvage --assume $wrong -o raw disk.vhdx
done
expect 16 vhdx export --assume virtual-size=1M -o raw disk.vhdx

expect 0 vhdx repair --assume virtual-size=40M --assume block-size=1M disk.vhdx
says out "Nothing was to be done."

expect 1 vhdx repair --assume virtual-size=64M disk.vhdx
expect 0 vhdx info --json disk.vhdx
says out '"virtual_size": 67108864'
expect 0 vhdx verify disk.vhdx

expect 0 vhdx export --salvage --assume virtual-size=80M -o raw disk.vhdx
[ "$(stat -c %s raw)" = $((80 << 20)) ] || fail "the raw file has another size"
