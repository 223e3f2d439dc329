# What Hyper-V minds about a file on NTFS is told by verify, from what ntfs-3g shows of it: sparse and compressed files, and a security descriptor that lets no
# virtual machine in; and the cure that is at hand here, a plain copy, cures.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
[ "$(id -u)" = 0 ] || skip "only root can mount"
[ -w /dev/fuse ] || skip "/dev/fuse is not there"
need mkntfs ntfs-3g setfattr getfattr jq

truncate -s 256M volume
mkntfs -q -Q -F volume >/dev/null 2>&1 || fail "mkntfs"
mkdir mnt
ntfs-3g volume mnt 2>mount.log || skip "ntfs-3g cannot mount: $(tail -n 1 mount.log)"
trap 'cd /; umount -l "$OLDPWD/mnt" 2>/dev/null || fusermount -uz "$OLDPWD/mnt"' EXIT

ids() {
    run verify --json "$1" | jq -r '.files[].findings[].id' | grep HOST | sort | tr '\n' ' '
}

# descriptor SID-BYTES: administrators own it, and one entry lets that account do all
descriptor() {
    local sid=$1 ace acl
    ace=$((8 + ${#sid} / 2))
    acl=$((8 + ace))
    printf '010004801400000024000000000000003400000001020000000000052000000020020000%s' \
        01020000000000052000000020020000
    printf '0200%02x%02x01000000' $((acl % 256)) $((acl / 256))
    printf '0000%02x%02xff011f00%s' $((ace % 256)) $((ace / 256)) "$sid"
}

administrators=01020000000000052000000020020000
machine=010600000000000553000000010000000aebe0d9375b8e509173
machine=${machine}67e9ade83acf

run create --size 16M mnt/disk.vhdx
setfattr -n system.ntfs_acl -v "0x$(descriptor $machine)" mnt/disk.vhdx || skip "this ntfs-3g takes no descriptors"
[ -z "$(ids mnt/disk.vhdx)" ] || fail "a file without fault: $(ids mnt/disk.vhdx)"

setfattr -n system.ntfs_acl -v "0x$(descriptor $administrators)" mnt/disk.vhdx
[ "$(ids mnt/disk.vhdx)" = "VHDX-HOST-ACCESS " ] || fail "administrators only: $(ids mnt/disk.vhdx)"
setfattr -n system.ntfs_acl -v "0x$(descriptor $machine)" mnt/disk.vhdx

# The search says whose it was.
$VHDX orphans --json mnt >found.json || [ $? = 4 ] || fail "orphans"
[ "$(jq -r '.files[0] | .accounts[0] + " " + .access + " " + (.flags | join(","))' found.json)" = \
    "d9e0eb0a-5b37-508e-9173-67e9ade83acf some foreign" ] || fail "whose disk it was: $(jq '.files[0]' found.json)"

cp --sparse=always mnt/disk.vhdx mnt/sparse.vhdx
truncate -s +4M mnt/sparse.vhdx
setfattr -n system.ntfs_acl -v "0x$(descriptor $machine)" mnt/sparse.vhdx
[ "$(ids mnt/sparse.vhdx)" = "VHDX-HOST-SPARSE " ] || fail "sparse: $(ids mnt/sparse.vhdx)"
run verify mnt/sparse.vhdx | grep -q "fsutil sparse setflag 'sparse.vhdx' 0" || fail "the command is missing"
cat mnt/sparse.vhdx >mnt/plain.vhdx
setfattr -n system.ntfs_acl -v "0x$(descriptor $machine)" mnt/plain.vhdx
[ -z "$(ids mnt/plain.vhdx)" ] || fail "a plain copy is not cured: $(ids mnt/plain.vhdx)"

mkdir mnt/packed
setfattr -n system.ntfs_attrib_be -v 0x00000810 mnt/packed # new files in it are compressed
cat mnt/plain.vhdx >mnt/packed/disk.vhdx
setfattr -n system.ntfs_acl -v "0x$(descriptor $machine)" mnt/packed/disk.vhdx
case $(getfattr --only-values --absolute-names -n system.ntfs_attrib_be mnt/packed/disk.vhdx | od -An -tx1 | tr -d ' \n') in
????08?? | ????0[9a-f]??)
    case $(ids mnt/packed/disk.vhdx) in
    *VHDX-HOST-COMPRESSED*) ;;
    *) fail "compressed: $(ids mnt/packed/disk.vhdx)" ;;
    esac ;;
*) echo "this ntfs-3g does not compress: that part is not tried" ;;
esac
