#!/bin/bash
# What `make bench` measures of verify: reading the payload, as a ratio to cat of the same file on the same file system in the same series; the structures of large
# disks, with memory. Ratios are the median over rounds in which all candidates take turns. Nothing is asserted but that the disks are
# found clean.
#   BENCH_DIR BENCH_GIB BENCH_RUNS BENCH_STATES   as in bench.sh
#   BENCH_HUGE    where files of 64 TiB can be made that are nothing but holes (default /dev/shm; 600 MiB of it are used)
# Needs VHDX and BENCH_BUILD. GNU time and qemu-img are used where they are.
# SPDX-License-Identifier: MIT

set -euo pipefail
export LC_ALL=C
: "${VHDX:?run me by: make bench}" "${BENCH_BUILD:?run me by: make bench}"
gib=${BENCH_GIB:-1}
runs=${BENCH_RUNS:-5}
states=${BENCH_STATES:-cold warm}
work=$(mktemp -d -p "${BENCH_DIR:-${TMPDIR:-/tmp}}" vhdx-bench.XXXXXX)
huge=$(mktemp -d -p "${BENCH_HUGE:-/dev/shm}" vhdx-bench.XXXXXX)
trap 'rm -rf "$work" "$huge"' EXIT
cd "$work"

settle() {
    if [ "$1" = cold ]; then
        dd of="$2" oflag=nocache conv=notrunc,fdatasync count=0 status=none
    else
        cat "$2" >/dev/null
    fi
}

clocked() {
    local begin=$EPOCHREALTIME
    "$@" >/dev/null
    awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", e - b }'
}

run_cat() { clocked cat "$1"; }
run_data() { clocked "$VHDX" verify -q --no-progress --data "$1"; }
run_manifest() { clocked "$VHDX" verify -q --no-progress --data --manifest manifest "$1"; }

ratio() {
    paste "$1" "$2" | awk '{ print $1 / $2 }' | sort -n |
        awk '{ r[NR] = $1 } END { m = NR % 2 ? r[(NR + 1) / 2] : (r[NR / 2] + r[NR / 2 + 1]) / 2
            printf "%.2f (%.2f-%.2f)", m, r[1], r[NR] }'
}

row() {
    printf '  %-48s %s\n' "$1" "$2"
}

# data FILE: all candidates in turn, round after round; who begins changes
data() {
    local state round name
    rm -f manifest
    "$VHDX" verify -q --no-progress --data --manifest manifest "$1"
    for state in $states; do
        set -- "$1" cat data manifest
        rm -f times.*
        for ((round = 0; round < runs; round++)); do
            for name in "${@:2}"; do
                settle "$state" "$1"
                run_"$name" "$1" >>times."$name"
            done
            set -- "$1" "${@:3}" "$2"
        done
        row "$state: verify --data / cat" "$(ratio times.data times.cat)"
        row "$state: verify --data --manifest / cat" "$(ratio times.manifest times.cat)"
    done
}

# used COMMAND...: seconds (of the processor) and MiB
used() {
    if [ -x /usr/bin/time ]; then
        /usr/bin/time -f '%e %U %S %M' -o used "$@" >/dev/null
        awk '{ printf "%.2f s (processor: %.2f own, %.2f of the system), %.1f MiB", $1, $2, $3, $4 / 1024 }' used
    else
        clocked "$@"
    fi
}

# structures NAME OPTION...: of a disk that has all its blocks
structures() {
    local name=$1
    shift
    "$VHDX" create "$@" "$huge/disk.vhdx"
    row "$name" "$(used "$VHDX" verify -q --no-progress "$huge/disk.vhdx")"
    rm "$huge/disk.vhdx"
}

for kind in full partial; do
    mkdir now
    "$BENCH_BUILD" "$kind" now "$gib"
    echo "verify, $kind, base of $gib GiB on $(stat -f -c %T .), $runs rounds; ratios: median (lowest-highest)"
    data now/base.vhdx
    echo "verify, $kind, its child ($(du -m now/child.avhdx | cut -f1) MiB)"
    data now/child.avhdx
    rm -rf now
done
echo "structures, warm"
structures "1 TiB, all blocks of 32 MiB present" --fixed --block-size 32M --size 1T
structures "1 TiB, all blocks of 1 MiB present" --fixed --block-size 1M --size 1T
structures "64 TiB, no block of 1 MiB present" --block-size 1M --size 64T
structures "64 TiB, all blocks of 1 MiB present" --fixed --block-size 1M --size 64T
