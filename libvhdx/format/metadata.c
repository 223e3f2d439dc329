/*
 * Metadata table and the items of fixed size, MS-VHDX 2.6. See metadata.h. Nothing here reads a region: callers bring
 * the table or the item.
 */
/* SPDX-License-Identifier: MIT */
#include "format/metadata.h"

#include "base/guid.h"
#include "base/sort_indices.h"

#include <string.h>

enum { RESERVED = 8, ENTRY_COUNT = 10, RESERVED2 = 12, RESERVED2_SIZE = 20, TABLE_HEADER_SIZE = 32 };
enum { ENTRY_OFFSET = 16, ENTRY_LENGTH = 20, ENTRY_FLAGS = 24, ENTRY_RESERVED = 28 };

#define KNOWN_ITEM_FLAGS (VX_ITEM_IS_USER | VX_ITEM_IS_VIRTUAL_DISK | VX_ITEM_IS_REQUIRED)
#define KNOWN_PARAMETER_FLAGS (VX_PARAMETER_LEAVE_BLOCK_ALLOCATED | VX_PARAMETER_HAS_PARENT)

/* How many entries there really are in entries[]. */
static uint32_t held(const struct vx_metadata_table *table)
{
    return table->count < VX_METADATA_MAX ? table->count : VX_METADATA_MAX;
}

static void entry_decode(const uint8_t *p, struct vx_metadata_entry *out)
{
    memcpy(&out->item_id, p, sizeof out->item_id);
    out->offset = vx_get32(p + ENTRY_OFFSET);
    out->length = vx_get32(p + ENTRY_LENGTH);
    out->flags = vx_get32(p + ENTRY_FLAGS);
    out->reserved = vx_get32(p + ENTRY_RESERVED);
}

static void entry_encode(const struct vx_metadata_entry *entry, uint8_t *out)
{
    memcpy(out, &entry->item_id, sizeof entry->item_id);
    vx_put32(out + ENTRY_OFFSET, entry->offset);
    vx_put32(out + ENTRY_LENGTH, entry->length);
    vx_put32(out + ENTRY_FLAGS, entry->flags);
    vx_put32(out + ENTRY_RESERVED, entry->reserved);
}

static void entries_decode(struct vx_bytes in, struct vx_metadata_table *out)
{
    out->count = vx_get16(in.data + ENTRY_COUNT);
    out->reserved_set = vx_get16(in.data + RESERVED) != 0 || !vx_is_zero(in.data + RESERVED2, RESERVED2_SIZE);
    size_t room = (in.size - TABLE_HEADER_SIZE) / VX_METADATA_ENTRY_SIZE;
    for (uint32_t i = 0; i < held(out) && i < room; i++)
        entry_decode(in.data + TABLE_HEADER_SIZE + (size_t)i * VX_METADATA_ENTRY_SIZE, &out->entries[i]);
}

vhdx_status vx_metadata_table_decode(struct vx_bytes in, struct vx_metadata_table *out)
{
    if (in.size < VX_METADATA_TABLE_SIZE)
        return VHDX_TRUNCATED;
    if (vx_get64(in.data) != VX_SIG_METADATA)
        return VHDX_CORRUPT;
    entries_decode(vx_bytes_of(in.data, VX_METADATA_TABLE_SIZE), out);
    return VHDX_OK;
}

vhdx_status vx_metadata_table_glance(struct vx_bytes in, struct vx_metadata_table *out)
{
    if (in.size < TABLE_HEADER_SIZE)
        return VHDX_TRUNCATED;
    if (vx_get64(in.data) != VX_SIG_METADATA)
        return VHDX_CORRUPT;
    entries_decode(in, out);
    return out->count <= (in.size - TABLE_HEADER_SIZE) / VX_METADATA_ENTRY_SIZE ? VHDX_OK : VHDX_TRUNCATED;
}

void vx_metadata_table_encode(const struct vx_metadata_table *table, uint8_t *out)
{
    memset(out, 0, VX_METADATA_TABLE_SIZE);
    vx_put64(out, VX_SIG_METADATA);
    vx_put16(out + ENTRY_COUNT, table->count);
    uint8_t *entries = out + TABLE_HEADER_SIZE;
    for (uint32_t i = 0; i < held(table); i++)
        entry_encode(&table->entries[i], entries + (size_t)i * VX_METADATA_ENTRY_SIZE);
}

