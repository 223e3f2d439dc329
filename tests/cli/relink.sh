#!/bin/bash
# A child whose parent has moved is pointed at it, and reads as before. What does not belong together is refused and
# changes nothing: another id (unless forced), a loop, another sector size, a base, a disk in use.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
mkdir 'Sicherung ü'
parent='Sicherung ü/Basis (neu).vhdx'

everything() {
    cat *.vhdx *.avhdx */*.vhdx | cksum
}

# refused TEXT ARGUMENT...: ends with 8, says the text, and no file changes.
refused() {
    local text=$1 before
    shift
    before=$(everything)
    expect 8 vhdx relink "$@"
    one_line_of_error
    says err "$text"
    [ "$before" = "$(everything)" ] || fail "a refused relink changed something: $*"
}

before=$(hash_of disk_2.avhdx)
expect 0 vhdx info --json disk_1.avhdx
if have_python; then
    expected=$(json 'd["parent"]["linkage"]')
    own=$(json 'd["data_write_guid"]')
fi
mv disk.vhdx "$parent"
expect 8 vhdx hash disk_2.avhdx
says err disk.vhdx

# It says what it has done, unless quiet; twice is as good as once.
base=$(cksum <"$parent")
expect 0 vhdx relink --parent "$parent" disk_1.avhdx
[ "$(cat out)" = "Linked disk_1.avhdx to $parent" ] && [ ! -s err ] || fail "relink prints: $(cat out err)"
[ "$(hash_of disk_2.avhdx)" = "$before" ] || fail "the chain reads otherwise"
reads_as disk_2.avhdx 2.raw
expect 0 vhdx relink -q --parent="$parent" disk_1.avhdx
[ ! -s out ] && [ ! -s err ] || fail "quiet, and yet: $(cat out err)"
expect 0 vhdx relink --json disk_1.avhdx --parent "$parent"
json_is '(d["child"], d["forced"], len(d), d["machines"])' "('disk_1.avhdx', False, 5, [])"
json_is 'd["parent"]' "$parent"
reads_as disk_2.avhdx 2.raw
[ "$base" = "$(cksum <"$parent")" ] || fail "the parent was written to"
expect 0 vhdx info --json disk_1.avhdx
json_is '(d["log"], d["parent"]["relative_path"])' "('clean', '.\\\\Sicherung ü\\\\Basis (neu).vhdx')"
have_python && json_is '(d["parent"]["linkage"], d["data_write_guid"])' "('$expected', '$own')"

# Another id: both are named. --force takes it, and then the chain opens with that disk below.
expect 0 vhdx create --size 8M other.vhdx
expect 0 vhdx info --json other.vhdx
have_python && found=$(json 'd["data_write_guid"]')
refused "id does not match" --parent other.vhdx disk_1.avhdx
if have_python; then
    says err "$expected"
    says err "$found"
fi
says err --force
cp disk_1.avhdx copy.avhdx
expect 0 vhdx relink --json --force --parent other.vhdx copy.avhdx
json_is 'd["forced"]' True
expect 0 vhdx info --chain copy.avhdx
says out other.vhdx
expect 0 vhdx export -o copy.raw copy.avhdx
cmp -n 4096 -i 5242880 copy.raw 1.raw || fail "the child's own block does not read"
# What --force did can be undone with it, while the parent is still there.
expect 0 vhdx relink --force --parent "$parent" copy.avhdx
reads_as copy.avhdx 1.raw

# Never, whatever is forced: loops, also where the chain below is broken, and other sector sizes.
expect 0 vhdx create --size 8M --sector-size 4096 large.vhdx
for force in "" --force; do
    refused "own parent" $force --parent disk_1.avhdx disk_1.avhdx
    refused "loop" $force --parent disk_2.avhdx disk_1.avhdx
    refused "logical sector size" $force --parent large.vhdx disk_1.avhdx
    refused "has no parent" $force --parent other.vhdx "$parent"
    refused "nowhere.vhdx" $force --parent nowhere.vhdx disk_1.avhdx
    refused "nowhere.avhdx" $force --parent other.vhdx nowhere.avhdx
    refused "2.raw" $force --parent 2.raw disk_1.avhdx
done
mv "$parent" gone
for force in "" --force; do
    refused "own parent" $force --parent disk_1.avhdx disk_1.avhdx
    refused "loop" $force --parent disk_2.avhdx disk_1.avhdx
done
mv gone "$parent"

case $VHDX in
*.exe) exit 0 ;;
esac
command -v flock >/dev/null || exit 0
for lock in -s -x; do
    before=$(everything)
    expect 8 flock $lock disk_1.avhdx $VHDX relink --parent "$parent" disk_1.avhdx
    one_line_of_error
    says err disk_1.avhdx
    [ "$before" = "$(everything)" ] || fail "a refused relink changed something"
done
expect 8 flock -x "$parent" $VHDX relink --parent "$parent" disk_1.avhdx
expect 0 flock -s "$parent" $VHDX relink --parent "$parent" disk_1.avhdx
