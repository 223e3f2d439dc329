# Disks whose file systems were made and used by their own tools: NTFS, ext2, ext3 and ext4 with every layout, XFS, FAT, exFAT, in GPTs, extended
# partitions and logical volumes. Their free space is full of garbage, files were written and deleted. Compacted, each is clean for its own checker,
# every file has the bytes that it had, and what comes back is at least 98 % of the blocks in which nothing is in use by the word of The Sleuth Kit
# (of dumpe2fs and xfs_db where these know better). Then the traps: each way in which what seems free is not, or may not be.
# SPDX-License-Identifier: MIT
. "$TOP/tests/cross/common.bash"
need qemu-img python3 mke2fs debugfs e2fsck dumpe2fs mkntfs ntfs-3g mkfs.xfs xfs_repair xfs_db mkfs.vfat fsck.vfat mkfs.exfat fsck.exfat blkls sfdisk losetup mcopy openssl
[ "$(id -u)" = 0 ] || skip "mounting needs root"
truncate -s 1M probe
loop=$(losetup -f --show probe 2>/dev/null) || skip "there is no loop device"
losetup -d "$loop"
mkdir -p mnt

# garbage RAW MEGABYTES: what a used disk is full of.
garbage() { random 99 $(($2 << 20)) >"$1"; }

# FAT without a mount.
use_mtools() {
    local round i
    export MTOOLS_SKIP_CHECK=1
    for round in 1 2 3; do
        mmd -i "$1" "::d$round" || return
        for i in $(seq 1 30); do random $((round * 100 + i)) $((i * i * 150 + 7)) | mcopy -i "$1" - "::d$round/file$i" 2>/dev/null; done
        for i in $(seq "$round" 3 30); do mdel -i "$1" "::d$round/file$i" 2>/dev/null; done
    done
}
sums_mtools() {
    mdir -i "$1" -/ -b :: | grep file | sort | while read -r name; do echo "$name $(mtype -i "$1" "$name" | sha256)"; done
}

# mounted RAW COMMAND...: with the file system at ./mnt. The status of the command, or 77 where it cannot be mounted.
mounted() {
    local raw=$1 status loop
    shift
    if [ "$kind" = ntfs ]; then
        ntfs-3g "$raw" mnt >mount.log 2>&1 || return 77
    else
        loop=$(losetup -f --show "$raw") || return 77
        mount "$loop" mnt >mount.log 2>&1 || { losetup -d "$loop"; return 77; }
    fi
    "$@"
    status=$?
    umount mnt || fail "umount"
    [ "$kind" = ntfs ] || losetup -d "$loop"
    return $status
}

# Some rounds of writing and deleting, so that what is left lies in pieces.
use() {
    local round i
    for round in 1 2 3; do
        mkdir -p "mnt/d$round"
        for i in $(seq 1 30); do random $((round * 100 + i)) $((i * i * 150 + 7)) >"mnt/d$round/file$i" 2>/dev/null; done
        for i in $(seq "$round" 3 30); do rm -f "mnt/d$round/file$i"; done
        sync
    done
    truncate -s 3M mnt/d1/sparse 2>/dev/null
    echo tiny >mnt/d1/resident
}
sums() { (cd mnt && find . -type f -exec sha256sum {} + | sort); }

