# What the scripts beside this share; sourced, not run.
# SPDX-License-Identifier: MIT
set -u
here=$TOP/tests/cross

skip() {
    echo "$1"
    exit 77
}

fail() {
    echo "FAIL: $*"
    exit 1
}

need() {
    local program
    for program; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

need_guest() {
    [ -x "${GUEST:-}" ] || skip "the program that plays the machine (GUEST) is not there"
}

# Builds vhdi_compare in the current directory.
need_libvhdi() {
    echo '#include <libvhdi.h>' | ${CC:-cc} -E -x c - >/dev/null 2>&1 || skip "libvhdi-dev is not installed"
    ${CC:-cc} -O2 -o vhdi_compare "$here/vhdi_compare.c" -lvhdi || skip "libvhdi cannot be linked with ${CC:-cc}"
}

# SHA-256 of standard input; openssl uses the processor's instructions, coreutils may not.
sha256() {
    if command -v openssl >/dev/null; then
        openssl dgst -sha256 -r | cut -d' ' -f1
    else
        sha256sum | cut -d' ' -f1
    fi
}

# random SEED BYTES: the same bytes each time.
random() {
    openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' "$1")" -iv 0 -in /dev/zero 2>/dev/null | head -c "$2"
}

# put FILE SEED OFFSET BYTES: writes random bytes into a raw file.
put() {
    random "$2" "$4" | dd of="$1" bs=64K seek="$3" oflag=seek_bytes iflag=fullblock conv=notrunc status=none
}

run() {
    "$VHDX" "$@" || fail "vhdx $* ended with $?"
}

hash_of() {
    run hash "$1" | cut -d' ' -f1
}

# The plugin that is built beside the command, in $plugin.
need_plugin() {
    need nbdkit "$@"
    plugin=$(dirname "$(readlink -f "$VHDX")")/nbdkit-vhdx-plugin.so
    [ -e "$plugin" ] || skip "the plugin was not built: nbdkit-plugin-dev is not installed"
}
