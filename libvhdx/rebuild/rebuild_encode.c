/*
 * From values back to bytes: the tables as they belong in the file, and the whole disk as a file in memory. See
 * rebuild.h. Where a metadata item still has a place in the table it stays there; what has none is put behind all
 * others.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "format/metadata.h"
#include "rebuild/rebuild.h"

#include <inttypes.h>
#include <string.h>

void vx_rebuilt_encode_regions(const struct vx_rebuilt *rebuilt, uint8_t bytes[VX_REGION_TABLE_SIZE])
{
    vx_region_table_encode(rebuilt->regions, bytes);
}

struct item {
    const vhdx_guid *id;
    uint32_t flags, length;
    uint8_t bytes[16];
    const uint8_t *data;
};

#define ITEMS 6u

static void make_items(const struct vx_rebuilt *rebuilt, struct item items[ITEMS])
{
    const struct vx_file_parameters parameters = {rebuilt->block_size, rebuilt->parameter_flags};
    const uint32_t of_disk = VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK;
    items[0] = (struct item){.id = &vx_guid_file_parameters, .flags = VX_ITEM_IS_REQUIRED, .length = 8};
    vx_file_parameters_encode(&parameters, items[0].bytes);
    items[1] = (struct item){.id = &vx_guid_virtual_disk_size, .flags = of_disk, .length = 8};
    vx_put64(items[1].bytes, rebuilt->virtual_size);
    items[2] = (struct item){.id = &vx_guid_logical_sector_size, .flags = of_disk, .length = 4};
    vx_put32(items[2].bytes, rebuilt->logical_sector);
    items[3] = (struct item){.id = &vx_guid_physical_sector_size, .flags = of_disk, .length = 4};
    vx_put32(items[3].bytes, rebuilt->physical_sector);
    items[4] = (struct item){.id = &vx_guid_virtual_disk_id, .flags = of_disk, .length = 16};
    memcpy(items[4].bytes, rebuilt->virtual_disk_id.bytes, 16);
    items[5] = (struct item){.id = &vx_guid_parent_locator,
                             .flags = VX_ITEM_IS_REQUIRED,
                             .length = rebuilt->locator ? rebuilt->locator_size : 0,
                             .data = rebuilt->locator};
}

static struct vx_metadata_entry *find_entry(struct vx_metadata_table *table, const vhdx_guid *id)
{
    for (uint32_t i = 0; i < table->count && i < VX_METADATA_MAX; i++)
        if (vx_guid_equal(&table->entries[i].item_id, id) && !(table->entries[i].flags & VX_ITEM_IS_USER))
            return &table->entries[i];
    return NULL;
}

/* Leaves out entries that point nowhere, the mark of an unfinished disk, and a locator that does not belong there. */
static void keep_sound_entries(const struct vx_rebuilt *rebuilt, struct vx_metadata_table *table)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rebuilt->table->count && i < VX_METADATA_MAX; i++) {
        struct vx_metadata_entry entry = rebuilt->table->entries[i];
        if ((vx_metadata_entry_rules(&entry, rebuilt->metadata.length) &
             (VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_ITEM_OUTSIDE |
              VX_METADATA_EMPTY_WITH_OFFSET)) ||
            vx_guid_equal(&entry.item_id, &vx_guid_incomplete_file))
            continue;
        if (!rebuilt->locator && vx_guid_equal(&entry.item_id, &vx_guid_parent_locator))
            continue;
        table->entries[kept++] = entry;
    }
    table->count = (uint16_t)kept;
}

#define SEARCHED (2 * VX_MIB) /* of the region, for bytes of items that no entry leads to any more */

/* The end of all that is not zero in the region: new items go behind it. 0: there would be no room. */
static vhdx_status end_of_bytes(const struct vx_rebuilt *rebuilt, uint64_t *end, vhdx_error *err)
{
    size_t size = (size_t)vx_min(rebuilt->metadata.length, SEARCHED), got;
    uint8_t *bytes = vx_alloc(size, 1);
    if (!bytes)
        return vx_fail_memory(err, "the metadata region");
    vhdx_status status = vx_file_read_some(rebuilt->view, bytes, size, rebuilt->metadata.file_offset, &got, err);
    while (size > VX_METADATA_TABLE_SIZE && bytes[size - 1] == 0)
        size--;
    *end = status == VHDX_OK && rebuilt->metadata.length - size >= VX_METADATA_TABLE_SIZE ? (size + 7) & ~(size_t)7 : 0;
    vx_free(bytes);
    return status;
}

static uint64_t end_of_items(const struct vx_metadata_table *table)
{
    uint64_t end = VX_METADATA_TABLE_SIZE;
    for (uint32_t i = 0; i < table->count; i++)
        end = vx_max(end, (uint64_t)table->entries[i].offset + table->entries[i].length);
    return (end + 7) & ~UINT64_C(7);
}

/* Gives every item that must be there an entry of the right length. New ones begin at `floor` at the least. */
static bool place_items(const struct vx_rebuilt *rebuilt, const struct item items[ITEMS], uint64_t floor,
                        struct vx_metadata_table *table)
{
    for (size_t i = 0; i < ITEMS; i++) {
        struct vx_metadata_entry *entry = find_entry(table, items[i].id);
        if (items[i].length == 0)
            continue;
        if (!entry && table->count < VX_METADATA_MAX) {
            entry = &table->entries[table->count++];
            *entry = (struct vx_metadata_entry){.item_id = *items[i].id};
        }
        if (!entry)
            return false;
        entry->flags = items[i].flags;
        entry->reserved = 0;
        if (entry->length == items[i].length)
            continue;
        entry->length = 0;
        uint64_t end = vx_max(floor, end_of_items(table));
        if (end > rebuilt->metadata.length || rebuilt->metadata.length - end < items[i].length)
            return false;
        entry->offset = (uint32_t)end;
        entry->length = items[i].length;
    }
    return true;
}

