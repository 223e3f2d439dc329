/*
 * Free space of XFS, versions 4 and 5: in each allocation group the B-tree of free extents by block, when its records
 * come to what the group's header counts and the log was emptied by an unmount. A log that is only
 * idle ends with another record than that of an unmount; what was mounted is not to be believed.
 */
/* SPDX-License-Identifier: MIT */
#include "base/checked.h"
#include "base/crc32c.h"
#include "guest/free_volume.h"
#include "guest/xfs.h"

#include <string.h>

#define BLOCK_MAX 65536u
#define LEVELS_MAX 9u
#define INCOMPAT_KNOWN 0x1EFu /* all but NEEDSREPAIR */
#define INCOMPAT_NEEDS_REPAIR 0x10u
#define READ_ONLY_KNOWN 0xFu
#define RECORD UINT32_C(0xFEEDBABE)
#define RECORD_MAX 512u /* blocks */
#define LOG_WINDOW                                                                                                     \
    4096u /* blocks of 512 bytes before and behind the log's head that are looked at: all that was in                  \
             flight at once is there */

struct xfs {
    struct vx_free_volume *volume;
    struct vx_xfs_super super;
    uint64_t log_start, log_blocks; /* bytes of the volume; blocks of 512 bytes */
    uint64_t newest;                /* LSN of any header */
    uint8_t *block;                 /* part of the volume's buffer */
};

static bool is_five(const struct xfs *xfs)
{
    return xfs->super.version == 5;
}

/* ---- superblock -------------------------------------------------------------------------------------------------- */

static bool find_log(struct xfs *xfs, const uint8_t *p)
{
    uint64_t start = vx_get64_be(p + 48), blocks = vx_get32_be(p + 96);
    uint64_t group = start >> xfs->super.group_log, block = start & ((UINT64_C(1) << xfs->super.group_log) - 1);
    uint64_t bytes = blocks * xfs->super.block_size;
    if (start == 0 || blocks == 0 || group >= xfs->super.group_count || block >= xfs->super.group_blocks)
        return false;
    xfs->log_start = (group * xfs->super.group_blocks + block) * xfs->super.block_size;
    xfs->log_blocks = bytes / VX_XFS_LOG_BLOCK;
    return xfs->log_start <= xfs->volume->size && bytes <= xfs->volume->size - xfs->log_start;
}

static bool check_super(struct xfs *xfs, const uint8_t *p)
{
    uint8_t uuid[16];
    if (!is_five(xfs) && xfs->super.version != 4)
        return vx_free_refuse(xfs->volume, VX_FREE_CURE_NONE, "its version is not known here");
    if (p[126] != 0)
        return vx_free_refuse(xfs->volume, VX_FREE_CURE_CHECK, "it was never made to its end");
    if (!is_five(xfs))
        return true;
    if (!vx_xfs_header_decode(vx_bytes_of(p, xfs->super.sector_size), VX_XFS_SUPER, &xfs->newest, uuid))
        return vx_free_refuse(xfs->volume, VX_FREE_CURE_CHECK, "the checksum of its superblock is wrong");
    uint32_t read_only = vx_get32_be(p + 212), incompat = vx_get32_be(p + 216);
    if (incompat & INCOMPAT_NEEDS_REPAIR)
        return vx_free_refuse(xfs->volume, VX_FREE_CURE_CHECK, "it is marked as in need of repair");
    if (incompat & ~(uint32_t)INCOMPAT_KNOWN || read_only & ~(uint32_t)READ_ONLY_KNOWN)
        return vx_free_refuse(xfs->volume, VX_FREE_CURE_NONE, "it has features that are not known here");
    return true;
}

static bool open_xfs(struct vx_free_volume *volume, struct xfs *xfs)
{
    uint64_t size;
    *xfs = (struct xfs){.volume = volume, .block = volume->buf};
    if (!vx_free_get(volume, xfs->block, VX_XFS_SUPER_SIZE, 0) ||
        !vx_xfs_super_numbers(vx_bytes_of(xfs->block, VX_XFS_SUPER_SIZE), &xfs->super) ||
        !vx_free_get(volume, xfs->block, xfs->super.sector_size, 0))
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its superblock makes no sense");
    if (!vx_mul(xfs->super.blocks, xfs->super.block_size, &size) || size > volume->size ||
        vx_ceil_div(xfs->super.blocks, xfs->super.group_blocks) != xfs->super.group_count)
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its sizes do not fit its partition, or each other");
    volume->limit = size;
    if (!check_super(xfs, xfs->block))
        return false;
    return find_log(xfs, xfs->block) ||
           vx_free_refuse(volume, VX_FREE_CURE_SHUT_DOWN, "its log is not on this disk, or cannot be found");
}

/* ---- log --------------------------------------------------------------------------------------------------------- */

