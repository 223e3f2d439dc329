#!/bin/bash
# A parent that is lost, moved or another one: refused by what must read the data, shown by info, found by --parent.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

make_chain 8M
mkdir elsewhere
mv disk.vhdx elsewhere
for c in map hash "export -o new.raw" merge "merge --dry-run" "merge -o new.vhdx" "info --chain"; do
    expect 8 vhdx $c disk_2.avhdx
    [ "$c" = "info --chain" ] && : >out # it shows the layers that are there
    one_line_of_error
    says err disk.vhdx
    says err --parent
    expect 8 vhdx $c --parent elsewhere/nothing disk_2.avhdx
done
[ ! -e new.raw ] && [ ! -e new.vhdx ] || fail "a refused command made a file"
expect 0 vhdx info disk_1.avhdx
says out '.\disk.vhdx'

for place in elsewhere elsewhere/disk.vhdx; do
    expect 0 vhdx hash --parent $place disk_2.avhdx
    expect 0 vhdx map --parent $place disk_2.avhdx
    expect 0 vhdx info --chain --parent=$place disk_2.avhdx
    says out "elsewhere"
    expect 0 vhdx merge --dry-run --parent /nonexistent --parent $place --into elsewhere/disk.vhdx disk_2.avhdx
    says err "vhdx: warning: --parent: /nonexistent is neither a directory nor a file"
done
expect 8 vhdx hash --parent /nonexistent disk_2.avhdx
says err "was not found; /nonexistent: "
mkfifo pipe
expect 8 vhdx hash --parent pipe disk_2.avhdx
says err "pipe: this is a pipe"
rm pipe
expect 0 vhdx export -o new.raw --parent elsewhere disk_2.avhdx
cmp new.raw 2.raw || fail "export --parent"

# Another disk under the parent's name: both ids are named, and nothing is read from it.
expect 0 vhdx create --size 8M disk.vhdx
expect 0 vhdx info --json disk.vhdx
have_python && found=$(json 'd["data_write_guid"]')
for c in map hash merge "info --chain"; do
    expect 8 vhdx $c disk_2.avhdx
    [ "$c" = "info --chain" ] && : >out # it shows the layers that are there
    one_line_of_error
    ! have_python || says err "$found"
done
expect 0 vhdx hash --parent elsewhere disk_2.avhdx

# An empty stand-in with the lost parent's identity makes the child's own data readable.
rm disk.vhdx
expect 0 vhdx info --json disk_1.avhdx
have_python || exit 0
lost=$(json 'd["parent"]["linkage"]')
expect 0 vhdx create --size 8M --data-write-guid "$lost" disk.vhdx
expect 0 vhdx export -o stand-in.raw disk_1.avhdx
cmp -n 4096 -i 5242880 stand-in.raw 1.raw || fail "the child's own block is not readable"

# A parent in another directory is named as short as it can be; where a link is on the way, the longer name is the right one.
mkdir -p far/a/deep near/b
"$GUEST" near/b/base.vhdx 0.raw far/a/deep/child.avhdx 1.raw || fail "guest"
expect 0 vhdx relink --parent near/b/base.vhdx far/a/deep/child.avhdx
expect 0 vhdx info --chain far/a/deep/child.avhdx
grep -qE '^  file: +near/b/base.vhdx$' out || fail "the parent's path is not short: $(grep file: out)"
cd far/a/deep || exit 1
expect 0 vhdx info --chain child.avhdx
grep -qE '^  file: +\.\./\.\./\.\./near/b/base.vhdx$' out || fail "the parent's path is not short: $(grep file: out)"
cd ../../.. || exit 1
case $VHDX in
*.exe) exit 0 ;;
esac
ln -s far/a/deep link
expect 0 vhdx info --chain link/child.avhdx
grep -qE '^  file: +link/\.\./\.\./\.\./near/b/base.vhdx$' out || fail "a path through a link: $(grep file: out)"
reads_as link/child.avhdx 1.raw
