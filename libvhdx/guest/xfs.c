/*
 * Structures of XFS. See xfs.h. Each number is compared before it is multiplied or used as a size.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/xfs.h"

#include "base/checked.h"
#include "base/crc32c.h"

#include <string.h>

#define INCOMPAT_META_UUID 4u
#define RECORD_MAGIC UINT32_C(0xFEEDBABE)

/* A block of the file system is a group's number over a block in the group. */
static bool find_log(const uint8_t *p, struct vx_xfs_super *super)
{
    uint64_t start = vx_get64_be(p + 48), blocks = vx_get32_be(p + 96);
    unsigned bits = super->group_log;
    if (start == 0)
        return true;
    uint64_t group = start >> bits, block = start & ((UINT64_C(1) << bits) - 1);
    if (group >= super->group_count || block >= super->group_blocks || blocks > super->group_blocks - block ||
        group * super->group_blocks + block >= super->blocks)
        return false;
    super->log_offset = (group * super->group_blocks + block) * super->block_size;
    super->log_size = blocks * super->block_size;
    return true;
}

bool vx_xfs_super_named(struct vx_bytes in)
{
    return in.size >= VX_XFS_SUPER_SIZE && memcmp(in.data, "XFSB", 4) == 0;
}

bool vx_xfs_super_numbers(struct vx_bytes in, struct vx_xfs_super *super)
{
    const uint8_t *p = in.data;
    *super = (struct vx_xfs_super){0};
    if (!vx_xfs_super_named(in))
        return false;
    super->block_size = vx_get32_be(p + 4);
    super->sector_size = vx_get16_be(p + 102);
    super->group_blocks = vx_get32_be(p + 84);
    super->group_count = vx_get32_be(p + 88);
    super->inode_size = vx_get16_be(p + 104);
    super->blocks = vx_get64_be(p + 8);
    super->version = vx_get16_be(p + 100) & 15;
    super->inodes_log = p[123];
    super->group_log = p[124];
    return vx_is_power_of_two(super->block_size) && super->block_size >= 512 && super->block_size <= 65536 &&
           vx_is_power_of_two(super->sector_size) && super->sector_size >= 512 &&
           super->sector_size <= super->block_size && super->group_blocks >= 4 && super->group_count > 0 &&
           super->blocks >> 48 == 0 && super->group_log < 32;
}

bool vx_xfs_super_decode(struct vx_bytes in, struct vx_xfs_super *super)
{
    const uint8_t *p = in.data;
    if (!vx_xfs_super_numbers(in, super) || super->version != 5)
        return false;
    memcpy(super->uuid, p + (vx_get32_be(p + 216) & INCOMPAT_META_UUID ? 248 : 32), sizeof super->uuid);
    return super->sector_size <= VX_XFS_SECTOR_MAX && super->sector_size <= in.size &&
           vx_crc32c_without(p, super->sector_size, 224) == vx_get32(p + 224) && find_log(p, super);
}

uint64_t vx_xfs_header_place(const struct vx_xfs_super *super, uint32_t group, enum vx_xfs_header kind)
{
    return (uint64_t)group * super->group_blocks * super->block_size + (uint64_t)kind * super->sector_size;
}

bool vx_xfs_header_decode(struct vx_bytes in, enum vx_xfs_header kind, uint64_t *lsn, uint8_t uuid[16])
{
    static const struct {
        char magic[5];
        uint16_t uuid, lsn, checksum;
    } shapes[VX_XFS_HEADERS] = {
        [VX_XFS_SUPER] = {"XFSB", 32, 240, 224},
        [VX_XFS_FREE_SPACE] = {"XAGF", 64, 208, 216},
        [VX_XFS_INODES] = {"XAGI", 296, 320, 312},
        [VX_XFS_FREE_LIST] = {"XAFL", 8, 24, 32},
    };
    const uint8_t *p = in.data;
    if (in.size < 512 || memcmp(p, shapes[kind].magic, 4) != 0 ||
        vx_crc32c_without(p, in.size, shapes[kind].checksum) != vx_get32(p + shapes[kind].checksum))
        return false;
    *lsn = vx_get64_be(p + shapes[kind].lsn);
    memcpy(uuid, p + shapes[kind].uuid, 16);
    return true;
}

bool vx_xfs_log_decode(struct vx_bytes in, const struct vx_xfs_super *super, uint64_t *lsn)
{
    const uint8_t *p = in.data;
    if (in.size < VX_XFS_LOG_BLOCK || vx_get32_be(p) != RECORD_MAGIC)
        return false;
    *lsn = vx_get64_be(p + 16);
    return vx_get32_be(p + 4) == *lsn >> 32 && (*lsn & UINT32_MAX) < super->log_size / VX_XFS_LOG_BLOCK;
}
