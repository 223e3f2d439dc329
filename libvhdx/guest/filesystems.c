/*
 * Boot blocks of file systems. See filesystems.h. The layouts are public knowledge: NTFS, FAT and exFAT boot sectors,
 * the superblocks of ext4, XFS and btrfs as the Linux kernel documents them, the label of LVM, swap and LUKS headers.
 * Numbers from a boot block are compared before they are multiplied; a place that is not in the partition is a
 * contradiction and is not read.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/filesystems.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "guest/ntfs.h"
#include "guest/partitions.h"
#include "guest/xfs.h"

#include <string.h>
#include <zlib.h>

/* A partition that is looked at. */
struct volume {
    const struct vx_content_source *source;
    uint64_t offset, length;
    struct vx_fs *fs;
};

static bool get(const struct volume *volume, uint64_t at, void *buf, size_t length)
{
    uint64_t place;
    return at <= volume->length && length <= volume->length - at && vx_add(volume->offset, at, &place) &&
           vx_content_read(volume->source, buf, length, place);
}

static void count(const struct volume *volume, bool agrees)
{
    if (agrees)
        volume->fs->agreements++;
    else
        volume->fs->contradictions++;
}

/* `units` of `unit` bytes: the size that the file system gives itself, which must fit. false: it makes no sense, look
 * no further. */
static bool set_size(const struct volume *volume, uint64_t units, uint64_t unit)
{
    uint64_t size;
    if (!vx_mul(units, unit, &size) || size == 0) {
        count(volume, false);
        return false;
    }
    volume->fs->size = size;
    count(volume, size <= volume->length);
    return size <= volume->length;
}

/* ---- NTFS ---- */

/* A record whose bytes the update sequence puts back. */
static void look_at_ntfs_record(const struct volume *volume, uint64_t cluster, const struct vx_ntfs_boot *boot)
{
    uint8_t record[4096];
    uint16_t update;
    uint64_t at = cluster * boot->cluster_size;
    if (at >= volume->length) {
        count(volume, false);
        return;
    }
    if (boot->record_size <= sizeof record && get(volume, at, record, boot->record_size))
        count(volume, memcmp(record, "FILE", 4) == 0 && vx_ntfs_fix(record, boot->record_size, &update));
}

static bool look_at_ntfs(const struct volume *volume, const uint8_t bytes[512])
{
    uint8_t copy[512];
    struct vx_ntfs_boot boot;
    if (!vx_ntfs_boot_named(vx_bytes_of(bytes, 512)))
        return false;
    volume->fs->kind = VX_FS_NTFS;
    if (!vx_ntfs_boot_decode(vx_bytes_of(bytes, 512), &boot)) {
        count(volume, false);
        return true;
    }
    if (!set_size(volume, boot.total_sectors, boot.sector_size))
        return true;
    look_at_ntfs_record(volume, boot.mft_cluster, &boot);
    look_at_ntfs_record(volume, boot.mirror_cluster, &boot);
    if (get(volume, volume->fs->size, copy, sizeof copy)) /* in the sector behind the file system */
        count(volume, memcmp(copy, bytes, sizeof copy) == 0);
    return true;
}

/* ---- FAT, exFAT, ReFS, BitLocker ---- */

/* Each byte but the volume's flags and its use in percent, rotated into 32 bits. */
static uint32_t exfat_checksum(uint32_t checksum, const uint8_t *sector, size_t size, bool first)
{
    for (size_t i = 0; i < size; i++)
        if (!first || (i != 106 && i != 107 && i != 112))
            checksum = (checksum << 31 | checksum >> 1) + sector[i];
    return checksum;
}

