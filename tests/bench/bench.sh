#!/bin/bash
# What `make bench` measures: merges, as ratios to copying exactly the same payload with read and write of 1 MiB and
# one fsync (bench_copy.c), on the same file system, in the same series. 1.00 is a merge that costs what moving the
# checkpoint's bytes costs; absolute times of shared machines drift, so look at ratios, each the median over rounds in
# which all candidates take turns. Nothing is asserted but that the merged disk reads as its chain did.
#   BENCH_DIR     where to work (default: the temporary directory): its file system is measured; about 8 times BENCH_GIB
#   BENCH_GIB     size of the virtual disks, 1 by default; fractions are allowed
#   BENCH_RUNS    rounds, 5 by default
#   BENCH_CHAINS  "full partial append wide layers"
#   BENCH_STATES  "cold warm": files out of the page cache before each run, or in it
#   BENCH_FS      file systems: "here" is BENCH_DIR's own; "xfs" (shares extents), "xfs-plain" (does not), "btrfs" and
#                 "ext4" are made in a file in BENCH_DIR and mounted, which only root can do. All of them by default;
#                 what cannot be made is skipped, with its reason
#   BENCH_ONLY    candidates besides the yardstick, "small threads merge up cp new sparse qemu" by default; "new" and
#                 "sparse" belong together
#   BENCH_64T=    not empty: no peak memory on a disk of 64 TiB
# Needs VHDX, BENCH_BUILD and BENCH_COPY: the command and the two programs beside this file. strace, GNU time and
# qemu-img are used where they are.
# SPDX-License-Identifier: MIT

set -euo pipefail
export LC_ALL=C
: "${VHDX:?run me by: make bench}" "${BENCH_BUILD:?run me by: make bench}" "${BENCH_COPY:?run me by: make bench}"
gib=${BENCH_GIB:-1}
runs=${BENCH_RUNS:-5}
chains=${BENCH_CHAINS:-full partial append wide layers}
states=${BENCH_STATES:-cold warm}
systems=${BENCH_FS:-here xfs xfs-plain btrfs}
top=$(mktemp -d -p "${BENCH_DIR:-${TMPDIR:-/tmp}}" vhdx-bench.XXXXXX)
export PATH=$PATH:/usr/sbin:/sbin
leave() {
    cd /
    ! mountpoint -q "$top/mounted" || umount "$top/mounted"
    rm -rf "$top"
}
trap leave EXIT

# enter SYSTEM: makes the file system and goes there; otherwise says why not.
enter() {
    local made=()
    cd "$top"
    ! mountpoint -q mounted || umount mounted
    rm -rf here mounted image
    mkdir -p here mounted
    case $1 in
    here) cd here && return ;;
    xfs) made=(mkfs.xfs -q -f -m reflink=1) ;;
    xfs-plain) made=(mkfs.xfs -q -f -m reflink=0) ;;
    btrfs) made=(mkfs.btrfs -q -f) ;;
    ext4) made=(mkfs.ext4 -q -F) ;;
    *) echo "$1: skipped: unknown" && return 1 ;;
    esac
    [ "$(id -u)" = 0 ] || { echo "$1: skipped: only root can mount it"; return 1; }
    command -v "${made[0]}" >/dev/null || { echo "$1: skipped: there is no ${made[0]}"; return 1; }
    truncate -s "$(awk -v g="$gib" 'BEGIN { printf "%.0f", (g * 10 + 1) * 2 ^ 30 }')" image
    "${made[@]}" image >/dev/null 2>&1 || { echo "$1: skipped: ${made[0]} fails"; return 1; }
    mount -o loop image mounted 2>/dev/null || { echo "$1: skipped: it cannot be mounted here"; return 1; }
    mkdir mounted/work
    cd mounted/work
}

# ---- the files before a run -----------------------------------------------------------------------------------------

