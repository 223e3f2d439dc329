/*
 * Structures that carry their own place. See anchors.h. For each kind: what is checked before it is believed, and where
 * it says it is. Numbers of the file systems are those of their published layouts.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/anchors.h"

#include "base/checked.h"
#include "base/crc32c.h"
#include "guest/ntfs.h"
#include "guest/partitions.h"
#include "guest/xfs.h"

#include <string.h>

#define STEP ((size_t)512)

/* ---- the disk's own structures ---- */

bool vx_anchor_gpt(struct vx_bytes window, size_t at, uint32_t sector_size, uint64_t *own_sector,
                   uint64_t *other_sector)
{
    struct vx_bytes sector;
    struct vx_gpt gpt = {0};
    if (!vx_bytes_part(window, at, 512, &sector) || memcmp(sector.data, "EFI PART", 8) != 0)
        return false;
    vx_gpt_decode(sector, sector_size, &gpt);
    *own_sector = gpt.my_sector;
    *other_sector = gpt.other_sector;
    return gpt.found;
}

static bool is_mbr_entry(const uint8_t *entry, bool *used)
{
    *used = entry[4] != 0;
    return (entry[0] & 0x7F) == 0 && (!*used || vx_get32(entry + 12) > 0);
}

bool vx_anchor_boot_record(struct vx_bytes window, size_t at)
{
    struct vx_bytes sector;
    bool any = false;
    if (!vx_bytes_part(window, at, 512, &sector) || vx_get16(sector.data + 510) != 0xAA55)
        return false;
    for (size_t i = 0; i < 4; i++) {
        bool used;
        if (!is_mbr_entry(sector.data + 446 + i * 16, &used))
            return false;
        any = any || used;
    }
    return any;
}

/* ---- NTFS ---- */

static bool decode_ntfs(const uint8_t *p, struct vx_ntfs_boot *boot)
{
    return vx_ntfs_boot_decode(vx_bytes_of(p, STEP), boot) && boot->marked;
}

/* Where the file table's records are, from the run list of its own first record. */
static void learn_runs(struct vx_anchor_fs *fs, const struct vx_ntfs_attribute *data)
{
    struct vx_ntfs_runs runs = vx_ntfs_runs_of(data);
    struct vx_ntfs_run run;
    uint64_t record = 0;
    fs->mft_count = 0;
    while (fs->mft_count < VX_ANCHOR_RUNS && vx_ntfs_run_next(&runs, &run) && !run.hole) {
        uint64_t bytes = run.count * fs->cluster_size;
        fs->mft[fs->mft_count].record = record;
        fs->mft[fs->mft_count].offset = run.cluster * fs->cluster_size;
        fs->mft[fs->mft_count++].bytes = bytes;
        record += bytes / fs->record_size;
    }
}

/* The number that a file record carries; false when it is none. */
static bool file_record(struct vx_bytes window, size_t at, uint32_t record_size, uint32_t *number)
{
    struct vx_bytes record;
    if (!vx_bytes_part(window, at, record_size, &record) || memcmp(record.data, "FILE", 4) != 0)
        return false;
    *number = vx_ntfs_record_number(record.data);
    return *number != UINT32_MAX && vx_get16(record.data + 4) < 0x100 && vx_get32(record.data + 0x1C) == record_size &&
           vx_get16(record.data + 0x14) < record_size;
}

static void learn_file_table(struct vx_anchor_fs *fs, struct vx_bytes window, size_t at)
{
    struct vx_ntfs_attribute data;
    struct vx_bytes record;
    uint32_t number;
    if (file_record(window, at, fs->record_size, &number) && number == 0 &&
        vx_bytes_part(window, at, fs->record_size, &record) && vx_ntfs_attribute_find(record, VX_NTFS_DATA, &data) &&
        !data.resident)
        learn_runs(fs, &data);
}

/* ---- XFS ---- */

/* Inodes carry no checksum that is looked at here, so their numbers must make sense as well. */
static void learn_xfs(struct vx_anchor_fs *fs, const uint8_t *p)
{
    struct vx_xfs_super *super = &fs->super;
    fs->xfs = vx_xfs_super_numbers(vx_bytes_of(p, STEP), super) && vx_is_power_of_two(super->inode_size) &&
              super->inode_size >= 256 && super->inode_size <= 2048 && super->inodes_log <= 9;
}

