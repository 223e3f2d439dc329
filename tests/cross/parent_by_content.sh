# A child whose parent bears another id: which states of the disk the content proves or refutes, on file systems that mke2fs and debugfs make, and with e2fsck
# as a judge of what the chain then reads. Nothing is mounted; debugfs writes transactions into the journal as a machine does.
# The one thing easy to get wrong: the disk under the child's parent gets its other id by a merge of an empty child, which changes no byte of its content.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need sfdisk mke2fs debugfs e2fsck dumpe2fs tune2fs openssl
need_guest

first=2048 megabytes=94

# disk RAW FS: a GPT with the file system in its partition.
disk() {
    truncate -s 96M "$1"
    echo "label: gpt
label-id: 11111111-2222-3333-4444-555555555555
start=$first, size=$((megabytes * 2048)), type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=11111111-2222-3333-4444-666666666666" |
        sfdisk -q "$1" || fail sfdisk
    dd if="$2" of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
}
# session FS BLOCK: a transaction that writes one unused block, at home and in the journal.
session() {
    random "$2" 1024 >block.bin
    printf 'jo -c -v 3\njw -b %s block.bin\njc\njr\n' "$2" | debugfs -w "$1" >debugfs.log 2>&1 || fail debugfs
}
# add FS NAME BYTES
add() {
    random 5 "$3" >new.bin
    printf 'write new.bin %s\n' "$2" | debugfs -w "$1" >debugfs.log 2>&1 || fail debugfs
}
clean() { e2fsck -fn "$1" >e2fsck.log 2>&1; }

mkdir files
random 1 3000000 >files/program.bin
for i in $(seq 1 40); do seq "$i" 3000 >"files/$i.txt"; done
# make_states FEATURES: one state of the disk on which the child was made, the child's own, and others.
make_states() {
    mke2fs -q -t ext4 -b 1024 -O "$1" -d files -U 12345678-1234-1234-1234-123456789abc earlier.fs ${megabytes}M >mke2fs.log 2>&1 ||
        { cat mke2fs.log; fail "mke2fs -O $1"; }
    mke2fs -q -t ext4 -b 1024 -O "$1" -d files foreign.fs ${megabytes}M >mke2fs.log 2>&1 || fail mke2fs
    cp earlier.fs right.fs
    session right.fs 70001
    add right.fs before.bin 9000000 # over several groups
    for state in child later inplace; do cp right.fs $state.fs; done
    session child.fs 70002
    add child.fs after.bin 20000
    session later.fs 70003
    add later.fs other.bin 12000000
    session inplace.fs 70004
    cp right.fs unmounted.fs # changed by a program that needs no journal, after the child began to write
    sleep 1.1
    tune2fs -L another unmounted.fs >/dev/null 2>&1 || fail tune2fs
    for state in earlier foreign right child later inplace unmounted; do
        clean $state.fs || { cat e2fsck.log; fail "$state.fs is not clean"; }
        disk $state.raw $state.fs
    done
}
make_states metadata_csum,64bit
# What is told apart by the journal is told apart by dumpe2fs, too.
sequence() { dumpe2fs -h "$1.fs" 2>/dev/null | sed -n 's/^Journal sequence: *//p'; }
[ -n "$(sequence right)" ] || skip "this dumpe2fs says nothing of the journal"
[ $(($(sequence inplace))) -gt $(($(sequence right))) ] || fail "dumpe2fs sees no later transaction"
[ $(($(sequence unmounted))) = $(($(sequence right))) ] || fail "dumpe2fs sees a later transaction"

# scene STATE: the child, made on "right", lies on a disk with that content and another id.
scene() {
    rm -rf d other
    mkdir d other
    "$GUEST" -b 2 d/base.vhdx right.raw d/child.avhdx child.raw || fail guest
    "$GUEST" -b 2 other/base.vhdx right.raw other/changes.avhdx "$1.raw" || fail guest
    run merge other/changes.avhdx >/dev/null
    cp other/base.vhdx d/base.vhdx
    before=$(sha256 <d/child.avhdx)
    base=$(sha256 <d/base.vhdx)
    "$VHDX" verify --chain d/child.avhdx >out 2>&1
    [ $? = 4 ] || { cat out; fail "$1: verify ended with $?"; }
    tr -s '\n ' '  ' <out >words
}
says() { grep -qF "$1" words || { cat out; fail "verify does not say: $1"; }; }
nothing_happens() {
    "$VHDX" repair "$@" d/child.avhdx >out 2>&1
    [ "$before" = "$(sha256 <d/child.avhdx)" ] || { cat out; fail "repair $*: writes"; }
}
exported() {
    run export --overwrite -o out.raw d/child.avhdx >/dev/null
    dd if=out.raw of=out.fs bs=1M skip=1 count=$megabytes status=none
}

scene right
says "the content shows that it is the state that this one was made on"
"$VHDX" repair d/child.avhdx >out 2>&1
[ $? = 1 ] || { cat out; fail "repair of the right parent ended with $?"; }
run verify --chain d/child.avhdx >out
exported
cmp out.raw child.raw || fail "the mended chain reads otherwise"
clean out.fs || { cat e2fsck.log; fail "e2fsck does not find the mended chain clean"; }
mended=$(sha256 <d/child.avhdx)
"$VHDX" repair d/child.avhdx >out 2>&1 || { cat out; fail "a second repair finds something"; }
[ "$mended" = "$(sha256 <d/child.avhdx)" ] || fail "a second repair writes"
[ "$base" = "$(sha256 <d/base.vhdx)" ] || fail "the parent was written to"
run undo d/child.avhdx.vhdx-undo >out
[ "$before" = "$(sha256 <d/child.avhdx)" ] || fail "undo does not lead back"

for state in earlier later foreign; do
    scene $state
    says "another state of the disk, or another disk: of the ext4 file system at 0x100000 of the disk"
    says "has not the checksum"
    nothing_happens
    nothing_happens --salvage
    run relink --force --parent d/base.vhdx d/child.avhdx >/dev/null
    exported
    clean out.fs && fail "$state: e2fsck finds nothing where a structure was said not to fit"
done

# Nothing but the journal tells: e2fsck has nothing to complain of.
scene inplace
says "its journal has come to transaction"
nothing_happens --salvage

scene unmounted
says "both belong to one disk: of the ext4 file system at 0x100000 of the disk"
says "cannot be known"
nothing_happens

# Descriptors in groups of their own; what they say is the same.
rm -f ./*.fs ./*.raw
make_states metadata_csum,64bit,meta_bg,^resize_inode
scene right
says "the content shows that it is the state that this one was made on"
for state in earlier later; do
    scene $state
    says "has not the checksum"
    nothing_happens --salvage
done

# Without checksums of bitmaps the numbers of what is free have to do, and prove no state.
for features in ^metadata_csum,uninit_bg ^metadata_csum,^uninit_bg,^64bit,^flex_bg; do
    rm -f ./*.fs ./*.raw
    make_states "$features"
    scene right
    says "both belong to one disk: of the ext4 file system at 0x100000 of the disk"
    says "numbers of free bits"
    nothing_happens
    "$VHDX" repair --salvage d/child.avhdx >out 2>&1
    [ $? = 1 ] || { cat out; fail "$features: repair of the right parent ended with $?"; }
    exported
    cmp out.raw child.raw || fail "$features: the mended chain reads otherwise"
    for state in earlier later foreign; do
        scene $state
        says "number of free bits"
        nothing_happens --salvage
    done
    scene inplace
    says "its journal has come to transaction"
    nothing_happens --salvage
done
exit 0
