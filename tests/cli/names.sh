#!/bin/bash
# Names with spaces, umlauts and leading dashes work; hostile ones reach a terminal escaped and JSON valid.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

name='Prüfung (alt) 日本.vhdx'
expect 0 vhdx create --size 4M "$name"
expect 0 vhdx create --parent "$name" "ein Kind.avhdx"
expect 0 vhdx hash "ein Kind.avhdx"
says out "  ein Kind.avhdx"
expect 0 vhdx info --chain "ein Kind.avhdx"
says out "$name"
expect 0 vhdx merge --dry-run "ein Kind.avhdx"
expect 0 vhdx info --json "$name"
json_is 'd["path"]' "$name"

expect 16 vhdx create --size 4M --json.vhdx
expect 0 vhdx create --size 4M -- --json.vhdx
expect 0 vhdx info -- --json.vhdx
says out "--json.vhdx"
mkdir -- -dir
expect 0 vhdx create --size 4M ./-dir/-disk.vhdx
expect 0 vhdx hash ./-dir/-disk.vhdx

case $VHDX in
*.exe) exit 0 ;;
esac
escape=$(printf '\033')
for evil in $'clear\033[2J.vhdx' $'line\nbreak.vhdx' $'bad\xff\xfeutf8.vhdx' $'c1\xc2\x9b31m.vhdx' \
    $'exe\xe2\x80\xaexdhv.vhdx' 'quote"back\slash.vhdx'; do
    expect 8 vhdx info "$evil"
    one_line_of_error
    says_not err "$escape"
    expect 16 vhdx "$evil"
    one_line_of_error
    says_not err "$escape"
    expect 0 vhdx create --size 4M "$evil"
    for c in info map hash; do
        expect 0 vhdx $c "$evil"
        says_not out "$escape"
        expect 0 vhdx $c --json "$evil"
        json_is '"vhdx" in d["path"]' True
        LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' out && fail "a raw control character in JSON"
        iconv -f UTF-8 -t UTF-8 <out >/dev/null || fail "JSON that is no UTF-8"
    done
    rm -- "$evil"
done
expect 8 vhdx info $'clear\033[2J.vhdx'
says err 'clear\x1b[2J.vhdx'
expect 8 vhdx info $'bad\xffutf8'
says err 'bad\xffutf8'
