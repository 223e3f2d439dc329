# A child whose parent bears another id, with ext4 in a logical volume of two pieces, in a partition of an MBR: what ext4 says is the same as without LVM. The LVM
# tools lay the volume out; the file system is put into its pieces by hand, so that no device mapper is needed.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need sfdisk mke2fs debugfs e2fsck losetup pvcreate vgcreate lvcreate lvextend pvs openssl
need_guest
[ "$(id -u)" = 0 ] || skip "loop devices need root"

megabytes=30
config='devices{use_devicesfile=0 filter=["a|/dev/loop.*|","r|.*|"] scan=["/dev"]} activation{udev_sync=0 udev_rules=0} backup{backup=0 archive=0}'
group=vhdx_test_$$
lvm() { "$1" -q --driverloaded n --config "$config" "${@:2}" >>lvm.log 2>&1 || { cat lvm.log; skip "LVM cannot work here"; }; }

truncate -s 62M pv
loop=$(losetup -f --show pv 2>/dev/null) || skip "there is no loop device"
trap 'losetup -d $loop 2>/dev/null' EXIT
lvm pvcreate "$loop"
lvm vgcreate -s 1M "$group" "$loop"
lvm lvcreate -an -Zn -Wn -n root -l 20 "$group"
lvm lvcreate -an -Zn -Wn -n between -l 8 "$group"
lvm lvextend -l +10 "$group/root" # behind the other one
pieces=$(pvs --driverloaded n --config "$config" --segments --noheadings -o lv_name,pvseg_start,pvseg_size,pe_start --units m --nosuffix "$loop" 2>/dev/null |
    awk '$1 == "root" { print $2, $3, $4 }')
[ "$(echo "$pieces" | wc -l)" = 2 ] || { echo "$pieces"; fail "the volume has not two pieces"; }
sync
losetup -d "$loop"

# disk RAW FS: an MBR, in its partition the physical volume with the file system in its pieces.
disk() {
    truncate -s 64M "$1"
    echo 'label: dos
start=2048, type=8e' | sfdisk -q "$1" || fail sfdisk
    dd if=pv of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
    local done=0 at count first
    while read -r at count first; do
        dd if="$2" of="$1" bs=1M skip=$done count="$count" seek=$((1 + ${first%.*} + at)) conv=notrunc status=none
        done=$((done + count))
    done <<<"$pieces"
}
session() {
    random "$2" 1024 >block.bin
    printf 'jo -c -v 3\njw -b %s block.bin\njc\njr\n' "$2" | debugfs -w "$1" >debugfs.log 2>&1 || fail debugfs
}
add() {
    random 5 "$3" >new.bin
    printf 'write new.bin %s\n' "$2" | debugfs -w "$1" >debugfs.log 2>&1 || fail debugfs
}
mke2fs -q -t ext4 -b 1024 -O metadata_csum,64bit right.fs ${megabytes}M >mke2fs.log 2>&1 || fail mke2fs
session right.fs 20001
add right.fs before.bin 9000000
cp right.fs child.fs
cp right.fs later.fs
session child.fs 20002
add child.fs after.bin 20000
session later.fs 20003
add later.fs other.bin 12000000
for state in right child later; do disk $state.raw $state.fs; done

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
}
says() { grep -qF "$1" words || { cat words; fail "verify does not say: $1"; }; }

scene right
says "the content shows that it is the state that this one was made on, and only its id differs"
says "of the ext4 file system in the logical volume root at 0x100000 of the disk"
"$VHDX" repair d/child.avhdx >out 2>&1
[ $? = 1 ] || { cat out; fail "repair of the right parent ended with $?"; }
run export -o out.raw d/child.avhdx >/dev/null
cmp out.raw child.raw || fail "the mended chain reads otherwise"

scene later
says "another state of the disk, or another disk: of the ext4 file system in the logical volume root"
"$VHDX" repair --salvage d/child.avhdx >out 2>&1
[ "$before" = "$(sha256 <d/child.avhdx)" ] || { cat out; fail "repair writes"; }
exit 0
