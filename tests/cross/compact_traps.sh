# Each way in which what seems free to a reader of free space is not, or may not be: nothing of that volume but its zeros may leave the disk, and the
# report says why. File systems are made by their own tools; one thing each is then made wrong. Where a trap is none (an emptied hibernation file, a bad
# cluster that the bitmap knows), the volume is known.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need qemu-img python3 mke2fs debugfs mkntfs ntfscp mkfs.xfs xfs_db mkfs.vfat mkfs.exfat sfdisk openssl

# judged RAW TRUE|FALSE [TEXT [NUMBER]]: whether the volume (the first) is known, and why not.
judged() {
    rm -f disk.vhdx
    qemu-img convert -f raw -O vhdx -o block_size=1048576 "$1" disk.vhdx || fail "qemu-img"
    run compact --dry-run --json --no-progress disk.vhdx >out.json || exit 1
    python3 - "$2" "${3:-}" "${4:-0}" <<'END' || { cat out.json; fail "$1: not as it should be"; }
import json, sys
volume = json.load(open("out.json"))["volumes"][int(sys.argv[3])]
want = sys.argv[1] == "TRUE"
sys.exit(not (volume["known"] == want and (want or sys.argv[2] in volume["reason"])))
END
    echo "$1: $([ "$2" = TRUE ] && echo known || echo "zeros only, $3")"
}
# poke FILE OFFSET HEX: writes bytes.
poke() { python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2], 0)); f.write(bytes.fromhex(sys.argv[3]))' "$@"; }

# ---- ext ----
truncate -s 64M ext.ok
mke2fs -q -F -t ext4 -b 1024 ext.ok || fail mke2fs
judged ext.ok TRUE
cp ext.ok ext.recover && debugfs -w -R "feature needs_recovery" ext.recover >/dev/null 2>&1 && judged ext.recover FALSE journal
cp ext.ok ext.errors && debugfs -w -R "set_super_value state 2" ext.errors >/dev/null 2>&1 && judged ext.errors FALSE cleanly
cp ext.ok ext.count && debugfs -w -R "set_super_value free_blocks_count 77" ext.count >/dev/null 2>&1 && judged ext.count FALSE "free blocks"
bitmap=$(dumpe2fs ext.ok 2>/dev/null | sed -n 's/.*Block bitmap at \([0-9]*\) .*/\1/p' | head -n 1)
cp ext.ok ext.bitmap && poke ext.bitmap $((bitmap * 1024 + 900)) ff && judged ext.bitmap FALSE "block bitmap"
truncate -s 64M ext.old
mke2fs -q -F -t ext2 -b 1024 ext.old || fail mke2fs
bitmap=$(dumpe2fs ext.old 2>/dev/null | sed -n 's/.*Block bitmap at \([0-9]*\) .*/\1/p' | head -n 1)
poke ext.old $((bitmap * 1024 + 900)) ff
judged ext.old FALSE "differ"
cp ext.ok ext.raid && poke ext.raid 4096 fc4e2ba9 && judged ext.raid FALSE RAID
# Blocks that were reserved and never written are in use, whatever is in them.
cp ext.ok ext.unwritten
echo x >one && debugfs -w -R "write one one" ext.unwritten >/dev/null 2>&1
debugfs -w -R "fallocate one 1 20000" ext.unwritten >/dev/null 2>&1
python3 - <<'END'
import re, subprocess
out = subprocess.run(["debugfs", "-R", "blocks one", "ext.unwritten"], capture_output=True, text=True).stdout.split()
blocks = sorted({int(b) for b in out if b.isdigit()})
with open("ext.unwritten", "r+b") as f:
    for b in blocks:
        f.seek(b * 1024)
        f.write(b"U" * 1024)
assert len(blocks) > 15000, len(blocks)
END
judged ext.unwritten TRUE
run compact --quiet --no-progress disk.vhdx
qemu-img convert -f vhdx -O raw disk.vhdx after.raw
[ "$(tr -cd U <ext.unwritten | wc -c)" = "$(tr -cd U <after.raw | wc -c)" ] || fail "unwritten extents lost their blocks"

