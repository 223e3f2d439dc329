#!/bin/bash
# A merge that would make another disk invalid is refused and names that disk; --force-siblings goes on with a warning.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
expect 0 vhdx create --parent disk.vhdx other.avhdx
before=$(cat *.vhdx *.avhdx | cksum)
for option in "" --dry-run; do
    expect 8 vhdx merge $option --into disk.vhdx disk_2.avhdx
    [ ! -s out ] || fail "a refused merge prints: $(cat out)"
    tail -n 1 err >last
    says last other.avhdx
    says last --force-siblings
done
[ "$before" = "$(cat *.vhdx *.avhdx | cksum)" ] || fail "a refused merge changed something"
expect 0 vhdx merge -o new.vhdx disk_2.avhdx
rm new.vhdx
expect 0 vhdx merge --json --force-siblings --into disk.vhdx disk_2.avhdx
says err "vhdx: warning: "
says err other.avhdx
json_is 'any("other.avhdx" in w for w in d["warnings"])' True
reads_as disk_2.avhdx 2.raw
