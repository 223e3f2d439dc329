# On a file system that shares extents a conversion moves no byte: from raw, VHD and VHDX, to all of them. And a run that is killed leaves no disk.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need mkfs.xfs openssl jq
[ "$(id -u)" = 0 ] || skip "only root can mount"
mkdir volume
truncate -s 3G image
mkfs.xfs -q -f -m reflink=1 image >/dev/null 2>&1 || skip "mkfs.xfs fails"
mount -o loop image volume 2>/dev/null || skip "XFS cannot be mounted here"
trap 'cd /; umount "$OLDPWD/volume" 2>/dev/null || umount "$place"' EXIT
place=$PWD/volume
cd volume || exit 1

random 3 200000000 >data.raw
truncate -s 1G data.raw
sync -f .
used() { df --output=used -B1 . | tail -1; }

from=data.raw count=0
before=$(used)
for to in "-O vhdx" "-O vhd" "-O vhdx --fixed" "-O vhd --fixed" "-O raw" "-O vhdx --block-size 1M"; do
    run convert $to --json -o next $from >report
    sync -f .
    [ "$(jq .bytes_shared report)" -gt 195000000 ] || fail "$to from $from: $(jq .bytes_shared report) bytes are shared"
    mv next "kept$((count += 1))"
    from=kept$count
done
[ $(($(used) - before)) -lt 30000000 ] || fail "six disks take $(($(used) - before)) bytes more"
run convert -O raw -q -o back.raw $from
cmp back.raw data.raw || fail "other bytes at the end of the round"

# Killed at any time: no disk, or a whole one.
for after in 0.01 0.03 0.1 0.3 1; do
    "$VHDX" convert -q --keep-zeros --verify -o killed.vhdx data.raw >/dev/null 2>&1 &
    sleep $after
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    if [ -e killed.vhdx ]; then
        [ "$(hash_of killed.vhdx)" = "$(hash_of $from)" ] || fail "killed after $after s: a disk that is not whole"
        rm killed.vhdx
    fi
done
run convert -q -o killed.vhdx data.raw
[ ! -e killed.vhdx.unfinished ] || fail "what a killed run has left is still there"

# A block device: asked for by name only, never too small, and zeros are written where it held something else.
cd .. || exit 1
random 9 8000000 >held
truncate -s 8M held
device=$(losetup -f --show held 2>/dev/null) || exit 0
trap 'losetup -d "$device"; umount "$place"' EXIT
truncate -s 6M small.raw
put small.raw 4 3000000 5000
before=$(cksum <"$device")
for wrong in "-O raw -o $device small.raw" "-O raw --device -o $device volume/data.raw" "--device -o $device small.raw"; do
    "$VHDX" convert $wrong >out 2>&1
    [ $? = 8 ] || fail "convert $wrong: $(cat out)"
done
[ "$before" = "$(cksum <"$device")" ] || fail "a refused conversion has written to the device"
run convert -q -O raw --device --verify -o "$device" small.raw
cmp -n $((6 << 20)) "$device" small.raw || fail "the device has other bytes"
run convert -q -o from-device.vhdx "$device"
run export -q -o back.raw from-device.vhdx
cmp back.raw "$device" || fail "from a device"
