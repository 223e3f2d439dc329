/*
 * Free space of FAT12, FAT16 and FAT32: the entries of the table that are zero, when the tables are equal and nothing
 * says that the volume was not unmounted. FAT12 and FAT16 are told apart by the number of clusters
 * alone, FAT32 by the field for the table's length that it leaves empty, however few clusters it has.
 */
/* SPDX-License-Identifier: MIT */
#include "base/checked.h"
#include "guest/free_volume.h"

#include <string.h>

#define PIECE 49152u /* whole entries of each kind, whole sectors too */

struct fat {
    struct vx_free_volume *volume;
    uint64_t sector, cluster; /* bytes */
    uint64_t table, table_size, data;
    uint32_t tables, clusters, bits, active;
    bool mirrored;
    uint32_t root, information; /* of FAT32: first cluster; sector */
};

static bool decode(struct vx_free_volume *volume, struct fat *fat)
{
    uint8_t p[512];
    *fat = (struct fat){.volume = volume};
    if (!vx_free_get(volume, p, sizeof p, 0))
        return false;
    fat->sector = vx_get16(p + 11);
    uint64_t total = vx_get16(p + 19) ? vx_get16(p + 19) : vx_get32(p + 32);
    uint64_t size = vx_get16(p + 22) ? vx_get16(p + 22) : vx_get32(p + 36), reserved = vx_get16(p + 14);
    if (!vx_is_power_of_two(fat->sector) || fat->sector < 512 || fat->sector > 4096 || !vx_is_power_of_two(p[13]) ||
        p[16] < 1 || p[16] > 2 || reserved == 0 || size == 0)
        return false;
    fat->tables = p[16];
    fat->cluster = p[13] * fat->sector;
    fat->table = reserved * fat->sector;
    fat->table_size = size * fat->sector;
    uint64_t root_sectors = vx_ceil_div(vx_get16(p + 17) * UINT64_C(32), fat->sector);
    uint64_t before = reserved + fat->tables * size + root_sectors;
    if (before >= total || total * fat->sector > volume->size)
        return false;
    fat->data = before * fat->sector;
    fat->clusters = (uint32_t)((total - before) / p[13]);
    fat->bits = vx_get16(p + 22) == 0 ? 32 : fat->clusters < 4085 ? 12 : 16;
    fat->mirrored = fat->bits != 32 || !(vx_get16(p + 40) & 0x80);
    fat->active = fat->mirrored ? 0 : vx_get16(p + 40) & 15;
    fat->root = fat->bits == 32 ? vx_get32(p + 44) : 0;
    fat->information = fat->bits == 32 ? vx_get16(p + 48) : 0;
    volume->limit = fat->data + fat->clusters * fat->cluster;
    bool fits = fat->bits == 32 ? vx_get16(p + 17) == 0 : fat->clusters < 65525;
    return fits && fat->clusters > 0 && (fat->clusters + UINT64_C(2)) * fat->bits <= fat->table_size * 8 &&
           fat->active < fat->tables;
}

/* A flag of the boot sector, and two bits of the table's second entry. */
static bool check_dirty(const struct fat *fat)
{
    uint8_t boot[512], entry[8];
    if (!vx_free_get(fat->volume, boot, sizeof boot, 0) ||
        !vx_free_get(fat->volume, entry, sizeof entry, fat->table + fat->active * fat->table_size))
        return vx_free_refuse(fat->volume, VX_FREE_CURE_CHECK, "it cannot be read");
    bool dirty = boot[fat->bits == 32 ? 65 : 37] & 3;
    if (fat->bits == 16)
        dirty = dirty || (vx_get16(entry + 2) & 0xC000) != 0xC000;
    if (fat->bits == 32)
        dirty = dirty || (vx_get32(entry + 4) & 0x0C000000) != 0x0C000000;
    if (entry[0] != boot[21])
        return vx_free_refuse(fat->volume, VX_FREE_CURE_CHECK, "its table does not begin as it should");
    return !dirty || vx_free_refuse(fat->volume, VX_FREE_CURE_CHECK, "it is marked dirty");
}

/* A volume of BitLocker To Go shows itself as FAT to who does not know it. */
static bool check_encrypted(const struct fat *fat)
{
    static const uint8_t id[16] = {0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A,
                                   0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01};
    uint8_t boot[512];
    if (!vx_free_get(fat->volume, boot, sizeof boot, 0) || memcmp(boot + 424, id, sizeof id) != 0)
        return true;
    return vx_free_refuse(fat->volume, VX_FREE_CURE_NONE, "it is encrypted (BitLocker To Go)");
}

