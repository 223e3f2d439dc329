#!/bin/bash
# Merge into the parent, into an ancestor, into a new disk: the leaf reads the same afterwards, and the report is true.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

fresh() {
    rm -rf vm
    mkdir vm
    cp disk.vhdx disk_1.avhdx disk_2.avhdx vm
}

make_chain 64M
expect 0 vhdx info --json disk_2.avhdx
have_python && id=$(json 'd["virtual_disk_id"]')

# A plan changes nothing.
fresh
before=$(cat vm/* | cksum)
expect 0 vhdx merge --dry-run -v --into vm/disk.vhdx vm/disk_2.avhdx
says out "to share (reflink):"
says out "blocks to make zero:"
expect 0 vhdx merge --dry-run --into vm/disk.vhdx vm/disk_2.avhdx
says out "disk_2.avhdx and disk_1.avhdx (2 layers) into vm/disk.vhdx"
says out "to copy:"
says out "direction: "
says out "the usual way"
says out "the other way (--direction up) would write "
says_not out "blocks to make zero" # there are none
says out "free space needed:"
says out "kept afterwards:"
says out "free on the volume:"
[ -z "$(awk 'length > 80' out)" ] || fail "lines of more than 80 columns: $(cat out)"
says out "Nothing was changed."
expect 0 vhdx merge --dry-run --json --into vm/disk.vhdx vm/disk_2.avhdx
json_is 'list(d)' "['format', 'plan']"
json_is '(d["plan"]["layers_merged"], d["plan"]["virtual_size"])' "(2, 67108864)"
json_is 'd["plan"]["bytes_to_copy"] + d["plan"]["bytes_to_share"] > 0 and d["plan"]["bytes_free"] is not 0' True
json_is 'd["plan"]["flushes"] > 0 and d["plan"]["bytes_other_way"] is not None' True
json_is 'd["plan"]["bytes_added"] <= d["plan"]["bytes_needed"]' True
expect 0 vhdx merge --dry-run --json --delete --into vm/disk.vhdx vm/disk_2.avhdx
json_is 'd["plan"]["direction"] in ("up", "down") and d["plan"]["direction_reason"] != ""' True
expect 0 vhdx merge --dry-run -o vm/new.vhdx vm/disk_2.avhdx
says out "(3 layers)"
says out "free space needed:"
expect 0 vhdx merge --dry-run --json -o vm/new.vhdx vm/disk_2.avhdx
json_is '(d["plan"]["target"], d["plan"]["layers_merged"])' "('vm/new.vhdx', 3)"
[ "$before" = "$(cat vm/* | cksum)" ] || fail "a dry run changed something"

# In place, into the ancestor. The children stay and read as before.
expect 0 vhdx merge --into vm/disk.vhdx vm/disk_2.avhdx
says out "(2 layers) into"
says out "Now, in Hyper-V:"
says out ".rct"
reads_as vm/disk.vhdx 2.raw
reads_as vm/disk_2.avhdx 2.raw
[ "$(ls vm)" = "$(printf 'disk.vhdx\ndisk_1.avhdx\ndisk_2.avhdx')" ] || fail "the merge left or took files: $(ls vm)"
expect 0 vhdx info --json vm/disk.vhdx
have_python && json_is 'd["virtual_disk_id"]' "$id"
# The same command again ends with 0 and changes nothing that is read.
expect 0 vhdx merge --into vm/disk.vhdx vm/disk_2.avhdx
reads_as vm/disk.vhdx 2.raw

# Into the parent; the layers below are as they were.
fresh
expect 0 vhdx merge --json vm/disk_2.avhdx
json_is '(d["layers_merged"], d["virtual_size"], d["warnings"])' "(1, 67108864, [])"
json_is 'd["merged"].endswith("disk_1.avhdx") and d["bytes_copied"] + d["bytes_shared"] > 0 and len(d["next"]) > 0' True
reads_as vm/disk_1.avhdx 2.raw
cmp vm/disk.vhdx disk.vhdx || fail "a layer below was written to"

# The middle layer: the leaf above it is made to name the merged disk, and reads as before.
fresh
expect 0 vhdx merge --delete vm/disk_1.avhdx
reads_as vm/disk_2.avhdx 2.raw
[ ! -e vm/disk_1.avhdx ] || fail "--delete left the child"
expect 0 vhdx info --chain --json vm/disk_2.avhdx
json_is 'len(d["chain"])' 2

fresh
expect 0 vhdx merge --delete -q --direction=down --into vm/disk.vhdx vm/disk_2.avhdx
[ ! -s out ] && [ ! -s err ] || fail "a quiet merge prints something: $(cat out err)"
[ "$(ls vm)" = disk.vhdx ] || fail "--delete left files: $(ls vm)"
reads_as vm/disk.vhdx 2.raw

# A new disk; no input changes.
fresh
before=$(cat vm/*.avhdx vm/disk.vhdx | cksum)
expect 0 vhdx merge -o vm/new.vhdx vm/disk_2.avhdx
reads_as vm/new.vhdx 2.raw
expect 0 vhdx info --json vm/new.vhdx
json_is '(d["kind"], d["parent"])' "('dynamic', None)"
have_python && json_is 'd["virtual_disk_id"]' "$id"
[ "$before" = "$(cat vm/*.avhdx vm/disk.vhdx | cksum)" ] || fail "merge -o changed an input"

# Zeros of the layers as data like any other, and not: the disk reads the same.
for when in auto off; do
    fresh
    expect 0 vhdx merge --zero-detect $when --into vm/disk.vhdx vm/disk_2.avhdx
    reads_as vm/disk.vhdx 2.raw
    expect 0 vhdx merge --zero-detect=$when -o vm/new.vhdx disk_2.avhdx
    reads_as vm/new.vhdx 2.raw
done
expect 16 vhdx merge --zero-detect=maybe vm/disk_2.avhdx
says err "is none of auto, off"

# A new disk beside the layers makes nothing of them void, and not a word says so.
rm -rf vm
fresh
for dry in --dry-run ""; do
    expect 0 vhdx merge $dry -o vm/new.vhdx vm/disk_2.avhdx
    for word in "no longer" .rct checkpoint Checkpoint "saved state" Keep; do
        says_not out "$word"
    done
done
says out "Set-VMHardDiskDrive"
says out icacls
expect 0 vhdx merge --dry-run --direction up vm/disk_1.avhdx
says out "Would merge what lies below it (1 layer) into vm/disk_1.avhdx"
