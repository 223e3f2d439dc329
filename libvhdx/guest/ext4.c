/*
 * Structures of ext4 and its journal. See ext4.h. Each number is compared before it is multiplied or used as a size.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/ext4.h"

#include "base/checked.h"
#include "base/crc32c.h"

#include <string.h>

#define COMPAT_HAS_JOURNAL 0x4u
#define COMPAT_SPARSE2 0x200u
#define INCOMPAT_RECOVER 0x4u
#define INCOMPAT_META_BG 0x10u
#define INCOMPAT_64BIT 0x80u
#define INCOMPAT_SEED 0x2000u
#define RO_SPARSE 0x1u
#define RO_GROUP_CSUM 0x10u
#define RO_BIGALLOC 0x200u
#define RO_METADATA_CSUM 0x400u
#define STATE_CLEAN 1u
#define STATE_ERRORS 2u
#define JOURNAL_INODE 8u
#define SUPER_SUM 1020u
#define GROUP_SUM 0x1Eu
#define JOURNAL_MAGIC UINT32_C(0xC03B3998)
#define JOURNAL_SUM 0xFCu

/* Continues a sum that has no last inversion. */
static uint32_t sum_on(uint32_t seed, const void *data, size_t size)
{
    return ~vx_crc32c(~seed, data, size);
}

/* ---- superblock ---- */

/* The extents of the journal's inode, of which the superblock keeps a copy. More than four, or another kind of map: not
 * known. */
static void find_journal(const uint8_t *in, struct vx_ext4_super *super)
{
    const uint8_t *map = in + 0x10C;
    uint32_t entries = vx_get16(map + 2), next = 0;
    if (!(vx_get32(in + 0x5C) & COMPAT_HAS_JOURNAL) || vx_get32(in + 0xE0) != JOURNAL_INODE || in[0xFD] != 1 ||
        vx_get16(map) != 0xF30A || entries == 0 || entries > VX_EXT4_RUNS || vx_get16(map + 6) != 0)
        return;
    for (uint32_t i = 0; i < entries; i++) {
        const uint8_t *extent = map + 12 + i * 12;
        struct vx_ext4_run run = {vx_get32(extent), vx_get16(extent + 4),
                                  vx_get32(extent + 8) | (uint64_t)vx_get16(extent + 6) << 32};
        if (run.logical != next || run.count == 0 || run.count > 32768 || run.block >= super->blocks ||
            run.count > super->blocks - run.block)
            return;
        next += run.count;
        super->journal[i] = run;
    }
    super->journal_runs = entries;
    super->has_journal = true;
}

static bool find_sizes(const uint8_t *in, struct vx_ext4_super *super)
{
    uint32_t log_block = vx_get32(in + 0x18), log_cluster = vx_get32(in + 0x1C), incompat = vx_get32(in + 0x60);
    bool wide = incompat & INCOMPAT_64BIT, clusters = vx_get32(in + 0x64) & RO_BIGALLOC;
    if (log_block > 6 || (clusters && (log_cluster < log_block || log_cluster - log_block > 16)))
        return false;
    super->block_size = UINT32_C(1024) << log_block;
    super->cluster_blocks = clusters ? UINT32_C(1) << (log_cluster - log_block) : 1;
    super->first_block = vx_get32(in + 0x14);
    super->blocks_per_group = vx_get32(in + 0x20);
    super->clusters_per_group = vx_get32(in + (clusters ? 0x24 : 0x20));
    super->inodes_per_group = vx_get32(in + 0x28);
    super->descriptor_size = wide ? vx_get16(in + 0xFE) : 32;
    super->blocks = vx_get32(in + 4) | (wide ? (uint64_t)vx_get32(in + 0x150) << 32 : 0);
    super->free_blocks = vx_get32(in + 0x0C) | (wide ? (uint64_t)vx_get32(in + 0x158) << 32 : 0);
    super->free_inodes = vx_get32(in + 0x10);
    uint32_t bits = super->block_size * 8;
    if (super->clusters_per_group == 0 || super->clusters_per_group > bits || super->clusters_per_group % 8 != 0 ||
        super->inodes_per_group == 0 || super->inodes_per_group > bits || super->inodes_per_group % 8 != 0 ||
        super->blocks_per_group == 0 || super->blocks_per_group / super->cluster_blocks != super->clusters_per_group ||
        super->first_block >= super->blocks || !vx_is_power_of_two(super->descriptor_size) ||
        super->descriptor_size < (wide ? 64 : 32) || super->descriptor_size > VX_EXT4_DESCRIPTOR_MAX)
        return false;
    uint64_t groups = vx_ceil_div(super->blocks - super->first_block, super->blocks_per_group);
    super->group_count = (uint32_t)groups;
    return groups <= UINT32_MAX / VX_EXT4_DESCRIPTOR_MAX;
}

