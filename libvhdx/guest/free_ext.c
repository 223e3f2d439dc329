/*
 * Free space of ext2, ext3 and ext4: the block bitmaps of all groups, when superblock, descriptors, bitmaps and their
 * checksums agree. A bitmap that was never written (BLOCK_UNINIT) holds anything; what its group
 * uses is then what the layout says, and that must come to the number in its descriptor. Bits are clusters, which are
 * several blocks each with bigalloc.
 */
/* SPDX-License-Identifier: MIT */
#include "base/checked.h"
#include "guest/ext4.h"
#include "guest/free_volume.h"

#include <string.h>

/* Features that change nothing about what is in use, or that are heeded here. */
#define INCOMPAT_KNOWN                                                                                                 \
    (0x2u | 0x40u | 0x10u | 0x80u | 0x100u | 0x200u | 0x400u | 0x1000u | 0x2000u | 0x4000u | 0x8000u | 0x10000u |      \
     0x20000u)
#define INCOMPAT_RECOVER 0x4u
#define READ_ONLY_KNOWN                                                                                                \
    (0x1u | 0x2u | 0x4u | 0x8u | 0x10u | 0x20u | 0x40u | 0x100u | 0x200u | 0x400u | 0x1000u | 0x2000u | 0x4000u |      \
     0x8000u)
#define READ_ONLY_ORPHANS 0x10000u /* their blocks are in use until they are dealt with */

#define DESCRIPTORS 65536u /* bytes that are read at once */

struct ext {
    struct vx_free_volume *volume;
    struct vx_ext4_super super;
    uint8_t *bitmap, *layout, *descriptors; /* parts of the volume's buffer */
    uint64_t held, held_end;                /* descriptors: bytes of the volume */
    uint64_t free_clusters;
};

static bool check_features(const struct ext *ext)
{
    const struct vx_ext4_super *super = &ext->super;
    if (super->incompat & ~(INCOMPAT_KNOWN | INCOMPAT_RECOVER) ||
        super->read_only & ~(READ_ONLY_KNOWN | READ_ONLY_ORPHANS))
        return vx_free_refuse(ext->volume, VX_FREE_CURE_NONE, "it has features that are not known here");
    if (super->incompat & INCOMPAT_RECOVER)
        return vx_free_refuse(ext->volume, VX_FREE_CURE_SHUT_DOWN, "it was not unmounted: its journal is not empty");
    if (!super->clean)
        return vx_free_refuse(ext->volume, VX_FREE_CURE_CHECK, "it was not unmounted cleanly, or has noted errors");
    if (!super->usable)
        return vx_free_refuse(ext->volume, VX_FREE_CURE_CHECK, "the checksum of its superblock is wrong");
    return true;
}

static bool open_ext(struct vx_free_volume *volume, struct ext *ext)
{
    uint8_t bytes[VX_EXT4_SUPER_SIZE];
    uint64_t size;
    *ext = (struct ext){.volume = volume};
    ext->bitmap = volume->buf;
    ext->layout = ext->bitmap + VX_EXT4_BLOCK_MAX;
    ext->descriptors = ext->layout + VX_EXT4_BLOCK_MAX;
    if (!vx_free_get(volume, bytes, sizeof bytes, VX_EXT4_SUPER_OFFSET) ||
        !vx_ext4_super_decode(vx_bytes_of(bytes, sizeof bytes), &ext->super))
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its superblock makes no sense");
    if (!vx_mul(ext->super.blocks, ext->super.block_size, &size) || size > volume->size)
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "it is larger than its partition");
    volume->limit = size;
    return check_features(ext);
}

/* ---- one group --------------------------------------------------------------------------------------------------- */

static bool read_group(struct ext *ext, uint32_t group, struct vx_ext4_group *decoded)
{
    const struct vx_ext4_super *super = &ext->super;
    uint64_t place = vx_ext4_descriptor_place(super, group);
    if (place < ext->held || place + super->descriptor_size > ext->held_end) {
        uint64_t length = vx_min(super->meta_groups ? super->block_size : DESCRIPTORS, ext->volume->size - place);
        if (place >= ext->volume->size || !vx_free_get(ext->volume, ext->descriptors, (size_t)length, place))
            return false;
        ext->held = place;
        ext->held_end = place + length;
    }
    struct vx_bytes in = vx_bytes_of(ext->descriptors + (place - ext->held), super->descriptor_size);
    return place + super->descriptor_size <= ext->held_end && vx_ext4_group_decode(in, super, group, decoded) &&
           decoded->checksum_right;
}

