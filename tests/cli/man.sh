#!/bin/bash
# The manual pages are well-formed, and each command has one.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
command -v mandoc >/dev/null || skip "needs mandoc"

here=$PWD
cd "$TOP/docs/man" || exit 1 # where references between the pages are looked for
for page in *.1; do
    mandoc -T lint -W style "$page" >"$here/out" || fail "$(cat "$here/out")"
    for section in NAME SYNOPSIS DESCRIPTION "WHAT IT GUARANTEES" "WHAT IT NEVER DOES" OPTIONS "EXIT STATUS" \
        EXAMPLES; do
        grep -qx ".Sh $section" "$page" || fail "$page has no section $section"
    done
done
