# Disks that qemu makes and writes to, read, merged into and flattened by us.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need qemu-img qemu-io

for options in subformat=dynamic subformat=fixed subformat=dynamic,block_size=1M \
    subformat=dynamic,block_state_zero=off subformat=dynamic,block_size=256M,log_size=4M; do
    qemu-img create -q -f vhdx -o "$options" disk.vhdx 200M || fail "qemu-img create $options"
    qemu-io -f vhdx -c 'write -q -P 0x11 0 1M' -c 'write -q -P 0x22 33554000 1536' -c 'write -q -P 0x33 209714688 512' \
        -c 'write -q -P 0x44 100M 5M' disk.vhdx || fail "qemu-io"
    qemu-img convert -f vhdx -O raw disk.vhdx theirs.raw || fail "qemu-img convert"
    sum=$(sha256 <disk.vhdx)
    run export --overwrite -o ours.raw disk.vhdx
    cmp ours.raw theirs.raw || fail "$options: we read something else than qemu"
    hash=$(hash_of disk.vhdx)
    [ "$(sha256 <disk.vhdx)" = "$sum" ] || fail "$options: reading has changed the file"

    run merge -o flat.vhdx disk.vhdx
    [ "$(hash_of flat.vhdx)" = "$hash" ] || fail "$options: the flattened disk has another hash"
    qemu-img compare -q -f vhdx -F vhdx disk.vhdx flat.vhdx || fail "$options: qemu finds the flattened disk different"

    # an empty child, merged into qemu's disk
    run create --parent disk.vhdx child.avhdx
    [ "$(hash_of child.avhdx)" = "$hash" ] || fail "$options: an empty child reads otherwise"
    run merge --delete child.avhdx
    qemu-img check -q -f vhdx disk.vhdx || fail "$options: qemu-img check after the merge"
    qemu-img convert -f vhdx -O raw disk.vhdx merged.raw
    cmp merged.raw theirs.raw || fail "$options: the merge of nothing has changed something"
    rm -f ./*.raw ./*hdx
done
