#!/bin/bash
# merge --undo and undo: every file comes back byte for byte; what is not the disk of the undo file is refused.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"

fresh() {
    rm -rf vm undo
    mkdir vm
    cp disk.vhdx disk_1.avhdx disk_2.avhdx vm
}

as_before() {
    local file
    for file in disk.vhdx disk_1.avhdx disk_2.avhdx; do
        cmp $file vm/$file || fail "$file is not as before"
    done
}

make_chain 64M

# Into the base, and back; twice is as once. The same merge again starts from there, with the same undo file.
fresh
expect 0 vhdx merge --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
says out "To take it back: vhdx undo undo"
reads_as vm/disk.vhdx 2.raw
expect 0 vhdx undo undo
says out "Undone: 3 files as before" # the child says that it is merged
as_before
expect 0 vhdx undo --json undo
json_is '(d["undo"], d["files"], d["ended"], d["cut_off"])' "('undo', 3, True, False)"
as_before
expect 0 vhdx merge --json --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
json_is 'd["undo"]' undo
expect 0 vhdx undo -q undo
[ ! -s out ] && [ ! -s err ] || fail "a quiet undo prints something: $(cat out err)"
as_before

# A layer above, which is linked to the merged disk, comes back too; upwards the child alone does.
fresh
expect 0 vhdx merge --undo vm/undo vm/disk_1.avhdx
reads_as vm/disk_2.avhdx 2.raw
expect 0 vhdx undo vm/undo
says out "3 files"
as_before
fresh
expect 0 vhdx merge --direction up --undo vm/undo --into vm/disk.vhdx vm/disk_2.avhdx
reads_as vm/disk_2.avhdx 2.raw
mv vm moved # with the undo file beside them
expect 0 vhdx undo moved/undo
mv moved vm
as_before

# The disks were used since: refused with 8, and nothing is changed. (The same merge once more would use nothing.)
fresh
expect 0 vhdx merge --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
expect 0 vhdx merge --reclaim --into vm/disk.vhdx vm/disk_2.avhdx
before=$(cat vm/* | cksum)
expect 8 vhdx undo undo
one_line_of_error
says err "nothing was changed"
[ "$before" = "$(cat vm/* | cksum)" ] || fail "a refused undo changed something"
expect 8 vhdx merge --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
one_line_of_error
[ "$before" = "$(cat vm/* | cksum)" ] || fail "a refused merge changed something"

# Cut off behind the last change it is as good as whole; before it, it does not fit the disks any more.
fresh
expect 0 vhdx merge --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
head -c -1 undo >cut
expect 0 vhdx undo cut
says err "warning: cut is cut off"
as_before
expect 0 vhdx merge --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
before=$(cat vm/* | cksum)
for length in 0 10 64 100 2000; do
    head -c $length undo >cut
    expect 8 vhdx undo cut
    one_line_of_error
    [ "$before" = "$(cat vm/* | cksum)" ] || fail "an undo file of $length bytes changed something"
done
expect 8 vhdx undo vm/disk.vhdx
one_line_of_error
says err "no undo file"
expect 8 vhdx undo missing
one_line_of_error

# Files that must not be written over.
fresh
echo precious >undo
expect 8 vhdx merge --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
one_line_of_error
[ "$(cat undo)" = precious ] || fail "the merge wrote over a file"
expect 8 vhdx merge --dry-run --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
for layer in disk.vhdx disk_1.avhdx disk_2.avhdx; do
    expect 8 vhdx merge --undo vm/$layer --into vm/disk.vhdx vm/disk_2.avhdx
    one_line_of_error
done
as_before
rm undo
expect 0 vhdx merge --dry-run --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
[ ! -e undo ] || fail "a dry run made an undo file"

for options in "--delete" "--reclaim" "-o new"; do
    expect 16 vhdx merge --undo undo $options vm/disk_2.avhdx
    one_line_of_error
done
expect 16 vhdx undo
expect 16 vhdx undo undo undo
[ ! -e undo ] && [ ! -e new ] || fail "a refused command made a file"
as_before

case $VHDX in
*.exe) exit 0 ;;
esac

# Somebody holds a disk.
expect 0 vhdx merge --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
if command -v flock >/dev/null; then
    for layer in disk.vhdx disk_1.avhdx; do
        expect 8 flock -s vm/$layer $VHDX undo undo
        one_line_of_error
        says err "$layer"
    done
fi
expect 0 vhdx undo undo
as_before

# Killed at any moment: undo gives back the disks; so it does after the same command has gone on.
fresh
for delay in 0.001 0.003 0.005 0.008 0.012 0.02; do
    rm -f undo
    timeout --foreground -s KILL $delay $VHDX merge -q --undo undo --into vm/disk.vhdx vm/disk_2.avhdx >/dev/null 2>&1
    if [ -s undo ]; then
        vhdx undo -q undo >out 2>err || grep -q "holds nothing\|no undo file" err || fail "undo: $(cat err)"
    fi
    as_before
    timeout --foreground -s KILL $delay $VHDX merge -q --undo undo --into vm/disk.vhdx vm/disk_2.avhdx >/dev/null 2>&1
    [ -s undo ] && ! vhdx undo -q undo 2>err && rm -f undo # it was not begun
    expect 0 vhdx merge -q --undo undo --into vm/disk.vhdx vm/disk_2.avhdx
    reads_as vm/disk.vhdx 2.raw
    expect 0 vhdx undo -q undo
    as_before
done
