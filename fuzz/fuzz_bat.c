/*
 * BAT entries and geometry. The first 16 bytes of the input are the virtual size, the block size, and how the disk is;
 * the rest are entries, and at the same time BAT indexes.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "format/bat.h"
#include "format/geometry.h"
#include "format/metadata.h"

static void try_entry(uint64_t raw, bool has_parent)
{
    const struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    FUZZ_DEMAND(vx_bat_entry_encode(&entry) == raw);
    FUZZ_DEMAND(entry.file_offset % VX_MIB == 0 && entry.state < 8);
    uint32_t payload = vx_bat_payload_rules(&entry, has_parent), bitmap = vx_bat_bitmap_rules(&entry, has_parent);
    FUZZ_DEMAND(!(payload & VX_BAT_RESERVED_SET) == (entry.reserved == 0));
    FUZZ_DEMAND(!(bitmap & VX_BAT_RESERVED_SET) == (entry.reserved == 0));
    /* Space that is owned without a fault has a place; a stray offset owns none. */
    if (vx_bat_payload_owns_space(&entry))
        FUZZ_DEMAND(entry.file_offset != 0 || (payload & VX_BAT_NO_PLACE));
    else
        FUZZ_DEMAND(entry.file_offset == 0 || (payload & (VX_BAT_STRAY_OFFSET | VX_BAT_BAD_STATE)));
}

static void try_index(const struct vx_geometry *geometry, uint64_t index)
{
    uint64_t number;
    index %= geometry->entry_count;
    if (!vx_geometry_is_payload(geometry, index, &number)) {
        FUZZ_DEMAND(number < geometry->chunk_count);
        FUZZ_DEMAND(vx_geometry_bitmap_index(geometry, number) == index);
        return;
    }
    FUZZ_DEMAND(number < geometry->chunk_count * geometry->chunk_ratio);
    FUZZ_DEMAND(geometry->has_parent || number < geometry->payload_count);
    FUZZ_DEMAND(vx_geometry_payload_index(geometry, number) == index);
    uint64_t end = (uint64_t)vx_geometry_bitmap_offset(geometry, number) + vx_geometry_bitmap_length(geometry);
    FUZZ_DEMAND(end <= VX_BITMAP_BLOCK_SIZE);
}

static void try_geometry(const struct vx_geometry *geometry)
{
    FUZZ_DEMAND(geometry->payload_count * geometry->block_size >= geometry->virtual_size);
    FUZZ_DEMAND((geometry->payload_count - 1) * geometry->block_size < geometry->virtual_size);
    FUZZ_DEMAND(geometry->chunk_ratio >= 16 && geometry->chunk_ratio <= 32768);
    FUZZ_DEMAND(vx_geometry_payload_index(geometry, geometry->payload_count - 1) < geometry->entry_count);
    FUZZ_DEMAND(vx_geometry_bat_region_length(geometry) >= geometry->entry_count * VX_BAT_ENTRY_SIZE);
    FUZZ_DEMAND(vx_geometry_bat_region_length(geometry) <= 513 * VX_MIB);
    FUZZ_DEMAND(vx_geometry_bitmap_length(geometry) * UINT64_C(8) == geometry->sectors_per_block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 16)
        return 0;
    uint64_t virtual_size = vx_get64(data);
    uint32_t block_size = data[12] & 1 ? vx_get32(data + 8) : UINT32_C(1) << data[8] % 32;
    uint32_t sector = data[12] & 2 ? vx_get16(data + 13) : data[12] & 4 ? 512 : 4096;
    bool has_parent = data[15] & 1;
    struct vx_geometry geometry;
    const struct vx_file_parameters parameters = {block_size, 0};
    bool good = vx_geometry_init(&geometry, virtual_size, block_size, sector, has_parent);
    FUZZ_DEMAND(good == (vx_values_rules(&parameters, virtual_size, sector, 512) == 0));
    if (good)
        try_geometry(&geometry);
    for (size_t place = 16; size - place >= 8; place += 8) {
        try_entry(vx_get64(data + place), has_parent);
        if (good)
            try_index(&geometry, vx_get64(data + place));
    }
    return 0;
}