/* Each block of the log begins with the number of the round in which it was written; a record's header has a mark
 * there, and the number behind it. */
static bool cycle_of(const struct xfs *xfs, uint64_t block, uint32_t *cycle)
{
    uint8_t bytes[8];
    if (!vx_free_get(xfs->volume, bytes, sizeof bytes, xfs->log_start + block * VX_XFS_LOG_BLOCK))
        return false;
    *cycle = vx_get32_be(bytes) == RECORD ? vx_get32_be(bytes + 4) : vx_get32_be(bytes);
    return true;
}

/* The first block that is not of the round of block 0; blocks before it are. */
static bool find_head(const struct xfs *xfs, uint64_t *head, uint32_t *round)
{
    uint64_t low = 0, high = xfs->log_blocks;
    uint32_t cycle;
    if (!cycle_of(xfs, 0, round) || *round == 0)
        return false;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (!cycle_of(xfs, middle, &cycle))
            return false;
        *(cycle == *round ? &low : &high) = middle;
    }
    *head = high;
    return true;
}

/* Around the head the rounds are as they should be: nothing was in flight. */
static bool is_quiet(const struct xfs *xfs, uint64_t head, uint32_t round)
{
    const uint64_t piece = BLOCK_MAX / VX_XFS_LOG_BLOCK;
    uint64_t from = head > LOG_WINDOW ? head - LOG_WINDOW : 0, to = vx_min(head + LOG_WINDOW, xfs->log_blocks);
    for (uint64_t block = from; block < to; block++) {
        if ((block - from) % piece == 0 &&
            !vx_free_get(xfs->volume, xfs->block, (size_t)(vx_min(piece, to - block) * VX_XFS_LOG_BLOCK),
                         xfs->log_start + block * VX_XFS_LOG_BLOCK))
            return false;
        const uint8_t *p = xfs->block + (block - from) % piece * VX_XFS_LOG_BLOCK;
        uint32_t cycle = vx_get32_be(p) == RECORD ? vx_get32_be(p + 4) : vx_get32_be(p);
        if (block < head ? cycle != round : cycle != round - 1 && cycle != 0)
            return false;
    }
    return true;
}

/* The last record before the head is one of an unmount: a header, and what it says behind it. */
static bool ends_with_unmount(const struct xfs *xfs, uint64_t head)
{
    uint8_t record[2 * VX_XFS_LOG_BLOCK];
    for (uint64_t at = head; at-- > 0 && head - at <= RECORD_MAX;) {
        if (!vx_free_get(xfs->volume, record, VX_XFS_LOG_BLOCK, xfs->log_start + at * VX_XFS_LOG_BLOCK))
            return false;
        if (vx_get32_be(record) != RECORD)
            continue;
        uint64_t lsn = vx_get64_be(record + 16), blocks = vx_ceil_div(vx_get32_be(record + 12), VX_XFS_LOG_BLOCK);
        return blocks >= 1 && at + 1 + blocks == head && vx_get32_be(record + 40) == 1 && (lsn & UINT32_MAX) == at &&
               lsn >= xfs->newest &&
               vx_free_get(xfs->volume, record, sizeof record, xfs->log_start + at * VX_XFS_LOG_BLOCK) &&
               record[VX_XFS_LOG_BLOCK + 9] & 0x20;
    }
    return false;
}

static bool check_log(const struct xfs *xfs)
{
    uint64_t head;
    uint32_t round;
    if (find_head(xfs, &head, &round) && is_quiet(xfs, head, round) && ends_with_unmount(xfs, head))
        return true;
    return vx_free_refuse(xfs->volume, VX_FREE_CURE_SHUT_DOWN, "it was not unmounted: its log is not empty");
}

/* ---- one group --------------------------------------------------------------------------------------------------- */

struct group {
    uint32_t number, blocks, root, levels, free, longest;
    uint64_t start; /* bytes of the volume */
    uint8_t uuid[16];
    /* so far */
    uint64_t next; /* no record begins before this block */
    uint64_t found, found_longest;
};

static bool read_header(struct xfs *xfs, struct group *group)
{
    uint8_t sector[VX_XFS_SECTOR_MAX];
    const size_t size = xfs->super.sector_size;
    const uint8_t *p = sector;
    uint64_t lsn = 0;
    uint64_t blocks =
        vx_min(xfs->super.group_blocks, xfs->super.blocks - (uint64_t)group->number * xfs->super.group_blocks);
    if (size > sizeof sector ||
        !vx_free_get(xfs->volume, sector, size, vx_xfs_header_place(&xfs->super, group->number, VX_XFS_FREE_SPACE)) ||
        memcmp(p, "XAGF", 4) != 0)
        return false;
    if (is_five(xfs) && !vx_xfs_header_decode(vx_bytes_of(sector, size), VX_XFS_FREE_SPACE, &lsn, group->uuid))
        return false;
    xfs->newest = vx_max(xfs->newest, lsn);
    group->blocks = vx_get32_be(p + 12);
    group->root = vx_get32_be(p + 16);
    group->levels = vx_get32_be(p + 28);
    group->free = vx_get32_be(p + 52);
    group->longest = vx_get32_be(p + 56);
    return vx_get32_be(p + 8) == group->number && group->blocks == blocks && group->levels >= 1 &&
           group->levels <= LEVELS_MAX;
}

