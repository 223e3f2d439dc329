#!/bin/bash
# A failure with --json is one document with "error", in every command; what is said of a damaged disk ends with the
# command to type next; layers that are there are shown when others are not; a reader that goes away is no failure.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
cp disk.vhdx whole.vhdx
echo "no disk" >text
mkdir directory

# fails STATUS COMMAND...: one line of error, and the document of it.
fails() {
    local status=$1
    shift
    expect 8 vhdx "$@" --json
    [ "$(wc -l <err)" = 1 ] || fail "$*: not one line of error: $(cat err)"
    json_is 'd["format"], d["error"]["status"], type(d["error"]["message"]) is str' "(1, '$status', True)"
    json_is 'sorted(d["error"])' \
        "['advice', 'index', 'message', 'offset', 'path', 'status', 'structure', 'system_code']"
}
for c in info "info --chain" map hash "export -o new" verify repair undo config merge "merge --dry-run" \
    "merge -o new" "relink --parent disk.vhdx" "export --salvage -o new"; do
    fails NOT_FOUND $c missing.vhdx
    json_is 'd["error"]["path"]' missing.vhdx
done
fails NOT_FOUND info disk.vhdx missing.vhdx whole.vhdx
json_is '["error" in f for f in d["files"]]' "[False, True, False]"
fails NOT_FOUND create --parent missing.vhdx new
fails EXISTS create --size 4M text
fails EXISTS export -o text disk.vhdx
fails NOT_CONFIG config text
[ ! -e new ] || fail "a failure made a file"

# Damage: the next command is named, and it works.
names_verify() {
    local file=$1
    shift
    expect 8 vhdx "$@"
    [ "$(grep -vc '^vhdx: warning' err)" = 1 ] || fail "$*: not one line of error: $(cat err)"
    says err "'vhdx verify $file' says what can be done"
    expect 8 vhdx "$@" --json
    json_is '"vhdx verify" in d["error"]["advice"]' True
}
cp whole.vhdx cut.vhdx
truncate -s 1500000 cut.vhdx
cp whole.vhdx garbage.vhdx
dd if=/dev/zero of=garbage.vhdx bs=64K seek=3 count=2 conv=notrunc status=none # both region tables
for file in cut.vhdx garbage.vhdx; do
    for c in info "info --chain" map hash "export -o new" merge "merge -o new" "create --parent"; do
        [ "$c" = "create --parent" ] && set -- create --parent $file new || set -- $c $file
        names_verify $file "$@"
    done
    vhdx verify $file >out 2>err
    [ $? = 4 ] || fail "verify $file"
done
names_verify text info text
expect 8 vhdx verify text
says_not err "vhdx verify"

# A broken chain: what is there is shown.
mv disk.vhdx away.vhdx
expect 8 vhdx info --chain disk_2.avhdx
says out "layer 0 (leaf)"
says out "layer 1 (between)"
says out disk_1.avhdx
says_not out "layer 2"
says err "disk.vhdx"
expect 8 vhdx info --chain --json disk_2.avhdx
json_is '[l["path"].split("/")[-1] for l in d["chain"]], d["error"]["status"], d["kind"]' \
    "(['disk_2.avhdx', 'disk_1.avhdx'], 'PARENT_MISSING', 'differencing')"
expect 0 vhdx create --size 8M disk.vhdx # another disk of that name
expect 8 vhdx info --chain disk_2.avhdx
says out "layer 1 (between)"
says_not out "layer 2"
says err "id"
rm disk.vhdx
mv away.vhdx disk.vhdx

# Several files.
expect 0 vhdx info disk.vhdx disk_1.avhdx
[ "$(grep -c '^kind:' out)" = 2 ] || fail "info of two files: $(cat out)"
expect 0 vhdx info --json --chain disk_1.avhdx disk.vhdx
json_is '[len(f["chain"]) for f in d["files"]]' "[2, 1]"

# Whoever has seen enough goes: not a word, and the status is that of the work.
case $VHDX in
*.exe) exit 0 ;;
esac
i=0
while [ $i -lt 2000 ]; do
    echo disk_2.avhdx
    i=$((i + 1))
done >many
for c in "info" "hash --no-progress" "verify -v"; do
    $VHDX $c $(cat many) 2>err | head -n 1 >/dev/null
    [ ! -s err ] || fail "$c for a reader that went away: $(head -n 3 err)"
done
rm garbage.vhdx cut.vhdx
{ vhdx merge --dry-run disk_2.avhdx; echo $? >status; } 2>err | true
[ ! -s err ] || fail "merge --dry-run for a reader that went away: $(cat err)"