# free_blocks RAW: blocks of 1 MiB in which no unit of the file system is in use, by The Sleuth Kit.
free_blocks() {
    python3 - "$1" "$kind" <<'END'
import re, subprocess, sys
raw, kind = sys.argv[1:]
def blocks(extents):
    got = {}
    for start, end in extents:
        for b in range(start >> 20, (end + (1 << 20) - 1) >> 20):
            got[b] = got.get(b, 0) + min(end, (b + 1) << 20) - max(start, b << 20)
    return sum(1 for v in got.values() if v == 1 << 20)
def run(*a): return subprocess.run(a, capture_output=True, text=True).stdout
if kind == "xfs":
    ag = int(run("xfs_db", "-r", "-c", "sb 0", "-c", "p agblocks", raw).split()[-1])
    size = int(run("xfs_db", "-r", "-c", "sb 0", "-c", "p blocksize", raw).split()[-1])
    rows = [l.split() for l in run("xfs_db", "-r", "-c", "freesp -d", raw).splitlines()]
    ext = []
    for r in rows:
        if len(r) == 3 and all(x.isdigit() for x in r):
            a = (int(r[0]) * ag + int(r[1])) * size
            ext.append((a, a + int(r[2]) * size))
    print(blocks(sorted(ext)))
    sys.exit()
if kind.startswith("ext"):
    text = run("dumpe2fs", raw)
    size = int(re.search(r"^Block size: *(\d+)", text, re.M).group(1))
    ext = []
    for ranges in re.findall(r"^  Free blocks: (.*)$", text, re.M):
        for r in filter(None, ranges.split(", ")):
            first, _, last = r.partition("-")
            ext.append((int(first) * size, (int(last or first) + 1) * size))
    print(blocks(ext))
    sys.exit()
# fsstat goes round and round in an exFAT that is full of garbage
size = int(re.search(r"Cluster Size: (\d+)", run("fsstat", raw)).group(1)) if kind == "ntfs" else 512
ext = []
for l in run("blkls", "-l", "-A", raw).splitlines():
    p = l.split("|")
    if len(p) == 2 and p[1] == "f":
        a = int(p[0]) * size
        if ext and ext[-1][1] == a: ext[-1] = (ext[-1][0], a + size)
        else: ext.append((a, a + size))
print(blocks(ext))
END
}

check() {
    case $kind in
    ntfs) ntfsfix -n "$1" >check.log 2>&1 ;;
    ext*) e2fsck -fn "$1" >check.log 2>&1 ;;
    xfs) xfs_repair -n "$1" >check.log 2>&1 ;;
    fat*) fsck.vfat -n "$1" >check.log 2>&1 ;;
    exfat) fsck.exfat -n "$1" >check.log 2>&1 ;;
    esac || { cat check.log; fail "$kind: its own checker finds faults in $1"; }
}

# json EXPRESSION: of the document d in out.json.
json() { python3 -c 'import json, sys; d = json.load(open("out.json")); print(eval(sys.argv[1]))' "$1" || fail "no JSON"; }

disk_of() { # RAW DISK
    qemu-img convert -f raw -O vhdx -o block_size=1048576,block_state_zero=off -S 0 "$1" "$2" || fail "qemu-img"
}

# whole KIND RAW: one file system, used, compacted, compared.
whole() {
    local way='mounted'
    kind=$1
    case $kind in
    fat*) use_mtools "$2" && way=tools ;;
    *) mounted "$2" use || way=empty ;;
    esac
    case $way in
    mounted) mounted "$2" sums >before.sums ;;
    tools) sums_mtools "$2" >before.sums ;;
    empty) echo "$kind cannot be mounted here: empty" ;;
    esac
    check "$2"
    disk_of "$2" disk.vhdx
    run compact --json --no-progress disk.vhdx >out.json
    [ "$(json 'd["volumes"][0]["known"]')" = True ] || { cat out.json; fail "$kind: nothing is known of it"; }
    gone=$(json 'd["blocks_zero"] + d["blocks_unused"]') free=$(free_blocks "$2")
    [ "$((gone * 100))" -ge "$((free * 98))" ] || fail "$kind: $gone blocks left, $free are free"
    [ "$free" -gt 0 ] || fail "$kind: nothing is free by the word of others"
    run verify --quiet disk.vhdx
    qemu-img convert -f vhdx -O raw disk.vhdx after.raw
    check after.raw
    if [ $way != empty ]; then
        case $way in
        mounted) mounted after.raw sums >after.sums ;;
        tools) sums_mtools after.raw >after.sums ;;
        esac
        cmp before.sums after.sums || fail "$kind: a file reads otherwise"
        [ "$(wc -l <before.sums)" -gt 50 ] || fail "$kind: there are no files"
    fi
    run compact --json --no-progress disk.vhdx >out.json
    [ "$(json 'd["file_size_before"] - d["file_size_after"]')" = 0 ] || fail "$kind: a second run found more"
    echo "$kind${3:+ ($3)}: $gone of $free free blocks left the file"
}

