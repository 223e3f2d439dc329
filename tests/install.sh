#!/bin/bash
# `make install` puts down what a stranger needs: a program that knows only pkg-config compiles against it, shared and
# static, and runs; `make uninstall` leaves nothing behind.
# SPDX-License-Identifier: MIT

cd "$(dirname "$0")/.." || exit 2
command -v pkg-config >/dev/null || { echo "pkg-config is not installed"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MAKELEVEL MFLAGS DESTDIR
fail() {
    echo "$1"
    exit 1
}

make -s install PREFIX="$work/usr" || fail "make install failed"
export PKG_CONFIG_PATH=$work/usr/lib/pkgconfig
cat >"$work/program.c" <<'END'
#include <stdio.h>
#include <string.h>
#include <vhdx.h>
int main(void)
{
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", VHDX_VERSION_MAJOR, VHDX_VERSION_MINOR, VHDX_VERSION_PATCH);
    return strcmp(version, vhdx_version()) != 0;
}
END
${CC:-cc} -o "$work/shared" "$work/program.c" $(pkg-config --cflags --libs libvhdx) ||
    fail "cannot link with the shared library"
LD_LIBRARY_PATH=$work/usr/lib "$work/shared" || fail "the program linked with the shared library fails"
others=$(pkg-config --libs-only-l --static libvhdx | sed 's/-lvhdx//')
${CC:-cc} -o "$work/static" "$work/program.c" $(pkg-config --cflags libvhdx) "$work/usr/lib/libvhdx.a" $others ||
    fail "cannot link with the static library"
"$work/static" || fail "the program linked with the static library fails"
"$work/usr/bin/vhdx" --version >/dev/null || fail "vhdx --version fails"
[ "$("$work/usr/bin/vhdx-info" --help)" = "$("$work/usr/bin/vhdx" info --help)" ] || fail "vhdx-info is not vhdx info"

# The examples of the documentation, as strangers would build them.
for example in docs/examples/*.c; do
    ${CC:-cc} -std=c11 -Wall -Wextra -Werror -o "$work/$(basename "$example" .c)" "$example" \
        $(pkg-config --cflags --libs libvhdx) || fail "cannot compile $example"
done
if [ -x "$GUEST" ]; then
    cd "$work" || exit 1
    head -c 3000320 /dev/urandom >0.raw
    { head -c 1000448 0.raw; head -c 12000256 /dev/urandom; } >1.raw
    truncate -s 16M 0.raw 1.raw
    "$GUEST" disk.vhdx 0.raw disk_1.avhdx 1.raw || fail "guest"
    before=$(cksum <disk.vhdx)
    hash=$("$work/usr/bin/vhdx" hash disk_1.avhdx)
    LD_LIBRARY_PATH=$work/usr/lib ./memory_chain disk_1.avhdx disk.vhdx >out || fail "memory_chain: $(cat out)"
    for line in "cancelled when" "the child reads as before" "merged 1 layer into disk.vhdx" "${hash%% *}  disk.vhdx"; do
        grep -qF "$line" out || fail "memory_chain does not say '$line': $(cat out)"
    done
    [ "$before" = "$(cksum <disk.vhdx)" ] || fail "memory_chain has changed a file"
    "$work/usr/bin/vhdx" export -o - disk_1.avhdx >whole.raw
    # A record of a stream: offset and length, least significant byte first, and the content.
    record() {
        printf '%016x%016x' "$1" "$2" | sed -E 's/(..)(..)(..)(..)(..)(..)(..)(..)/\\x\8\\x\7\\x\6\\x\5\\x\4\\x\3\\x\2\\x\1/g' >numbers
        printf '%b' "$(cat numbers)"
        tail -c +$(($1 + 1)) whole.raw | head -c "$2"
    }
    { record 0 1000448; record 1000448 3000001; record 4000449 9000255; } >stream
    LD_LIBRARY_PATH=$work/usr/lib ./restore disk.vhdx restored.avhdx <stream || fail "restore"
    "$work/usr/bin/vhdx" export -o - restored.avhdx | cmp - whole.raw || fail "what was restored reads as something else"
    before=$(cat disk.vhdx restored.avhdx | cksum)
    LD_LIBRARY_PATH=$work/usr/lib ./boot_once restored.avhdx . >out || fail "boot_once"
    [ "$(sed -n 's/^before: //p' out)" != "$(sed -n 's/^the guest sees: //p' out)" ] || fail "boot_once: $(cat out)"
    [ "$before" = "$(cat disk.vhdx restored.avhdx | cksum)" ] || fail "boot_once has changed a file"
    cd "$OLDPWD" || exit 1
fi

make -s install DESTDIR="$work/root" PREFIX=/usr || fail "make install DESTDIR= failed"
grep -q '^prefix=/usr$' "$work/root/usr/lib/pkgconfig/libvhdx.pc" || fail "libvhdx.pc names the wrong prefix"
make -s uninstall DESTDIR="$work/root" PREFIX=/usr || fail "make uninstall failed"
left=$(find "$work/root" ! -type d)
[ -z "$left" ] || fail "make uninstall leaves $left"
