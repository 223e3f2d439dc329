# What the command line tests share; a test begins with: . "$TOP/tests/cli/lib.bash"
# SPDX-License-Identifier: MIT

set -u

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

skip() {
    printf '%s\n' "$*"
    exit 77
}

vhdx() {
    $VHDX "$@" # may be more than one word: "wine vhdx.exe"
}

# expect STATUS COMMAND...: runs it, keeps its output in the files out and err, and fails when it ends with another
# status.
expect() {
    local want=$1 status
    shift
    "$@" >out 2>err
    status=$?
    [ $status = "$want" ] && return
    cat out err >&2
    fail "$* ended with $status, not $want"
}

# says FILE TEXT: the file contains the text.
says() {
    grep -qF -e "$2" "$1" && return
    cat "$1" >&2
    fail "'$2' is missing from $1"
}

says_not() {
    grep -qF -e "$2" "$1" || return 0
    cat "$1" >&2
    fail "'$2' is in $1"
}

# One line of error, none of output.
one_line_of_error() {
    [ ! -s out ] || fail "something was printed on standard output: $(cat out)"
    [ "$(wc -l <err)" = 1 ] || fail "not one line of error: $(cat err)"
    grep -q '^vhdx: ' err || fail "the error does not begin with 'vhdx: ': $(cat err)"
}

have_python() {
    command -v python3 >/dev/null
}

# json EXPRESSION: of the document d in the file out. Fails when out is no JSON document; prints the value.
json() {
    python3 -c 'import json, sys
d = json.load(open("out", encoding="utf-8"))
print(eval(sys.argv[1]))' "$1" || fail "no JSON, or nothing at $1: $(head -c 600 out)"
}

# json_is EXPRESSION VALUE; passes without looking where there is no python3.
json_is() {
    have_python || return 0
    local value
    value=$(json "$1") || exit 1
    [ "$value" = "$2" ] || fail "$1 is '$value', not '$2'"
}

hash_of() {
    local line
    line=$(vhdx hash "$@") || fail "vhdx hash $*"
    printf '%s\n' "${line%% *}"
}

# put RAW OFFSET TEXT: writes the text into the raw file.
put() {
    printf '%s' "$3" | dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none || fail "dd"
}

# make_chain SIZE: disk.vhdx <- disk_1.avhdx <- disk_2.avhdx, which read as 0.raw, 1.raw and 2.raw.
make_chain() {
    [ -x "${GUEST:-}" ] || skip "needs the program testdata/guest.c (GUEST)"
    truncate -s "$1" 0.raw
    put 0.raw 0x0 "written to the base"
    put 0.raw 0x300000 "only in the base"
    cp --sparse=always 0.raw 1.raw
    put 1.raw 0x1000 "first checkpoint"
    put 1.raw 0x500000 "a block that the base does not have"
    cp --sparse=always 1.raw 2.raw
    put 2.raw 0x1200 "second checkpoint, the next sector"
    put 2.raw 0x0 "WRITTEN to the leaf"
    "$GUEST" disk.vhdx 0.raw disk_1.avhdx 1.raw disk_2.avhdx 2.raw || fail "guest"
}

# reads_as DISK RAW: what the disk shows is what the raw file holds.
reads_as() {
    vhdx export -o - "$1" | cmp - "$2" || fail "$1 does not read as $2"
}