ext() { # KIND OPTIONS...
    garbage e.raw 96
    mke2fs -q -F -E nodiscard "${@:2}" e.raw >mke2fs.log 2>&1 || { cat mke2fs.log; fail mke2fs; }
    whole "$1" e.raw "${*:2}"
}
ext ext2 -t ext2 -b 1024
ext ext2 -t ext2 -b 4096 -O ^sparse_super,^resize_inode
ext ext3 -t ext3 -b 1024
ext ext4 -t ext4 -b 4096
ext ext4 -t ext4 -b 1024 -O 64bit,metadata_csum
ext ext4 -t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^64bit
ext ext4 -t ext4 -b 1024 -O meta_bg,^resize_inode
ext ext4 -t ext4 -b 1024 -O ^flex_bg
ext ext4 -t ext4 -b 1024 -O sparse_super2
ext ext4 -t ext4 -b 4096 -O bigalloc -C 16384

garbage n.raw 96
mkntfs -q -F -f n.raw >mkntfs.log 2>&1 || fail mkntfs
whole ntfs n.raw
garbage n.raw 96
mkntfs -q -F -f -c 512 n.raw >mkntfs.log 2>&1 || fail mkntfs
whole ntfs n.raw "clusters of 512"
for version in crc=1,finobt=1 crc=0,finobt=0; do
    garbage x.raw 400
    mkfs.xfs -q -f -K -m "$version" x.raw >mkfs.log 2>&1 || { cat mkfs.log; fail mkfs.xfs; }
    whole xfs x.raw $version
done
for bits in 12 16 32; do
    garbage f.raw $((bits == 12 ? 15 : bits == 16 ? 60 : 120))
    mkfs.vfat -F $bits f.raw >mkfs.log 2>&1 || fail mkfs.vfat
    whole fat$bits f.raw
done
garbage f.raw 120
mkfs.exfat f.raw >mkfs.log 2>&1 || fail mkfs.exfat
whole exfat f.raw

