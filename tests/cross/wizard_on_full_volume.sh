# What the Edit Disk wizard does, one after the other, where it is needed most: on a volume that is full. A base and three
# checkpoints with NTFS and ext4 in them are merged, compacted, shrunk to the minimum, converted to a fixed VHD as Azure
# wants it, and back to a VHDX. Each file of the guest is the same at the end, and the file systems' own checks say so.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
export PATH=$PATH:/usr/sbin:/sbin
need sfdisk sgdisk mke2fs e2fsck debugfs mkntfs ntfscp ntfscat ntfsfix openssl qemu-img
need_guest

ntfs_at=$((1 << 20)) ntfs_size=$((120 << 20))
ext_at=$((ntfs_at + ntfs_size)) ext_size=$((160 << 20))
: >files

quietly() {
    "$@" >output 2>&1 || { cat output; fail "$*"; }
}

# Takes the two file systems out of a raw disk, and puts them back.
take_out() {
    dd if="$1" of=ntfs.img bs=1M skip=$((ntfs_at >> 20)) count=$((ntfs_size >> 20)) status=none
    dd if="$1" of=ext.img bs=1M skip=$((ext_at >> 20)) count=$((ext_size >> 20)) status=none
}
put_in() {
    dd if=ntfs.img of="$1" bs=1M seek=$((ntfs_at >> 20)) conv=notrunc,sparse status=none
    dd if=ext.img of="$1" bs=1M seek=$((ext_at >> 20)) conv=notrunc,sparse status=none
}

# write_file NAME SEED BYTES: into both file systems.
write_file() {
    random "$2" "$3" >one
    echo "$1 $(sha256 <one)" >>files
    quietly ntfscp -f ntfs.img one "$1"
    debugfs -w -R "write one $1" ext.img >/dev/null 2>&1 || fail "debugfs"
}

check_files() { # RAW
    local name sum
    take_out "$1"
    quietly e2fsck -fn ext.img
    quietly ntfsfix -n ntfs.img
    while read -r name sum; do
        [ "$(ntfscat -f ntfs.img "$name" | sha256)" = "$sum" ] || fail "$1: $name on NTFS is another file"
        [ "$(debugfs -R "cat $name" ext.img 2>/dev/null | sha256)" = "$sum" ] || fail "$1: $name on ext4 is another file"
    done <files
}

# ---- the machine: a base and three checkpoints ----
truncate -s 512M 0.raw
truncate -s $ntfs_size ntfs.img
truncate -s $ext_size ext.img
printf 'label: gpt\nstart=2048, size=%d, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\nstart=%d, size=%d, type=linux\n' \
    $((ntfs_size / 512)) $((ext_at / 512)) $((ext_size / 512)) | quietly sfdisk -q 0.raw
quietly mkntfs -q -F -p 2048 -H 255 -S 63 ntfs.img
quietly mke2fs -q -F -t ext4 ext.img
write_file first 1 9000001
write_file gone 2 30000000
put_in 0.raw
for layer in 1 2 3; do
    cp --sparse=always $((layer - 1)).raw $layer.raw
    take_out $layer.raw
    write_file "layer$layer" $((10 + layer)) $((4000000 + layer * 1234567))
    put_in $layer.raw
done
debugfs -w -R "rm gone" ext.img >/dev/null 2>&1 # its 30 MB are free, and not zeros
grep -v '^gone ' files >kept
put_in 3.raw
mkdir volume
"$GUEST" -b 1 volume/base.vhdx 0.raw volume/c1.avhdx 1.raw volume/c2.avhdx 2.raw volume/c3.avhdx 3.raw || fail "guest"
# On NTFS the file is still there.
grep '^gone ' files >gone
mv kept files
check_files 3.raw

# ---- a volume with room for hardly more than that ----
if [ "$(id -u)" = 0 ]; then
    used=$(du -sk volume | cut -f1)
    truncate -s $(((used * 104 / 100 + 16000) * 1024)) volume.img
    quietly mke2fs -q -F -t ext4 -m 0 -d volume volume.img
    if mount -o loop volume.img volume 2>/dev/null; then
        on_volume=$PWD/volume
        trap 'umount -l "$on_volume"' EXIT
    fi
fi
cd volume || exit 1

quietly "$VHDX" merge --reclaim --delete --into base.vhdx c3.avhdx
quietly "$VHDX" verify --chain base.vhdx
merged=$(stat -c %b base.vhdx)
quietly "$VHDX" compact base.vhdx
[ $((merged - $(stat -c %b base.vhdx))) -gt $((25000000 / 512)) ] || fail "the space of the file that is gone did not come back"
size=$(stat -c %s base.vhdx)
quietly "$VHDX" compact base.vhdx
[ "$(stat -c %s base.vhdx)" = "$size" ] || fail "compacting twice is not compacting once"
quietly "$VHDX" resize --to-minimum base.vhdx
quietly "$VHDX" verify base.vhdx
quietly "$VHDX" export -o ../shrunk.raw base.vhdx
quietly sgdisk -v ../shrunk.raw
grep -q 'No problems found' output || { cat output; fail "sgdisk finds a problem"; }
[ "$(stat -c %s ../shrunk.raw)" -lt $((300 << 20)) ] || fail "it is not the minimum: $(stat -c %s ../shrunk.raw)"
(cd .. && check_files shrunk.raw) || exit 1
quietly "$VHDX" convert -O vhd --fixed --azure -o ../azure.vhd base.vhdx
[ $((($(stat -c %s ../azure.vhd) - 512) % (1 << 20))) = 0 ] || fail "a VHD for Azure has whole MiB"
cd ..
qemu-img info -f vpc azure.vhd | grep -q 'file format: vpc' || fail "qemu does not know the VHD"
quietly "$VHDX" convert -o back.vhdx azure.vhd
quietly "$VHDX" verify back.vhdx
quietly "$VHDX" export -o back.raw back.vhdx
check_files back.raw
cmp -n "$(stat -c %s shrunk.raw)" shrunk.raw back.raw || fail "after both ways the disk reads as something else"
[ -z "${on_volume:-}" ] || { umount "$on_volume"; trap - EXIT; }