bool vx_ext4_super_decode(struct vx_bytes in, struct vx_ext4_super *super)
{
    const uint8_t *p = in.data;
    *super = (struct vx_ext4_super){0};
    if (in.size < VX_EXT4_SUPER_SIZE || vx_get16(p + 0x38) != 0xEF53 || !find_sizes(p, super))
        return false;
    uint32_t incompat = vx_get32(p + 0x60), read_only = vx_get32(p + 0x64), state = vx_get16(p + 0x3A);
    super->compat = vx_get32(p + 0x5C);
    super->incompat = incompat;
    super->read_only = read_only;
    super->inode_size = vx_get32(p + 0x4C) == 0 ? 128 : vx_get16(p + 0x58); /* revision 0 does not say */
    super->reserved_descriptors = vx_get16(p + 0xCE);
    memcpy(super->uuid, p + 0x68, sizeof super->uuid);
    super->seed = incompat & INCOMPAT_SEED ? vx_get32(p + 0x270) : sum_on(UINT32_MAX, super->uuid, sizeof super->uuid);
    super->checksum_right =
        (read_only & RO_METADATA_CSUM) && sum_on(UINT32_MAX, p, SUPER_SUM) == vx_get32(p + SUPER_SUM);
    super->clean = (state & STATE_CLEAN) && !(state & STATE_ERRORS) && !(incompat & INCOMPAT_RECOVER);
    super->bitmaps_summed = super->checksum_right;
    super->usable = super->checksum_right || !(read_only & RO_METADATA_CSUM);
    super->groups_summed = read_only & RO_GROUP_CSUM;
    super->meta_groups = incompat & INCOMPAT_META_BG;
    super->sparse = read_only & RO_SPARSE;
    super->sparse2 = vx_get32(p + 0x5C) & COMPAT_SPARSE2;
    super->first_meta_group = vx_get32(p + 0x104);
    super->copies[0] = vx_get32(p + 0x24C);
    super->copies[1] = vx_get32(p + 0x250);
    super->written_kib = vx_get64(p + 0x178);
    super->write_time = vx_get32(p + 0x30) | (uint64_t)p[0x274] << 32;
    find_journal(p, super);
    return true;
}

/* ---- groups ---- */

static bool is_power_of(uint32_t number, uint32_t base)
{
    while (number > 1 && number % base == 0)
        number /= base;
    return number == 1;
}