/* ---- learning ---- */

static bool agrees(uint64_t virtual_offset, size_t at)
{
    return virtual_offset % VX_MIB == at % VX_MIB;
}

void vx_anchors_learn(struct vx_anchor_map *map, struct vx_bytes window)
{
    for (uint32_t i = 0; i < map->count; i++) {
        struct vx_anchor_partition *partition = &map->partitions[i];
        struct vx_anchor_fs *fs = &partition->fs;
        for (size_t at = 0; at + STEP <= window.size; at += STEP) {
            struct vx_ntfs_boot boot;
            const uint8_t *p = window.data + at;
            if (!fs->xfs && agrees(partition->offset, at))
                learn_xfs(fs, p);
            if (!fs->ntfs && p[3] == 'N' && decode_ntfs(p, &boot) && vx_ntfs_size(&boot) <= partition->length) {
                fs->ntfs = true;
                fs->cluster_size = boot.cluster_size;
                fs->record_size = boot.record_size;
                fs->mft_offset = boot.mft_cluster * boot.cluster_size;
            }
            if (fs->ntfs && fs->mft_count == 0 && p[0] == 'F' && agrees(partition->offset + fs->mft_offset, at))
                learn_file_table(fs, window, at);
        }
    }
}

/* ---- finding ---- */

struct finding {
    const struct vx_anchor_map *map;
    struct vx_bytes window;
    vx_anchor_fn found;
    void *context;
    vhdx_error *err;
};

/* `place` counts from the partition's start. A place that cannot be by its remainder, or beyond the partition, is none.
 */
static vhdx_status tell(const struct finding *finding, const struct vx_anchor_partition *partition, size_t at,
                        uint64_t place)
{
    uint64_t virtual_offset;
    if (place >= partition->length || !vx_add(partition->offset, place, &virtual_offset) || !agrees(virtual_offset, at))
        return VHDX_OK;
    return finding->found(finding->context, at, virtual_offset, finding->err);
}

static vhdx_status find_gpt(const struct finding *finding, size_t at)
{
    uint64_t own, other, place, size = finding->map->virtual_size;
    if (!vx_anchor_gpt(finding->window, at, finding->map->sector_size, &own, &other) ||
        !vx_mul(own, finding->map->sector_size, &place) || !agrees(place, at) || (size && place >= size))
        return VHDX_OK;
    return finding->found(finding->context, at, place, finding->err);
}

static vhdx_status find_ntfs(const struct finding *finding, const struct vx_anchor_partition *partition, size_t at)
{
    struct vx_ntfs_boot boot;
    const struct vx_anchor_fs *fs = &partition->fs;
    const uint8_t *p = finding->window.data + at;
    uint32_t number;
    if (p[3] == 'N' && decode_ntfs(p, &boot))
        VX_TRY(tell(finding, partition, at, agrees(partition->offset, at) ? 0 : vx_ntfs_size(&boot)));
    if (!fs->ntfs || p[0] != 'F' || !file_record(finding->window, at, fs->record_size, &number) || number < 4)
        return VHDX_OK; /* the first four have copies elsewhere */
    for (uint32_t i = 0; i < fs->mft_count; i++) {
        if (number < fs->mft[i].record || (number - fs->mft[i].record) >= fs->mft[i].bytes / fs->record_size)
            continue;
        return tell(finding, partition, at, fs->mft[i].offset + (number - fs->mft[i].record) * fs->record_size);
    }
    return VHDX_OK;
}

/* ext2 to ext4: the superblock 1024 bytes into the file system and its copies at the start of groups, each with its
 * group's number. */
