#!/bin/bash
# Compares what a program compiled with vhdx.h relies on with what is written down in tests/abi/vhdx.abi, and what the
# shared library exports with the functions in that list: check.sh [LIBVHDX.SO]. Prints the differences and ends with 1.
#
# A change of the list is seen in review: `bash tests/abi/check.sh --renew` writes it anew. Until a version is released
# everything may change. Afterwards lines may be added - functions, values, members at the end of a struct that carries
# its size - and none may change or go while the number of the shared library (SONAME) stays.
# With ABIDIFF=OLD.SO, and abidiff installed, two shared libraries are compared by their debugging information too.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/../.." || exit 2
stored=tests/abi/vhdx.abi
if [ "$(printf '#if __SIZEOF_POINTER__ != 8\nother\n#endif\n' | ${CC:-cc} -E -P - | grep other)" ]; then
    echo "the list is that of machines with pointers of 8 bytes"
    exit 77
fi
now=$(mktemp) || exit 2
trap 'rm -f "$now"' EXIT
bash tests/abi/list.sh >"$now" || exit 1
if [ "$1" = --renew ]; then
    cp "$now" $stored
    echo "$stored has $(wc -l <$stored) lines; look at 'git diff $stored'"
    exit 0
fi
status=0
if ! diff -u --label "$stored" $stored --label "include/vhdx.h now" "$now"; then
    echo "The interface is another one than in $stored. When that is meant: bash tests/abi/check.sh --renew"
    status=1
fi
# One prefix an enum: what all its values begin with, at the last "_"; no value of another enum begins with it. The
# statuses are older than that rule.
awk '
    $1 == "value" && $2 !~ /^vhdx_status\./ {
        split($2, at, ".")
        if (!(at[1] in prefix))
            prefix[at[1]] = at[2]
        while (index(at[2], prefix[at[1]]) != 1 || prefix[at[1]] !~ /_$/)
            prefix[at[1]] = substr(prefix[at[1]], 1, length(prefix[at[1]]) - 1)
    }
    $1 == "value" { split($2, at, "."); value[at[2]] = at[1] }
    END {
        for (v in value)
            for (e in prefix)
                if (e != value[v] && index(v, prefix[e]) == 1) {
                    print v " of " value[v] " begins with " prefix[e] ", the prefix of " e
                    bad = 1
                }
        exit bad
    }' "$now" || status=1
if [ -e "$1" ]; then
    diff <(sed -nE 's/^function ([^:]*):.*/\1/p' $stored | sort) \
        <(nm -D --defined-only "$1" | awk '$2 ~ /[TDBRVW]/ { print $3 }' | sed 's/@.*//' | sort) |
        sed -nE "s|^< |not exported by $1: |p; s|^> |exported by $1 and not in $stored: |p" | grep . && status=1
    if [ -e "$ABIDIFF" ] && command -v abidiff >/dev/null; then
        abidiff --no-added-syms --headers-dir2 include "$ABIDIFF" "$1" || status=1
    fi
fi
exit $status
