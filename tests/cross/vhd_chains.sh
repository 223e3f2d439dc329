# Chains of the format before VHDX: a base of qemu-img, and a differencing disk made here by the specification. What the search says of both is
# what qemu-img (which does not follow chains of this format) and vhdiinfo say.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need qemu-img vhdiinfo python3 jq

mkdir vol
qemu-img create -q -f vpc -o subformat=dynamic vol/base.vhd 64M || fail "qemu-img create"
qemu-img create -q -f vpc -o subformat=fixed vol/fixed.vhd 4M || fail "qemu-img create"
python3 - <<'PYTHON' || fail "python3"
import struct

def summed(data, field):
    data = data[:field] + bytes(4) + data[field + 4:]
    return data[:field] + struct.pack(">I", ~sum(data) & 0xFFFFFFFF) + data[field + 4:]

base = open("vol/base.vhd", "rb").read()
footer = base[-512:]
size, = struct.unpack(">Q", footer[48:56])
relative, absolute = ".\\base.vhd".encode("utf-16-le"), "D:\\VMs\\vol\\base.vhd".encode("utf-16-le")
blocks = (size + (1 << 21) - 1) >> 21
table = (blocks * 4 + 511) // 512 * 512
paths = 512 + 1024 + table
header = b"cxsparse" + struct.pack(">QQIIII", 2**64 - 1, 1536, 0x10000, blocks, 1 << 21, 0) + footer[68:84] + bytes(8)
header += "D:\\VMs\\vol\\base.vhd".encode("utf-16-be").ljust(512, b"\0")
header += b"W2ru" + struct.pack(">IIIQ", 512, len(relative), 0, paths)
header += b"W2ku" + struct.pack(">IIIQ", 512, len(absolute), 0, paths + 512)
header = summed(header.ljust(1024, b"\0"), 36)
child = summed(footer[:16] + struct.pack(">Q", 512) + footer[24:60] + struct.pack(">I", 4) + footer[64:68] +
               bytes(range(0x10, 0x20)) + footer[84:], 64)
open("vol/leaf.avhd", "wb").write(child + header + b"\xff" * table + relative.ljust(512, b"\0") +
                                  absolute.ljust(512, b"\0") + child)
PYTHON

$VHDX orphans --json vol >found.json
[ $? = 4 ] || fail "orphans"
of() { jq -r ".files[] | select(.path == \"vol/$1\") | $2" found.json; }
[ "$(of leaf.avhd .parent)" = vol/base.vhd ] || fail "the parent was not found: $(of leaf.avhd .)"
[ "$(of leaf.avhd .status)" = orphan ] || fail "$(of leaf.avhd .)"
[ "$(of base.vhd .kind) $(of fixed.vhd .kind) $(of leaf.avhd .kind)" = "vhd vhd vhd-differencing" ] || fail "kinds"
for file in base.vhd fixed.vhd leaf.avhd; do
    [ "$(of $file .virtual_size)" = "$(qemu-img info --output json -f vpc vol/$file | jq '.["virtual-size"]')" ] ||
        fail "the size of $file"
    vhdiinfo vol/$file >info 2>&1 || fail "vhdiinfo: $(cat info)"
    id=$(sed -n 's/^\tIdentifier\t*: *//p' info)
    [ "$(of $file .data_write_guid)" = "$id" ] || fail "$file is $(of $file .data_write_guid), vhdiinfo says $id: $(cat info)"
done
[ "$(of leaf.avhd .parent_locator.linkage)" = "$(sed -n 's/^\tParent identifier\t*: *//p' info)" ] || fail "the parent's id: $(cat info)"