/* Sets the clusters of the blocks [first, +count) that are in the group. */
static void set_layout(struct ext *ext, uint64_t group_first, uint64_t group_blocks, uint64_t first, uint64_t count)
{
    uint64_t end = vx_min(first + count, group_first + group_blocks);
    for (uint64_t block = vx_max(first, group_first); block < end; block++) {
        uint64_t bit = (block - group_first) / ext->super.cluster_blocks;
        ext->layout[bit / 8] |= (uint8_t)(1u << (bit % 8));
    }
}

/* What the layout puts into the group: copies of superblock and descriptors, its own bitmaps and inodes. */
static void lay_out(struct ext *ext, uint32_t group, const struct vx_ext4_group *decoded, uint64_t first,
                    uint64_t blocks)
{
    const struct vx_ext4_super *super = &ext->super;
    uint64_t inode_blocks = vx_ceil_div((uint64_t)super->inodes_per_group * super->inode_size, super->block_size);
    memset(ext->layout, 0, vx_ext4_block_bitmap_size(super));
    set_layout(ext, first, blocks, first, vx_ext4_base_blocks(super, group));
    set_layout(ext, first, blocks, decoded->block_bitmap, 1);
    set_layout(ext, first, blocks, decoded->inode_bitmap, 1);
    set_layout(ext, first, blocks, decoded->inode_table, inode_blocks);
}

static bool read_bitmap(struct ext *ext, const struct vx_ext4_group *group)
{
    const struct vx_ext4_super *super = &ext->super;
    uint32_t size = vx_ext4_block_bitmap_size(super);
    if (group->block_bitmap >= super->blocks ||
        !vx_free_get(ext->volume, ext->bitmap, size, group->block_bitmap * super->block_size))
        return false;
    if (!super->bitmaps_summed)
        return true;
    uint32_t sum = vx_ext4_bitmap_sum(vx_bytes_of(ext->bitmap, size), super);
    return (sum & group->sum_mask) == (group->block_sum & group->sum_mask);
}

/* The layout's own blocks are in use in every bitmap. */
static bool holds_layout(const struct ext *ext)
{
    for (uint32_t i = 0; i < vx_ext4_block_bitmap_size(&ext->super); i++)
        if (ext->layout[i] & ~ext->bitmap[i])
            return false;
    return true;
}

/* A flag that counts only where descriptors have checksums. */
static bool is_unwritten(const struct ext *ext, const struct vx_ext4_group *group)
{
    return group->blocks_unused && (ext->super.bitmaps_summed || ext->super.groups_summed);
}

static bool tell_group(struct ext *ext, uint32_t group)
{
    const struct vx_ext4_super *super = &ext->super;
    uint64_t first = super->first_block + (uint64_t)group * super->blocks_per_group;
    uint64_t blocks = vx_min(super->blocks_per_group, super->blocks - first);
    uint64_t clusters = vx_ceil_div(blocks, super->cluster_blocks);
    struct vx_ext4_group decoded;
    if (!read_group(ext, group, &decoded))
        return vx_free_refuse(ext->volume, VX_FREE_CURE_CHECK, "the descriptor of group %u is damaged", group);
    lay_out(ext, group, &decoded, first, blocks);
    bool unwritten = is_unwritten(ext, &decoded);
    if (!unwritten && (!read_bitmap(ext, &decoded) || !holds_layout(ext)))
        return vx_free_refuse(ext->volume, VX_FREE_CURE_CHECK, "the block bitmap of group %u is damaged", group);
    struct vx_free_bits bits =
        vx_free_bits_begin(ext->volume, first * super->block_size, (uint64_t)super->cluster_blocks * super->block_size);
    bool all = vx_free_bits_add(&bits, unwritten ? ext->layout : ext->bitmap, clusters) && vx_free_bits_end(&bits);
    ext->free_clusters += bits.free;
    if (all && bits.free != decoded.free_blocks)
        return vx_free_refuse(ext->volume, VX_FREE_CURE_CHECK,
                              "the block bitmap of group %u and the number of its free blocks differ", group);
    return all;
}

bool vx_free_ext(struct vx_free_volume *volume)
{
    struct ext ext;
    if (!open_ext(volume, &ext))
        return false;
    for (uint32_t group = 0; group < ext.super.group_count; group++)
        if (!tell_group(&ext, group))
            return false;
    return ext.free_clusters * ext.super.cluster_blocks == ext.super.free_blocks ||
           vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its bitmaps and the number of its free blocks differ");
}
