# Disks that we make, judged by qemu (which knows no differencing disks and only sectors of 512 bytes).
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need qemu-img openssl
need_guest

judge() { # DISK RAW
    qemu-img check -q -f vhdx "$1" || fail "qemu-img check $1"
    qemu-img convert -f vhdx -O raw "$1" theirs.raw || fail "qemu-img convert $1"
    cmp theirs.raw "$2" || fail "$1: qemu reads something else"
    rm theirs.raw
}

truncate -s 100M zeros.raw
for options in "" "--fixed" "--block-size 1M" "--block-size 256M" "--fixed --block-size 8M" \
    "--physical-sector-size 512"; do
    # shellcheck disable=SC2086
    run create --size 100M $options empty.vhdx
    judge empty.vhdx zeros.raw
    rm empty.vhdx
done
run create --size 64T --block-size 1M huge.vhdx
qemu-img info -f vhdx huge.vhdx | grep -q '64 TiB' || fail "qemu sees another size of a huge disk"

truncate -s 77777408 0.raw
put 0.raw 1 123456 5000000
put 0.raw 2 77777000 408
cp --sparse=always 0.raw 1.raw
put 1.raw 3 0 512
put 1.raw 4 30000128 9000000
cp --sparse=always 1.raw 2.raw
put 2.raw 5 60000768 77777
dd if=/dev/zero of=2.raw bs=1M seek=30 count=4 conv=notrunc status=none
"$GUEST" base.vhdx 0.raw middle.avhdx 1.raw leaf.avhdx 2.raw || fail "guest"
judge base.vhdx 0.raw
run merge -o flat.vhdx leaf.avhdx
judge flat.vhdx 2.raw
run merge --delete leaf.avhdx
run merge --delete middle.avhdx
judge base.vhdx 2.raw
qemu-img compare -q -f vhdx -F vhdx base.vhdx flat.vhdx || fail "merged and flattened disk differ for qemu"
