#!/bin/bash
# No circles between the files of the library: a file uses nothing of a file that, directly or over others, uses it. Asks
# the linker's symbols of the objects, not names in the text. Prints each circle as its files, and ends with 1.
#   tests/circles.sh build/VARIANT/libvhdx     where the objects of the library are
# SPDX-License-Identifier: MIT

set -o pipefail
objects=${1:?usage: tests/circles.sh DIRECTORY OF OBJECTS}
sources=$PWD/libvhdx
cd "$objects" || exit 2
[ -n "$(find . -name '*.o' -print -quit)" ] || { echo "$objects: no objects"; exit 2; }

# "USER DEFINER" for each pair of files, both in the library.
# Of a source that is gone an object may be left.
arrows=$(find . -name '*.o' -printf '%P\n' | sort | while read -r object; do
    [ ! -e "$sources/${object%.o}.c" ] || echo "$object"
done | xargs nm -A -- | awk '
    { split($0, at, ":"); file = at[1]; sub(/\.o$/, "", file); kind = $(NF - 1); name = $NF }
    kind ~ /^[TDBRVWC]$/ { definer[name] = file }
    kind == "U" { uses[file, name] = 1 }
    END {
        for (pair in uses) {
            split(pair, part, SUBSEP)
            if (part[2] in definer && definer[part[2]] != part[1])
                print part[1], definer[part[2]]
        }
    }' | sort -u) || exit 2
[ -n "$arrows" ] || { echo "$objects: no file uses another"; exit 2; }
# tsort tells each loop on standard error, a line "tsort: NAME" for each file of it.
loops=$(echo "$arrows" | tsort 2>&1 >/dev/null)
[ -z "$loops" ] && exit 0
echo "$loops" | sed -E 's/^tsort: -: input contains a loop:/circle:/; s/^tsort: /    libvhdx\//; s/$//'
exit 1