static const vhdx_guid *const mandatory_items[] = {
    &vx_guid_file_parameters,     &vx_guid_virtual_disk_size,    &vx_guid_virtual_disk_id,
    &vx_guid_logical_sector_size, &vx_guid_physical_sector_size,
};

static bool is_known(const vhdx_guid *id)
{
    for (size_t i = 0; i < sizeof mandatory_items / sizeof mandatory_items[0]; i++)
        if (vx_guid_equal(id, mandatory_items[i]))
            return true;
    return vx_guid_equal(id, &vx_guid_parent_locator);
}

/* What the name and the flags of an entry say, MS-VHDX 2.6.1.2 */
static uint32_t name_rules(const struct vx_metadata_entry *entry)
{
    uint32_t broken = 0;
    bool is_user = entry->flags & VX_ITEM_IS_USER;
    if ((entry->flags & ~KNOWN_ITEM_FLAGS) || entry->reserved != 0)
        broken |= VX_METADATA_ENTRY_RESERVED_SET;
    if (vx_guid_is_zero(&entry->item_id))
        broken |= VX_METADATA_ZERO_ID;
    if (!is_user && vx_guid_equal(&entry->item_id, &vx_guid_incomplete_file))
        broken |= VX_METADATA_INCOMPLETE_FILE;
    else if (!is_user && (entry->flags & VX_ITEM_IS_REQUIRED) && !is_known(&entry->item_id))
        broken |= VX_METADATA_UNKNOWN_REQUIRED;
    return broken;
}

uint32_t vx_metadata_entry_rules(const struct vx_metadata_entry *entry, uint64_t region_length)
{
    uint32_t broken = name_rules(entry);
    if (entry->length == 0)
        return entry->offset == 0 ? broken : broken | VX_METADATA_EMPTY_WITH_OFFSET;
    if (entry->length > VX_METADATA_ITEM_MAX)
        broken |= VX_METADATA_ITEM_TOO_LONG;
    if (entry->offset < VX_METADATA_TABLE_SIZE)
        broken |= VX_METADATA_ITEM_IN_TABLE;
    if (entry->offset > region_length || entry->length > region_length - entry->offset)
        broken |= VX_METADATA_ITEM_OUTSIDE;
    return broken;
}

/* Less than 0, 0 or more: as the names of two entries, ItemId and IsUser, compare. */
static int compare_names(const struct vx_metadata_entry *a, const struct vx_metadata_entry *b)
{
    int order = memcmp(&a->item_id, &b->item_id, sizeof a->item_id);
    return order != 0 ? order : (int)(a->flags & VX_ITEM_IS_USER) - (int)(b->flags & VX_ITEM_IS_USER);
}

static bool name_before(const void *context, uint16_t a, uint16_t b)
{
    const struct vx_metadata_table *table = (const struct vx_metadata_table *)context;
    return compare_names(&table->entries[a], &table->entries[b]) < 0;
}

static bool offset_before(const void *context, uint16_t a, uint16_t b)
{
    const struct vx_metadata_table *table = (const struct vx_metadata_table *)context;
    return table->entries[a].offset < table->entries[b].offset;
}

/* Entries without an id name nothing, however many there are. */
static bool has_duplicate(const struct vx_metadata_table *table)
{
    uint16_t order[VX_METADATA_MAX];
    vx_sort_indices(order, held(table), name_before, table);
    for (uint32_t i = 1; i < held(table); i++)
        if (compare_names(&table->entries[order[i - 1]], &table->entries[order[i]]) == 0 &&
            !vx_guid_is_zero(&table->entries[order[i]].item_id))
            return true;
    return false;
}

/*
 * As long as nothing overlaps, the item before is the one that reaches farthest. In subtracting form, because ends may
 * wrap around.
 */
static bool has_overlap(const struct vx_metadata_table *table)
{
    uint16_t order[VX_METADATA_MAX];
    const struct vx_metadata_entry *reach = NULL;
    vx_sort_indices(order, held(table), offset_before, table);
    for (uint32_t i = 0; i < held(table); i++) {
        const struct vx_metadata_entry *entry = &table->entries[order[i]];
        if (entry->length == 0)
            continue;
        if (reach && entry->offset - reach->offset < reach->length)
            return true;
        reach = entry;
    }
    return false;
}

