#!/bin/bash
# vhdx set: each fact, alone and together; what it says; whose children stand against it; dry runs, undo, refusals.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
make_chain 8M

sum() { cksum <"$1"; }
# refused STATUS TEXT ARGUMENT...: ends so, says the text, and the disks do not change.
refused() {
    local status=$1 text=$2 before
    shift 2
    before=$(cat ./*.vhdx ./*.avhdx | cksum)
    expect "$status" vhdx set "$@"
    [ "$(grep -vc '^vhdx: warning' err)" = 1 ] || fail "not one line of error: $(cat err)"
    [ ! -s out ] || fail "something was printed: $(cat out)"
    says err "$text"
    [ "$before" = "$(cat ./*.vhdx ./*.avhdx | cksum)" ] || fail "a refused change has written: $*"
}

# The leaf may change; what it reads does not.
expect 0 vhdx set --dry-run --new-id disk_2.avhdx
says out "Would change disk_2.avhdx"
says out "Nothing was changed."
before=$(sum disk_2.avhdx)
expect 0 vhdx set --new-id --physical-sector-size 512 --creator "Rück 1" --undo u disk_2.avhdx
says out "To take it back: vhdx undo u"
says out "page 83"
says err "the layers below keep their own values"
reads_as disk_2.avhdx 2.raw
expect 0 vhdx verify --chain disk_2.avhdx
expect 0 vhdx info --json disk_2.avhdx
json_is '(d["physical_sector_size"], d["creator"], d["log"])' "(512, 'Rück 1', 'clean')"
expect 0 vhdx undo -q u
[ "$before" = "$(sum disk_2.avhdx)" ] || fail "undo does not lead back"

# Values that are there already.
expect 0 vhdx set --physical-sector-size 4K disk_2.avhdx
says out "nothing was changed"
[ "$before" = "$(sum disk_2.avhdx)" ] || fail "it was written to"

# Machines read it.
expect 0 vhdx set --json --new-id disk_2.avhdx
[ ! -s err ] || says_not err error
json_is 'sorted(d)' "['changed', 'data_write_guid', 'dry_run', 'format', 'machines', 'next', 'old_data_write_guid', 'path', 'physical_sector_size', 'undo', 'virtual_disk_id', 'warnings']"
json_is '(d["path"], d["changed"], d["dry_run"], d["undo"])' "('disk_2.avhdx', True, False, None)"
have_python && id=$(json 'd["virtual_disk_id"]')
expect 0 vhdx info --json disk_2.avhdx
json_is 'd["virtual_disk_id"]' "${id:-}"
expect 0 vhdx set --json --dry-run --new-id disk_2.avhdx
json_is '(d["virtual_disk_id"], d["changed"], d["dry_run"])' "(None, True, True)"
expect 0 vhdx set -q --creator none disk_2.avhdx
[ ! -s out ] || fail "-q prints: $(cat out)"

# A parent: named, refused; --force; linked again.
refused 8 disk_2.avhdx --new-id disk_1.avhdx
refused 8 "vhdx relink --force" --dry-run --physical-sector-size 512 disk_1.avhdx
expect 0 vhdx set --creator me disk.vhdx
reads_as disk_2.avhdx 2.raw
expect 0 vhdx set -q --new-id --force disk_1.avhdx
says_not err error
expect 8 vhdx hash disk_2.avhdx
expect 0 vhdx relink --force --parent disk_1.avhdx disk_2.avhdx
reads_as disk_2.avhdx 2.raw

# A copy beside its original; a child elsewhere.
cp disk.vhdx copy.vhdx
expect 0 vhdx set -q --new-id copy.vhdx
reads_as disk_2.avhdx 2.raw
mkdir far
vhdx create --parent copy.vhdx far/child.avhdx
refused 8 far/child.avhdx --siblings far --new-id copy.vhdx

# Bad usage, and disks that are none.
refused 16 "nothing to change" disk_2.avhdx
refused 16 "512 or 4096" --physical-sector-size 1K disk_2.avhdx
refused 16 "no file given" --new-id
refused 8 "No such file" --new-id missing.vhdx
echo text >text
refused 8 "no VHDX file" --new-id text
refused 16 "252" --creator "$(printf 'x%.0s' {1..253})" disk_2.avhdx
refused 8 "disk_2.avhdx" --new-id --undo disk_2.avhdx disk_2.avhdx
