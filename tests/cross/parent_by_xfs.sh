# A child whose parent bears another id, with XFS inside, on file systems that mkfs.xfs makes and the kernel writes to: told apart are the parent whose content is
# what the child was made on, one in which files were written since, and another disk. xfs_repair judges what the mended chain reads.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need mkfs.xfs xfs_repair mount umount openssl
need_guest
[ "$(id -u)" = 0 ] && grep -qw xfs /proc/filesystems || skip "XFS cannot be mounted here"

megabytes=320 # mkfs.xfs makes none that is smaller
mkdir mnt
trap 'umount mnt 2>/dev/null' EXIT

# session FS COMMAND...: runs it in the mounted file system.
session() {
    mount -o loop,nouuid "$1" mnt 2>/dev/null || skip "XFS cannot be mounted here"
    shift
    (cd mnt && "$@") || fail "$*"
    umount mnt || fail umount
}
fill() { for i in $(seq 1 20); do random "$i" $((i * 3000)) >"file$i"; done; }
add() { random 7 50000 >"$1"; }
inplace() { random 8 2000 | dd of="$1" bs=2000 seek=1 conv=notrunc status=none; }

truncate -s ${megabytes}M right.fs foreign.fs
mkfs.xfs -q right.fs && mkfs.xfs -q foreign.fs || fail mkfs.xfs
session right.fs fill
session foreign.fs fill
for state in child later inplace; do cp --sparse=always right.fs $state.fs; done
session child.fs add child
session later.fs add later
session inplace.fs inplace file6

# scene STATE: the child, made on "right", on a disk with that content and another id. No partition table.
scene() {
    rm -rf d other
    mkdir d other
    "$GUEST" -b 2 d/base.vhdx right.fs d/child.avhdx child.fs || fail guest
    "$GUEST" -b 2 other/base.vhdx right.fs other/changes.avhdx "$1.fs" || fail guest
    run merge other/changes.avhdx >/dev/null
    cp other/base.vhdx d/base.vhdx
    before=$(sha256 <d/child.avhdx)
    "$VHDX" verify --chain d/child.avhdx >out 2>&1
    [ $? = 4 ] || { cat out; fail "$1: verify ended with $?"; }
    tr -s '\n ' '  ' <out >words
}
says() { grep -qF "$1" words || { cat words; fail "verify does not say: $1"; }; }
nothing_happens() {
    "$VHDX" repair "$@" d/child.avhdx >out 2>&1
    [ "$before" = "$(sha256 <d/child.avhdx)" ] || { cat out; fail "repair $*: writes"; }
}

scene right
says "of the XFS file system at 0x0 of the disk, as far as it can tell, the parent's content is what the child was made on"
nothing_happens
"$VHDX" repair --salvage d/child.avhdx >out 2>&1
[ $? = 1 ] || { cat out; fail "repair of the right parent ended with $?"; }
run export -o out.fs d/child.avhdx >/dev/null
cmp out.fs child.fs || fail "the mended chain reads otherwise"
xfs_repair -n out.fs >xfs_repair.log 2>&1 || { cat xfs_repair.log; fail "xfs_repair finds something"; }

for state in later inplace; do
    scene $state
    says "files were written to the parent since: its log has come to"
    nothing_happens --salvage
done

scene foreign
says "it is another disk: headers of its groups carry another id below"
nothing_happens --salvage
exit 0
