#!/bin/bash
# Bad usage: 16, one line of error that says where help is, and nothing touched.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

vhdx create --size 4M disk.vhdx || fail "create"
before=$(cksum disk.vhdx)

bad() {
    expect 16 vhdx "$@"
    one_line_of_error
    says err "; try 'vhdx "
    says err "--help'"
}

bad
bad --bogus
for c in bogus ''; do
    bad "$c" disk.vhdx
    says err "unknown command '$c'"
done
for c in info map export hash merge compact relink verify repair config orphans; do
    bad $c
    bad $c --bogus disk.vhdx
    says err "unknown option '--bogus'"
    bad $c -Z disk.vhdx
    bad $c ''
    bad $c --json=yes disk.vhdx
    bad $c --parent
done
for c in map merge config; do
    bad $c disk.vhdx disk.vhdx
    bad $c -- disk.vhdx --json
done
bad info --parent= disk.vhdx
bad export disk.vhdx
bad export -o new disk.vhdx disk.vhdx
bad export -o - --json disk.vhdx
bad merge --direction=sideways disk.vhdx
bad merge --direction up --reclaim disk.vhdx
bad merge -o new --into disk.vhdx disk.vhdx
bad merge -o new --delete disk.vhdx
bad merge -o new --force-siblings disk.vhdx
bad merge -o new --undo undo disk.vhdx
bad merge -o new --direction up disk.vhdx
bad merge -o new --window 1M disk.vhdx
bad merge --window 0 disk.vhdx
says err "--window"
bad merge --undo undo --delete disk.vhdx
bad merge --undo undo --reclaim disk.vhdx
bad merge --undo
bad verify --manifest m disk.vhdx
bad verify --data --manifest m disk.vhdx disk.vhdx
bad repair disk.vhdx disk.vhdx
bad repair --undo u --no-undo disk.vhdx
bad repair --map m disk.vhdx
bad repair --undo= disk.vhdx
bad orphans --jobs 0 .
bad orphans --jobs many .
bad orphans --map here .
bad orphans --map =here .
bad undo
bad undo --bogus undo
bad undo undo undo
bad compact disk.vhdx disk.vhdx
bad compact --window 0 disk.vhdx
bad compact --undo
bad relink disk.vhdx
says err "no parent given"
bad relink --parent disk.vhdx
bad relink --parent disk.vhdx disk.vhdx disk.vhdx
bad relink --parent disk.vhdx --force=yes disk.vhdx
bad create new
bad create --size
bad create --size 4M
bad create --size 4M new new2
for size in '' x -1 +4M ' 4M' '4M ' 4Q 4MM 4iB 1.5 1. 1.G .5G 1.5.5G 1.5GG 0x10 99999999999999999999 16777216T 0; do
    bad create --size "$size" new
done
bad create --size 4M --fixed --parent disk.vhdx new
bad create --size 4M --sector-size 513 new
bad create --size 4M --physical-sector-size 1024 new
bad create --size 4M --block-size 8G new
bad create --size 4M --data-write-guid 1234 new
[ ! -e new ] || fail "a refused command made a file"

# What was perhaps meant is named.
for pair in mrege:merge vreify:verify exprot:export informatin: x: ; do
    bad "${pair%:*}" disk.vhdx
    [ -z "${pair#*:}" ] && says_not err "did you mean" || says err "did you mean '${pair#*:}'?"
done
for pair in "merge --dryrun:--dry-run" "info --chian:--chain" "merge --dry:--dry-run" "verify --dat:--data" \
    "info --jsno:--json" "create --sector-sizes:--sector-size" "merge --qqqqq:"; do
    bad ${pair%:*} disk.vhdx
    [ -z "${pair#*:}" ] && says_not err "did you mean" || says err "did you mean '${pair#*:}'?"
done
bad merge child.avhdx disk.vhdx # the order of Merge-VHD and of others
says err "--into PARENT CHILD"
bad orphans
says err "no directory given"
bad
says err merge
bad verify --color sometimes disk.vhdx

# What only the library can judge is bad usage too.
for arguments in "--size 1000" "--size 65T" "--size 4M --block-size 3M" "--size 4M --block-size 512K" \
    "--size 4M --block-size 512M"; do
    expect 16 vhdx create $arguments new
    one_line_of_error
    says err "; try 'vhdx create --help'"
    grep -qE -e '--size|--block-size|the size must' err || fail "the option is not named: $(cat err)"
done
[ ! -e new ] || fail "a refused command made a file"
[ "$before" = "$(cksum disk.vhdx)" ] || fail "the disk changed"

# Options before and after names, in both spellings, also before the command; "--" ends them.
expect 0 vhdx info disk.vhdx --json
expect 0 vhdx --json info disk.vhdx
expect 0 vhdx -qv info disk.vhdx
expect 0 vhdx info --chain --parent=. --parent . -- disk.vhdx

# Sizes with a fraction of a unit.
for pair in 1.5G:1610612736 0.5M:524288 2.25MiB:2359296; do
    expect 0 vhdx create --size "${pair%:*}" fraction.vhdx
    expect 0 vhdx info --json fraction.vhdx
    json_is 'd["virtual_size"] // 512' $((${pair#*:} / 512))
    rm fraction.vhdx
done
