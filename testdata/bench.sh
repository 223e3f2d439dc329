#!/bin/bash
# What `make bench` measures: a merge, as a ratio to a plain copy of the same bytes on the same file system in the
# same run. 1.00 would be a merge that costs no more than moving the checkpoint's payload. Needs VHDX and GUEST, as
# demo.sh does.
#   BENCH_DIR   where to work (default: a temporary directory); name the file system you want to know about
#   BENCH_MIB   payload of the checkpoint, 256 by default
# Each number is the best of three runs, everything flushed to the disk inside the time taken. Nothing is asserted.
# SPDX-License-Identifier: MIT

set -euo pipefail
export LC_ALL=C
: "${VHDX:?run me by: make bench}" "${GUEST:?run me by: make bench}"
mib=${BENCH_MIB:-256}
work=$(mktemp -d -p "${BENCH_DIR:-${TMPDIR:-/tmp}}" vhdx-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work"

# timed COMMAND...: seconds it takes, the flush of what it wrote included
timed() {
    local begin
    sync -f .
    begin=$(date +%s%N)
    "$@" >/dev/null
    sync -f .
    awk -v ns=$(($(date +%s%N) - begin)) 'BEGIN { print ns / 1e9 }'
}

# best PREPARE COMMAND...: the fastest of three; PREPARE runs before each
best() {
    local prepare=$1 i
    shift
    for i in 1 2 3; do
        $prepare
        timed "$@"
    done | sort -n | head -n 1
}

# row NAME SECONDS YARDSTICK
row() {
    awk -v n="$1" -v s="$2" -v y="$3" -v m="$mib" \
        'BEGIN { printf "%-52s %8.3f s %8.0f MiB/s   ratio %5.2f\n", n, s, m / s, s / y }'
}

size=$((mib * 4))
truncate -s ${size}M base.raw
cp base.raw whole.raw
dd if=/dev/urandom of=whole.raw bs=1M count="$mib" seek="$mib" conv=notrunc iflag=fullblock status=none
# Every other 64 KiB of a span twice as long: all its blocks are partial.
cp base.raw partial.raw
head -c ${mib}M /dev/urandom >content
perl -e 'open C, "<", "content"; open P, "+<", "partial.raw"; binmode C; binmode P; my ($at, $part) = (0);
    while (read C, $part, 65536) { seek P, $at, 0; print P $part; $at += 131072 }'
rm content

echo "checkpoint payload: $mib MiB, virtual disk $size MiB, on $(stat -f -c %T .)"
mkdir origin
restore() { rm -rf now && cp -r --reflink=never origin now && rm -f copy; }

for kind in whole partial; do
    rm -rf origin/*
    "$GUEST" origin/base.vhdx base.raw origin/child.avhdx $kind.raw
    yardstick=$(best restore cp --reflink=never now/child.avhdx copy)
    row "plain copy of the checkpoint's file ($kind blocks)" "$yardstick" "$yardstick"
    row "merge into an empty base ($kind blocks)" \
        "$(best restore "$VHDX" merge -q --no-progress now/child.avhdx)" "$yardstick"
    row "merge into a new file ($kind blocks)" \
        "$(best restore "$VHDX" merge -q --no-progress -o now/new.vhdx now/child.avhdx)" "$yardstick"
    row "hash through the chain ($kind blocks)" \
        "$(best restore "$VHDX" hash -q --no-progress now/child.avhdx)" "$yardstick"
done