/* Eleven sectors, then one that repeats their checksum. */
static void look_at_exfat_boot(const struct volume *volume, uint64_t at, size_t sector_size)
{
    uint8_t sector[4096];
    uint32_t checksum = 0;
    for (unsigned i = 0; i < 11; i++) {
        if (!get(volume, at + i * sector_size, sector, sector_size))
            return;
        checksum = exfat_checksum(checksum, sector, sector_size, i == 0);
    }
    if (get(volume, at + 11 * sector_size, sector, sector_size))
        count(volume, vx_get32(sector) == checksum);
}

static bool look_at_exfat(const struct volume *volume, const uint8_t boot[512])
{
    if (memcmp(boot + 3, "EXFAT   ", 8) != 0)
        return false;
    volume->fs->kind = VX_FS_EXFAT;
    if (boot[108] < 9 || boot[108] > 12) {
        count(volume, false);
        return true;
    }
    size_t sector_size = (size_t)1 << boot[108];
    if (!set_size(volume, vx_get64(boot + 72), sector_size))
        return true;
    look_at_exfat_boot(volume, 0, sector_size);
    look_at_exfat_boot(volume, 12 * sector_size, sector_size);
    return true;
}

static bool is_fat(const uint8_t boot[512])
{
    uint32_t sector = vx_get16(boot + 11);
    bool jump = (boot[0] == 0xEB && boot[2] == 0x90) || boot[0] == 0xE9;
    bool named = memcmp(boot + 54, "FAT", 3) == 0 || memcmp(boot + 82, "FAT32", 5) == 0;
    return jump && named && vx_is_power_of_two(sector) && sector >= 512 && sector <= 4096 &&
           vx_is_power_of_two(boot[13]) && vx_get16(boot + 14) > 0 && boot[16] >= 1 && boot[16] <= 2 &&
           boot[21] >= 0xF0;
}

/* The first entry of each table repeats the medium's byte. */
static bool look_at_fat(const struct volume *volume, const uint8_t boot[512])
{
    uint8_t entry[2];
    uint64_t sector = vx_get16(boot + 11);
    if (!is_fat(boot))
        return false;
    volume->fs->kind = VX_FS_FAT;
    uint64_t total = vx_get16(boot + 19) ? vx_get16(boot + 19) : vx_get32(boot + 32);
    uint64_t table = vx_get16(boot + 22) ? vx_get16(boot + 22) : vx_get32(boot + 36);
    if (!set_size(volume, total, sector))
        return true;
    for (uint64_t i = 0; i < boot[16]; i++)
        if (get(volume, (vx_get16(boot + 14) + i * table) * sector, entry, sizeof entry))
            count(volume, entry[0] == boot[21] && entry[1] == 0xFF);
    return true;
}

static bool look_at_refs(const struct volume *volume, const uint8_t boot[512])
{
    if (memcmp(boot + 3, "ReFS\0\0\0\0", 8) != 0 || memcmp(boot + 16, "FSRS", 4) != 0)
        return false;
    uint64_t sector = vx_get32(boot + 32);
    volume->fs->kind = VX_FS_REFS;
    if (vx_is_power_of_two(sector) && sector >= 512 && sector <= 4096)
        set_size(volume, vx_get64(boot + 24), sector);
    else
        count(volume, false);
    return true;
}

static bool look_at_bitlocker(const struct volume *volume, const uint8_t boot[512])
{
    if (memcmp(boot + 3, "-FVE-FS-", 8) != 0)
        return false;
    volume->fs->kind = VX_FS_BITLOCKER;
    count(volume, boot[510] == 0x55 && boot[511] == 0xAA);
    return true;
}

/* ---- ext2, ext3, ext4 ---- */

#define EXT_BLOCK 1024u /* where the first superblock is */

static bool ext_checksum_right(const uint8_t *super)
{
    return ~vx_crc32c(0, super, 1020) == vx_get32(super + 1020);
}