# The chain in now/ as it was built, without copying gigabytes: the head of each file, its length, and nothing behind.
# Payload of the base stays as an earlier run left it; the next run writes it again.
keep() {
    local file
    mkdir heads
    for file in now/*vhdx; do
        head -c "$(cat now/head)" "$file" >"heads/${file#now/}"
        stat -c %s "$file" >"heads/${file#now/}.size"
    done
}

restore() {
    local file
    for file in now/*vhdx; do
        truncate -s "$(cat "heads/${file#now/}.size")" "$file"
        dd if="heads/${file#now/}" of="$file" bs=1M conv=notrunc status=none
    done
    sync now/*vhdx
}

# settle STATE FILE...: the files out of the page cache, or all in it
settle() {
    local state=$1 file
    shift
    for file; do
        if [ "$state" = cold ]; then
            dd of="$file" oflag=nocache conv=notrunc,fdatasync count=0 status=none
        else
            cat "$file" >/dev/null
        fi
    done
}

# ---- candidates: each prepares, runs and prints seconds --------------------------------------------------------------

# clocked COMMAND...: seconds that it takes
clocked() {
    local begin=$EPOCHREALTIME
    "$@" >/dev/null
    awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", e - b }'
}

copy_durably() {
    cp --reflink=never "$@" copy
    sync copy
}

merge_in_place() {
    "$VHDX" merge -q --no-progress --into now/base.vhdx now/child.avhdx
}

# What an earlier merge shares is written anew, or the yardstick would pay for that.
unshare() {
    case $system in xfs | btrfs) "$BENCH_COPY" now/child.avhdx now/base.vhdx >/dev/null ;; esac
    restore
}

run_bare() {
    restore
    unshare
    settle "$1" now/*vhdx
    bare_copy "$1"
}

run_small() {
    restore
    unshare
    settle "$1" now/*vhdx
    bare_copy "$1" --small
}

run_threads() {
    restore
    unshare
    settle "$1" now/*vhdx
    bare_copy "$1" --threads
}

bare_copy() {
    local state=$1
    shift
    [ "$state" = cold ] && set -- "$@" --cold
    "$BENCH_COPY" "$@" now/child.avhdx now/base.vhdx
}

run_merge() {
    restore
    settle "$1" now/*vhdx
    clocked merge_in_place
}

# Upwards a copy of the child takes what it lacks; compared with the same yardstick, which moves what goes down.
run_up() {
    restore
    cp --reflink=never now/child.avhdx now/up.avhdx
    sync now/up.avhdx
    settle "$1" now/*vhdx
    clocked "$VHDX" merge -q --no-progress --direction up --into now/base.vhdx now/up.avhdx
    rm now/up.avhdx
}

run_cp() {
    rm -f copy
    settle "$1" now/child.avhdx
    clocked copy_durably now/child.avhdx
}

run_new() {
    restore
    rm -f new.vhdx
    settle "$1" now/*vhdx
    clocked "$VHDX" merge -q --no-progress -o new.vhdx now/child.avhdx
}

run_sparse() {
    rm -f copy
    settle "$1" flat.vhdx
    clocked copy_durably --sparse=always flat.vhdx
}

run_qemu() {
    settle "$1" base.raw overlay.qcow2
    clocked commit_durably
}

commit_durably() {
    qemu-img commit -q -d -f qcow2 overlay.qcow2
    sync base.raw
}

# The same guest writes in an overlay of qemu's; only where the base holds all blocks, so that no run leaves it longer
# than it was.
make_overlay() {
    local size
    command -v qemu-io >/dev/null || return 1
    case $1 in full | partial) ;; *) return 1 ;; esac
    size=$("$VHDX" info --json now/base.vhdx | sed -n 's/.*"virtual_size": *\([0-9]*\).*/\1/p' | head -n 1)
    head -c "$size" flat.vhdx >base.raw
    truncate -s "$size" base.raw
    qemu-img create -q -f qcow2 -b base.raw -F raw overlay.qcow2
    awk '{ print "write -q -P 165 " $1 " " $2 }' now/writes | qemu-io -t unsafe -f qcow2 overlay.qcow2 >/dev/null
    sync base.raw overlay.qcow2
}

# ---- results ---------------------------------------------------------------------------------------------------------

# ratio FILE YARDSTICK: median of the quotients, round by round, and their range
ratio() {
    paste "$1" "$2" | awk '{ print $1 / $2 }' | sort -n |
        awk '{ r[NR] = $1 } END { m = NR % 2 ? r[(NR + 1) / 2] : (r[NR / 2] + r[NR / 2 + 1]) / 2
            printf "%.2f (%.2f-%.2f)", m, r[1], r[NR] }'
}

# median FILE
median() {
    sort -n "$1" |
        awk '{ r[NR] = $1 } END { printf "%.2f", NR % 2 ? r[(NR + 1) / 2] : (r[NR / 2] + r[NR / 2 + 1]) / 2 }'
}

# measure STATE CANDIDATE...: all of them in turn, round after round. Who runs first changes, because what ran before
# leaves its mark: memory that was just freed costs a virtual machine time to get back.
measure() {
    local state=$1 round name
    shift
    rm -f times.*
    for ((round = 0; round < runs; round++)); do
        for name; do
            run_"$name" "$state" >>times."$name"
        done
        set -- "${@:2}" "$1"
    done
}

