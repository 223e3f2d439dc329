#!/bin/bash
# Every header compiles alone, and vhdx.h also as C++. Names those that do not, and ends with 1.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/.." || exit 2
shopt -s nullglob
status=0
try() {
    local header=$1
    shift
    printf '#include "%s"\nextern int only_so_that_it_is_not_empty;\n' "$header" |
        "$@" -fsyntax-only -DXXH_INLINE_ALL -Iinclude -Ilibvhdx -I. -Wall -Wextra -Werror - ||
        { echo "$header does not compile alone with $1"; status=1; }
}
windows=x86_64-w64-mingw32-gcc
for header in include/*.h libvhdx/*.h libvhdx/*/*.h tools/*.h; do
    case $header in
    */win32*) ! command -v $windows >/dev/null || try "$header" $windows -std=c11 -x c ;;
    *) try "$header" ${CC:-cc} -std=c11 -x c ;;
    esac
done
if command -v "${CXX:-c++}" >/dev/null; then
    try include/vhdx.h "${CXX:-c++}" -std=c++11 -x c++
fi
exit $status
