#!/bin/bash
# A log that a program has left behind, which then wrote the BAT without it: readers take the disk as it is and say so, writers refuse, and repair keeps
# every block.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cli/lib.bash"
have_python || skip "needs python3 to make the disk"

# A disk of our own; its log (which knows of a shorter file) is marked as in use again, as if nobody had ever emptied it.
truncate -s 24M src.raw
printf 'first' | dd of=src.raw conv=notrunc status=none
expect 0 vhdx create --size 24M --block-size 1M disk.vhdx
python3 - <<'END' || fail "python3"
import struct
poly = 0x82F63B78
table = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (poly if n & 1 else 0)
    table.append(n)
def crc(data):
    c = 0xFFFFFFFF
    for b in data:
        c = (c >> 8) ^ table[(c ^ b) & 255]
    return c ^ 0xFFFFFFFF
f = bytearray(open("disk.vhdx", "rb").read())
f += bytes(-len(f) % 0x100000)
guid = bytes(range(1, 17))
bat = next(struct.unpack_from("<Q", f, o + 16)[0] for o in (0x30010, 0x30030) if f[o:o + 4] == bytes.fromhex("6677c22d"))
log, length = struct.unpack_from("<Q", f, 0x10048)[0], len(f)
# one block that the log knows, two that it does not
known = length
for i, block in enumerate((2, 5, 7)):
    f += b"content %d" % block + bytes(0x100000 - 9)
    struct.pack_into("<Q", f, bat + 8 * block, (known + i * 0x100000) | 6)
page = bytearray(4096)
struct.pack_into("<Q", page, 16, known | 6)
entry = bytearray(8192)
struct.pack_into("<4sIIIQII16sQQ", entry, 0, b"loge", 0, 8192, 0, 7, 1, 0, guid, known + 0x100000, known + 0x100000)
entry[64:96] = struct.pack("<4s4s8sQQ", b"desc", page[4092:], bytes(page[:8]), bat, 7)
entry[4096:8192] = struct.pack("<4sI", b"data", 0) + page[8:4092] + struct.pack("<I", 7)
struct.pack_into("<I", entry, 4, crc(entry))
f[log:log + 0x100000] = entry + bytes(0x100000 - len(entry))
for h in (0x10000, 0x20000):
    f[h + 48:h + 64] = guid
    struct.pack_into("<I", f, h + 4, 0)
    struct.pack_into("<I", f, h + 4, crc(f[h:h + 4096]))
open("disk.vhdx", "wb").write(f)
raw = bytearray(24 << 20)
for block in (2, 5, 7):
    raw[block << 20:(block << 20) + 9] = b"content %d" % block
open("truth.raw", "wb").write(raw)
END

expect 0 vhdx verify disk.vhdx
says out VHDX-LOG-STALE
says out "1 warning"
expect 0 vhdx info disk.vhdx
says out "older than the disk"
says err "vhdx: warning: disk.vhdx: its log is older"
expect 0 vhdx info --json disk.vhdx
json_is 'd["log"]' dirty
expect 0 vhdx export -o out.raw disk.vhdx
says err "its log is older"
cmp out.raw truth.raw || fail "export gives something else"
expect 0 vhdx export --salvage -o salvaged.raw disk.vhdx
cmp salvaged.raw truth.raw || fail "export --salvage gives something else"
expect 0 vhdx hash disk.vhdx
says err "its log is older"
hash=$(hash_of disk.vhdx 2>/dev/null)
expect 0 vhdx map disk.vhdx
says err "its log is older"
expect 0 vhdx merge -o flat.vhdx disk.vhdx
says err "its log is older"
[ "$(hash_of flat.vhdx)" = "$hash" ] || fail "a merge into a new disk reads otherwise"

# Who writes would settle it without a question.
sum=$(cksum <disk.vhdx)
expect 0 vhdx create --parent disk.vhdx child.avhdx
expect 8 vhdx merge child.avhdx
says err "'vhdx repair' keeps these blocks"
[ "$(cksum <disk.vhdx)" = "$sum" ] || fail "a merge that was refused has written"

expect 1 vhdx repair --no-undo disk.vhdx
[ "$(hash_of disk.vhdx)" = "$hash" ] || fail "the repair has changed what is read"
expect 0 vhdx verify disk.vhdx
says_not out VHDX-LOG-STALE
expect 0 vhdx merge --delete child.avhdx
[ "$(hash_of disk.vhdx)" = "$hash" ] || fail "the merge has changed what is read"