# ---- NTFS ----
truncate -s 64M ntfs.ok
mkntfs -q -F -f ntfs.ok >/dev/null 2>&1 || fail mkntfs
judged ntfs.ok TRUE
cat >ntfs.py <<'END'
import struct, sys
name, what = sys.argv[1:3]
d = bytearray(open(name, "rb").read())
cluster = d[13] * 512
mft = struct.unpack_from("<Q", d, 48)[0] * cluster
def attribute(number, kind, named=False):
    r = mft + number * 1024
    at = r + struct.unpack_from("<H", d, r + 20)[0]
    while struct.unpack_from("<I", d, at)[0] != 0xFFFFFFFF:
        if struct.unpack_from("<I", d, at)[0] == kind and bool(d[at + 9]) == named:
            return at
        at += struct.unpack_from("<I", d, at + 4)[0]
def runs(at):
    p, lcn, out = at + struct.unpack_from("<H", d, at + 32)[0], 0, []
    while d[p]:
        n, o = d[p] & 15, d[p] >> 4
        count = int.from_bytes(d[p + 1:p + 1 + n], "little")
        lcn += int.from_bytes(d[p + 1 + n:p + 1 + n + o], "little", signed=True)
        out.append((lcn, count))
        p += 1 + n + o
    return out
bitmap = runs(attribute(6, 0x80))[0][0] * cluster
if what == "dirty":
    at = attribute(3, 0x70)
    d[at + struct.unpack_from("<H", d, at + 20)[0] + 10] |= 1
elif what == "log":
    d[runs(attribute(2, 0x80))[0][0] * cluster + 7] = 0
