/*
 * The metadata table as it should be: the entries that stand in it, without those that name nothing, and for each item
 * whose bytes are whole in the region an entry that leads there. So nobody has to write an item anew, over the one that
 * is there. See rebuild.h. The one thing that is easy to get wrong: an entry with a wrong id that leads to a known item
 * is that item's.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "rebuild/rebuild_parts.h"

#include <string.h>

#define KNOWN_FLAGS (VX_ITEM_IS_USER | VX_ITEM_IS_VIRTUAL_DISK | VX_ITEM_IS_REQUIRED)
#define MISPLACED (VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_ITEM_OUTSIDE)

static const enum vx_part item_parts[] = {VX_PART_BLOCK_SIZE,      VX_PART_VIRTUAL_SIZE, VX_PART_LOGICAL_SECTOR,
                                          VX_PART_PHYSICAL_SECTOR, VX_PART_DISK_ID,      VX_PART_LOCATOR};
#define ITEM_PARTS (sizeof item_parts / sizeof item_parts[0])

static bool same_name(const struct vx_metadata_entry *a, const struct vx_metadata_entry *b)
{
    return vx_guid_equal(&a->item_id, &b->item_id) && ((a->flags ^ b->flags) & VX_ITEM_IS_USER) == 0;
}

static bool is_among(const struct vx_metadata_table *table, const struct vx_metadata_entry *entry)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (same_name(&table->entries[i], entry))
            return true;
    return false;
}

static bool could_be(const struct vx_rebuilding *work, const struct vx_metadata_entry *entry)
{
    return !vx_guid_is_zero(&entry->item_id) && !(entry->flags & ~KNOWN_FLAGS) && entry->reserved == 0 &&
           !(vx_metadata_entry_rules(entry, work->out->metadata.length) & (MISPLACED | VX_METADATA_EMPTY_WITH_OFFSET));
}

/*
 * The entries that count; in a table without head all that stand in its 64 KiB and could be some, but for the copy of
 * the last one that Windows leaves behind.
 */
static void gather(const struct vx_rebuilding *work, uint8_t *image, struct vx_metadata_table *all,
                   struct vx_metadata_table *table)
{
    bool headless = vx_get64(image) != VX_SIG_METADATA || vx_get16(image + 10) > VX_METADATA_MAX;
    if (headless) {
        vx_put64(image, VX_SIG_METADATA);
        vx_put16(image + 10, VX_METADATA_MAX);
    }
    table->count = 0;
    if (vx_metadata_table_decode(vx_bytes_of(image, VX_METADATA_TABLE_SIZE), all) != VHDX_OK)
        return;
    for (uint32_t i = 0; i < all->count && i < VX_METADATA_MAX; i++)
        if (headless ? could_be(work, &all->entries[i]) && !is_among(table, &all->entries[i])
                     : !vx_guid_is_zero(&all->entries[i].item_id))
            table->entries[table->count++] = all->entries[i];
}

/* The item has a place of its own. */
static bool is_known(const struct vx_rebuilding *work, const struct vx_metadata_entry *entry)
{
    for (size_t i = 0; i < ITEM_PARTS; i++)
        if (work->places[item_parts[i]].length > 0 && same_name(&work->places[item_parts[i]], entry))
            return true;
    return false;
}

static struct vx_metadata_entry *find_entry(const struct vx_rebuilding *work, struct vx_metadata_table *table,
                                            const struct vx_metadata_entry *place)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (same_name(&table->entries[i], place))
            return &table->entries[i];
    for (uint32_t i = 0; i < table->count; i++)
        if (table->entries[i].offset == place->offset && table->entries[i].length == place->length &&
            !is_known(work, &table->entries[i]))
            return &table->entries[i];
    return table->count < VX_METADATA_MAX ? &table->entries[table->count++] : NULL;
}

static void lead_to_items(const struct vx_rebuilding *work, struct vx_metadata_table *table)
{
    for (size_t i = 0; i < ITEM_PARTS; i++) {
        const struct vx_metadata_entry *place = &work->places[item_parts[i]];
        struct vx_metadata_entry *entry = place->length > 0 ? find_entry(work, table, place) : NULL;
        if (entry)
            *entry = *place;
    }
}

vhdx_status vx_rebuild_table(struct vx_rebuilding *work, const uint8_t *image, vhdx_error *err)
{
    uint8_t *bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    struct vx_metadata_table *all = vx_alloc(1, sizeof *all);
    vhdx_status status = bytes && all ? VHDX_OK : vx_fail_memory(err, "the metadata table");
    if (status == VHDX_OK) {
        memcpy(bytes, image, VX_METADATA_TABLE_SIZE);
        gather(work, bytes, all, work->table);
        lead_to_items(work, work->table);
    }
    vx_free(bytes);
    vx_free(all);
    return status;
}
