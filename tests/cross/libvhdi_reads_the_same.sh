# A chain of three layers and what merges make of it, read by libvhdi and by us. All logs are clean: libvhdi knows none.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need openssl
need_guest
need_libvhdi

truncate -s 150M 0.raw
put 0.raw 1 0 3000000
put 0.raw 2 40000512 9000000
put 0.raw 3 157286000 400
cp --sparse=always 0.raw 1.raw
put 1.raw 4 1048064 1024
put 1.raw 5 41943040 2097152
put 1.raw 6 100000256 5000
cp --sparse=always 1.raw 2.raw
put 2.raw 7 512 512
put 2.raw 8 90000896 4000000
dd if=/dev/zero of=2.raw bs=1M seek=42 count=3 conv=notrunc status=none
"$GUEST" base.vhdx 0.raw middle.avhdx 1.raw leaf.avhdx 2.raw || fail "guest"

same() { # RAW LEAF PARENT...
    run export --overwrite -o ours.raw "$2"
    cmp ours.raw "$1" || fail "$2: what we read is not what was written"
    ./vhdi_compare "$@" || fail "$2: libvhdi reads something else"
    rm ours.raw
}
same 2.raw leaf.avhdx middle.avhdx base.vhdx
same 1.raw middle.avhdx base.vhdx
same 0.raw base.vhdx

run merge -o flat.vhdx leaf.avhdx
same 2.raw flat.vhdx

# a differencing disk as target: the bitmaps are ours now
mkdir copy
cp --sparse=always ./*hdx copy/
run merge copy/leaf.avhdx
# Blocks that became ZERO there are not for this judge: it reads them as the parent's. What the target reads as is compared by our own reader.
"$VHDX" export -q -o merged.raw copy/middle.avhdx && cmp -n "$(stat -c %s 2.raw)" merged.raw 2.raw || fail "the merged layer reads as something else"
same 0.raw copy/base.vhdx

run merge --into base.vhdx leaf.avhdx
same 2.raw base.vhdx

# empty disks of ours (not an empty child: see vhdi_compare.c)
run create --size 3G --fixed --block-size 1M fixed.vhdx
run create --size 3G --sector-size 4096 dynamic.vhdx
truncate -s 3G zeros.raw
./vhdi_compare zeros.raw fixed.vhdx || fail "libvhdi reads our fixed disk otherwise"
./vhdi_compare zeros.raw dynamic.vhdx || fail "libvhdi reads our disk with large sectors otherwise"
