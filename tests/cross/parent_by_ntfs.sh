# A child whose parent bears another id, with NTFS inside: told apart are the parent whose content is what the child was made on, one in which files were written
# since, one that is older, and another disk. The volumes are made by mkntfs and changed through ntfs-3g, as a machine would; what the mended chain reads is read
# by ntfs-3g again.
# The one thing easy to get wrong: the disk under the child's parent gets its other id by a merge of an empty child, which changes no byte of its content.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need sfdisk mkntfs ntfs-3g umount openssl
need_guest
[ "$(id -u)" = 0 ] && [ -e /dev/fuse ] || skip "ntfs-3g cannot mount here"

first=2048 megabytes=30
mkdir mnt
trap 'umount mnt 2>/dev/null' EXIT

# disk RAW FS: a GPT with the file system in its partition.
disk() {
    truncate -s 32M "$1"
    echo "label: gpt
label-id: 11111111-2222-3333-4444-555555555555
start=$first, size=$((megabytes * 2048)), type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=11111111-2222-3333-4444-666666666666" |
        sfdisk -q "$1" || fail sfdisk
    dd if="$2" of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
}
# session FS COMMAND...: runs it in the mounted volume.
session() {
    ntfs-3g "$1" mnt || skip "ntfs-3g cannot mount here"
    shift
    (cd mnt && "$@") || fail "$*"
    umount mnt || fail umount
    sleep 0.1
}
fill() { for i in $(seq 1 20); do random "$i" $((i * 3000)) >"file$i"; done; }
# add NAME: a new file.
add() { random 7 50000 >"$1"; }
# inplace NAME: other bytes in a file that is there; its length stays.
inplace() { random 8 2000 | dd of="$1" bs=2000 seek=1 conv=notrunc status=none; }
work() { add child1 && add child2 && inplace file3 && rm file4; }
both() { add later && inplace file5; }

truncate -s ${megabytes}M earlier.fs foreign.fs
mkntfs -F -q -Q -L Profile earlier.fs >/dev/null 2>&1 || fail mkntfs
session earlier.fs fill
sleep 1.1 # a volume is known by the second in which it was made
mkntfs -F -q -Q -L Profile foreign.fs >/dev/null 2>&1 || fail mkntfs
session foreign.fs fill
cp earlier.fs right.fs
session right.fs add before
for state in child later inplace; do cp right.fs $state.fs; done
session child.fs work
session later.fs both
session inplace.fs inplace file6
for state in earlier foreign right child later inplace; do disk $state.raw $state.fs; done

# scene STATE: the child, made on "right", on a disk with that content and another id.
scene() {
    rm -rf d other
    mkdir d other
    "$GUEST" -b 2 d/base.vhdx right.raw d/child.avhdx child.raw || fail guest
    "$GUEST" -b 2 other/base.vhdx right.raw other/changes.avhdx "$1.raw" || fail guest
    run merge other/changes.avhdx >/dev/null
    cp other/base.vhdx d/base.vhdx
    before=$(sha256 <d/child.avhdx)
    "$VHDX" verify --chain d/child.avhdx >out 2>&1
    [ $? = 4 ] || { cat out; fail "$1: verify ended with $?"; }
    tr -s '\n ' '  ' <out >words
    "$VHDX" relink --parent d/base.vhdx d/child.avhdx >out 2>&1
    [ $? = 8 ] || { cat out; fail "$1: relink ended with $?"; }
    tr -s '\n ' '  ' <out >relinked
}
says() {
    grep -qF "$1" words || { cat words; fail "verify does not say: $1"; }
    grep -qF "$1" relinked || { cat relinked; fail "relink does not say: $1"; }
}
nothing_happens() {
    "$VHDX" repair "$@" d/child.avhdx >out 2>&1
    [ "$before" = "$(sha256 <d/child.avhdx)" ] || { cat out; fail "repair $*: writes"; }
}
# files RAW: names and sums of all files of the volume.
files() {
    dd if="$1" of=look.fs bs=1M skip=1 count=$megabytes status=none
    ntfs-3g -o ro look.fs mnt || fail "ntfs-3g does not mount $1"
    (cd mnt && find . -type f -exec cksum {} + | sort)
    umount mnt
}

scene right
says "of the NTFS file system at 0x100000 of the disk"
says "the parent's content is what the child was made on and only its id differs"
nothing_happens
"$VHDX" repair --salvage d/child.avhdx >out 2>&1
[ $? = 1 ] || { cat out; fail "repair of the right parent ended with $?"; }
run verify --chain d/child.avhdx >out
run export -o out.raw d/child.avhdx >/dev/null
cmp out.raw child.raw || fail "the mended chain reads otherwise"
[ "$(files out.raw)" = "$(files child.raw)" ] || fail "the files are others"
run undo d/child.avhdx.vhdx-undo >out
[ "$before" = "$(sha256 <d/child.avhdx)" ] || fail "undo does not lead back"

for state in later inplace; do
    scene $state
    says "files were written to the parent since (newest change $(date -u +%Y)-"
    nothing_happens
    nothing_happens --salvage
done

scene earlier # has not the file that was there when the child was made
says "one layer says that they are in use and the other that they are not"
nothing_happens --salvage

scene foreign
says "it is another disk: its own file record"
nothing_happens --salvage
exit 0
