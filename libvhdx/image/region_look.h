/*
 * What a region table leads to: of two copies that are both whole the one is right whose places hold a metadata table
 * and a BAT. Reads a few pages, judges nothing else. A BAT without any entry
 * is that of a new disk, and also what any free space looks like; it speaks for no place.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_REGION_LOOK_H
#define VX_IMAGE_REGION_LOOK_H

#include "format/region.h"
#include "io/io.h"

#define VX_BAT_LOOK_SIZE ((size_t)(64 * VX_KIB))

/* How much an array of entries looks like a BAT; a greater one is a better one. */
enum vx_bat_looks {
    VX_BAT_LOOKS_WRONG, /* most entries that are set cannot be entries */
    VX_BAT_LOOKS_EMPTY,
    VX_BAT_LOOKS_SOUND,
};

/* The first VX_BAT_LOOK_SIZE bytes of the region, or the first after these that are not all zeros. EMPTY: none are. */
enum vx_bat_looks vx_region_bat_looks(struct vx_file *view, uint64_t file_size, const struct vx_region *region);
/* Whether a metadata table's signature is there. */
bool vx_region_has_metadata(struct vx_file *view, uint64_t offset);
/* Greater for the copy that is more likely right; equal when nothing tells. */
unsigned vx_region_table_weight(struct vx_file *view, const struct vx_region_table *table);

#endif