/* The copy at the beginning of the second group: there whatever the sparse layout, except with sparse_super2. */
static void look_at_ext_copy(const struct volume *volume, const uint8_t *super, uint64_t block)
{
    uint8_t copy[1024];
    uint64_t group = (uint64_t)vx_get32(super + 0x20) + vx_get32(super + 0x14);
    bool elsewhere = vx_get32(super + 0x5C) & 0x200;
    if (elsewhere || group > volume->fs->size / block - 1 || !get(volume, group * block, copy, sizeof copy))
        return;
    count(volume, vx_get16(copy + 0x38) == 0xEF53 && memcmp(copy + 0x68, super + 0x68, 16) == 0);
}

static bool look_at_ext(const struct volume *volume)
{
    uint8_t super[1024];
    if (!get(volume, EXT_BLOCK, super, sizeof super) || vx_get16(super + 0x38) != 0xEF53 ||
        vx_get32(super + 0x18) > 6 || vx_get32(super + 0x20) == 0)
        return false;
    uint64_t block = UINT64_C(1024) << vx_get32(super + 0x18);
    bool wide = vx_get32(super + 0x60) & 0x80;
    uint64_t blocks = vx_get32(super + 4) | (wide ? (uint64_t)vx_get32(super + 0x150) << 32 : 0);
    volume->fs->kind = VX_FS_EXT;
    if (vx_get32(super + 0x64) & 0x400)
        count(volume, ext_checksum_right(super));
    if (set_size(volume, blocks, block))
        look_at_ext_copy(volume, super, block);
    return true;
}

/* ---- XFS ---- */

static void look_at_xfs_copy(const struct volume *volume, const uint8_t *bytes, const struct vx_xfs_super *super)
{
    uint8_t copy[VX_XFS_SUPER_SIZE];
    if (super->group_count < 2 || !get(volume, vx_xfs_header_place(super, 1, VX_XFS_SUPER), copy, sizeof copy))
        return;
    count(volume, vx_xfs_super_named(vx_bytes_of(copy, sizeof copy)) && memcmp(copy + 32, bytes + 32, 16) == 0 &&
                      memcmp(copy + 4, bytes + 4, 12) == 0);
}

static bool look_at_xfs(const struct volume *volume)
{
    uint8_t bytes[VX_XFS_SECTOR_MAX], uuid[16];
    struct vx_bytes start = vx_bytes_of(bytes, VX_XFS_SUPER_SIZE);
    struct vx_xfs_super super;
    uint64_t lsn;
    if (!get(volume, 0, bytes, start.size) || !vx_xfs_super_named(start))
        return false;
    volume->fs->kind = VX_FS_XFS;
    if (!vx_xfs_super_numbers(start, &super)) {
        count(volume, false);
        return true;
    }
    size_t sector = super.sector_size;
    if (super.version == 5 && sector <= sizeof bytes && get(volume, 0, bytes, sector))
        count(volume, vx_xfs_header_decode(vx_bytes_of(bytes, sector), VX_XFS_SUPER, &lsn, uuid));
    if (set_size(volume, super.blocks, super.block_size))
        look_at_xfs_copy(volume, bytes, &super);
    return true;
}

/* ---- btrfs ---- */

#define BTRFS_SUPER (64 * VX_KIB)
#define BTRFS_COPY (64 * VX_MIB)

static bool is_btrfs_super(const uint8_t super[4096], uint64_t place)
{
    return vx_get64(super + 0x40) == UINT64_C(0x4D5F53665248425F) && vx_get64(super + 0x30) == place;
}

static bool btrfs_checksum_right(const uint8_t super[4096])
{
    return vx_crc32c(0, super + 32, 4096 - 32) == vx_get32(super);
}

