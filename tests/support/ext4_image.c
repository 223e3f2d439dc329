/*
 * See ext4_image.h.
 */
/* SPDX-License-Identifier: MIT */
#include "ext4_image.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"

enum {
    SUPER = 1024,
    DESCRIPTORS = 2048,
    DESCRIPTOR = 64,
    BLOCK_BITMAPS = 16, /* blocks */
    INODE_BITMAPS = 24,
};

static void put_be(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Of two pieces; the checksums of ext4 have no last inversion. */
static uint32_t sum(uint32_t seed, const void *data, size_t size)
{
    return ~vx_crc32c(~seed, data, size);
}

static uint32_t seed_of(const uint8_t *bytes)
{
    return sum(UINT32_MAX, bytes + SUPER + 0x68, 16);
}

uint64_t ext4_image_descriptor(unsigned group)
{
    return DESCRIPTORS + group * DESCRIPTOR;
}

uint64_t ext4_image_bitmap(unsigned group, bool of_blocks)
{
    return ((of_blocks ? BLOCK_BITMAPS : INODE_BITMAPS) + group) * EXT4_IMAGE_BLOCK;
}

void ext4_image_seal(uint8_t *bytes)
{
    vx_put32(bytes + SUPER + 1020, sum(UINT32_MAX, bytes + SUPER, 1020));
}

void ext4_image_seal_group(uint8_t *bytes, unsigned group)
{
    uint8_t *p = bytes + ext4_image_descriptor(group), number[4];
    vx_put32(number, group);
    vx_put16(p + 0x1E, 0);
    vx_put16(p + 0x1E, (uint16_t)sum(sum(seed_of(bytes), number, 4), p, DESCRIPTOR));
}

static void record(uint8_t *bytes, unsigned group, bool of_blocks)
{
    uint8_t *p = bytes + ext4_image_descriptor(group);
    uint32_t value = sum(seed_of(bytes), bytes + ext4_image_bitmap(group, of_blocks),
                         (of_blocks ? EXT4_IMAGE_PER_GROUP : EXT4_IMAGE_INODES) / 8);
    vx_put16(p + (of_blocks ? 0x18 : 0x1A), (uint16_t)value);
    vx_put16(p + (of_blocks ? 0x38 : 0x3A), (uint16_t)(value >> 16));
}

void ext4_image_change(uint8_t *bytes, unsigned group, uint8_t value)
{
    for (unsigned of_blocks = 0; of_blocks < 2; of_blocks++) {
        uint8_t *bitmap = bytes + ext4_image_bitmap(group, of_blocks);
        memset(bitmap, 0xFF, EXT4_IMAGE_BLOCK); /* the rest of the block is padding */
        bitmap[3] = value;
        bitmap[5] = (uint8_t)(group + 1);
        record(bytes, group, of_blocks);
    }
    ext4_image_seal_group(bytes, group);
}

static void make_super(uint8_t *p, uint8_t id)
{
    vx_put32(p, EXT4_IMAGE_INODES * EXT4_IMAGE_GROUPS);
    vx_put32(p + 4, EXT4_IMAGE_SIZE / EXT4_IMAGE_BLOCK);
    vx_put32(p + 0x0C, 10 * EXT4_IMAGE_GROUPS);
    vx_put32(p + 0x10, 20 * EXT4_IMAGE_GROUPS);
    vx_put32(p + 0x14, 0);
    vx_put32(p + 0x20, EXT4_IMAGE_PER_GROUP);
    vx_put32(p + 0x24, EXT4_IMAGE_PER_GROUP);
    vx_put32(p + 0x28, EXT4_IMAGE_INODES);
    vx_put16(p + 0x38, 0xEF53);
    vx_put16(p + 0x3A, 1);
    vx_put32(p + 0x4C, 1);
    vx_put32(p + 0x5C, 4 | 0x200); /* a journal; no copies in other groups */
    vx_put32(p + 0x60, 0x40 | 0x80);
    vx_put32(p + 0x64, 0x400);
    memset(p + 0x68, id, 16);
    vx_put32(p + 0xE0, 8);
    p[0xFD] = 1;
    vx_put16(p + 0xFE, DESCRIPTOR);
    uint8_t *map = p + 0x10C; /* of the journal's inode: one extent */
    vx_put16(map, 0xF30A);
    vx_put16(map + 2, 1);
    vx_put16(map + 4, 4);
    vx_put16(map + 16, EXT4_IMAGE_JOURNAL_BLOCKS);
    vx_put32(map + 20, EXT4_IMAGE_JOURNAL);
}

void ext4_image_make(uint8_t *bytes, uint8_t id)
{
    make_super(bytes + SUPER, id);
    for (unsigned group = 0; group < EXT4_IMAGE_GROUPS; group++) {
        uint8_t *p = bytes + ext4_image_descriptor(group);
        vx_put32(p, BLOCK_BITMAPS + group);
        vx_put32(p + 4, INODE_BITMAPS + group);
        vx_put16(p + 0x0C, 10);
        vx_put16(p + 0x0E, 20);
        ext4_image_change(bytes, group, 0);
    }
    ext4_image_journal(bytes, EXT4_IMAGE_FIRST, 0);
    ext4_image_super(bytes, 1000, 100, false);
}

static void put_record(uint8_t *block, uint32_t type, uint32_t sequence)
{
    memset(block, 0, EXT4_IMAGE_BLOCK);
    put_be(block, UINT32_C(0xC03B3998));
    put_be(block + 4, type);
    put_be(block + 8, sequence);
}

void ext4_image_commit(uint8_t *bytes, unsigned block, uint32_t sequence, uint64_t time)
{
    uint8_t *first = bytes + (EXT4_IMAGE_JOURNAL + block) * EXT4_IMAGE_BLOCK;
    put_record(first, 1, sequence);
    put_record(first + EXT4_IMAGE_BLOCK, 2, sequence);
    put_be(first + EXT4_IMAGE_BLOCK + 0x30, (uint32_t)(time >> 32));
    put_be(first + EXT4_IMAGE_BLOCK + 0x34, (uint32_t)time);
}

void ext4_image_journal(uint8_t *bytes, uint32_t sequence, uint32_t start)
{
    uint8_t *p = bytes + EXT4_IMAGE_JOURNAL * EXT4_IMAGE_BLOCK;
    put_record(p, 4, 0);
    put_be(p + 0x0C, EXT4_IMAGE_BLOCK);
    put_be(p + 0x10, EXT4_IMAGE_JOURNAL_BLOCKS);
    put_be(p + 0x14, 1);
    put_be(p + 0x18, sequence);
    put_be(p + 0x1C, start);
    put_be(p + 0x28, 0x10); /* with a checksum */
    p[0x50] = 4;
    put_be(p + 0xFC, sum(UINT32_MAX, p, EXT4_IMAGE_BLOCK));
}

void ext4_image_super(uint8_t *bytes, uint32_t time, uint64_t written_kib, bool dirty)
{
    uint8_t *p = bytes + SUPER;
    vx_put32(p + 0x30, time);
    vx_put64(p + 0x178, written_kib);
    vx_put32(p + 0x60, 0x40 | 0x80 | (dirty ? 4 : 0));
    ext4_image_seal(bytes);
}
