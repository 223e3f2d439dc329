# VHDs of QEMU over sizes and kinds, and chains made here by the specification, read by us, by qemu-img and by libvhdi.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need qemu-img vhdiinfo openssl python3 jq
need_libvhdi

# One disk: what we say of its size, and all of its bytes.
same() { # VHD RAW
    run export -q --overwrite -o ours.raw "$1"
    cmp ours.raw "$2" || fail "$1: other bytes than the raw file has"
    ./vhdi_compare "$2" "$1" || fail "$1: libvhdi reads it otherwise"
}

random 1 3000000 >noise
for kind in dynamic fixed; do
    for size in 512 68K 3M 2096640 65537K 130G; do
        [ $kind.$size = fixed.130G ] && size=40M
        truncate -s "$size" source.raw
        dd if=noise of=source.raw bs=4k seek=0 count=$(($(stat -c %s source.raw) > 3000000 ? 700 : 1)) conv=notrunc status=none
        # As Virtual PC: the geometry decides, and the disk is a little larger than what was asked for.
        qemu-img convert -f raw -O vpc -o subformat=$kind source.raw chs.vhd || fail "qemu-img convert"
        # As Hyper-V: just so large.
        qemu-img convert -f raw -O vpc -o subformat=$kind,force_size=on source.raw exact.vhd || fail "qemu-img convert"
        for vhd in chs exact; do
            told=$("$VHDX" info --json $vhd.vhd | jq .virtual_size)
            [ "$told" = "$(qemu-img info --output json -f vpc $vhd.vhd | jq '.["virtual-size"]')" ] ||
                fail "$kind $size $vhd: the size is $told"
            if [ "$size" = 130G ]; then
                qemu-img map --output=json -f vpc $vhd.vhd >theirs.map || fail "qemu-img map"
                [ "$(jq '[.[] | select(.data) | .length] | add' theirs.map)" -ge 2867200 ] || fail "$kind $size: qemu-img map"
                run map --json $vhd.vhd >ours.map
                [ "$(jq '[.extents[] | select(.state == "data") | .offset] | min' ours.map)" = 0 ] || fail "$kind $size: map"
                dd if=source.raw bs=1M count=4 status=none >first
                "$VHDX" export -o - $vhd.vhd 2>/dev/null | head -c 4M | cmp - first || fail "$kind $size: other bytes"
            else
                qemu-img convert -f vpc -O raw $vhd.vhd theirs.raw || fail "qemu-img convert"
                same $vhd.vhd theirs.raw
                cmp -n "$(stat -c %s source.raw)" source.raw theirs.raw || fail "the test is wrong"
            fi
            [ "$("$VHDX" info --json $vhd.vhd | jq -r .kind,.image_format | xargs)" = "$kind vhd" ] || fail "kind of $vhd.vhd"
        done
    done
done

# A footer of 511 bytes, as Virtual PC wrote it before 2004.
truncate -s 3M source.raw
qemu-img convert -f raw -O vpc -o subformat=fixed,force_size=on source.raw old.vhd
truncate -s -1 old.vhd
run export -q --overwrite -o ours.raw old.vhd
cmp ours.raw source.raw || fail "a footer of 511 bytes"

# The footer is gone, or damaged: its copy serves.
qemu-img convert -f raw -O vpc -o subformat=dynamic,force_size=on source.raw cut.vhd
truncate -s -512 cut.vhd
run export -q --overwrite -o ours.raw cut.vhd
cmp ours.raw source.raw || fail "a dynamic disk without footer"

# Chains: bitmaps of single sectors, a block that is whole, one that is absent; parents by relative, absolute and header's path.
python3 - <<'PYTHON' || fail "python3"
import random, struct

SECTOR, BLOCK, SIZE = 512, 1 << 16, 20 * (1 << 16) + 5 * 512
random.seed(7)

def summed(data, field):
    data = data[:field] + bytes(4) + data[field + 4:]
    return data[:field] + struct.pack(">I", ~sum(data) & 0xFFFFFFFF) + data[field + 4:]

