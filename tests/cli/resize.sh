#!/bin/bash
# vhdx resize: larger, smaller, as small as it goes; what it says and prints as JSON; dry runs, undo, children, refusals.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
make_chain 8M

sum() { cksum <"$1"; }
refused() {
    local status=$1 text=$2 before
    shift 2
    before=$(cat ./*.vhdx ./*.avhdx | cksum)
    expect "$status" vhdx resize "$@"
    [ "$(grep -vc '^vhdx: warning' err)" = 1 ] || fail "not one line of error: $(cat err)"
    [ ! -s out ] || fail "something was printed: $(cat out)"
    says err "$text"
    [ "$before" = "$(cat ./*.vhdx ./*.avhdx | cksum)" ] || fail "a refused change has written: $*"
}

# The leaf grows, a dry run says the same before; what it read it still reads, and zeros behind that.
expect 0 vhdx resize --dry-run --json --size 40M disk_2.avhdx
json_is 'sorted(d)' "['changed', 'dry_run', 'file_size_after', 'file_size_before', 'format', 'gpt', 'machines', 'next', 'path', 'undo', 'virtual_size', 'virtual_size_before', 'warnings']"
json_is '(d["path"], d["changed"], d["dry_run"], d["virtual_size_before"], d["virtual_size"], d["gpt"], d["undo"])' "('disk_2.avhdx', True, True, 8388608, 41943040, 'none', None)"
json_is 'd["file_size_before"]' "$(stat -c %s disk_2.avhdx)"
have_python && after=$(json 'd["file_size_after"]')
before=$(sum disk_2.avhdx)
expect 0 vhdx resize --dry-run --size 40M disk_2.avhdx
says out "Would resize disk_2.avhdx"
says out "Nothing was changed."
[ "$before" = "$(sum disk_2.avhdx)" ] || fail "a dry run has written"
expect 0 vhdx resize --size 40M --undo u disk_2.avhdx
says out "8 MiB -> 40 MiB"
says out "To take it back: vhdx undo u"
says out "The layers below keep their size"
[ -z "${after:-}" ] || [ "$after" = "$(stat -c %s disk_2.avhdx)" ] || fail "the plan said $after"
cp --sparse=always 2.raw larger.raw
truncate -s 40M larger.raw
reads_as disk_2.avhdx larger.raw
expect 0 vhdx verify --chain disk_2.avhdx
expect 0 vhdx undo -q u
[ "$before" = "$(sum disk_2.avhdx)" ] || fail "undo does not lead back"

# The same size is no work, and no status of its own.
expect 0 vhdx resize --size 8M disk_2.avhdx
says out "nothing was changed"
[ "$before" = "$(sum disk_2.avhdx)" ] || fail "it was written to"
expect 0 vhdx resize -q --size 8388608 disk_2.avhdx
[ ! -s out ] && [ ! -s err ] || fail "-q prints: $(cat out err)"

# Parents are refused, with their children's names.
refused 8 disk_1.avhdx --size 40M disk.vhdx
refused 8 "resize the topmost layer" --dry-run --size 40M disk.vhdx
refused 8 disk_2.avhdx --size 40M disk_1.avhdx

# Content that nobody knows is cut off by nobody.
refused 8 "at 5242880, there is some" --size 5M disk_2.avhdx
refused 8 "nothing on the disk says" --to-minimum disk_2.avhdx
expect 0 vhdx resize -q --size 6M disk_2.avhdx
cmp -n 6291456 2.raw <(vhdx export -o - disk_2.avhdx 2>/dev/null) || fail "it reads otherwise"

# Fixed disks stay so.
expect 0 vhdx create --fixed --size 8M fixed.vhdx
expect 0 vhdx resize -q --size 32M fixed.vhdx
expect 0 vhdx info --json fixed.vhdx
json_is '(d["kind"], d["virtual_size"], d["file_size"] >= 35651584)' "('fixed', 33554432, True)"
expect 0 vhdx resize -q --size 4M fixed.vhdx
expect 0 vhdx info --json fixed.vhdx
json_is '(d["kind"], d["virtual_size"], d["file_size"] < 10485760)' "('fixed', 4194304, True)"
expect 0 vhdx verify fixed.vhdx

# A child in another directory.
mkdir far
vhdx create --parent fixed.vhdx far/child.avhdx
refused 8 far/child.avhdx --siblings far --size 8M fixed.vhdx

# Bad usage, and disks that are none.
refused 16 "no size given" disk_2.avhdx
refused 16 "contradict" --size 8M --to-minimum disk_2.avhdx
refused 16 "at least one sector" --size 0 disk_2.avhdx
refused 16 "no file given" --size 8M
refused 8 "no size for a disk" --size 1000 disk_2.avhdx
refused 8 "no size for a disk" --size 65T disk_2.avhdx
refused 8 "No such file" --size 8M missing.vhdx
refused 8 "is a layer of the chain" --size 8M --undo disk_2.avhdx disk_2.avhdx

# A partition table, where there is somebody to make one.
PATH=$PATH:/usr/sbin:/sbin
command -v sfdisk >/dev/null || exit 0
truncate -s 64M t.raw
printf 'label: gpt\nstart=2048, size=20000, name=Erste\nstart=40960, size=40960, name="die zweite"\n' | sfdisk -q t.raw || fail sfdisk
"$GUEST" table.vhdx t.raw || fail guest
refused 8 'partition 2 (die zweite) ends at 41943040 bytes (40.0 MiB), beyond the new end at 20971520' --size 20M table.vhdx
refused 8 "no room for the second copy" --size 40M table.vhdx
expect 0 vhdx resize --dry-run --to-minimum table.vhdx
says out "would be put right"
expect 0 vhdx resize --to-minimum table.vhdx
says err "the partition table was put right"
says out "64 MiB -> 41 MiB"
expect 0 vhdx resize --json --size 100M table.vhdx
json_is '(d["gpt"], d["virtual_size"])' "('put-right', 104857600)"
expect 0 vhdx export -o e.raw table.vhdx
sfdisk --verify e.raw >seen 2>&1 || fail "sfdisk: $(cat seen)"
says seen "No errors detected"
expect 0 vhdx resize --json --keep-gpt --size 50M table.vhdx
json_is 'd["gpt"]' kept
expect 0 vhdx resize --json --size 50M table.vhdx
json_is '(d["gpt"], d["changed"])' "('put-right', True)"
expect 0 vhdx resize --json --size 50M table.vhdx
json_is '(d["gpt"], d["changed"])' "('right', False)"
