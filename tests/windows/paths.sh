#!/bin/bash
# One disk under every name that Windows has for it: relative and absolute, with '\' and '/', with "\\?\" in front, in
# another letter case, with spaces and umlauts. What is read, shown and written is what the native build says.
# SPDX-License-Identifier: MIT
. "$TOP/tests/windows/lib.bash"

make_named_chain 64M
cd "$folder" || exit 1
at=$(drive_path .)
expected=$(native_hash "$leaf")
for name in "$leaf" ".\\$leaf" "./$leaf" "..\\$folder\\$leaf" "$at\\$leaf" "${at//\\//}/$leaf" "\\\\?\\$at\\$leaf" \
    "${at,,}\\größe Ä_2.AVHDX"; do
    expect 0 vhdx hash "$name"
    [ "$(cut -c1-32 out)" = "$expected" ] || fail "the hash of $name is $(cat out), not $expected"
done
expect 0 vhdx info --chain "$at\\$leaf"
for layer in "$leaf" "$middle" "$base"; do
    says out "$at\\$layer"
done

# The same extents; the layers are told apart by number, since paths are written in each system's way.
expect 0 vhdx map --json "$leaf"
sed 's/"path".*"file_offset"/"file_offset"/; /^ *"path"/d' out >windows.map
"$NATIVE" map --json "$leaf" | sed 's/"path".*"file_offset"/"file_offset"/; /^ *"path"/d' | cmp - windows.map ||
    fail "the maps differ"
expect 0 vhdx export -o "$at\\neu ü.raw" "$leaf"
cmp "neu ü.raw" ../2.raw || fail "export"

# Each side makes disks that the other takes; a child that Windows makes has both paths of its parent.
expect 0 vhdx create --parent "\\\\?\\${at/Z:/z:}\\$leaf" "$at\\Kind ß.avhdx"
expect 0 vhdx info --json "Kind ß.avhdx"
json_is 'd["parent"]["absolute_win32_path"]' "$at\\$leaf"
json_is 'd["parent"]["relative_path"]' ".\\$leaf"
both_read "Kind ß.avhdx" ../2.raw
"$NATIVE" create --parent "$leaf" "Kind Ö.avhdx" || fail "the native build: create"
both_read "Kind Ö.avhdx" ../2.raw
expect 0 vhdx create --size 64M --fixed "$at\\Fest ü.vhdx"
truncate -s 64M empty.raw
both_read "Fest ü.vhdx" empty.raw
