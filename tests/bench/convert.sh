#!/bin/bash
# What `make bench` measures of conversions: a raw disk with BENCH_GIB of data and as much in holes to a VHDX, as ratios to
# `cp --sparse=always` and an fsync of the same file in the same round; medians. qemu-img stands beside it where it is.
#   BENCH_DIR BENCH_GIB BENCH_RUNS   as in bench.sh
# SPDX-License-Identifier: MIT

set -euo pipefail
export LC_ALL=C
: "${VHDX:?run me by: make bench}"
gib=${BENCH_GIB:-1}
runs=${BENCH_RUNS:-5}
top=$(mktemp -d -p "${BENCH_DIR:-}" vhdx-bench.XXXXXX) # as mktemp does where that is empty
trap 'rm -rf "$top"' EXIT
cd "$top"

bytes=$(awk -v g="$gib" 'BEGIN { printf "%.0f", g * 2 ^ 30 }')
openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' 1)" -iv 0 -in /dev/zero 2>/dev/null | head -c "$bytes" >data.raw || true
truncate -s $((bytes * 2)) data.raw

clocked() {
    local begin=$EPOCHREALTIME
    "$@" >/dev/null
    awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", e - b }'
}

run_cp() { cp --reflink=never --sparse=always data.raw new && sync new; }
run_vhdx() { "$VHDX" convert -q --no-progress -o new data.raw; }
run_fixed() { "$VHDX" convert -q --no-progress --fixed -o new data.raw; }
run_vhd() { "$VHDX" convert -q --no-progress -O vhd -o new data.raw; }
run_qemu() { qemu-img convert -f raw -O vhdx data.raw new && sync new; }
candidates="cp vhdx fixed vhd"
! command -v qemu-img >/dev/null || candidates+=" qemu"

for ((round = 0; round < runs; round++)); do
    for candidate in $candidates; do
        rm -f new
        sync -f .
        clocked "run_$candidate" >>"$candidate.times"
    done
done
rm -f new
run_vhdx
[ "$("$VHDX" convert -q -O raw -o back.raw new && cmp data.raw back.raw && echo same)" = same ] || { echo "the disk reads otherwise"; exit 1; }

printf '\nconversion of a raw disk of %s GiB of data, ratios to cp --sparse=always and fsync\n' "$gib"
for candidate in $candidates; do
    paste cp.times "$candidate.times" | awk '{ printf "%.4f\n", $2 / $1 }' | sort -n |
        awk -v name="$candidate" '{ a[NR] = $1 } END { printf "  %-8s %.2f  (%.2f to %.2f)\n", name, a[int((NR + 1) / 2)], a[1], a[NR] }'
done
