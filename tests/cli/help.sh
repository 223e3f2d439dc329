#!/bin/bash
# Help goes to standard output, ends with 0, fits a terminal, and lists exactly the commands that there are.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

commands="info map export hash diff create convert merge compact relink set resize undo verify repair config orphans serve"
expect 0 vhdx --help
[ ! -s err ] || fail "help prints errors"
listed=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' out | tr '\n' ' ')
[ "$listed" = "$commands " ] || fail "the help lists: $listed"
expect 0 vhdx -h
cp out short
expect 0 vhdx help
cmp out short || fail "vhdx help and vhdx -h differ"
expect 16 vhdx help bogus
expect 0 vhdx -V
expect 0 vhdx --version
grep -Eqx 'vhdx [0-9]+\.[0-9]+\.[0-9]+' out || fail "version: $(cat out)"

for c in $commands; do
    expect 0 vhdx "$c" --help
    cp out long
    expect 0 vhdx help "$c"
    cmp out long || fail "vhdx help $c and vhdx $c --help differ"
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

# Colours: where they are wanted, or at a terminal; never in a file.
vhdx create --size 8M disk.vhdx
printf X | dd of=disk.vhdx bs=1 seek=$((0x10010)) conv=notrunc status=none
printf X | dd of=disk.vhdx bs=1 seek=$((0x20010)) conv=notrunc status=none
esc=$(printf '\033')
expect 4 vhdx verify disk.vhdx
says_not out "$esc"
cp out plain
expect 4 vhdx verify --color=always disk.vhdx
says out "$esc[1;31merror$esc[0m"
sed "s/$esc\[[0-9;]*m//g" out | cmp - plain || fail "colours change the text"
expect 4 env NO_COLOR=1 $VHDX verify --color always disk.vhdx
says out "$esc"
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    at_terminal() { TERM=xterm script -qec "$*" /dev/null </dev/null >seen 2>&1; }
    at_terminal "env -u NO_COLOR $VHDX verify --no-progress disk.vhdx"
    says seen "$esc[1;31merror"
    for none in "env NO_COLOR=1 $VHDX verify" "env TERM=dumb $VHDX verify" "$VHDX verify --color never"; do
        at_terminal "$none --no-progress disk.vhdx"
        says_not seen "$esc"
    done
fi

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
