/*
 * Whether a file system was closed cleanly, as it notes that itself. See closed.h. NTFS has two such notes: the flag in
 * $Volume, which asks for a check, and the log, whose restart page says whether anything is to be applied. Volumes that
 * no Windows has mounted yet have a log of 0xFF bytes.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/closed.h"

#include "base/checked.h"
#include "guest/ext4.h"
#include "guest/ntfs.h"
#include "guest/ntfs_log.h"
#include "guest/partitions.h"

#include <string.h>

#define RECORD_MAX 4096u
#define RESTART_PAGES 2u
#define RESTART_SIZE 4096u

struct volume {
    const struct vx_content_source *source;
    uint64_t offset, length;
};

static bool get(const struct volume *volume, uint64_t at, void *buf, size_t length)
{
    uint64_t place;
    return at <= volume->length && length <= volume->length - at && vx_add(volume->offset, at, &place) &&
           vx_content_read(volume->source, buf, length, place);
}

/* ---- NTFS ---- */

/* The records of the system lie in the first extent of the MFT. */
static bool get_record(const struct volume *volume, const struct vx_ntfs_boot *boot, uint32_t number,
                       uint8_t bytes[RECORD_MAX], struct vx_ntfs_record *record)
{
    uint16_t update;
    uint64_t at;
    return boot->record_size <= RECORD_MAX && vx_mul(boot->mft_cluster, boot->cluster_size, &at) &&
           vx_add(at, (uint64_t)number * boot->record_size, &at) && get(volume, at, bytes, boot->record_size) &&
           vx_ntfs_fix(bytes, boot->record_size, &update) &&
           vx_ntfs_record_decode(vx_bytes_of(bytes, boot->record_size), record);
}

/* The newer one of the two restart pages counts. */
static enum vx_fs_closed log_state(const struct volume *volume, uint64_t at)
{
    uint8_t page[RESTART_SIZE], unused = 0xFF;
    struct vx_ntfs_restart restart, newest = {0};
    bool found = false;
    for (uint32_t i = 0; i < RESTART_PAGES; i++) {
        uint16_t update;
        if (!get(volume, at + i * RESTART_SIZE, page, sizeof page))
            return VX_FS_CLOSED_UNKNOWN;
        for (size_t k = 0; i == 0 && k < sizeof page; k++)
            unused &= page[k];
        if (!vx_ntfs_fix(page, sizeof page, &update) ||
            !vx_ntfs_restart_decode(vx_bytes_of(page, sizeof page), &restart))
            continue;
        if (!found || restart.current > newest.current)
            newest = restart;
        found = true;
    }
    if (!found)
        return unused == 0xFF ? VX_FS_CLOSED_CLEANLY : VX_FS_CLOSED_UNKNOWN;
    return newest.clean ? VX_FS_CLOSED_CLEANLY : VX_FS_CLOSED_NOT;
}

static enum vx_fs_closed look_at_ntfs(const struct volume *volume)
{
    uint8_t bytes[RECORD_MAX];
    struct vx_ntfs_boot boot;
    struct vx_ntfs_record record;
    struct vx_ntfs_attribute data;
    struct vx_ntfs_run run;
    uint64_t at;
    if (!get(volume, 0, bytes, VX_NTFS_BOOT_SIZE) || !vx_ntfs_boot_decode(vx_bytes_of(bytes, VX_NTFS_BOOT_SIZE), &boot))
        return VX_FS_CLOSED_UNKNOWN;
    if (!get_record(volume, &boot, VX_NTFS_VOLUME, bytes, &record))
        return VX_FS_CLOSED_UNKNOWN;
    if (record.dirty)
        return VX_FS_CLOSED_NOT;
    if (!get_record(volume, &boot, VX_NTFS_LOG_FILE, bytes, &record) ||
        !vx_ntfs_attribute_find(vx_bytes_of(bytes, boot.record_size), VX_NTFS_DATA, &data) || data.resident)
        return VX_FS_CLOSED_UNKNOWN;
    struct vx_ntfs_runs runs = vx_ntfs_runs_of(&data);
    if (!vx_ntfs_run_next(&runs, &run) || run.hole || run.first != 0 || !vx_mul(run.cluster, boot.cluster_size, &at) ||
        at > volume->length)
        return VX_FS_CLOSED_UNKNOWN;
    return log_state(volume, at);
}

/* ---- ext2, ext3, ext4; exFAT ---- */

static enum vx_fs_closed look_at_ext(const struct volume *volume)
{
    uint8_t bytes[VX_EXT4_SUPER_SIZE];
    struct vx_ext4_super super;
    if (!get(volume, VX_EXT4_SUPER_OFFSET, bytes, sizeof bytes) ||
        !vx_ext4_super_decode(vx_bytes_of(bytes, sizeof bytes), &super))
        return VX_FS_CLOSED_UNKNOWN;
    return super.clean ? VX_FS_CLOSED_CLEANLY : VX_FS_CLOSED_NOT;
}

static enum vx_fs_closed look_at_exfat(const struct volume *volume)
{
    uint8_t boot[512];
    if (!get(volume, 0, boot, sizeof boot))
        return VX_FS_CLOSED_UNKNOWN;
    return vx_get16(boot + 106) & 2 ? VX_FS_CLOSED_NOT : VX_FS_CLOSED_CLEANLY;
}

enum vx_fs_closed vx_fs_look_closed(const struct vx_content_source *source, uint64_t offset, uint64_t length,
                                    enum vx_fs_kind kind)
{
    const struct volume volume = {source, offset, length};
    switch (kind) {
    case VX_FS_NTFS:
        return look_at_ntfs(&volume);
    case VX_FS_EXT:
        return look_at_ext(&volume);
    case VX_FS_EXFAT:
        return look_at_exfat(&volume);
    default:
        return VX_FS_CLOSED_UNKNOWN;
    }
}