static vhdx_status encode_metadata(const struct vx_rebuilt *rebuilt, struct vx_metadata_table *table, bool alone,
                                   uint8_t **bytes, size_t *size, vhdx_error *err)
{
    struct item items[ITEMS];
    uint64_t floor = 0;
    size_t got;
    make_items(rebuilt, items);
    if (!alone) {
        keep_sound_entries(rebuilt, table);
        VX_TRY(end_of_bytes(rebuilt, &floor, err));
    }
    if (!place_items(rebuilt, items, floor, table)) {
        *table = (struct vx_metadata_table){0}; /* nothing of the old table can be kept */
        if (!place_items(rebuilt, items, 0, table))
            return vx_fail(err, VHDX_LIMIT, vx_at_file(NULL), "the metadata region has no room for its items");
    }
    *size = (size_t)end_of_items(table);
    *bytes = vx_alloc(*size, 1);
    if (!*bytes)
        return vx_fail_memory(err, "the metadata region");
    vhdx_status status = vx_file_read_some(rebuilt->view, *bytes, *size, rebuilt->metadata.file_offset, &got, err);
    if (status != VHDX_OK) {
        vx_free(*bytes);
        *bytes = NULL;
        return status;
    }
    vx_metadata_table_encode(table, *bytes);
    for (size_t i = 0; i < ITEMS; i++) {
        const struct vx_metadata_entry *entry = find_entry(table, items[i].id);
        if (entry && items[i].length > 0)
            memcpy(*bytes + entry->offset, items[i].data ? items[i].data : items[i].bytes, items[i].length);
    }
    return VHDX_OK;
}

static vhdx_status with_table(const struct vx_rebuilt *rebuilt, bool alone, uint8_t **bytes, size_t *size,
                              vhdx_error *err)
{
    struct vx_metadata_table *table = vx_alloc(1, sizeof *table);
    if (!table)
        return vx_fail_memory(err, "the metadata table");
    vhdx_status status = encode_metadata(rebuilt, table, alone, bytes, size, err);
    vx_free(table);
    return status;
}

vhdx_status vx_rebuilt_encode_metadata(const struct vx_rebuilt *rebuilt, uint8_t **bytes, size_t *size, vhdx_error *err)
{
    return with_table(rebuilt, false, bytes, size, err);
}

/* ---- the disk in memory ---- */

static vhdx_status write_headers(const struct vx_rebuilt *rebuilt, struct vx_file *view, vhdx_error *err)
{
    uint8_t bytes[VX_HEADER_SIZE], id[8];
    struct vx_header header = rebuilt->header;
    header.log_guid = (vhdx_guid){{0}}; /* what was to be replayed has been */
    header.log_version = VX_LOG_VERSION;
    header.sequence_number = 1;
    vx_put64(id, VX_SIG_FILE);
    VX_TRY(vx_file_write(view, id, sizeof id, VX_FILE_ID_OFFSET, err));
    vx_header_encode(&header, bytes);
    VX_TRY(vx_file_write(view, bytes, sizeof bytes, VX_HEADER1_OFFSET, err));
    header.sequence_number = 2;
    vx_header_encode(&header, bytes);
    return vx_file_write(view, bytes, sizeof bytes, VX_HEADER2_OFFSET, err);
}

/* Only the two regions that reading needs: an unknown one, though required, is no reason to give content up. */
static vhdx_status write_regions(const struct vx_rebuilt *rebuilt, struct vx_file *view, vhdx_error *err)
{
    struct vx_region_table *table = vx_alloc(1, sizeof *table);
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    vhdx_status status = VHDX_NOMEM;
    if (table && bytes) {
        table->count = 2;
        table->entries[0] = rebuilt->bat;
        table->entries[1] = rebuilt->metadata;
        vx_region_table_encode(table, bytes);
        status = vx_file_write(view, bytes, VX_REGION_TABLE_SIZE, VX_REGION_TABLE1_OFFSET, err);
        if (status == VHDX_OK)
            status = vx_file_write(view, bytes, VX_REGION_TABLE_SIZE, VX_REGION_TABLE2_OFFSET, err);
    } else {
        vx_fail_memory(err, "the region table");
    }
    vx_free(table);
    vx_free(bytes);
    return status;
}

static vhdx_status write_metadata(const struct vx_rebuilt *rebuilt, struct vx_file *view, vhdx_error *err)
{
    uint8_t *bytes;
    size_t size;
    VX_TRY(with_table(rebuilt, true, &bytes, &size, err));
    vhdx_status status = vx_file_write(view, bytes, size, rebuilt->metadata.file_offset, err);
    vx_free(bytes);
    return status;
}

vhdx_status vx_rebuilt_view(struct vx_rebuilt *rebuilt, struct vx_file **view, vhdx_error *err)
{
    struct vx_file *file = rebuilt->view;
    if (rebuilt->geometry.entry_count == 0)
        return vx_fail(err, VHDX_CORRUPT, vx_at_file(vx_file_path(file)), "nothing tells the disk's sizes: %s, %s",
                       rebuilt->clues[VX_PART_VIRTUAL_SIZE].evidence, rebuilt->clues[VX_PART_BLOCK_SIZE].evidence);
    VX_TRY(write_headers(rebuilt, file, err));
    VX_TRY(write_regions(rebuilt, file, err));
    VX_TRY(write_metadata(rebuilt, file, err));
    VX_TRY(vx_file_grow(file, rebuilt->bat.file_offset + rebuilt->bat.length, err));
    *view = file;
    rebuilt->view = NULL;
    return VHDX_OK;
}