elif what in ("bad", "bad-known"):
    at = attribute(8, 0x80, True)
    p, total, bad = at + struct.unpack_from("<H", d, at + 32)[0], len(d) // cluster - 1, 12000
    assert not d[bitmap + bad // 8] >> bad % 8 & 1
    new = bytes([0x02]) + struct.pack("<H", bad) + bytes([0x21, 1]) + struct.pack("<h", bad) + bytes([0x02]) + struct.pack("<H", total - bad - 1) + b"\0"
    assert p + len(new) <= at + struct.unpack_from("<I", d, at + 4)[0] + 8
    old = struct.unpack_from("<I", d, at + 4)[0]
    d[p:p + len(new)] = new
    grown = (p + len(new) - at + 7) // 8 * 8
    if grown > old:
        struct.pack_into("<I", d, at + 4, grown)
        struct.pack_into("<I", d, at + grown, 0xFFFFFFFF)
    d[bad * cluster:(bad + 1) * cluster] = b"B" * cluster
    if what == "bad-known":
        d[bitmap + bad // 8] |= 1 << bad % 8
elif what == "bitmap":
    d[bitmap + mft // cluster // 8] &= ~(1 << mft // cluster % 8) & 255
elif what == "shadow":
    guid = bytes.fromhex("6b87083876c1484eb7ae04046e6cc752")
    d[0x1E00:0x1E00 + 56] = guid + struct.pack("<IIQQQQ", 1, 1, 0x1E00, 0, 0, 40 << 20)
    d[40 << 20:(40 << 20) + 128] = (guid + struct.pack("<IIQQQ", 1, 2, 0, 40 << 20, 0)).ljust(128, b"\0")
    struct.pack_into("<Q", d, (40 << 20) + 128, 2)
elif what == "backup":
    d[-512 + 100] ^= 1
open(name, "wb").write(d)
END
ntfs() { cp ntfs.ok "ntfs.$1" && python3 ntfs.py "ntfs.$1" "$1" || fail "ntfs.py $1"; }
ntfs dirty && judged ntfs.dirty FALSE "marked dirty"
ntfs log && judged ntfs.log FALSE '$LogFile'
ntfs bad && judged ntfs.bad FALSE "bad clusters"
ntfs bitmap && judged ntfs.bitmap FALSE "system files"
ntfs shadow && judged ntfs.shadow FALSE "shadow copies"
ntfs backup && judged ntfs.backup FALSE "contradict"
ntfs bad-known && judged ntfs.bad-known TRUE
run compact --quiet --no-progress disk.vhdx
qemu-img convert -f vhdx -O raw disk.vhdx after.raw
[ "$(tr -cd B <after.raw | wc -c)" -ge 4096 ] || fail "the bad cluster is gone"
cmp <(tail -c 512 ntfs.ok) <(tail -c 512 after.raw) || fail "the copy of the boot sector behind the last cluster is gone"
for state in hibr zeros; do
    cp ntfs.ok ntfs.$state
    [ $state = hibr ] && printf hibr >hiberfil.sys && truncate -s 1M hiberfil.sys || head -c 1M /dev/zero >hiberfil.sys
    ntfscp -q ntfs.$state hiberfil.sys hiberfil.sys >/dev/null 2>&1 || fail ntfscp
done
judged ntfs.hibr FALSE "hibernates"
judged ntfs.zeros TRUE
# A guest that hibernates has its other volumes mounted too.
truncate -s 140M two.raw
printf 'label: gpt\nstart=2048,size=131072\nstart=133120,size=131072\n' | sfdisk -q two.raw || fail sfdisk
dd if=ntfs.hibr of=two.raw bs=1M seek=1 conv=notrunc status=none
dd if=ext.ok of=two.raw bs=1M seek=65 conv=notrunc status=none
judged two.raw FALSE "hibernates" 1
dd if=ntfs.ok of=two.raw bs=1M seek=1 conv=notrunc status=none
judged two.raw TRUE "" 1

# ---- XFS ----
truncate -s 320M xfs.ok
mkfs.xfs -q -f xfs.ok || fail mkfs.xfs
judged xfs.ok TRUE
cp xfs.ok xfs.count && xfs_db -x -c "agf 1" -c "write -d freeblks 7" xfs.count >/dev/null && judged xfs.count FALSE "allocation group 1"
cp xfs.ok xfs.tree
place=$(xfs_db -r -c "agf 1" -c "p bnoroot" xfs.ok | sed 's/.*= //') blocks=$(xfs_db -r -c "sb 0" -c "p agblocks" xfs.ok | sed 's/.*= //')
poke xfs.tree $(((blocks + place) * 4096 + 60)) ee
judged xfs.tree FALSE "allocation group 1"
cp xfs.ok xfs.log
place=$(xfs_db -r -c "sb 0" -c "p logstart" xfs.ok | sed 's/.*= //') log=$(xfs_db -r -c "sb 0" -c "p agblklog" xfs.ok | sed 's/.*= //')
poke xfs.log $((((place >> log) * blocks + (place & ((1 << log) - 1))) * 4096 + 512 + 9)) 00
judged xfs.log FALSE "log is not empty"

# ---- FAT, exFAT ----
truncate -s 64M fat.ok
mkfs.vfat -F 32 -s 1 fat.ok >/dev/null || fail mkfs.vfat
judged fat.ok TRUE
cp fat.ok fat.dirty && poke fat.dirty 65 01 && judged fat.dirty FALSE "marked dirty"
cp fat.ok fat.bits && poke fat.bits $((32 * 512 + 7)) 07 && judged fat.bits FALSE "" # the volume's bit in its second entry
cp fat.ok fat.tables && poke fat.tables $((32 * 512 + 4000)) ff && judged fat.tables FALSE "two tables differ"
cp fat.ok fat.count && poke fat.count $((512 + 488)) 55000000 && judged fat.count FALSE "free clusters differ"
cp fat.ok fat.locked && poke fat.locked 424 3bd66749292ed84a8399f6a339e3d001 && judged fat.locked FALSE BitLocker
truncate -s 64M exfat.ok
mkfs.exfat exfat.ok >/dev/null || fail mkfs.exfat
judged exfat.ok TRUE
cp exfat.ok exfat.dirty && poke exfat.dirty 106 02 && judged exfat.dirty FALSE "marked dirty"
cp exfat.ok exfat.sum && poke exfat.sum 120 77 && judged exfat.sum FALSE contradict

# ---- what is known by name only ----
named() { # RAW OFFSET HEX
    truncate -s 64M "$1"
    poke "$1" "$2" "$3"
}
named bitlocker 0 eb58902d4656452d46532d && poke bitlocker 510 55aa && judged bitlocker FALSE encrypted
named luks 0 4c554b53babe0002 && judged luks FALSE encrypted
named swap 4086 5357415053504143 && poke swap 4094 4532 && poke swap 1024 01000000ff0f0000 && judged swap FALSE "in use"
printf 'label: dos\nstart=2048,size=131072,type=42\n' >dynamic.dump
truncate -s 80M dynamic && sfdisk -q dynamic <dynamic.dump && dd if=ntfs.ok of=dynamic bs=1M seek=1 conv=notrunc status=none
judged dynamic FALSE "dynamic disk"
