#!/bin/bash
# Help goes to standard output, ends with 0, fits a terminal, and lists exactly the commands that there are.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

commands="info map export hash create merge relink undo verify repair config orphans"
expect 0 vhdx --help
[ ! -s err ] || fail "help prints errors"
listed=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' out | tr '\n' ' ')
[ "$listed" = "$commands " ] || fail "the help lists: $listed"
expect 0 vhdx -h
expect 0 vhdx --version
grep -Eqx 'vhdx [0-9]+\.[0-9]+\.[0-9]+' out || fail "version: $(cat out)"

for c in $commands; do
    expect 0 vhdx "$c" --help
    cp out long
    [ ! -s err ] || fail "help of $c prints errors"
    says out "usage: vhdx $c"
    says out "Exit status:"
    [ "$(awk 'length > 80' out)" = "" ] || fail "lines of more than 80 columns: $(awk 'length > 80' out)"
    expect 0 vhdx "$c" -h
    cmp out long || fail "-h and --help differ"
    expect 0 vhdx "$c" --version
    [ -e "$TOP/docs/man/vhdx-$c.1" ] || fail "no manual page for $c"
    # Every option of the help is in the manual page (which escapes nothing but the first dash).
    grep -o '^  *\(-., \)\?--[a-z-]*' long | grep -o -e '--[a-z-]*' | while read -r option; do
        grep -q -e "Fl -${option#--}" "$TOP/docs/man/vhdx-$c.1" "$TOP/docs/man/vhdx.1" ||
            fail "$option of $c is in no manual page"
    done || exit 1
done

case $VHDX in
*" "* | *.exe) exit 0 ;;
esac
mkdir bin
for c in $commands; do
    ln -s "$VHDX" "bin/vhdx-$c"
    expect 0 "bin/vhdx-$c" --help
    says out "usage: vhdx $c"
done
ln -s "$VHDX" bin/vhdx-static
expect 0 bin/vhdx-static info --help
