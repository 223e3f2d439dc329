#!/bin/bash
# How many disks a second `vhdx orphans` looks at, warm and cold, with one thread and with several, and what memory it takes; beside it `qemu-img
# info` and `vhdiinfo`, one run a file, on some of the same files. Nothing is asserted but that all disks were found.
#   BENCH_DIR    where to work (default: the temporary directory)
#   BENCH_FILES  disks, 10000 by default
# Needs VHDX and BENCH_FOREST: the command and the program beside this file.
# SPDX-License-Identifier: MIT

set -euo pipefail
export LC_ALL=C
: "${VHDX:?run me by: make bench}" "${BENCH_FOREST:?run me by: make bench}"
files=${BENCH_FILES:-10000}
work=$(mktemp -d -p "${BENCH_DIR:-${TMPDIR:-/tmp}}" vhdx-scan.XXXXXX)
trap 'rm -rf "$work"' EXIT

# rate LABEL COUNT SECONDS PROCESSOR-SECONDS
rate() {
    awk -v l="$1" -v n="$2" -v s="$3" -v c="$4" \
        'BEGIN { printf "%-30s %8.0f files/s, %8.0f a second of processor time  (%d files)\n", l, n / s, n / c, n }'
}

# timed COMMAND...: leaves seconds and processor seconds in $took and $spent
timed() {
    local TIMEFORMAT='%R %U %S' user system
    { time "$@" >"$work/out" 2>"$work/err" || true; } 2>"$work/time"
    read -r took user system < <(tail -n 1 "$work/time")
    spent=$(echo "$user + $system + 0.000001" | bc)
}

# scan LABEL OPTION...: the best of three
scan() {
    local label=$1 best= best_spent
    shift
    for _ in 1 2 3; do
        [ -z "${cold:-}" ] || "$BENCH_FOREST" "$work/estate" 0
        timed "$VHDX" orphans -q "$@" "$work/estate"
        if [ -z "$best" ] || [ "$(echo "$took < $best" | bc)" = 1 ]; then best=$took best_spent=$spent; fi
    done
    rate "$label" "$files" "$best" "$best_spent"
}

each() {
    local file
    while IFS= read -r -d '' file; do
        "$@" "$file" || true
    done <"$work/some"
}

# peer LABEL COMMAND...: one run a file, on 200 bases
peer() {
    command -v "$2" >/dev/null || { echo "$1: not installed"; return; }
    local label=$1
    shift
    timed each "$@"
    rate "$label" 200 "$took" "$spent"
}

mkdir "$work/estate"
"$BENCH_FOREST" "$work/estate" "$files"
timed "$VHDX" orphans --json-lines "$work/estate"
[ "$(grep -c '"record": "file"' "$work/out")" = "$files" ] || { echo "not all disks were found"; exit 1; }
scan "vhdx orphans --jobs 1, warm" --jobs 1
scan "vhdx orphans, warm"
cold=1 scan "vhdx orphans --jobs 1, cold" --jobs 1
cold=1 scan "vhdx orphans, cold"
if [ -x /usr/bin/time ]; then
    /usr/bin/time -f "%M KiB at most" -o "$work/memory" "$VHDX" orphans -q "$work/estate" || [ $? = 4 ]
    echo "memory for $files disks: $(tail -n 1 "$work/memory")"
fi
find "$work/estate" -name '*.vhdx' -print0 | sort -z | head -z -n 200 >"$work/some" || true
peer "qemu-img info" qemu-img info
peer "vhdiinfo" vhdiinfo
