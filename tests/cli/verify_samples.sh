#!/bin/bash
# Disks that Windows, Hyper-V and qemu wrote: nothing worse than notes is said of them, dirty logs included.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
[ -d "${VHDX_SAMPLES:-}" ] || skip "needs the disks of VHDX_SAMPLES"

count=0
for packed in "$VHDX_SAMPLES"/*vhdx.gz; do
    [ -e "$packed" ] || skip "no disks in $VHDX_SAMPLES"
    gzip -dc "$packed" >disk.vhdx || fail "gzip $packed"
    before=$(cksum disk.vhdx)
    expect 0 vhdx verify --json disk.vhdx
    cp out report
    grep -qE '"severity": "(warning|error)"' report && fail "$(basename "$packed"): $(cat report)"
    [ "$before" = "$(cksum disk.vhdx)" ] || fail "verify wrote to $(basename "$packed")"
    case $packed in
    *dirty*) says report VHDX-HEADER-DIRTY ;;
    *) says_not report VHDX-HEADER-DIRTY ;;
    esac
    count=$((count + 1))
    rm disk.vhdx
done
[ $count -gt 0 ] || fail "no sample was looked at"
