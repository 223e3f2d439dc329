#!/bin/bash
# On a volume with room for a tenth of what the merge needs: refused beforehand, with the numbers; with --reclaim it
# completes, also after twenty kills on the way, and the disk reads the same at every stop.
# SPDX-License-Identifier: MIT
. "$TOP/tests/fault/lib.bash"
need_volumes

MIB=1048576
truncate -s 160M raw0
random_bytes raw0 1 0 3000000
cp --sparse=always raw0 raw1
random_bytes raw1 2 $((8 * MIB)) $((120 * MIB))
"$GUEST" -b 2 base.vhdx raw0 child.avhdx raw1 || fail "no chain"
rm raw0 raw1
leaf=$(hash_of child.avhdx)
parent=$(hash_of base.vhdx)

# fill_up: leaves about 12 MiB of the volume.
fill_up() {
    local free
    sync
    free=$(df --output=avail -B 1 mnt | tail -n 1)
    fallocate -l $((free - 12 * MIB)) mnt/filler || fail "fallocate"
    sync
}

# new_volume KIND: a volume with the chain and no more room than that.
new_volume() {
    mount_volume "$1" 400M
    cp --sparse=always base.vhdx child.avhdx mnt
    fill_up
}

check_disk() {
    [ "$(hash_of mnt/child.avhdx)" = "$leaf" ] || fail "the child reads differently $where"
}

try_volume() {
    local kind=$1 n calls status kills=0 needed free
    where="on $kind"
    new_volume "$kind"

    # Refused beforehand, with the numbers and with what helps.
    for option in "" --dry-run; do
        expect 8 $VHDX merge $option mnt/child.avhdx
        one_line_of_error
        grep -qE 'needs [0-9]+ bytes \(1[0-9][0-9]\.[0-9] MiB\) of free space, the volume has [0-9]+ bytes' err ||
            fail "no numbers: $(cat err)"
        says err "--reclaim"
    done
    needed=$(grep -oE 'needs [0-9]+ bytes \(1' err | tr -dc '0-9\n' | sed 's/1$//')
    free=$(grep -oE 'volume has [0-9]+' err | tr -dc 0-9)
    [ $((free * 8)) -lt "$needed" ] || fail "the volume has room for more than an eighth of it: $free of $needed"
    [ "$(hash_of mnt/base.vhdx)" = "$parent" ] || fail "a refused merge has changed the parent"
    check_disk

    # Completes.
    expect 0 $VHDX merge --reclaim mnt/child.avhdx
    says out "given back"
    [ "$(hash_of mnt/base.vhdx)" = "$leaf" ] || fail "the merged disk reads differently $where"
    check_disk
    unmount_volume

    # And again, killed on the way.
    new_volume "$kind"
    while [ $kills -lt 20 ]; do
        case $((kills % 4)) in
        0) calls=pwrite64 n=$((33 + kills)) ;;
        1) calls=fallocate n=$((1 + kills % 3)) ;;
        2) calls=fdatasync n=$((11 + kills / 2)) ;;
        3) calls=pwrite64 n=$((61 - kills)) ;;
        esac
        where="on $kind after kill $kills, at $calls number $n"
        injected "$calls:signal=KILL:when=$n" $VHDX merge -q --reclaim mnt/child.avhdx
        status=$?
        [ $status = 137 ] || fail "the merge ended with $status instead of being killed, $where: $(cat err)"
        kills=$((kills + 1))
        check_disk
    done
    where="on $kind after $kills kills"
    expect 0 $VHDX merge --json --reclaim mnt/child.avhdx
    json_is 'd["bytes_copied"] > 0' True # the kills were on the way
    [ "$(hash_of mnt/base.vhdx)" = "$leaf" ] || fail "the merged disk reads differently $where"
    check_disk
    unmount_volume
    echo "$kind: $kills kills"
}

try_volume ext4
! command -v mkfs.xfs >/dev/null || try_volume xfs