static bool look_at_btrfs(const struct volume *volume)
{
    uint8_t super[4096], copy[4096];
    if (!get(volume, BTRFS_SUPER, super, sizeof super) || !is_btrfs_super(super, BTRFS_SUPER))
        return false;
    bool crc32c = vx_get16(super + 0xC4) == 0; /* other kinds of checksums exist */
    volume->fs->kind = VX_FS_BTRFS;
    if (crc32c)
        count(volume, btrfs_checksum_right(super));
    set_size(volume, vx_get64(super + 0xC9 + 8), 1);
    if (volume->fs->size < BTRFS_COPY + sizeof copy || !get(volume, BTRFS_COPY, copy, sizeof copy))
        return true;
    count(volume, is_btrfs_super(copy, BTRFS_COPY) && memcmp(copy + 0x20, super + 0x20, 16) == 0 &&
                      (!crc32c || btrfs_checksum_right(copy)));
    return true;
}

/* ---- LVM, LUKS, swap ---- */

/* The label is in one of the first four sectors of 512 bytes; its checksum begins with a number of LVM's own. */
static bool look_at_lvm(const struct volume *volume)
{
    uint8_t label[512];
    for (uint64_t sector = 0; sector < 4; sector++) {
        if (!get(volume, sector * 512, label, sizeof label) || memcmp(label, "LABELONE", 8) != 0 ||
            memcmp(label + 24, "LVM2 001", 8) != 0)
            continue;
        uint32_t header = vx_get32(label + 20);
        volume->fs->kind = VX_FS_LVM;
        count(volume, vx_get64(label + 8) == sector);
        count(volume, (uint32_t)~crc32(~UINT32_C(0xF597A6CF), label + 20, 512 - 20) == vx_get32(label + 16));
        if (header >= 32 && header <= sizeof label - 40)
            set_size(volume, vx_get64(label + header + 32), 1);
        return true;
    }
    return false;
}

static bool look_at_luks(const struct volume *volume, const uint8_t boot[512])
{
    if (memcmp(boot, "LUKS\xBA\xBE", 6) != 0)
        return false;
    volume->fs->kind = VX_FS_LUKS;
    count(volume, vx_get16_be(boot + 6) == 1 || vx_get16_be(boot + 6) == 2);
    return true;
}

static bool look_at_swap(const struct volume *volume)
{
    uint8_t page[4096];
    if (!get(volume, 0, page, sizeof page) || memcmp(page + 4086, "SWAPSPACE2", 10) != 0)
        return false;
    volume->fs->kind = VX_FS_SWAP;
    count(volume, vx_get32(page + 1024) == 1);
    set_size(volume, (uint64_t)vx_get32(page + 1028) + 1, sizeof page);
    return true;
}

/* ---- all ---- */

void vx_fs_look(const struct vx_content_source *source, uint64_t offset, uint64_t length, struct vx_fs *fs)
{
    uint8_t boot[512];
    struct volume volume = {source, offset, length, fs};
    *fs = (struct vx_fs){0};
    if (get(&volume, 0, boot, sizeof boot) &&
        (look_at_ntfs(&volume, boot) || look_at_exfat(&volume, boot) || look_at_refs(&volume, boot) ||
         look_at_bitlocker(&volume, boot) || look_at_luks(&volume, boot) || look_at_fat(&volume, boot)))
        return;
    (void)(look_at_xfs(&volume) || look_at_ext(&volume) || look_at_btrfs(&volume) || look_at_lvm(&volume) ||
           look_at_swap(&volume));
}

const char *vx_fs_name(enum vx_fs_kind kind)
{
    static const char *const names[] = {
        [VX_FS_NONE] = "",        [VX_FS_NTFS] = "NTFS", [VX_FS_REFS] = "ReFS",
        [VX_FS_EXFAT] = "exFAT",  [VX_FS_FAT] = "FAT",   [VX_FS_BITLOCKER] = "BitLocker",
        [VX_FS_EXT] = "ext2/3/4", [VX_FS_XFS] = "XFS",   [VX_FS_BTRFS] = "btrfs",
        [VX_FS_LVM] = "LVM",      [VX_FS_LUKS] = "LUKS", [VX_FS_SWAP] = "swap",
    };
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "";
}