# Several of them on one disk. What lies between partitions, boot loaders for one, is kept as it is.
# together NAME LAYOUT RAW START...: partitions at these MiB.
together() {
    local name=$1 layout=$2 known
    shift 2
    garbage d.raw 320
    printf '%b' "$layout" | sfdisk -q --wipe always d.raw >sfdisk.log 2>&1 || { cat sfdisk.log; fail sfdisk; }
    cp d.raw gaps.raw
    local -a parts=()
    while [ $# -gt 0 ]; do
        dd if="$1" of=d.raw bs=1M seek="$2" conv=notrunc status=none
        parts+=("$1:$2")
        shift 2
    done
    disk_of d.raw disk.vhdx
    run compact --json --no-progress disk.vhdx >out.json
    known=$(json 'sum(v["known"] for v in d["volumes"])')
    [ "$known" = ${#parts[@]} ] || { cat out.json; fail "$name: $known of ${#parts[@]} are known"; }
    [ "$(json 'd["blocks_unused"] + d["blocks_zero"] > 100')" = True ] || fail "$name: little came back"
    qemu-img convert -f vhdx -O raw disk.vhdx after.raw
    for part in "${parts[@]}"; do
        dd if=after.raw of=part.raw bs=1M skip="${part#*:}" count=$(($(stat -c %s "${part%:*}") >> 20)) status=none
        kind=${part%%.*}
        check part.raw
    done
    cmp -n 1048576 gaps.raw after.raw || fail "$name: what lies before the first partition changed"
    cmp <(tail -c 1M gaps.raw) <(tail -c 1M after.raw) || fail "$name: the end of the disk changed"
    echo "$name: $known volumes on one disk"
}
garbage ext4.raw 60 && mke2fs -q -F -E nodiscard -t ext4 ext4.raw || fail mke2fs
garbage ext2.raw 60 && mke2fs -q -F -E nodiscard -t ext2 ext2.raw || fail mke2fs
garbage ntfs.raw 60 && mkntfs -q -F -f ntfs.raw >/dev/null 2>&1 || fail mkntfs
garbage fat16.raw 60 && mkfs.vfat -F 16 fat16.raw >/dev/null || fail mkfs.vfat
together GPT 'label: gpt\nstart=2048,size=60MiB\nstart=63MiB,size=60MiB\nstart=124MiB,size=60MiB\n' fat16.raw 1 ntfs.raw 63 ext4.raw 124
together "extended partitions" \
    'label: dos\nstart=2048,size=60MiB,type=7\nstart=62MiB,size=200MiB,type=5\nstart=63MiB,size=60MiB,type=83\nstart=124MiB,size=60MiB,type=83\nstart=190MiB,size=60MiB,type=6\n' \
    ntfs.raw 1 ext2.raw 63 ext4.raw 124 fat16.raw 190

# A logical volume in two pieces, which the LVM tools lay out.
need pvcreate vgcreate lvcreate lvextend pvs
config='devices{use_devicesfile=0 filter=["a|/dev/loop.*|","r|.*|"] scan=["/dev"]} activation{udev_sync=0 udev_rules=0} backup{backup=0 archive=0}'
lvm() { "$1" -q --driverloaded n --config "$config" "${@:2}" >>lvm.log 2>&1 || { cat lvm.log; skip "LVM cannot work here"; }; }
garbage pv 120
wipefs -qa pv 2>/dev/null
loop=$(losetup -f --show pv)
group=vhdx_compact_$$
lvm pvcreate -ffy "$loop"
lvm vgcreate -s 1M "$group" "$loop"
lvm lvcreate -an -Zn -Wn -n root -l 20 "$group"
lvm lvcreate -an -Zn -Wn -n between -l 8 "$group"
lvm lvextend -l +40 "$group/root"
pieces=$(pvs --driverloaded n --config "$config" --segments --noheadings -o lv_name,pvseg_start,pvseg_size,pe_start --units m --nosuffix "$loop" 2>/dev/null |
    awk '$1 == "root" { print $2, $3, $4 }')
sync
losetup -d "$loop"
[ "$(echo "$pieces" | wc -l)" = 2 ] || fail "the volume has not two pieces: $pieces"
done=0
while read -r at count first; do
    dd if=ext4.raw of=pv bs=1M skip=$done count="$count" seek=$((${first%.*} + at)) conv=notrunc status=none
    done=$((done + count))
done <<<"$pieces"
garbage d.raw 124
printf 'label: dos\nstart=2048,size=120MiB,type=8e\n' | sfdisk -q --wipe always d.raw || fail sfdisk
dd if=pv of=d.raw bs=1M seek=1 conv=notrunc status=none
disk_of d.raw disk.vhdx
run compact --json --no-progress disk.vhdx >out.json
[ "$(json '[v["known"] for v in d["volumes"] if v["name"] == "root"]')" = "[True]" ] || { cat out.json; fail "LVM: root is not known"; }
[ "$(json 'd["blocks_unused"] + d["blocks_zero"] > 40')" = True ] || fail "LVM: little came back"
qemu-img convert -f vhdx -O raw disk.vhdx after.raw
rm -f part.raw
done=0
while read -r at count first; do
    dd if=after.raw of=part.raw bs=1M skip=$((1 + ${first%.*} + at)) count="$count" seek=$done conv=notrunc status=none
    done=$((done + count))
done <<<"$pieces"
kind=ext4
check part.raw
echo "LVM: a volume in two pieces"
