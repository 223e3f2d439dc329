/*
 * Metadata table and items. The first 4 bytes of the input are the length of the region, the table follows.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/ranges.h"
#include "format/geometry.h"
#include "format/metadata.h"

#include <string.h>

static uint32_t held(const struct vx_metadata_table *table)
{
    return table->count < VX_METADATA_MAX ? table->count : VX_METADATA_MAX;
}

static void demand_overlap(const struct vx_metadata_table *table, bool told)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    for (uint32_t i = 0; i < held(table); i++) {
        const struct vx_range range = {table->entries[i].offset, table->entries[i].length, 0, i};
        FUZZ_DEMAND(vx_ranges_add(&ranges, &range));
    }
    vx_ranges_sort(&ranges);
    FUZZ_DEMAND(vx_ranges_next_overlap(&ranges, &overlap) == told);
    vx_ranges_clear(&ranges);
}

/* An entry that breaks no rule about its place can be cut out of the region. */
static void demand_places(const struct vx_metadata_table *table, uint32_t region_length)
{
    const uint32_t place = VX_METADATA_ITEM_OUTSIDE | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_EMPTY_WITH_OFFSET;
    for (uint32_t i = 0; i < held(table); i++) {
        const struct vx_metadata_entry *entry = &table->entries[i];
        if (vx_metadata_entry_rules(entry, region_length) & place)
            continue;
        FUZZ_DEMAND((uint64_t)entry->offset + entry->length <= region_length || entry->length == 0);
        FUZZ_DEMAND(entry->offset >= VX_METADATA_TABLE_SIZE || entry->length == 0);
    }
}

static void try_table(const uint8_t *data, size_t size, uint32_t region_length)
{
    static struct vx_metadata_table table, again;
    static uint8_t bytes[VX_METADATA_TABLE_SIZE], back[VX_METADATA_TABLE_SIZE];
    vx_metadata_table_decode(vx_bytes_of(data, size), &table);
    fuzz_expand(data, size, bytes, sizeof bytes);
    if (vx_metadata_table_decode(vx_bytes_of(bytes, sizeof bytes), &table) != VHDX_OK)
        return;
    uint32_t broken = vx_metadata_table_rules(&table, region_length);
    demand_overlap(&table, broken & VX_METADATA_OVERLAP);
    demand_places(&table, region_length);
    vx_metadata_table_encode(&table, back);
    FUZZ_DEMAND(vx_metadata_table_decode(vx_bytes_of(back, sizeof back), &again) == VHDX_OK);
    FUZZ_DEMAND(vx_metadata_table_rules(&again, region_length) == (broken & ~(uint32_t)VX_METADATA_RESERVED_SET));
    FUZZ_DEMAND(again.count == table.count);
    FUZZ_DEMAND(memcmp(bytes + 32, back + 32, held(&table) * (size_t)VX_METADATA_ENTRY_SIZE) == 0);
}

static void try_items(const uint8_t *data, size_t size)
{
    struct vx_file_parameters parameters;
    uint64_t disk_size;
    uint32_t sector;
    uint8_t back[8];
    vhdx_guid id;
    FUZZ_DEMAND((vx_item_guid_decode(vx_bytes_of(data, size), &id) == VHDX_OK) == (size == 16));
    FUZZ_DEMAND((vx_item_u32_decode(vx_bytes_of(data, size), &sector) == VHDX_OK) == (size == 4));
    if (size < 20 || vx_file_parameters_decode(vx_bytes_of(data, 8), &parameters) != VHDX_OK ||
        vx_item_u64_decode(vx_bytes_of(data + 8, 8), &disk_size) != VHDX_OK ||
        vx_item_u32_decode(vx_bytes_of(data + 16, 4), &sector) != VHDX_OK)
        return;
    vx_file_parameters_encode(&parameters, back);
    FUZZ_DEMAND(memcmp(data, back, sizeof back) == 0);
    struct vx_geometry geometry;
    bool has_parent = parameters.flags & VX_PARAMETER_HAS_PARENT;
    if (vx_values_rules(&parameters, disk_size, sector, sector) == 0)
        FUZZ_DEMAND(vx_geometry_init(&geometry, disk_size, parameters.block_size, sector, has_parent));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_items(data, size);
    if (size >= 4)
        try_table(data + 4, size - 4, vx_get32(data));
    return 0;
}
