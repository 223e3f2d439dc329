#!/bin/bash
# Every C file is formatted as .clang-format says, by clang-format 14: other versions break lines elsewhere.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/.." || exit 2
program=
for name in clang-format-14 clang-format; do
    if command -v "$name" >/dev/null && "$name" --version | grep -q 'version 14\.'; then
        program=$name
        break
    fi
done
[ -n "$program" ] || { echo "clang-format 14 is not installed"; exit 77; }
find docs fuzz include libvhdx testdata tests tools -name '*.[ch]' -print0 | xargs -0 "$program" --dry-run -Werror
