/*
 * Geometry, MS-VHDX 2.5: from sizes to chunk ratio and number of BAT entries; from a payload block or chunk to its BAT
 * index and back; from a place on the virtual disk to its bit. Pure arithmetic on checked sizes.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_GEOMETRY_H
#define VX_FORMAT_GEOMETRY_H

#include "format/layout.h"

struct vx_geometry {
    uint64_t virtual_size;
    uint32_t block_size;
    uint32_t logical_sector_size;
    bool has_parent;
    uint32_t chunk_ratio; /* payload blocks per sector bitmap block */
    uint32_t sectors_per_block;
    uint64_t payload_count; /* payload blocks */
    uint64_t chunk_count;   /* = sector bitmap blocks */
    uint64_t entry_count;   /* of the BAT */
};

/* false when the format does not allow a size (see vx_values_rules). */
bool vx_geometry_init(struct vx_geometry *geometry, uint64_t virtual_size, uint32_t block_size,
                      uint32_t logical_sector_size, bool has_parent);
/* Length that the BAT region needs, a multiple of 1 MiB. */
uint64_t vx_geometry_bat_region_length(const struct vx_geometry *geometry);
/* BAT index of a payload block, and of the sector bitmap block of a chunk. */
uint64_t vx_geometry_payload_index(const struct vx_geometry *geometry, uint64_t payload_block);
uint64_t vx_geometry_bitmap_index(const struct vx_geometry *geometry, uint64_t chunk);
/* The other way: true and the payload block, or false and the chunk. */
bool vx_geometry_is_payload(const struct vx_geometry *geometry, uint64_t bat_index, uint64_t *payload_block_or_chunk);
/* First byte of the payload block's bits in its chunk's sector bitmap block, and how many bytes they take. */
uint32_t vx_geometry_bitmap_offset(const struct vx_geometry *geometry, uint64_t payload_block);
uint32_t vx_geometry_bitmap_length(const struct vx_geometry *geometry);

#endif
