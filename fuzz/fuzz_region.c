/*
 * Region table: entries come back, what is told about overlaps is what a sorted set of ranges says too.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/crc32c.h"
#include "base/ranges.h"
#include "format/region.h"

#include <string.h>

#define CHECKSUM 4u

static uint32_t held(const struct vx_region_table *table)
{
    return table->count < VX_REGION_MAX ? table->count : VX_REGION_MAX;
}

static uint32_t checksum_of(const uint8_t *data, size_t size)
{
    uint8_t bytes[VX_REGION_TABLE_SIZE];
    fuzz_expand(data, size, bytes, sizeof bytes);
    return vx_crc32c_without(bytes, sizeof bytes, CHECKSUM);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    return fuzz_mutate_and_mend(data, size, max_size, seed, CHECKSUM, checksum_of);
}

static void demand_overlap(const struct vx_region_table *table, bool told)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    for (uint32_t i = 0; i < held(table); i++) {
        const struct vx_range range = {table->entries[i].file_offset, table->entries[i].length, 0, i};
        FUZZ_DEMAND(vx_ranges_add(&ranges, &range));
    }
    vx_ranges_sort(&ranges);
    bool found = vx_ranges_next_overlap(&ranges, &overlap);
    FUZZ_DEMAND(found == told);
    FUZZ_DEMAND(!found || overlap.first->owner_index != overlap.second->owner_index);
    vx_ranges_clear(&ranges);
}

static void demand_same(const struct vx_region_table *a, const struct vx_region_table *b)
{
    FUZZ_DEMAND(a->count == b->count && a->reserved == b->reserved);
    for (uint32_t i = 0; i < held(a); i++) {
        const struct vx_region *x = &a->entries[i], *y = &b->entries[i];
        FUZZ_DEMAND(memcmp(&x->guid, &y->guid, sizeof x->guid) == 0);
        FUZZ_DEMAND(x->file_offset == y->file_offset && x->length == y->length && x->required == y->required);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vx_region_table table, again;
    static uint8_t bytes[VX_REGION_TABLE_SIZE], back[VX_REGION_TABLE_SIZE];
    vx_region_table_decode(vx_bytes_of(data, size), &table);
    fuzz_expand(data, size, bytes, sizeof bytes);
    if (vx_region_table_decode(vx_bytes_of(bytes, sizeof bytes), &table) != VHDX_OK)
        return 0;
    uint32_t broken = vx_region_table_rules(&table);
    if (!(broken & VX_REGION_OVERFLOW))
        demand_overlap(&table, broken & VX_REGION_OVERLAP);
    FUZZ_DEMAND(!(broken & VX_REGION_NO_BAT) == (vx_region_find(&table, &vx_guid_bat_region) != NULL));
    vx_region_table_encode(&table, back);
    FUZZ_DEMAND(vx_region_table_decode(vx_bytes_of(back, sizeof back), &again) == VHDX_OK);
    FUZZ_DEMAND(again.checksum == again.computed_checksum);
    FUZZ_DEMAND(vx_region_table_rules(&again) == (broken & ~(uint32_t)VX_REGION_BAD_CHECKSUM));
    demand_same(&table, &again);
    return 0;
}
