/*
 * Free space of NTFS: $Bitmap, when nothing speaks against it. What does: the volume is marked dirty, its log was not
 * emptied, the guest hibernates, shadow copies keep data in places that are free by now, or $Bitmap calls free what its
 * own system files fill. The last sector of the partition, behind the last cluster, is the copy of
 * the boot sector, and no bit stands for it.
 */
/* SPDX-License-Identifier: MIT */
#include "base/checked.h"
#include "guest/free_volume.h"
#include "guest/ntfs_log.h"
#include "guest/ntfs_stream.h"

#include <string.h>

enum {
    RECORD_MIRROR = 1,
    RECORD_BITMAP = 6,
    RECORD_BOOT = 7,
    RECORD_BAD_CLUSTERS = 8,
    INDEX_ROOT = 0x90,
    INDEX_ALLOCATION = 0xA0,
};

#define INDEX_MAX (64 * VX_MIB) /* of the root directory */

/* ---- was it unmounted? ------------------------------------------------------------------------------------------- */

static bool check_dirty(struct vx_ntfs_volume *ntfs)
{
    struct vx_ntfs_record record;
    if (!vx_ntfs_read_record(ntfs, VX_NTFS_VOLUME, ntfs->base, &record))
        return vx_free_refuse(ntfs->volume, VX_FREE_CURE_CHECK, "its file $Volume cannot be read");
    if (record.dirty)
        return vx_free_refuse(ntfs->volume, VX_FREE_CURE_CHECK, "it is marked dirty");
    return true;
}

struct log_look {
    uint32_t page_size;
    bool empty, read, clean;
    uint64_t current;
};

static enum vx_ntfs_go look_at_start(void *context, const uint8_t *piece, size_t length, uint64_t offset)
{
    struct log_look *log = context;
    (void)offset;
    log->empty = length >= 512 && piece[0] == 0xFF && memcmp(piece, piece + 1, 511) == 0;
    log->page_size = length >= 512 && memcmp(piece, "RSTR", 4) == 0 ? vx_get32(piece + 16) : 0;
    return VX_NTFS_GO_ENOUGH;
}

/* The two restart pages; the later one counts. */
static enum vx_ntfs_go look_at_restart(void *context, const uint8_t *piece, size_t length, uint64_t offset)
{
    struct log_look *log = context;
    struct vx_ntfs_restart restart;
    uint16_t update;
    uint8_t *page = (uint8_t *)(uintptr_t)piece; /* the stream's own buffer, which nobody reads again */
    if (length < log->page_size || !vx_ntfs_fix(page, length, &update) ||
        !vx_ntfs_restart_decode(vx_bytes_of(page, length), &restart))
        return VX_NTFS_GO_WRONG;
    if (!log->read || restart.current > log->current)
        log->clean = restart.clean;
    else if (restart.current == log->current)
        log->clean = log->clean && restart.clean;
    log->current = vx_max(log->current, restart.current);
    log->read = true;
    return offset == 0 ? VX_NTFS_GO_ON : VX_NTFS_GO_ENOUGH;
}

static bool check_log(struct vx_ntfs_volume *ntfs)
{
    const struct vx_ntfs_want want = {VX_NTFS_LOG_FILE, VX_NTFS_DATA, false};
    struct log_look log = {0};
    bool found = vx_ntfs_stream_each(ntfs, &want, 4096, look_at_start, &log);
    if (found && log.empty)
        return true;
    if (!found || log.page_size < 512 || log.page_size > VX_NTFS_PIECE || !vx_is_power_of_two(log.page_size) ||
        !vx_ntfs_stream_each(ntfs, &want, log.page_size, look_at_restart, &log) || !log.read)
        return vx_free_refuse(ntfs->volume, VX_FREE_CURE_SHUT_DOWN, "its log ($LogFile) cannot be read");
    return log.clean ||
           vx_free_refuse(ntfs->volume, VX_FREE_CURE_SHUT_DOWN, "it was not unmounted: its log is not empty");
}

/* ---- does the guest hibernate? ----------------------------------------------------------------------------------- */

struct root_look {
    uint32_t block_size;
    uint64_t file; /* reference of hiberfil.sys; 0 = none */
};

static bool is_hibernation_file(const uint8_t *name, size_t length)
{
    static const char wanted[] = "hiberfil.sys";
    if (length != sizeof wanted - 1)
        return false;
    for (size_t i = 0; i < length; i++) {
        uint16_t c = vx_get16(name + 2 * i);
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (unsigned char)wanted[i])
            return false;
    }
    return true;
}

