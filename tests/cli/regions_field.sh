#!/bin/bash
# Field reports of wrong region tables: a plain repair gives every byte back, the file does not grow, verify is silent.
# SPDX-License-Identifier: MIT
set -e
field="${VHDX_SAMPLES:-/nowhere}/../reviews/field"
truth=be66f03c68c51cdbf44e627df74d55b8d9daefadf5815892286f2ce3e30c88d7
for name in region-bat-long region-overlap region-bat-far; do
    [ -f "$field/$name.vhdx.gz" ] || { echo "no field reports"; exit 77; }
    gunzip -c "$field/$name.vhdx.gz" > disk.vhdx
    before=$(stat -c %s disk.vhdx)
    "$VHDX" repair disk.vhdx --no-undo > report.txt || [ $? = 1 ] || { cat report.txt; exit 1; }
    "$VHDX" verify disk.vhdx > report.txt || { cat report.txt; exit 1; }
    [ "$(stat -c %s disk.vhdx)" -le "$before" ] || { echo "$name: longer"; exit 1; }
    "$VHDX" export disk.vhdx -o disk.raw > /dev/null
    [ "$(sha256sum < disk.raw | cut -d' ' -f1)" = $truth ] || { echo "$name: other bytes"; exit 1; }
    rm -f disk.vhdx disk.raw
done