row() {
    printf '  %-48s %s\n' "$1" "$2"
}

# ratio_row LABEL CANDIDATE YARDSTICK: when both were measured
ratio_row() {
    [ ! -e "times.$2" ] || [ ! -e "times.$3" ] || row "$1" "$(ratio "times.$2" "times.$3")"
}

bench_state() {
    local candidates=(bare) name
    for name in ${BENCH_ONLY:-small threads merge up cp new sparse qemu}; do
        [ "$name" = qemu ] && [ ! -e overlay.qcow2 ] || candidates+=("$name")
    done
    measure "$1" "${candidates[@]}"
    row "$1: bare copy, seconds" "$(median times.bare)"
    ratio_row "$1: vhdx merge / bare copy" merge bare
    ratio_row "$1: vhdx merge --direction up / bare copy" up bare
    ratio_row "$1: bare copy, 256 KiB / bare copy" small bare
    ratio_row "$1: bare copy, 8 threads / bare copy" threads bare
    ratio_row "$1: cp of the child / bare copy" cp bare
    ratio_row "$1: qemu-img commit (qcow2) / bare copy" qemu bare
    ratio_row "$1: vhdx merge / qemu-img commit" merge qemu
    ratio_row "$1: vhdx merge -o / cp --sparse of the result" new sparse
}

# The first merge of a fresh chain, not timed: is it right, and what does it use?
bench_facts() {
    local expected
    expected=$(content now/child.avhdx)
    if [ -x /usr/bin/time ]; then
        /usr/bin/time -f %M -o memory "$VHDX" merge -q --no-progress --into now/base.vhdx now/child.avhdx
        row "memory of a merge, MiB" "$(awk '{ printf "%.1f", $1 / 1024 }' memory)"
    else
        merge_in_place
    fi
    if [ "$(content now/base.vhdx)" != "$expected" ]; then
        echo "bench: the merged disk does not read as its chain did" >&2
        exit 1
    fi
    command -v strace >/dev/null || return 0
    restore
    strace -f -c -o calls "$VHDX" merge -q --no-progress --into now/base.vhdx now/child.avhdx
    restore
    row "system calls a GiB of payload" \
        "$(awk -v p="$1" '$NF == "total" { printf "%d", $4 / p * 2 ^ 30 }' calls)"
    row "flushes" "$(awk '$NF == "fdatasync" || $NF == "fsync" { n += $4 } END { print n + 0 }' calls)"
}

content() {
    "$VHDX" hash -q --no-progress "$1" | cut -d' ' -f1
}

# A disk of 64 TiB with a child that holds one block: the plan, the map of space and the BAT must not grow with it.
bench_huge() {
    [ -z "${BENCH_64T:-}" ] && [ -x /usr/bin/time ] || return 0
    rm -rf -- *
    "$VHDX" create -q --size 64T --block-size 1M base.vhdx
    "$VHDX" create -q --parent base.vhdx --block-size 1M child.avhdx
    /usr/bin/time -f %M -o memory "$VHDX" merge -q --no-progress child.avhdx
    row "memory of a merge of 64 TiB, blocks of 1 MiB, MiB" "$(awk '{ printf "%.1f", $1 / 1024 }' memory)"
}

bench_chain() {
    rm -rf -- *
    mkdir now
    "$BENCH_BUILD" "$chain" now "$gib"
    keep
    read -r bytes pieces < <("$BENCH_COPY" --count now/child.avhdx now/base.vhdx)
    awk -v n="$chain" -v b="$bytes" -v p="$pieces" 'BEGIN { printf "%s: %.2f GiB in %d pieces\n", n, b / 2 ^ 30, p }'
    bench_facts "$bytes"
    "$VHDX" merge -q --no-progress -o flat.vhdx now/child.avhdx
    cp --sparse=always --reflink=never flat.vhdx copy && mv copy flat.vhdx # nothing shared: the yardstick reads it all
    [[ " ${BENCH_ONLY:-qemu} " == *" qemu "* ]] && make_overlay "$chain" || rm -f base.raw overlay.qcow2
    for state in $states; do
        bench_state "$state"
    done
}

for system in $systems; do
    enter "$system" || continue
    echo "== $system: virtual disks of $gib GiB on $(stat -f -c %T .), $runs rounds; ratios: median (lowest-highest)"
    for chain in $chains; do
        bench_chain
    done
    [ "$system" != here ] || bench_huge
done