/* The entries behind an index header. */
static bool look_at_entries(struct root_look *root, struct vx_bytes index)
{
    if (index.size < 16)
        return false;
    uint64_t at = vx_get32(index.data), end = vx_min(vx_get32(index.data + 4), index.size);
    while (at <= end && end - at >= 16) {
        const uint8_t *entry = index.data + at;
        uint32_t length = vx_get16(entry + 8), key = vx_get16(entry + 10), flags = vx_get16(entry + 12);
        if (flags & 2)
            return true;
        if (length < 16 || length > end - at || key > length - 16)
            return false;
        if (key >= 66 && 66 + 2u * entry[16 + 64] <= key && is_hibernation_file(entry + 16 + 66, entry[16 + 64]))
            root->file = vx_get64(entry);
        at += length;
    }
    return false;
}

static enum vx_ntfs_go look_at_block(void *context, const uint8_t *piece, size_t length, uint64_t offset)
{
    struct root_look *root = context;
    uint8_t *block = (uint8_t *)(uintptr_t)piece; /* as above */
    uint16_t update;
    if (offset >= INDEX_MAX)
        return VX_NTFS_GO_WRONG;
    if (length < root->block_size || memcmp(block, "INDX", 4) != 0) /* was never in use */
        return VX_NTFS_GO_ON;
    if (!vx_ntfs_fix(block, length, &update) || !look_at_entries(root, vx_bytes_of(block + 24, length - 24)))
        return VX_NTFS_GO_WRONG;
    return root->file ? VX_NTFS_GO_ENOUGH : VX_NTFS_GO_ON;
}

/* Blocks of the index that are not in use any more are looked at too: what they name must still be there. */
static bool find_hibernation(struct vx_ntfs_volume *ntfs, struct root_look *root)
{
    const struct vx_ntfs_want want = {VX_NTFS_ROOT, INDEX_ALLOCATION, true};
    struct vx_ntfs_record record;
    struct vx_bytes value;
    if (!vx_ntfs_read_record(ntfs, VX_NTFS_ROOT, ntfs->base, &record) ||
        !vx_ntfs_resident(ntfs, ntfs->base, INDEX_ROOT, true, &value) || value.size < 32 ||
        !look_at_entries(root, vx_bytes_of(value.data + 16, value.size - 16)))
        return false;
    root->block_size = vx_get32(value.data + 8);
    bool large = value.data[16 + 12] & 1;
    if (root->file || !large)
        return true;
    return vx_is_power_of_two(root->block_size) && root->block_size >= 512 && root->block_size <= VX_NTFS_PIECE &&
           vx_ntfs_stream_each(ntfs, &want, root->block_size, look_at_block, root);
}

static enum vx_ntfs_go look_at_image(void *context, const uint8_t *piece, size_t length, uint64_t offset)
{
    (void)offset;
    *(bool *)context = !vx_is_zero(piece, length);
    return VX_NTFS_GO_ENOUGH;
}

/* The file begins with zeros when the guest came back from hibernation, or never went there. */
static bool check_hibernation(struct vx_ntfs_volume *ntfs)
{
    struct root_look root = {0};
    struct vx_ntfs_record record;
    bool image = false;
    if (!find_hibernation(ntfs, &root))
        return vx_free_refuse(ntfs->volume, VX_FREE_CURE_CHECK, "its root directory cannot be read");
    if (root.file >> 32 & 0xFFFF)
        return vx_free_refuse(ntfs->volume, VX_FREE_CURE_CHECK, "its root directory makes no sense");
    const struct vx_ntfs_want want = {(uint32_t)root.file, VX_NTFS_DATA, false};
    if (root.file == 0 || !vx_ntfs_read_record(ntfs, want.record, ntfs->base, &record) ||
        record.sequence != root.file >> 48)
        return true;
    ntfs->volume->hibernated = vx_ntfs_stream_each(ntfs, &want, 4096, look_at_image, &image) && image;
    return !ntfs->volume->hibernated ||
           vx_free_refuse(ntfs->volume, VX_FREE_CURE_SHUT_DOWN,
                          "the guest hibernates or was shut down with fast startup (hiberfil.sys)");
}

/* ---- shadow copies ----------------------------------------------------------------------------------------------- */

#define SHADOW_HEADER 0x1E00u
#define SHADOW_BLOCK 16384u
#define SHADOW_BLOCKS 256u

static bool is_shadow_block(const uint8_t *block, uint32_t type)
{
    static const uint8_t id[16] = {0x6B, 0x87, 0x08, 0x38, 0x76, 0xC1, 0x48, 0x4E,
                                   0xB7, 0xAE, 0x04, 0x04, 0x6E, 0x6C, 0xC7, 0x52};
    return memcmp(block, id, sizeof id) == 0 && vx_get32(block + 20) == type;
}

/* A catalog's entries of types 2 and 3 are of a copy; 0 and 1 are of none. */
static bool has_copies(const uint8_t *catalog)
{
    for (uint32_t at = 128; at + 128 <= SHADOW_BLOCK; at += 128)
        if (vx_get64(catalog + at) > 1)
            return true;
    return false;
}