/* What can be wrong with the table as a whole: too much in it, or too little. */
static uint32_t count_rules(const struct vx_metadata_table *table)
{
    uint32_t broken = table->count > VX_METADATA_MAX ? VX_METADATA_TOO_MANY : 0;
    uint32_t user_count = 0;
    for (uint32_t i = 0; i < held(table); i++)
        user_count += table->entries[i].flags & VX_ITEM_IS_USER;
    if (user_count > VX_METADATA_USER_MAX)
        broken |= VX_METADATA_TOO_MANY_USER;
    for (size_t i = 0; i < sizeof mandatory_items / sizeof mandatory_items[0]; i++)
        if (!vx_metadata_find(table, mandatory_items[i]))
            broken |= VX_METADATA_MISSING;
    return broken;
}

uint32_t vx_metadata_table_rules(const struct vx_metadata_table *table, uint64_t region_length)
{
    uint32_t broken = count_rules(table);
    for (uint32_t i = 0; i < held(table); i++)
        broken |= vx_metadata_entry_rules(&table->entries[i], region_length);
    if (table->reserved_set)
        broken |= VX_METADATA_RESERVED_SET;
    if (has_duplicate(table))
        broken |= VX_METADATA_DUPLICATE;
    if (has_overlap(table))
        broken |= VX_METADATA_OVERLAP;
    return broken;
}

const struct vx_metadata_entry *vx_metadata_find(const struct vx_metadata_table *table, const vhdx_guid *item_id)
{
    for (uint32_t i = 0; i < held(table); i++) {
        const struct vx_metadata_entry *entry = &table->entries[i];
        if (!(entry->flags & VX_ITEM_IS_USER) && vx_guid_equal(&entry->item_id, item_id))
            return entry;
    }
    return NULL;
}

vhdx_status vx_file_parameters_decode(struct vx_bytes in, struct vx_file_parameters *out)
{
    if (in.size != 8)
        return VHDX_CORRUPT;
    out->block_size = vx_get32(in.data);
    out->flags = vx_get32(in.data + 4);
    return VHDX_OK;
}

void vx_file_parameters_encode(const struct vx_file_parameters *parameters, uint8_t out[8])
{
    vx_put32(out, parameters->block_size);
    vx_put32(out + 4, parameters->flags);
}

vhdx_status vx_item_u64_decode(struct vx_bytes in, uint64_t *out)
{
    if (in.size != 8)
        return VHDX_CORRUPT;
    *out = vx_get64(in.data);
    return VHDX_OK;
}

vhdx_status vx_item_u32_decode(struct vx_bytes in, uint32_t *out)
{
    if (in.size != 4)
        return VHDX_CORRUPT;
    *out = vx_get32(in.data);
    return VHDX_OK;
}

vhdx_status vx_item_guid_decode(struct vx_bytes in, vhdx_guid *out)
{
    if (in.size != sizeof out->bytes)
        return VHDX_CORRUPT;
    memcpy(out->bytes, in.data, sizeof out->bytes);
    return VHDX_OK;
}

static bool is_sector_size(uint32_t size)
{
    return size == 512 || size == 4096;
}

/* A size cannot be a multiple of a sector size that is none; then that is what is wrong, and not the virtual size too.
 */
static bool is_virtual_size(uint64_t size, uint32_t logical_sector)
{
    return size > 0 && size <= VX_VIRTUAL_SIZE_MAX && (!is_sector_size(logical_sector) || size % logical_sector == 0);
}

uint32_t vx_values_rules(const struct vx_file_parameters *parameters, uint64_t virtual_size, uint32_t logical_sector,
                         uint32_t physical_sector)
{
    uint32_t broken = 0;
    uint32_t block_size = parameters->block_size;
    if (!vx_is_power_of_two(block_size) || block_size < VX_BLOCK_SIZE_MIN || block_size > VX_BLOCK_SIZE_MAX)
        broken |= VX_VALUES_BAD_BLOCK_SIZE;
    if (parameters->flags & ~KNOWN_PARAMETER_FLAGS)
        broken |= VX_VALUES_BAD_PARAMETER_FLAGS;
    if ((parameters->flags & KNOWN_PARAMETER_FLAGS) == KNOWN_PARAMETER_FLAGS)
        broken |= VX_VALUES_FIXED_WITH_PARENT;
    if (!is_sector_size(logical_sector))
        broken |= VX_VALUES_BAD_LOGICAL_SECTOR;
    if (!is_sector_size(physical_sector))
        broken |= VX_VALUES_BAD_PHYSICAL_SECTOR;
    if (!is_virtual_size(virtual_size, logical_sector))
        broken |= VX_VALUES_BAD_VIRTUAL_SIZE;
    return broken;
}