static uint32_t entry_at(const struct fat *fat, const uint8_t *piece, uint32_t index)
{
    if (fat->bits == 32)
        return vx_get32(piece + index * 4u) & 0x0FFFFFFF;
    if (fat->bits == 16)
        return vx_get16(piece + index * 2u);
    uint32_t pair = vx_get16(piece + index * 3u / 2);
    return index % 2 ? pair >> 4 : pair & 0xFFF;
}

struct table_walk {
    uint64_t run; /* cluster with which a free run begins; 0 = none is open */
    uint64_t free;
};

static bool close_run(const struct fat *fat, struct table_walk *walk, uint64_t cluster)
{
    uint64_t run = walk->run;
    walk->run = 0;
    return run == 0 || vx_free_tell(fat->volume, fat->data + (run - 2) * fat->cluster, (cluster - run) * fat->cluster);
}

/* Entries [first, end), which `piece` begins with. */
static bool walk_piece(const struct fat *fat, const uint8_t *piece, uint64_t first, uint64_t end,
                       struct table_walk *walk)
{
    for (uint64_t cluster = first; cluster < end; cluster++) {
        bool free = cluster >= 2 && entry_at(fat, piece, (uint32_t)(cluster - first)) == 0;
        walk->free += free;
        if (free && cluster == fat->root)
            return false;
        if (free && walk->run == 0)
            walk->run = cluster;
        if (!free && !close_run(fat, walk, cluster))
            return false;
    }
    return true;
}

static bool read_piece(const struct fat *fat, uint64_t at, size_t length, bool *equal)
{
    uint8_t *piece = fat->volume->buf, *copy = piece + PIECE;
    *equal = true;
    memset(piece, 0xFF, PIECE); /* an entry of 12 bits may reach behind its end */
    if (!vx_free_get(fat->volume, piece, length, fat->table + fat->active * fat->table_size + at))
        return false;
    if (fat->tables == 1 || !fat->mirrored)
        return true;
    if (!vx_free_get(fat->volume, copy, length, fat->table + fat->table_size + at))
        return false;
    *equal = memcmp(piece, copy, length) == 0;
    return true;
}

/* Where FAT32 keeps the number; UINT32_MAX = it is not known. */
static uint32_t known_free(const struct fat *fat)
{
    uint8_t p[512];
    if (fat->information == 0 || fat->information == 0xFFFF ||
        !vx_free_get(fat->volume, p, sizeof p, fat->information * fat->sector) || vx_get32(p) != 0x41615252 ||
        vx_get32(p + 484) != 0x61417272)
        return UINT32_MAX;
    return vx_get32(p + 488);
}

static bool walk_table(const struct fat *fat, struct table_walk *walk)
{
    const uint64_t entries = fat->clusters + UINT64_C(2), per_piece = PIECE * UINT64_C(8) / fat->bits;
    for (uint64_t first = 0; first < entries; first += per_piece) {
        uint64_t end = vx_min(first + per_piece, entries);
        size_t length = (size_t)vx_ceil_div((end - first) * fat->bits, 8);
        bool equal;
        if (!read_piece(fat, first * fat->bits / 8, length, &equal))
            return vx_free_refuse(fat->volume, VX_FREE_CURE_CHECK, "its table cannot be read");
        if (!equal)
            return vx_free_refuse(fat->volume, VX_FREE_CURE_CHECK, "its two tables differ");
        if (!walk_piece(fat, fat->volume->buf, first, end, walk))
            return vx_free_refuse(fat->volume, VX_FREE_CURE_CHECK, "its table calls the root directory free");
    }
    return close_run(fat, walk, entries);
}

bool vx_free_fat(struct vx_free_volume *volume)
{
    struct fat fat;
    struct table_walk walk = {0};
    if (!decode(volume, &fat))
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its boot sector makes no sense");
    if (!check_encrypted(&fat) || !check_dirty(&fat) || !walk_table(&fat, &walk))
        return false;
    uint32_t known = known_free(&fat);
    return known == UINT32_MAX || known == walk.free ||
           vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its table and the number of its free clusters differ");
}
