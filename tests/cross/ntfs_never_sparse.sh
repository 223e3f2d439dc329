# Hyper-V refuses a disk whose file is sparse on NTFS (0xC03A001A), and on an NTFS that Linux has mounted a file becomes sparse as soon as it grows by
# anything but zeros written in order. No command may leave one behind: create, merge in place into a parent that has to grow, merge into a new file.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
[ "$(id -u)" = 0 ] || skip "only root can mount"
[ -w /dev/fuse ] || skip "/dev/fuse is not there"
need mkntfs ntfs-3g getfattr openssl
need_guest

truncate -s 1G volume
mkntfs -q -Q -F volume >/dev/null 2>&1 || fail "mkntfs"
mkdir mnt
ntfs-3g volume mnt 2>mount.log || skip "ntfs-3g cannot mount: $(tail -n 1 mount.log)"
trap 'cd /; umount -l "$OLDPWD/mnt" 2>/dev/null || fusermount -uz "$OLDPWD/mnt"' EXIT

# never_sparse FILE...: the attribute FILE_ATTRIBUTE_SPARSE_FILE (0x200) is not set.
never_sparse() {
    local file attributes
    for file; do
        attributes=$(getfattr --only-values --absolute-names -n system.ntfs_attrib_be "$file" | od -An -tx1 | tr -d ' \n')
        [ -n "$attributes" ] || fail "$file has no NTFS attributes"
        [ $((0x$attributes & 0x200)) = 0 ] || fail "$file is sparse (attributes $attributes)"
    done
}

truncate -s 48M before.raw
put before.raw 1 1048576 300000
cp before.raw after.raw
truncate -s 96M after.raw
put after.raw 2 8388608 5000000
put after.raw 3 70000000 100352
"$GUEST" mnt/base.vhdx before.raw mnt/child.avhdx after.raw || fail "guest"
cat mnt/base.vhdx >mnt/plain && mv mnt/plain mnt/base.vhdx # whatever way guest writes: not sparse to begin with
before=$(hash_of mnt/child.avhdx)

run create --size 64M mnt/dynamic.vhdx
run create --size 16M --fixed mnt/fixed.vhdx
run create --parent mnt/dynamic.vhdx mnt/empty.avhdx
never_sparse mnt/dynamic.vhdx mnt/fixed.vhdx mnt/empty.avhdx
run merge mnt/empty.avhdx >out
never_sparse mnt/dynamic.vhdx mnt/empty.avhdx

run merge -o mnt/flat.vhdx mnt/child.avhdx >out
never_sparse mnt/flat.vhdx
size=$(stat -c %s mnt/base.vhdx)
run merge mnt/child.avhdx >out
[ "$(stat -c %s mnt/base.vhdx)" -gt "$size" ] || fail "the parent did not grow, the test shows nothing"
never_sparse mnt/base.vhdx mnt/child.avhdx
[ "$(hash_of mnt/base.vhdx)" = "$before" ] || fail "the merged disk reads otherwise"
[ "$(hash_of mnt/flat.vhdx)" = "$before" ] || fail "the new disk reads otherwise"
