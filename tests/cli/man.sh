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

# What people read is the rendered page: macros take "." and "[" for punctuation and move them, so each command must come
# out as it was meant, by mandoc and, where it is there, by groff, which man(1) uses on most systems.
plain() { sed 's/.\x08//g'; }
by_mandoc() { mandoc -T ascii -O width=300 "$1" | plain; }
by_groff() { groff -mdoc -T ascii -P -c -rLL=300n "$1" 2>/dev/null | plain; }
renderers=by_mandoc
[ -z "$(groff -mdoc -T ascii vhdx.1 2>/dev/null)" ] || renderers+=" by_groff"
for page in *.1; do
    for render in $renderers; do
        $render "$page" >"$here/page"
        grep -E '^\.Dl ' "$page" | sed -E 's/^\.Dl //; s/\\&//g' | while IFS= read -r line; do
            grep -qF -e "$line" "$here/page" || { grep -F -e "${line:0:12}" "$here/page" >&2; fail "$page, $render: '$line' is not what one reads"; }
        done || exit 1
        # Options as the synopsis of the help has them.
        for section in NAME SYNOPSIS DESCRIPTION EXAMPLES; do
            grep -q "^$section" "$here/page" || fail "$page, $render: no section $section"
        done
    done
done
