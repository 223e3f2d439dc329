# Disks that we make, over formats, sizes and block sizes, read by qemu-img, vhdiinfo and libvhdi; and disks of qemu-img that we convert.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need qemu-img vhdiinfo openssl jq
need_libvhdi

make_raw() { # SIZE: source.raw with some data in it, also at its very end
    rm -f source.raw
    truncate -s "$1" source.raw
    local size
    size=$(stat -c %s source.raw)
    for at in 0 $((size / 3)) $((size - 700)); do
        [ "$at" -lt 0 ] || dd if=noise of=source.raw bs=64K seek="$at" oflag=seek_bytes iflag=fullblock,count_bytes \
            count=$((size - at < 300000 ? size - at : 300000)) conv=notrunc status=none
    done
}

# What they say of the size must be what we say: no geometry may come between.
check_vhd() { # VHD
    local told
    told=$("$VHDX" info --json "$1" | jq .virtual_size)
    [ "$(qemu-img info --output json -f vpc "$1" | jq '.["virtual-size"]')" = "$told" ] || fail "$1: qemu-img sees another size"
    vhdiinfo "$1" >info || fail "vhdiinfo $1"
    grep -q "($told bytes)\|$told bytes" info || fail "$1: vhdiinfo: $(grep -i size info), not $told"
    qemu-img compare -q -f vpc -F raw "$1" source.raw || fail "$1: qemu-img reads it otherwise"
    qemu-img convert -f vpc -O raw "$1" theirs.raw || fail "qemu-img convert $1"
    cmp -n "$(stat -c %s source.raw)" theirs.raw source.raw || fail "$1: qemu-img converts other bytes"
    ./vhdi_compare theirs.raw "$1" || fail "$1: libvhdi reads it otherwise"
}

random 5 300000 >noise
for size in 512 4608 68K 1M 2096640 5000192 65537K 135M; do
    make_raw $size
    run convert -q -O vhd -o d.vhd source.raw
    run convert -q -O vhd --block-size 512K -o small.vhd source.raw
    run convert -q -O vhd --fixed -o f.vhd source.raw
    for vhd in d small f; do
        check_vhd $vhd.vhd
    done
    # and back, from theirs and from ours
    qemu-img convert -f raw -O vpc -o force_size=on source.raw theirs.vhd || fail "qemu-img convert"
    for from in d.vhd f.vhd theirs.vhd source.raw; do
        for how in "" "--fixed" "--block-size 1M"; do
            run convert -q $how -o new.vhdx $from 2>/dev/null
            run verify -q new.vhdx
            qemu-img check -q -f vhdx new.vhdx || fail "qemu-img check $how from $from, $size"
            qemu-img compare -q -f vhdx -F raw new.vhdx source.raw || fail "$how from $from, $size: other bytes"
            rm new.vhdx
        done
    done
    rm ./*.vhd
done

# Azure.
make_raw 30000000
run convert -q --azure -o cloud.vhd source.raw 2>/dev/null
[ "$(stat -c %s cloud.vhd)" = $(((29 << 20) + 512)) ] || fail "the size for Azure"
check_vhd cloud.vhd

# Large ones: the geometry says its most, and both see all of them.
truncate -s 2040G source.raw
dd if=noise of=source.raw bs=64K seek=$(((2040 << 30) - 300000)) oflag=seek_bytes conv=notrunc status=none
run convert -q -O vhd -o large.vhd source.raw
[ "$(qemu-img info --output json -f vpc large.vhd | jq '.["virtual-size"]')" = $((2040 << 30)) ] || fail "2040 GiB for qemu-img"
[ "$(stat -c %s large.vhd)" -lt 20000000 ] || fail "a sparse disk becomes a VHD of $(stat -c %s large.vhd) bytes"
run convert -q -o large.vhdx large.vhd
qemu-img info --output json large.vhdx | jq -e ".[\"virtual-size\"] == $((2040 << 30))" >/dev/null || fail "2040 GiB as VHDX"
run map --json large.vhdx >ours.map
[ "$(jq '[.extents[] | select(.state == "data") | .offset + .length] | max' ours.map)" = $((2040 << 30)) ] || fail "the last bytes"