static uint32_t header_size(const struct xfs *xfs)
{
    return is_five(xfs) ? 56 : 16;
}

/* A block of the tree, into `xfs->block`. */
static bool read_block(const struct xfs *xfs, const struct group *group, uint32_t number, uint32_t level)
{
    const uint8_t *p = xfs->block;
    const uint64_t size = xfs->super.block_size;
    if (number >= group->blocks || !vx_free_get(xfs->volume, xfs->block, (size_t)size, group->start + number * size) ||
        memcmp(p, is_five(xfs) ? "AB3B" : "ABTB", 4) != 0 || vx_get16_be(p + 4) != level)
        return false;
    if (!is_five(xfs))
        return true;
    return vx_crc32c_without(p, (size_t)size, 52) == vx_get32(p + 52) && vx_get32_be(p + 48) == group->number &&
           vx_get64_be(p + 16) == (group->start + number * size) / 512 && memcmp(p + 32, group->uuid, 16) == 0;
}

/* The records of the leaf in `xfs->block`. */
static bool tell_leaf(struct xfs *xfs, struct group *group)
{
    const uint64_t size = xfs->super.block_size;
    uint32_t count = vx_get16_be(xfs->block + 6);
    if (count > (size - header_size(xfs)) / 8)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *record = xfs->block + header_size(xfs) + i * 8;
        uint32_t first = vx_get32_be(record), blocks = vx_get32_be(record + 4);
        if (first < group->next || blocks == 0 || first >= group->blocks || blocks > group->blocks - first)
            return false;
        group->next = (uint64_t)first + blocks + 1; /* neighbours would be one record */
        group->found += blocks;
        group->found_longest = vx_max(group->found_longest, blocks);
        if (!vx_free_tell(xfs->volume, group->start + first * size, blocks * size))
            return false;
    }
    return true;
}

/* The leftmost leaf, into `xfs->block`. */
static bool find_first_leaf(const struct xfs *xfs, const struct group *group)
{
    uint32_t number = group->root, room = (xfs->super.block_size - header_size(xfs)) / 12;
    for (uint32_t level = group->levels - 1; level > 0; level--) {
        if (!read_block(xfs, group, number, level) || vx_get16_be(xfs->block + 6) == 0)
            return false;
        number = vx_get32_be(xfs->block + header_size(xfs) + room * 8);
    }
    return read_block(xfs, group, number, 0);
}

/* From leaf to leaf; each must bring a record, so that they come to an end. */
static bool tell_tree(struct xfs *xfs, struct group *group)
{
    if (!find_first_leaf(xfs, group))
        return false;
    for (;;) {
        uint64_t before = group->next;
        uint32_t right = vx_get32_be(xfs->block + 12);
        if (!tell_leaf(xfs, group))
            return false;
        if (right == UINT32_MAX)
            return group->found == group->free && group->found_longest == group->longest;
        if (group->next == before || !read_block(xfs, group, right, 0))
            return false;
    }
}

static bool tell_group(struct xfs *xfs, uint32_t number)
{
    struct group group = {.number = number};
    group.start = (uint64_t)number * xfs->super.group_blocks * xfs->super.block_size;
    if (!read_header(xfs, &group))
        return vx_free_refuse(xfs->volume, VX_FREE_CURE_CHECK, "the header of allocation group %u is damaged", number);
    /* the headers' sectors, and the log, are in use */
    xfs->volume->kept_count = 0;
    (void)vx_free_keep(xfs->volume, group.start, 4 * (uint64_t)xfs->super.sector_size);
    (void)vx_free_keep(xfs->volume, xfs->log_start, xfs->log_blocks * VX_XFS_LOG_BLOCK);
    bool right = tell_tree(xfs, &group) && !xfs->volume->contradicts;
    return right || xfs->volume->ended ||
           vx_free_refuse(xfs->volume, VX_FREE_CURE_CHECK,
                          "the free extents of allocation group %u are damaged, or not as many as it says", number);
}

/* The log is looked at last: no header may be newer than its last record. */
bool vx_free_xfs(struct vx_free_volume *volume)
{
    struct xfs xfs;
    if (!open_xfs(volume, &xfs))
        return false;
    for (uint32_t number = 0; number < xfs.super.group_count; number++)
        if (!tell_group(&xfs, number))
            return false;
    return check_log(&xfs);
}