/* A copy takes over what changes later; what was only deleted since goes on being read where it was. */
static bool check_shadow_copies(struct vx_ntfs_volume *ntfs)
{
    struct vx_free_volume *volume = ntfs->volume;
    uint8_t *block = ntfs->piece;
    if (!vx_free_get(volume, block, 512, SHADOW_HEADER) || !is_shadow_block(block, 1))
        return true;
    uint64_t at = vx_get64(block + 48);
    for (uint32_t i = 0; at != 0; i++) {
        if (i == SHADOW_BLOCKS || !vx_free_get(volume, block, SHADOW_BLOCK, at) || !is_shadow_block(block, 2))
            return vx_free_refuse(volume, VX_FREE_CURE_SNAPSHOTS, "its catalog of shadow copies cannot be read");
        if (has_copies(block))
            return vx_free_refuse(volume, VX_FREE_CURE_SNAPSHOTS,
                                  "it has shadow copies, which keep data in places that are free by now");
        at = vx_get64(block + 40);
    }
    return true;
}

/* ---- the bitmap -------------------------------------------------------------------------------------------------- */

static bool keep_run(void *context, const struct vx_ntfs_run *run)
{
    const struct vx_ntfs_volume *ntfs = context;
    if (run->hole)
        return true;
    /* of a file in very many pieces the first ones will do */
    (void)vx_free_keep(ntfs->volume, run->cluster * ntfs->boot.cluster_size, run->count * ntfs->boot.cluster_size);
    return true;
}

/* The few bad clusters that a virtual disk ever has must all be remembered. */
static bool keep_bad_run(void *context, const struct vx_ntfs_run *run)
{
    const struct vx_ntfs_volume *ntfs = context;
    return run->hole ||
           vx_free_keep(ntfs->volume, run->cluster * ntfs->boot.cluster_size, run->count * ntfs->boot.cluster_size);
}

static bool keep_system_files(struct vx_ntfs_volume *ntfs)
{
    static const uint32_t files[] = {RECORD_MIRROR, RECORD_BOOT, VX_NTFS_LOG_FILE, RECORD_BITMAP, VX_NTFS_MFT};
    const struct vx_ntfs_want bad = {RECORD_BAD_CLUSTERS, VX_NTFS_DATA, true};
    uint64_t size;
    if (!vx_ntfs_runs_each(ntfs, &bad, &size, keep_bad_run, ntfs))
        return vx_free_refuse(ntfs->volume, VX_FREE_CURE_CHECK, "its list of bad clusters cannot be read");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const struct vx_ntfs_want want = {files[i], VX_NTFS_DATA, false};
        if (!vx_ntfs_runs_each(ntfs, &want, &size, keep_run, ntfs))
            return vx_free_refuse(ntfs->volume, VX_FREE_CURE_CHECK, "one of its system files cannot be read");
    }
    return true;
}

struct bitmap {
    struct vx_free_bits bits;
    uint64_t left; /* clusters */
};

static enum vx_ntfs_go add_piece(void *context, const uint8_t *piece, size_t length, uint64_t offset)
{
    struct bitmap *bitmap = context;
    uint64_t here = vx_min(bitmap->left, (uint64_t)length * 8);
    (void)offset;
    bitmap->left -= here;
    if (!vx_free_bits_add(&bitmap->bits, piece, here))
        return VX_NTFS_GO_WRONG;
    return bitmap->left > 0 ? VX_NTFS_GO_ON : VX_NTFS_GO_ENOUGH;
}

static bool read_bitmap(struct vx_ntfs_volume *ntfs)
{
    const struct vx_ntfs_want want = {RECORD_BITMAP, VX_NTFS_DATA, false};
    struct bitmap bitmap = {vx_free_bits_begin(ntfs->volume, 0, ntfs->boot.cluster_size), ntfs->clusters};
    if (!vx_ntfs_stream_each(ntfs, &want, VX_NTFS_PIECE, add_piece, &bitmap) || bitmap.left > 0 ||
        !vx_free_bits_end(&bitmap.bits))
        return vx_free_refuse(ntfs->volume, VX_FREE_CURE_CHECK, "its bitmap ($Bitmap) cannot be read whole");
    if (ntfs->volume->contradicts)
        return vx_free_refuse(ntfs->volume, VX_FREE_CURE_CHECK,
                              "its bitmap ($Bitmap) calls free what system files or bad clusters fill");
    return true;
}

bool vx_free_ntfs(struct vx_free_volume *volume)
{
    struct vx_ntfs_volume ntfs;
    return vx_ntfs_volume_open(volume, &ntfs) && check_dirty(&ntfs) && check_log(&ntfs) && check_hibernation(&ntfs) &&
           check_shadow_copies(&ntfs) && keep_system_files(&ntfs) && read_bitmap(&ntfs);
}