static bool has_copy(const struct vx_ext4_super *super, uint32_t group)
{
    if (group == 0)
        return true;
    if (super->sparse2)
        return group == super->copies[0] || group == super->copies[1];
    return !super->sparse || is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

/* Behind the superblock, or, of a meta group, in the first of its own groups. */
uint64_t vx_ext4_descriptor_place(const struct vx_ext4_super *super, uint32_t group)
{
    uint32_t in_block = super->block_size / super->descriptor_size, meta = group / in_block;
    uint64_t block = VX_EXT4_SUPER_OFFSET / super->block_size + 1 + meta;
    if (super->meta_groups && meta >= super->first_meta_group) {
        uint32_t first = meta * in_block;
        block = super->first_block + (uint64_t)first * super->blocks_per_group + has_copy(super, first);
    }
    return block * super->block_size + (uint64_t)(group % in_block) * super->descriptor_size;
}

/* Without meta groups all descriptors follow each copy of the superblock, and room for more of them. A meta group has
 * its own block of them in its first, second and last group. */
uint64_t vx_ext4_base_blocks(const struct vx_ext4_super *super, uint32_t group)
{
    uint32_t in_block = super->block_size / super->descriptor_size, in_meta = group % in_block;
    bool copy = has_copy(super, group);
    if (super->meta_groups && group / in_block >= super->first_meta_group)
        return (uint64_t)copy + (in_meta == 0 || in_meta == 1 || in_meta == in_block - 1);
    uint64_t blocks = super->meta_groups ? super->first_meta_group : vx_ceil_div(super->group_count, in_block);
    return copy ? 1 + blocks + super->reserved_descriptors : 0;
}

/* The short checksum of file systems before metadata_csum. */
static uint16_t crc16(uint16_t sum, const uint8_t *p, size_t size)
{
    while (size-- > 0) {
        sum ^= *p++;
        for (unsigned bit = 0; bit < 8; bit++)
            sum = (uint16_t)(sum & 1 ? sum >> 1 ^ 0xA001 : sum >> 1);
    }
    return sum;
}

static uint16_t short_sum(const uint8_t *in, const struct vx_ext4_super *super, uint32_t group)
{
    uint8_t number[4];
    vx_put32(number, group);
    uint16_t sum = crc16(crc16(UINT16_MAX, super->uuid, sizeof super->uuid), number, sizeof number);
    sum = crc16(sum, in, GROUP_SUM);
    return crc16(sum, in + GROUP_SUM + 2, super->descriptor_size - GROUP_SUM - 2);
}

static uint32_t group_sum(const uint8_t *in, const struct vx_ext4_super *super, uint32_t group)
{
    static const uint8_t nothing[2] = {0};
    uint8_t number[4];
    vx_put32(number, group);
    uint32_t sum = sum_on(super->seed, number, sizeof number);
    sum = sum_on(sum, in, GROUP_SUM);
    sum = sum_on(sum, nothing, sizeof nothing);
    return sum_on(sum, in + GROUP_SUM + 2, super->descriptor_size - GROUP_SUM - 2);
}

/* A number of which the upper half, if there is room for it, is apart. */
static uint32_t halves(const uint8_t *in, bool wide, unsigned low, unsigned high)
{
    return vx_get16(in + low) | (wide ? (uint32_t)vx_get16(in + high) << 16 : 0);
}

bool vx_ext4_group_decode(struct vx_bytes in, const struct vx_ext4_super *super, uint32_t group,
                          struct vx_ext4_group *out)
{
    const uint8_t *p = in.data;
    *out = (struct vx_ext4_group){0};
    if (in.size < super->descriptor_size)
        return false;
    bool wide = super->descriptor_size >= 64;
    out->block_bitmap = vx_get32(p) | (wide ? (uint64_t)vx_get32(p + 0x20) << 32 : 0);
    out->inode_bitmap = vx_get32(p + 4) | (wide ? (uint64_t)vx_get32(p + 0x24) << 32 : 0);
    out->inode_table = vx_get32(p + 8) | (wide ? (uint64_t)vx_get32(p + 0x28) << 32 : 0);
    out->free_blocks = halves(p, wide, 0x0C, 0x2C);
    out->free_inodes = halves(p, wide, 0x0E, 0x2E);
    out->inodes_unused = vx_get16(p + 0x12) & 1;
    out->blocks_unused = vx_get16(p + 0x12) & 2;
    out->block_sum = halves(p, wide, 0x18, 0x38);
    out->inode_sum = halves(p, wide, 0x1A, 0x3A);
    out->sum_mask = wide ? UINT32_MAX : UINT16_MAX;
    if (super->bitmaps_summed)
        out->checksum_right = (uint16_t)group_sum(p, super, group) == vx_get16(p + GROUP_SUM);
    else
        out->checksum_right = !super->groups_summed || short_sum(p, super, group) == vx_get16(p + GROUP_SUM);
    return true;
}

uint32_t vx_ext4_block_bitmap_size(const struct vx_ext4_super *super)
{
    return super->clusters_per_group / 8;
}

uint32_t vx_ext4_inode_bitmap_size(const struct vx_ext4_super *super)
{
    return super->inodes_per_group / 8;
}

uint32_t vx_ext4_bitmap_sum(struct vx_bytes bitmap, const struct vx_ext4_super *super)
{
    return sum_on(super->seed, bitmap.data, bitmap.size);
}

uint64_t vx_ext4_bitmap_free(struct vx_bytes bitmap)
{
    uint64_t set = 0;
    for (size_t i = 0; i < bitmap.size; i++)
        for (unsigned byte = bitmap.data[i]; byte != 0; byte &= byte - 1)
            set++;
    return bitmap.size * UINT64_C(8) - set;
}

/* ---- journal ---- */

static bool journal_sum_right(const uint8_t *p)
{
    bool summed = vx_get32_be(p + 4) == 4 && (vx_get32_be(p + 0x28) & 0x18) != 0;
    return !summed || ~vx_crc32c_without(p, VX_EXT4_SUPER_SIZE, JOURNAL_SUM) == vx_get32_be(p + JOURNAL_SUM);
}

bool vx_ext4_journal_decode(struct vx_bytes in, struct vx_ext4_journal *journal)
{
    const uint8_t *p = in.data;
    *journal = (struct vx_ext4_journal){0};
    if (in.size < VX_EXT4_SUPER_SIZE || vx_get32_be(p) != JOURNAL_MAGIC ||
        (vx_get32_be(p + 4) != 3 && vx_get32_be(p + 4) != 4) || !journal_sum_right(p))
        return false;
    journal->block_size = vx_get32_be(p + 0x0C);
    journal->blocks = vx_get32_be(p + 0x10);
    journal->sequence = vx_get32_be(p + 0x18);
    journal->empty = vx_get32_be(p + 0x1C) == 0;
    return true;
}

/* 64 bits, of which 34 are in use. debugfs (e2fsprogs 1.47) puts 32 into the upper half. 0: makes no sense. */
static uint64_t commit_time(const uint8_t *p)
{
    uint32_t high = vx_get32_be(p), low = vx_get32_be(p + 4);
    if (high <= 3)
        return (uint64_t)high << 32 | low;
    return low == 0 ? high : 0;
}

enum vx_ext4_record vx_ext4_record_decode(struct vx_bytes in, uint32_t *sequence, uint64_t *when)
{
    if (in.size < 64 || vx_get32_be(in.data) != JOURNAL_MAGIC)
        return VX_EXT4_RECORD_NONE;
    uint32_t type = vx_get32_be(in.data + 4);
    *sequence = vx_get32_be(in.data + 8);
    *when = commit_time(in.data + 0x30);
    return type == 2 ? VX_EXT4_RECORD_COMMIT : type == 1 || type == 5 ? VX_EXT4_RECORD_BEGIN : VX_EXT4_RECORD_NONE;
}