def layer(path, own, parent, parent_id, locators, name, below):
    view = bytearray(below)
    table, blocks, at = [], [], 0
    count = -(-SIZE // BLOCK)
    paths_at = 1536 + (count * 4 + 511) // 512 * 512
    at = paths_at + 1024
    for block in range(count):
        sectors = min(BLOCK, SIZE - block * BLOCK) // SECTOR
        kind = random.choice(["absent", "whole", "some", "some"])
        if kind == "absent":
            table.append(0xFFFFFFFF)
            continue
        bits, data = bytearray(512), bytearray(BLOCK)
        for i in range(sectors):
            if not parent or kind == "whole" or random.random() < 0.4:
                bits[i // 8] |= 0x80 >> i % 8
                sector = random.choice([bytes(SECTOR), random.randbytes(SECTOR)])
                data[i * SECTOR:(i + 1) * SECTOR] = sector
                start = block * BLOCK + i * SECTOR
                view[start:start + SECTOR] = sector
            else:
                data[i * SECTOR:(i + 1) * SECTOR] = b"stale" + bytes(SECTOR - 5)
        table.append(at // 512)
        blocks.append(bytes(bits + data))
        at += len(blocks[-1])
    header = b"cxsparse" + struct.pack(">QQIIII", 2**64 - 1, 1536, 0x10000, count, BLOCK, 0) + parent_id + bytes(8)
    header += name.encode("utf-16-be").ljust(512, b"\0")
    texts = b""
    for platform, text in locators:
        encoded = text.encode("utf-16-le")
        header += platform + struct.pack(">IIIQ", 512, len(encoded), 0, paths_at + len(texts))
        texts += encoded.ljust(512, b"\0")
    header = summed(header.ljust(1024, b"\0"), 36)
    footer = b"conectix" + struct.pack(">IIQI", 2, 0x10000, 512, 0) + b"win \0\x06\0\1Wi2k" + struct.pack(
        ">QQHBBII", SIZE, SIZE, 9, 4, 17, 4 if parent else 3, 0) + own
    footer = summed(footer.ljust(512, b"\0"), 64)
    with open(path, "wb") as out:
        out.write(footer + header + b"".join(struct.pack(">I", e) for e in table).ljust(paths_at - 1536, b"\xff"))
        out.write(texts.ljust(1024, b"\0") + b"".join(blocks) + footer)
    open(path.rsplit(".", 1)[0] + ".raw", "wb").write(view)
    return view

ids = [bytes(range(i, i + 16)) for i in (0x10, 0x40, 0x70)]
view = layer("base.vhd", ids[0], False, bytes(16), [], "", bytes(SIZE))
view = layer("middle.avhd", ids[1], True, ids[0], [(b"W2ru", ".\\base.vhd"), (b"W2ku", "D:\\x\\base.vhd")], "base.vhd", view)
layer("leaf.avhd", ids[2], True, ids[1], [], "middle.avhd", view)
PYTHON
for layer in "leaf.avhd middle.avhd base.vhd" "middle.avhd base.vhd" base.vhd; do
    set -- $layer
    run export -q --overwrite -o ours.raw "$1"
    cmp ours.raw "${1%.*}.raw" || fail "$1: other bytes than were written"
    # libvhdi (20210425) reads a child's own stale bytes behind the first run of its bitmap, so it is no judge of these.
    if command -v 7zz >/dev/null; then
        7zz e -so "$1" >theirs.raw 2>/dev/null || fail "7zz"
        cmp ours.raw theirs.raw || fail "$1: 7-Zip reads it otherwise"
    fi
done
qemu-img convert -f vpc -O raw base.vhd theirs.raw
cmp theirs.raw base.raw || fail "qemu-img reads the base otherwise"
[ "$("$VHDX" info --chain --json leaf.avhd | jq '.chain | length')" = 3 ] || fail "info --chain"
[ "$("$VHDX" map --json leaf.avhd | jq '[.extents[].layer] | unique | length')" = 3 ] || fail "map names other layers"

# What writes in place says what it wants.
for command in "merge leaf.avhd" "merge -o new.vhdx leaf.avhd" "relink --parent base.vhd middle.avhd"; do
    "$VHDX" $command >out 2>&1
    [ $? = 8 ] && grep -q "it is a VHD disk" out || fail "vhdx $command: $(cat out)"
done
[ ! -e new.vhdx ] || fail "a refused merge left a file"

# Another file under the parent's name.
cp middle.avhd base.vhd
"$VHDX" hash leaf.avhd >out 2>&1
[ $? = 8 ] || fail "a parent with another id was accepted: $(cat out)"
