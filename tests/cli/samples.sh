#!/bin/bash
# Disks that Windows, Hyper-V and QEMU wrote, also with a log to be replayed, read as other software says they do.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
[ -d "${VHDX_SAMPLES:-}" ] || skip "VHDX_SAMPLES does not name a directory with samples"

unpack() {
    gzip -dc "$VHDX_SAMPLES/$1.gz" | cp --sparse=always /dev/stdin "$1" || fail "cannot unpack $1"
}

# NAME LOG SHA-256 XXH3-128: both of the raw disk. SHA-256 is what other software says; for disks of many gigabytes it
# takes minutes, so those are compared by XXH3-128 (taken from the same bytes) unless VHDX_SLOW is set.
check() {
    [ -e "$VHDX_SAMPLES/$1.gz" ] || return
    unpack "$1"
    local before sum
    before=$(cksum <"$1")
    expect 0 vhdx info --json "$1"
    json_is 'd["log"]' "$2"
    [ "$(hash_of "$1")" = "$4" ] || fail "the hash of $1 is $(hash_of "$1")"
    case $1 in
    *10G*) [ -n "${VHDX_SLOW:-}" ] && sum=$(vhdx export -o - "$1" | sha256sum) || sum=$3 ;;
    *) sum=$(vhdx export -o - "$1" | sha256sum) ;;
    esac
    [ "${sum%% *}" = "$3" ] || fail "$1 reads as $sum"
    [ "$before" = "$(cksum <"$1")" ] || fail "$1 was written to"
    rm "$1"
}

check windows10-dynamic-10M.vhdx clean 8e2b5e9265d694b42b81819e3bff29770eff4ed0f4f9f311693ff3dbdc93efac df577eecb821b199224098f1a33c9c49
check windows10-fixed-10M.vhdx clean bc0be4623b15aa84216fb31ba24e3b621ec7f1c72d198c990ac0eced222d9f62 3ddae660570e50899f05a8f4c62cb14d
check windows2016-swap-10G.vhdx clean 60dd30b4c74361427d1089510cabb36e2eeda0cc4747f467ea43173acd358c49 ade1c616c89b09469251f6f2aea285de
check windows10-dirty-log-1G.vhdx dirty 3ba3b309425b7ff5e8e0199edceed95226250f880c53b24e8eae93865f3fad5e 323d4ceeb9586557e2967721451551a8
check qemu-dirty-log-10G.vhdx dirty 179cefe8b0587f123393eedf2aa7aa8d25798591178e6bc3950a09762f38f96f 3501f5d498748d24f689bd341e506b32
check hyperv2012-dynamic-1G.vhdx clean d3d112d8dab7fd360609f7d5a7b769904b7a2a7d7b6b8c535f65a23293c05478 328e1c2a08bc67a7f3f88cd69a062b16

# A checkpoint whose parent is lost: shown, refused where data is read, readable on a stand-in, mergeable into it.
child=hyperv2019-checkpoint-8G.avhdx
[ -e "$VHDX_SAMPLES/$child.gz" ] || exit 0
unpack $child
linkage=ff34003b-11ed-4cf8-a166-b2be05e20b80
expect 0 vhdx info --json $child
json_is 'd["parent"]["linkage"]' $linkage
json_is 'd["kind"]' differencing
expect 8 vhdx hash $child
says err $linkage
expect 0 vhdx create --size 8G --data-write-guid $linkage stand-in.vhdx
hash=$(hash_of --parent stand-in.vhdx $child)
expect 0 vhdx merge -o flat.vhdx --parent stand-in.vhdx $child
[ "$(hash_of flat.vhdx)" = "$hash" ] || fail "merge -o changed the content"
expect 0 vhdx merge --parent stand-in.vhdx $child
[ "$(hash_of stand-in.vhdx)" = "$hash" ] || fail "the merge changed the content"

# All samples in one directory, searched: the checkpoint's lost parent by name and id, the machine and its disk.
[ -e "$VHDX_SAMPLES/hyperv-vm.vmcx.gz" ] || exit 0
mkdir all
for file in "$VHDX_SAMPLES"/*.gz; do
    gunzip -c "$file" >"all/$(basename "$file" .gz)" || fail "$file"
done
expect 4 vhdx orphans all
says out "Generation"
says out "1_49C4BAF3-4B25-4406-8C4B-D39E65C32385.avhdx"
says out $linkage
says out "Other Location"
says out 'C:\Users\Public\Documents\Hyper-V\Virtual Hard Disks\Other Location.vhdx'
expect 4 vhdx orphans --json all
json_is '[f["status"] for f in d["files"] if f["path"] == "all/hyperv2019-checkpoint-8G.avhdx"]' "['parent-missing']"
json_is '[c["name"] for c in d["configurations"]]' "['Other Location']"
