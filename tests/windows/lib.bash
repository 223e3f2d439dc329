# What the tests of the Windows build share, beside tests/cli/lib.bash: . "$TOP/tests/windows/lib.bash"
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
[ -n "${NATIVE:-}" ] || skip "needs the Windows build: see tests/windows.sh"

# drive_path PATH: as Windows sees it, absolute: Wine shows the root directory as drive Z.
drive_path() {
    local path
    path=$(realpath -m -- "$1")
    printf 'Z:%s' "${path//\//\\}"
}

# make_named_chain SIZE: make_chain in the directory "Prüfung (alt)", as Größe ä.vhdx, Größe ä_1.avhdx and
# Größe ä_2.avhdx. The raw files stay where they are.
folder='Prüfung (alt)' base='Größe ä.vhdx' middle='Größe ä_1.avhdx' leaf='Größe ä_2.avhdx'
make_named_chain() {
    make_chain "$1"
    rm disk.vhdx disk_1.avhdx disk_2.avhdx
    mkdir "$folder"
    "$GUEST" "$folder/$base" 0.raw "$folder/$middle" 1.raw "$folder/$leaf" 2.raw || fail "guest"
}

native_hash() {
    local line
    line=$("$NATIVE" hash "$1") || fail "the native build: hash $1"
    printf '%s\n' "${line%% *}"
}

# both_read DISK RAW: both builds read in it what the raw file holds.
both_read() {
    local windows native
    "$NATIVE" export -o - "$1" | cmp - "$2" || fail "the native build does not read $2 in $1"
    windows=$(hash_of "$1") native=$(native_hash "$1")
    [ "$windows" = "$native" ] || fail "$1 has the hash $windows on Windows, $native here"
}
