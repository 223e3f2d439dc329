/*
 * Region table, MS-VHDX 2.2.3. See region.h. Whether regions collide with the log or are beyond the end of the file is
 * not known here: the table says nothing of either.
 */
/* SPDX-License-Identifier: MIT */
#include "format/region.h"

#include "base/crc32c.h"
#include "base/guid.h"
#include "base/sort_indices.h"

#include <string.h>

enum { CHECKSUM = 4, ENTRY_COUNT = 8, RESERVED = 12 };
enum { ENTRY_FILE_OFFSET = 16, ENTRY_LENGTH = 24, ENTRY_REQUIRED = 28 };

#define REQUIRED_FLAG 1u

/* How many entries there really are in entries[]. */
static uint32_t held(const struct vx_region_table *table)
{
    return table->count < VX_REGION_MAX ? table->count : VX_REGION_MAX;
}

static void entry_decode(const uint8_t *p, struct vx_region *out)
{
    memcpy(&out->guid, p, sizeof out->guid);
    out->file_offset = vx_get64(p + ENTRY_FILE_OFFSET);
    out->length = vx_get32(p + ENTRY_LENGTH);
    out->required = vx_get32(p + ENTRY_REQUIRED);
}

static void entry_encode(const struct vx_region *region, uint8_t *out)
{
    memcpy(out, &region->guid, sizeof region->guid);
    vx_put64(out + ENTRY_FILE_OFFSET, region->file_offset);
    vx_put32(out + ENTRY_LENGTH, region->length);
    vx_put32(out + ENTRY_REQUIRED, region->required);
}

static void entries_decode(struct vx_bytes in, struct vx_region_table *out)
{
    out->checksum = vx_get32(in.data + CHECKSUM);
    out->count = vx_get32(in.data + ENTRY_COUNT);
    out->reserved = vx_get32(in.data + RESERVED);
    size_t room = (in.size - VX_REGION_ENTRIES_OFFSET) / VX_REGION_ENTRY_SIZE;
    for (uint32_t i = 0; i < held(out) && i < room; i++)
        entry_decode(in.data + VX_REGION_ENTRIES_OFFSET + (size_t)i * VX_REGION_ENTRY_SIZE, &out->entries[i]);
}

vhdx_status vx_region_table_decode(struct vx_bytes in, struct vx_region_table *out)
{
    if (in.size < VX_REGION_TABLE_SIZE)
        return VHDX_TRUNCATED;
    if (vx_get32(in.data) != VX_SIG_REGION)
        return VHDX_CORRUPT;
    entries_decode(vx_bytes_of(in.data, VX_REGION_TABLE_SIZE), out);
    out->computed_checksum = vx_crc32c_without(in.data, VX_REGION_TABLE_SIZE, CHECKSUM);
    return VHDX_OK;
}

vhdx_status vx_region_table_glance(struct vx_bytes in, struct vx_region_table *out)
{
    if (in.size < VX_REGION_ENTRIES_OFFSET)
        return VHDX_TRUNCATED;
    if (vx_get32(in.data) != VX_SIG_REGION)
        return VHDX_CORRUPT;
    entries_decode(in, out);
    out->computed_checksum = out->checksum;
    bool whole = out->count <= (in.size - VX_REGION_ENTRIES_OFFSET) / VX_REGION_ENTRY_SIZE;
    return whole ? VHDX_OK : VHDX_TRUNCATED;
}

static bool is_known(const vhdx_guid *guid)
{
    return vx_guid_equal(guid, &vx_guid_bat_region) || vx_guid_equal(guid, &vx_guid_metadata_region);
}

