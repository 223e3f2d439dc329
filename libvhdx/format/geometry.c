/*
 * Geometry, MS-VHDX 2.5. See geometry.h. A disk without parent interleaves the
 * entries of sector bitmap blocks too, also a fixed one, but its BAT ends with the last payload block.
 */
/* SPDX-License-Identifier: MIT */
#include "format/geometry.h"

#include "format/metadata.h"

bool vx_geometry_init(struct vx_geometry *geometry, uint64_t virtual_size, uint32_t block_size,
                      uint32_t logical_sector_size, bool has_parent)
{
    const struct vx_file_parameters parameters = {block_size, has_parent ? VX_PARAMETER_HAS_PARENT : 0};
    if (vx_values_rules(&parameters, virtual_size, logical_sector_size, logical_sector_size) != 0)
        return false;
    *geometry = (struct vx_geometry){
        .virtual_size = virtual_size,
        .block_size = block_size,
        .logical_sector_size = logical_sector_size,
        .has_parent = has_parent,
        .chunk_ratio = (uint32_t)(VX_SECTORS_PER_CHUNK * logical_sector_size / block_size),
        .sectors_per_block = block_size / logical_sector_size,
        .payload_count = vx_ceil_div(virtual_size, block_size),
    };
    geometry->chunk_count = vx_ceil_div(geometry->payload_count, geometry->chunk_ratio);
    geometry->entry_count = has_parent ? vx_geometry_bitmap_index(geometry, geometry->chunk_count - 1) + 1
                                       : vx_geometry_payload_index(geometry, geometry->payload_count - 1) + 1;
    return true;
}

uint64_t vx_geometry_bat_region_length(const struct vx_geometry *geometry)
{
    return vx_ceil_div(geometry->entry_count * VX_BAT_ENTRY_SIZE, VX_OBJECT_ALIGNMENT) * VX_OBJECT_ALIGNMENT;
}

uint64_t vx_geometry_payload_index(const struct vx_geometry *geometry, uint64_t payload_block)
{
    return payload_block + payload_block / geometry->chunk_ratio;
}

uint64_t vx_geometry_bitmap_index(const struct vx_geometry *geometry, uint64_t chunk)
{
    return (chunk + 1) * geometry->chunk_ratio + chunk;
}

bool vx_geometry_is_payload(const struct vx_geometry *geometry, uint64_t bat_index, uint64_t *payload_block_or_chunk)
{
    const uint64_t stride = (uint64_t)geometry->chunk_ratio + 1;
    const uint64_t chunk = bat_index / stride;
    const bool is_payload = bat_index % stride != geometry->chunk_ratio;
    *payload_block_or_chunk = is_payload ? bat_index - chunk : chunk;
    return is_payload;
}

uint32_t vx_geometry_bitmap_offset(const struct vx_geometry *geometry, uint64_t payload_block)
{
    return (uint32_t)(payload_block % geometry->chunk_ratio) * vx_geometry_bitmap_length(geometry);
}

uint32_t vx_geometry_bitmap_length(const struct vx_geometry *geometry)
{
    return (uint32_t)(VX_BITMAP_BLOCK_SIZE / geometry->chunk_ratio);
}
