/*
 * Free space of exFAT: the allocation bitmap, which the root directory names. A directory or bitmap
 * that the table's entries chain may be in pieces; a volume in use has a flag in its boot sector that the sector's own
 * checksum leaves out; and how much is in use in percent, which is there too, is kept up to date by few.
 */
/* SPDX-License-Identifier: MIT */
#include "base/checked.h"
#include "guest/free_volume.h"

#include <string.h>

#define PIECE 65536u
#define ROOT_MAX (16 * VX_MIB)

struct exfat {
    struct vx_free_volume *volume;
    uint64_t cluster; /* bytes */
    uint64_t table, table_size, data;
    uint32_t clusters, root;
    uint32_t bitmap; /* first cluster */
    uint64_t bitmap_size;
};

static bool decode(struct vx_free_volume *volume, struct exfat *exfat)
{
    uint8_t p[512];
    *exfat = (struct exfat){.volume = volume};
    if (!vx_free_get(volume, p, sizeof p, 0) || p[108] < 9 || p[108] > 12 || p[109] > 25 - p[108])
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its boot sector makes no sense");
    uint64_t sector = UINT64_C(1) << p[108], size = vx_get64(p + 72);
    exfat->cluster = sector << p[109];
    exfat->table = vx_get32(p + 80) * sector;
    exfat->table_size = vx_get32(p + 84) * sector;
    exfat->data = vx_get32(p + 88) * sector;
    exfat->clusters = vx_get32(p + 92);
    exfat->root = vx_get32(p + 96);
    if (p[110] != 1)
        return vx_free_refuse(volume, VX_FREE_CURE_NONE, "it has two tables (TexFAT)");
    if (size > volume->size / sector || exfat->clusters == 0 || exfat->clusters > UINT32_C(0xFFFFFFF5) ||
        exfat->data > size * sector || exfat->clusters > (size * sector - exfat->data) / exfat->cluster ||
        (exfat->clusters + UINT64_C(2)) * 4 > exfat->table_size)
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its sizes do not fit its partition, or each other");
    volume->limit = exfat->data + exfat->clusters * exfat->cluster;
    if (vx_get16(p + 106) & 6)
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "it is marked dirty");
    return true;
}

/* ---- chains ------------------------------------------------------------------------------------------------------ */

static bool is_cluster(const struct exfat *exfat, uint32_t cluster)
{
    return cluster >= 2 && cluster - 2 < exfat->clusters;
}

static uint64_t place_of(const struct exfat *exfat, uint32_t cluster)
{
    return exfat->data + (cluster - UINT64_C(2)) * exfat->cluster;
}

static bool next_cluster(const struct exfat *exfat, uint32_t *cluster)
{
    uint8_t entry[4];
    if (!vx_free_get(exfat->volume, entry, sizeof entry, exfat->table + *cluster * UINT64_C(4)))
        return false;
    *cluster = vx_get32(entry);
    return true;
}

/* Looks for the bitmap among the entries of 32 bytes. *end: of the directory. */
static void look_at_entries(struct exfat *exfat, const uint8_t *entries, size_t size, bool *end)
{
    for (size_t at = 0; at + 32 <= size && !*end; at += 32) {
        const uint8_t *entry = entries + at;
        *end = entry[0] == 0;
        if (entry[0] == 0x81 && !(entry[1] & 1)) {
            exfat->bitmap = vx_get32(entry + 20);
            exfat->bitmap_size = vx_get64(entry + 24);
        }
    }
}

static bool find_bitmap(struct exfat *exfat)
{
    uint8_t *piece = exfat->volume->buf;
    uint32_t cluster = exfat->root;
    bool end = false;
    for (uint64_t done = 0; is_cluster(exfat, cluster) && done < ROOT_MAX && !end; done += exfat->cluster) {
        for (uint64_t at = 0; at < exfat->cluster && !end && exfat->bitmap == 0; at += PIECE) {
            size_t here = (size_t)vx_min(PIECE, exfat->cluster - at);
            if (!vx_free_get(exfat->volume, piece, here, place_of(exfat, cluster) + at))
                return false;
            look_at_entries(exfat, piece, here, &end);
        }
        if (exfat->bitmap != 0)
            break;
        if (!next_cluster(exfat, &cluster))
            return false;
    }
    return is_cluster(exfat, exfat->bitmap) && exfat->bitmap_size == vx_ceil_div(exfat->clusters, 8);
}

/* ---- the bitmap -------------------------------------------------------------------------------------------------- */

static bool add_cluster(const struct exfat *exfat, struct vx_free_bits *bits, uint32_t cluster, uint64_t *left)
{
    uint8_t *piece = exfat->volume->buf;
    for (uint64_t at = 0; at<exfat->cluster && * left> 0; at += PIECE) {
        size_t here = (size_t)vx_min(PIECE, exfat->cluster - at);
        uint64_t count = vx_min(*left, here * UINT64_C(8));
        if (!vx_free_get(exfat->volume, piece, here, place_of(exfat, cluster) + at) ||
            !vx_free_bits_add(bits, piece, count))
            return false;
        *left -= count;
    }
    return true;
}

static bool keep_cluster(const struct exfat *exfat, uint32_t cluster)
{
    return vx_free_keep(exfat->volume, place_of(exfat, cluster), exfat->cluster);
}

static bool read_bitmap(const struct exfat *exfat)
{
    struct vx_free_bits bits = vx_free_bits_begin(exfat->volume, exfat->data, exfat->cluster);
    uint64_t left = exfat->clusters;
    for (uint32_t cluster = exfat->bitmap; left > 0;) {
        if (!is_cluster(exfat, cluster) || !add_cluster(exfat, &bits, cluster, &left) ||
            (left > 0 && !next_cluster(exfat, &cluster)))
            return false;
    }
    return vx_free_bits_end(&bits);
}

bool vx_free_exfat(struct vx_free_volume *volume)
{
    struct exfat exfat;
    if (!decode(volume, &exfat))
        return false;
    if (!find_bitmap(&exfat))
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its allocation bitmap cannot be found");
    volume->kept_count = 0;
    (void)keep_cluster(&exfat, exfat.root);
    (void)keep_cluster(&exfat, exfat.bitmap);
    if (!read_bitmap(&exfat))
        return vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its allocation bitmap cannot be read");
    return !volume->contradicts ||
           vx_free_refuse(volume, VX_FREE_CURE_CHECK, "its allocation bitmap calls free what it uses itself");
}