static vhdx_status find_ext(const struct finding *finding, const struct vx_anchor_partition *partition, size_t at)
{
    struct vx_bytes super;
    if (!vx_bytes_part(finding->window, at, 1024, &super) || vx_get16(super.data + 0x38) != 0xEF53)
        return VHDX_OK;
    uint32_t log_size = vx_get32(super.data + 0x18), per_group = vx_get32(super.data + 0x20);
    uint64_t first = vx_get32(super.data + 0x14), group = vx_get16(super.data + 0x5A),
             blocks = vx_get32(super.data + 4);
    if (log_size > 6 || per_group == 0 || per_group > 8 * (UINT32_C(1024) << log_size) || first > 1 ||
        blocks * (UINT64_C(1024) << log_size) > partition->length)
        return VHDX_OK;
    uint64_t place = group == 0 ? 1024 : (group * per_group + first) << (10 + log_size);
    return tell(finding, partition, at, place);
}

static vhdx_status find_xfs(const struct finding *finding, const struct vx_anchor_partition *partition, size_t at)
{
    const struct vx_xfs_super *super = &partition->fs.super;
    const uint8_t *p = finding->window.data + at;
    uint64_t group_bytes = (uint64_t)super->group_blocks * super->block_size;
    if (!partition->fs.xfs)
        return VHDX_OK;
    if (memcmp(p, "XAGF", 4) == 0 && vx_get32_be(p + 4) == 1)
        return tell(finding, partition, at, vx_xfs_header_place(super, vx_get32_be(p + 8), VX_XFS_FREE_SPACE));
    if (memcmp(p, "XAGI", 4) == 0 && vx_get32_be(p + 4) == 1)
        return tell(finding, partition, at, vx_xfs_header_place(super, vx_get32_be(p + 8), VX_XFS_INODES));
    if (memcmp(p, "XDB3", 4) == 0 || memcmp(p, "XDD3", 4) == 0 || memcmp(p, "XDF3", 4) == 0)
        return tell(finding, partition, at, vx_min(vx_get64_be(p + 8), UINT64_C(1) << 48) * 512);
    if (memcmp(p, "AB3B", 4) == 0 || memcmp(p, "AB3C", 4) == 0 || memcmp(p, "IAB3", 4) == 0 ||
        memcmp(p, "FIB3", 4) == 0)
        return tell(finding, partition, at, vx_min(vx_get64_be(p + 16), UINT64_C(1) << 48) * 512);
    if (p[0] != 'I' || p[1] != 'N' || p[4] != 3 || finding->window.size - at < super->inode_size)
        return VHDX_OK;
    uint64_t number = vx_get64_be(p + 152);
    uint64_t in_block = number & ((UINT64_C(1) << super->inodes_log) - 1);
    uint64_t block = number >> super->inodes_log & ((UINT64_C(1) << super->group_log) - 1);
    uint64_t group = number >> (super->inodes_log + super->group_log);
    if (group > UINT32_MAX || block >= super->group_blocks)
        return VHDX_OK;
    return tell(finding, partition, at, group * group_bytes + block * super->block_size + in_block * super->inode_size);
}

static vhdx_status find_btrfs(const struct finding *finding, const struct vx_anchor_partition *partition, size_t at)
{
    struct vx_bytes super;
    if (!vx_bytes_part(finding->window, at, 4096, &super) || memcmp(super.data + 0x40, "_BHRfS_M", 8) != 0)
        return VHDX_OK;
    uint64_t place = vx_get64(super.data + 0x30);
    if (place != 64 * VX_KIB && place != 64 * VX_MIB && place != 256 * VX_GIB)
        return VHDX_OK;
    return tell(finding, partition, at, place);
}

vhdx_status vx_anchors_find(const struct vx_anchor_map *map, struct vx_bytes window, vx_anchor_fn found, void *context,
                            vhdx_error *err)
{
    const struct finding finding = {map, window, found, context, err};
    for (size_t at = 0; at + STEP <= window.size; at += STEP) {
        VX_TRY(find_gpt(&finding, at));
        for (uint32_t i = 0; i < map->count; i++) {
            VX_TRY(find_ntfs(&finding, &map->partitions[i], at));
            VX_TRY(find_ext(&finding, &map->partitions[i], at));
            VX_TRY(find_xfs(&finding, &map->partitions[i], at));
            VX_TRY(find_btrfs(&finding, &map->partitions[i], at));
        }
    }
    return VHDX_OK;
}
