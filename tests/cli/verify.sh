#!/bin/bash
# vhdx verify: the exit status, the JSON of the contract, output that fits 80 columns with the worst first, and nothing written.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

vhdx create --size 64M --block-size 2M disk.vhdx || fail "create"
make_chain 64M
before=$(cksum disk.vhdx)

# A sound disk
expect 0 vhdx verify disk.vhdx
says out "disk.vhdx: clean"
expect 0 vhdx verify -q disk.vhdx
[ ! -s out ] || fail "quiet, and yet: $(cat out)"
expect 0 vhdx verify --json disk.vhdx disk_1.avhdx disk_2.avhdx
json_is 'len(d["files"])' 3
json_is '[f["status"] for f in d["files"]]' "['clean', 'clean', 'clean']"
json_is 'sorted(d["files"][0])' "['bytes_missing', 'content', 'findings', 'left_out', 'lost', 'map', 'opens', 'path', 'status']"
json_is 'd["files"][1]["path"]' disk_1.avhdx
[ "$before" = "$(cksum disk.vhdx)" ] || fail "verify wrote to the disk"

# One header less is a warning
cp disk.vhdx warned.vhdx
printf X | dd of=warned.vhdx bs=1 seek=65600 conv=notrunc status=none
expect 0 vhdx verify warned.vhdx
says out "warned.vhdx: usable, 1 warning"
says out VHDX-HEADER-DAMAGED
says out "Next: vhdx repair --dry-run"
expect 0 vhdx verify --json warned.vhdx
json_is 'd["files"][0]["status"]' clean
json_is 'd["files"][0]["findings"][0]["id"]' VHDX-HEADER-DAMAGED
json_is 'd["files"][0]["findings"][0]["severity"]' warning
json_is 'd["files"][0]["findings"][0]["repairable"]' True
json_is 'd["files"][0]["findings"][0]["corrected"]' False
json_is 'd["files"][0]["findings"][0]["structure"]' header
json_is 'd["files"][0]["findings"][0]["offset"]' 65536

# Errors first, and what is lost
cp warned.vhdx broken.vhdx
truncate -s 4500480 broken.vhdx
before=$(cksum broken.vhdx)
expect 4 vhdx verify -v broken.vhdx
[ "$(grep -m1 -oE '^(error|warning|note)' out)" = error ] || fail "the worst is not the first: $(cat out)"
says out VHDX-BAT-BEYOND-END
says out "lost or in doubt"
says out "lost: VHDX-BAT-BEYOND-END"
[ "$(awk 'length > 80' out)" = "" ] || fail "lines of more than 80 columns: $(awk 'length > 80' out)"
expect 4 vhdx verify -q broken.vhdx
says out VHDX-BAT-BEYOND-END
expect 4 vhdx verify --json broken.vhdx
json_is 'd["files"][0]["status"]' errors
json_is 'd["files"][0]["findings"][0]["id"]' VHDX-BAT-BEYOND-END
json_is 'd["files"][0]["lost"][0]["offset"] % 512' 0
json_is 'd["files"][0]["lost"][0]["doubtful"]' False
json_is 'sorted(d["files"][0]["lost"][0])' "['doubtful', 'length', 'offset', 'reason']"
[ "$before" = "$(cksum broken.vhdx)" ] || fail "verify wrote to the broken disk"

# What cannot be checked at all; and several files have the sum of their bits
echo "no disk" >text
expect 8 vhdx verify text
one_line_of_error
expect 8 vhdx verify --json text
json_is 'd["files"][0]["status"]' unreadable
expect 8 vhdx verify missing.vhdx
expect 12 vhdx verify broken.vhdx missing.vhdx disk.vhdx
says out "disk.vhdx: clean"
expect 12 vhdx verify --json broken.vhdx missing.vhdx disk.vhdx
json_is '[f["status"] for f in d["files"]]' "['errors', 'unreadable', 'clean']"
