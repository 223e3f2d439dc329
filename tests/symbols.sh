#!/bin/bash
# What the linker sees of us: symbols.sh LIBVHDX.A [LIBVHDX.SO]
# The shared library shows vhdx_* only, all of it that vhdx.h declares; the static one defines nothing global outside
# vhdx_* and vx_*, since its names meet those of the program that links it. Ends with 1 and names what is wrong.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/.." || exit 2
status=0
say() {
    [ -n "$2" ] || return
    echo "$1: $(echo $2)"
    status=1
}
defined() {
    nm "$@" --defined-only 2>/dev/null |
        awk 'NF >= 3 && $2 != "A" && $2 ~ /[A-Z]/ { print $3 }' | sed 's/@.*//' | sort -u
}

say "global names in $1 that are neither vhdx_ nor vx_" \
    "$(defined -g "$1" | grep -vE '^(vhdx|vx)_')"
data=$(nm -g --defined-only "$1" 2>/dev/null | awk '$2 ~ /^[BDC]$/ { print $3 }')
say "global variables in $1" "$data"
if [ -e "$2" ]; then
    say "$2 shows" "$(defined -D "$2" | grep -v '^vhdx_')"
    declared=$(grep -oE '^VHDX_API .*' include/vhdx.h | grep -oE '\<vhdx_[a-z0-9_]+\(' | tr -d '(' | sort -u)
    say "declared in vhdx.h and not in $2" "$(comm -23 <(echo "$declared") <(defined -D "$2"))"
    say "in $2 and not declared in vhdx.h" "$(comm -13 <(echo "$declared") <(defined -D "$2"))"
fi
exit $status