uint32_t vx_region_rules(const struct vx_region *region)
{
    uint32_t broken = 0;
    uint64_t end;
    if (region->file_offset % VX_OBJECT_ALIGNMENT != 0 || region->file_offset < VX_HEADER_SECTION_SIZE)
        broken |= VX_REGION_UNALIGNED;
    if (region->length == 0 || region->length % VX_OBJECT_ALIGNMENT != 0)
        broken |= VX_REGION_BAD_LENGTH;
    if (!vx_add(region->file_offset, region->length, &end))
        broken |= VX_REGION_OVERFLOW;
    if (region->required & ~REQUIRED_FLAG)
        broken |= VX_REGION_REQUIRED_BITS;
    if ((region->required & REQUIRED_FLAG) && !is_known(&region->guid))
        broken |= VX_REGION_UNKNOWN_REQUIRED;
    return broken;
}

static bool guid_before(const void *context, uint16_t a, uint16_t b)
{
    const struct vx_region_table *table = (const struct vx_region_table *)context;
    return memcmp(&table->entries[a].guid, &table->entries[b].guid, sizeof table->entries[a].guid) < 0;
}

static bool offset_before(const void *context, uint16_t a, uint16_t b)
{
    const struct vx_region_table *table = (const struct vx_region_table *)context;
    return table->entries[a].file_offset < table->entries[b].file_offset;
}

static bool has_duplicate(const struct vx_region_table *table)
{
    uint16_t order[VX_REGION_MAX];
    vx_sort_indices(order, held(table), guid_before, table);
    for (uint32_t i = 1; i < held(table); i++)
        if (vx_guid_equal(&table->entries[order[i - 1]].guid, &table->entries[order[i]].guid))
            return true;
    return false;
}

/*
 * As long as nothing overlaps, the region before is the one that reaches farthest. In subtracting form, because ends
 * may wrap around.
 */
static bool has_overlap(const struct vx_region_table *table)
{
    uint16_t order[VX_REGION_MAX];
    const struct vx_region *reach = NULL;
    vx_sort_indices(order, held(table), offset_before, table);
    for (uint32_t i = 0; i < held(table); i++) {
        const struct vx_region *region = &table->entries[order[i]];
        if (region->length == 0)
            continue;
        if (reach && region->file_offset - reach->file_offset < reach->length)
            return true;
        reach = region;
    }
    return false;
}

uint32_t vx_region_table_rules(const struct vx_region_table *table)
{
    uint32_t broken = 0;
    for (uint32_t i = 0; i < held(table); i++)
        broken |= vx_region_rules(&table->entries[i]);
    if (table->checksum != table->computed_checksum)
        broken |= VX_REGION_BAD_CHECKSUM;
    if (table->count > VX_REGION_MAX)
        broken |= VX_REGION_TOO_MANY;
    if (table->reserved != 0)
        broken |= VX_REGION_RESERVED_SET;
    if (has_duplicate(table))
        broken |= VX_REGION_DUPLICATE;
    if (has_overlap(table))
        broken |= VX_REGION_OVERLAP;
    if (!vx_region_find(table, &vx_guid_bat_region))
        broken |= VX_REGION_NO_BAT;
    if (!vx_region_find(table, &vx_guid_metadata_region))
        broken |= VX_REGION_NO_METADATA;
    return broken;
}

const struct vx_region *vx_region_find(const struct vx_region_table *table, const vhdx_guid *guid)
{
    for (uint32_t i = 0; i < held(table); i++)
        if (vx_guid_equal(&table->entries[i].guid, guid))
            return &table->entries[i];
    return NULL;
}

void vx_region_table_encode(const struct vx_region_table *table, uint8_t *out)
{
    memset(out, 0, VX_REGION_TABLE_SIZE);
    vx_put32(out, VX_SIG_REGION);
    vx_put32(out + ENTRY_COUNT, table->count);
    vx_put32(out + RESERVED, table->reserved);
    uint8_t *entries = out + VX_REGION_ENTRIES_OFFSET;
    for (uint32_t i = 0; i < held(table); i++)
        entry_encode(&table->entries[i], entries + (size_t)i * VX_REGION_ENTRY_SIZE);
    vx_put32(out + CHECKSUM, vx_crc32c_without(out, VX_REGION_TABLE_SIZE, CHECKSUM));
}
