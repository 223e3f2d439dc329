/*
 * Entries of the metadata table that are gone while their items are there: an entry that names nothing goes, those
 * behind it move up, and each item that is missed and whose bytes are whole in the region gets its entry back. Nothing
 * but the table is written. What has no bytes any more is mend_values.c's. The one thing that is easy to get wrong: an
 * all-zero entry in front of others makes Microsoft's open engine refuse the table; one behind them does not.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "verify/repair_class.h"

#include <string.h>

static const struct {
    const vhdx_guid *id;
    enum vx_part part;
} items[] = {
    {&vx_guid_file_parameters, VX_PART_BLOCK_SIZE},
    {&vx_guid_virtual_disk_size, VX_PART_VIRTUAL_SIZE},
    {&vx_guid_virtual_disk_id, VX_PART_DISK_ID},
    {&vx_guid_logical_sector_size, VX_PART_LOGICAL_SECTOR},
    {&vx_guid_physical_sector_size, VX_PART_PHYSICAL_SECTOR},
    {&vx_guid_parent_locator, VX_PART_LOCATOR},
};

static void drop_nameless(struct vx_metadata_table *table)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct vx_metadata_entry entry = table->entries[i];
        if (!vx_guid_is_zero(&entry.item_id) || entry.offset != 0 || entry.length != 0 || entry.flags != 0)
            table->entries[kept++] = entry;
    }
    table->count = (uint16_t)kept;
}

static bool is_known(const struct vx_metadata_entry *entry)
{
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
        if (!(entry->flags & VX_ITEM_IS_USER) && vx_guid_equal(&entry->item_id, items[i].id))
            return true;
    return false;
}

/* The entry that leads to the same bytes under an id that nobody knows is the item's own. */
static struct vx_metadata_entry *entry_for(struct vx_metadata_table *table, const struct vx_metadata_entry *place)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (table->entries[i].offset == place->offset && table->entries[i].length == place->length &&
            !is_known(&table->entries[i]))
            return &table->entries[i];
    return table->count < VX_METADATA_MAX ? &table->entries[table->count++] : NULL;
}

/* *salvage: the evidence of one of them leaves another reading. */
static void put_back(const struct vx_mending *m, struct vx_metadata_table *table, bool *salvage)
{
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        const struct vx_metadata_entry *place = vx_metadata_find(m->rebuilt->table, items[i].id);
        vhdx_repair_class class = vx_evidence_class(m->rebuilt, items[i].part);
        const struct vx_metadata_entry *there = vx_metadata_find(table, items[i].id);
        if (!place || (there && there->offset == place->offset) || class == VHDX_REPAIR_NONE ||
            (class == VHDX_REPAIR_SALVAGE && !m->salvage))
            continue;
        struct vx_metadata_entry *entry = there ? &table->entries[there - table->entries] : entry_for(table, place);
        if (entry)
            *entry = *place;
        *salvage = *salvage || class == VHDX_REPAIR_SALVAGE;
    }
}

static vhdx_status write_table(struct vx_mending *m, const struct vx_metadata_table *table,
                               const struct vx_reason *reason, vhdx_error *err)
{
    uint8_t *bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    if (!bytes)
        return vx_fail_memory(err, "the metadata table");
    vx_metadata_table_encode(table, bytes);
    /* what is behind the entries stays */
    size_t used = (size_t)(vx_max(table->count, m->exam->table->count) + 1) * VX_METADATA_ENTRY_SIZE;
    vhdx_status status = vx_plan_put(m->plan, bytes, used, m->exam->metadata.file_offset, reason, err);
    vx_free(bytes);
    return status;
}

/* What says that an entry does not lead to its item; the first one is named as the reason. */
static enum vx_find first_kind(const struct vx_mending *m)
{
    static const enum vx_find kinds[] = {
        VX_FIND_METADATA_ITEM_MISSING,    VX_FIND_METADATA_ITEM_NO_ID,    VX_FIND_METADATA_NO_LOCATOR,
        VX_FIND_METADATA_ITEM_OUTSIDE,    VX_FIND_METADATA_ITEM_IN_TABLE, VX_FIND_METADATA_ITEM_OVERLAP,
        VX_FIND_METADATA_VIRTUAL_SIZE,    VX_FIND_METADATA_BLOCK_SIZE,    VX_FIND_METADATA_LOGICAL_SECTOR,
        VX_FIND_METADATA_PHYSICAL_SECTOR,
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (vx_mend_is_present(m, kinds[i]))
            return kinds[i];
    return (enum vx_find)0;
}

static vhdx_status mend(struct vx_mending *m, struct vx_metadata_table *table, vhdx_error *err)
{
    bool salvage = false;
    VX_TRY(vx_mending_rebuild(m, false, err));
    *table = *m->exam->table;
    if (vx_mend_is_wanted(m, VX_FIND_METADATA_ITEM_NO_ID))
        drop_nameless(table);
    put_back(m, table, &salvage);
    enum vx_find kind = first_kind(m);
    const struct vx_reason reason = {kind, salvage, "the metadata table leads to the items that are there",
                                     salvage ? "the certainty that they are the right ones" : NULL};
    if (table->count == m->exam->table->count &&
        memcmp(table->entries, m->exam->table->entries, table->count * sizeof table->entries[0]) == 0)
        return VHDX_OK;
    return write_table(m, table, &reason, err);
}

vhdx_status vx_mend_entries(struct vx_mending *m, vhdx_error *err)
{
    if (!m->exam->table || m->exam->table_guessed || m->exam->table->count > VX_METADATA_MAX)
        return VHDX_OK;
    if ((unsigned)first_kind(m) == 0)
        return VHDX_OK;
    struct vx_metadata_table *table = vx_alloc(1, sizeof *table);
    vhdx_status status = table ? mend(m, table, err) : vx_fail_memory(err, "the metadata table");
    vx_free(table);
    return status;
}
