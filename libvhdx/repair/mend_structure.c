/*
 * The metadata table when its entries cannot be what they say: a number of entries that is not theirs, items outside of
 * the region or in the table, two items for one range of bytes. An item whose value has a witness (rebuild.h) gets it
 * in a place of its own; one that nobody knows gets a copy of the bytes that it shares, or goes when it has no bytes at
 * all.
 *
 * Easy to get wrong: of two items that share bytes one may be where it belongs. Neither is believed for what stands
 * there.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "verify/repair_class.h"

#include <string.h>

#define MISPLACED (VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_ITEM_OUTSIDE)
#define KNOWN_FLAGS (VX_ITEM_IS_USER | VX_ITEM_IS_VIRTUAL_DISK | VX_ITEM_IS_REQUIRED)
enum { TABLE_COUNT = 10 };

static const struct known {
    const vhdx_guid *id;
    enum vx_part part;
    uint32_t flags;
} known_items[] = {
    {&vx_guid_file_parameters, VX_PART_BLOCK_SIZE, VX_ITEM_IS_REQUIRED},
    {&vx_guid_virtual_disk_size, VX_PART_VIRTUAL_SIZE, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK},
    {&vx_guid_virtual_disk_id, VX_PART_DISK_ID, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK},
    {&vx_guid_logical_sector_size, VX_PART_LOGICAL_SECTOR, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK},
    {&vx_guid_physical_sector_size, VX_PART_PHYSICAL_SECTOR, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK},
    {&vx_guid_parent_locator, VX_PART_LOCATOR, VX_ITEM_IS_REQUIRED},
};
#define KNOWN_COUNT (sizeof known_items / sizeof known_items[0])
#define MANDATORY_COUNT (KNOWN_COUNT - 1)

static const struct known *known_item(const struct vx_metadata_entry *entry)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (!(entry->flags & VX_ITEM_IS_USER) && vx_guid_equal(&entry->item_id, known_items[i].id))
            return &known_items[i];
    return NULL;
}

/* ---- the number of entries ---- */

struct counting {
    struct vx_metadata_table *table; /* all places of the table as entries */
    uint32_t stored, plausible;
};

/* Entries from the first on that could be; the copy of the last one that Windows leaves behind the table is none. */
static void count_entries(struct counting *c, uint32_t region_length)
{
    for (c->plausible = 0; c->plausible < VX_METADATA_MAX; c->plausible++) {
        const struct vx_metadata_entry *entry = &c->table->entries[c->plausible];
        bool seen = false;
        if (vx_guid_is_zero(&entry->item_id) || (entry->flags & ~KNOWN_FLAGS) || entry->reserved != 0 ||
            (vx_metadata_entry_rules(entry, region_length) & (MISPLACED | VX_METADATA_EMPTY_WITH_OFFSET)))
            return;
        for (uint32_t i = 0; i < c->plausible && !seen; i++)
            seen = vx_guid_equal(&c->table->entries[i].item_id, &entry->item_id) &&
                   ((c->table->entries[i].flags ^ entry->flags) & VX_ITEM_IS_USER) == 0;
        if (seen)
            return;
    }
}

static bool is_among(const struct vx_metadata_table *table, uint32_t begin, uint32_t end, const vhdx_guid *id)
{
    for (uint32_t i = begin; i < end; i++)
        if (!(table->entries[i].flags & VX_ITEM_IS_USER) && vx_guid_equal(&table->entries[i].item_id, id))
            return true;
    return false;
}

static bool has_all_mandatory(const struct counting *c)
{
    for (size_t i = 0; i < MANDATORY_COUNT; i++)
        if (!is_among(c->table, 0, c->plausible, known_items[i].id))
            return false;
    return true;
}

/* Entries of items that are missed stand right behind the last one that counts. */
static bool goes_on(const struct counting *c)
{
    for (size_t i = 0; i < KNOWN_COUNT && c->plausible > c->stored; i++)
        if (is_among(c->table, c->stored, c->plausible, known_items[i].id) &&
            !is_among(c->table, 0, c->stored, known_items[i].id))
            return true;
    return false;
}

/* Behind the last one that could be, up to the last one that counts, stands nothing. */
static bool ends_early(const struct counting *c)
{
    static const struct vx_metadata_entry nothing;
    for (uint32_t i = c->plausible; i < c->stored && i < VX_METADATA_MAX; i++)
        if (memcmp(&c->table->entries[i], &nothing, sizeof nothing) != 0)
            return false;
    return c->plausible < c->stored && c->plausible > 0;
}

/* Reads the table as if it were full, whatever it says. */
static vhdx_status read_full(struct vx_mending *m, struct counting *c, vhdx_error *err)
{
    uint8_t *bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    if (!bytes)
        return vx_fail_memory(err, "the metadata table");
    memcpy(bytes, m->exam->table_bytes, VX_METADATA_TABLE_SIZE);
    c->stored = vx_get16(bytes + TABLE_COUNT);
    vx_put16(bytes + TABLE_COUNT, VX_METADATA_MAX);
    if (vx_metadata_table_decode(vx_bytes_of(bytes, VX_METADATA_TABLE_SIZE), c->table) == VHDX_OK)
        count_entries(c, m->exam->metadata.length);
    vx_free(bytes);
    return VHDX_OK;
}

static vhdx_status put_count(struct vx_mending *m, const struct counting *c, enum vx_find kind, vhdx_error *err)
{
    const struct vx_reason reason = {kind, false, "the metadata table has as many entries as stand in it", NULL};
    uint8_t bytes[2];
    vx_put16(bytes, (uint16_t)c->plausible);
    return vx_plan_put(m->plan, bytes, sizeof bytes, m->exam->metadata.file_offset + TABLE_COUNT, &reason, err);
}

static vhdx_status mend_count(struct vx_mending *m, vhdx_error *err)
{
    struct counting c = {.table = NULL};
    bool missing = vx_mend_is_present(m, VX_FIND_METADATA_ITEM_MISSING),
         no_locator = vx_mend_is_present(m, VX_FIND_METADATA_NO_LOCATOR);
    bool too_many = vx_mend_is_present(m, VX_FIND_METADATA_COUNT),
         nameless = vx_mend_is_wanted(m, VX_FIND_METADATA_ITEM_NO_ID);
    if (!missing && !no_locator && !too_many && !nameless)
        return VHDX_OK;
    c.table = vx_alloc(1, sizeof *c.table);
    if (!c.table)
        return vx_fail_memory(err, "the metadata table");
    vhdx_status status = read_full(m, &c, err);
    enum vx_find kind = too_many   ? VX_FIND_METADATA_COUNT
                        : nameless ? VX_FIND_METADATA_ITEM_NO_ID
                        : missing  ? VX_FIND_METADATA_ITEM_MISSING
                                   : VX_FIND_METADATA_NO_LOCATOR;
    if (status == VHDX_OK && (too_many ? has_all_mandatory(&c) : goes_on(&c) || (nameless && ends_early(&c))))
        status = put_count(m, &c, kind, err);
    vx_free(c.table);
    return status;
}

/* ---- places of items ---- */

static bool shares_bytes(const struct vx_mending *m, uint32_t index)
{
    const struct vx_metadata_table *table = m->exam->table;
    const struct vx_metadata_entry *entry = &table->entries[index];
    uint64_t end = (uint64_t)entry->offset + entry->length;
    for (uint32_t i = 0; i < table->count && entry->length > 0; i++) {
        const struct vx_metadata_entry *other = &table->entries[i];
        bool twin = vx_guid_equal(&other->item_id, &entry->item_id) && other->offset == entry->offset &&
                    other->length == entry->length;
        if (i != index && !twin && other->length > 0 &&
            !(vx_metadata_entry_rules(other, m->exam->metadata.length) & MISPLACED) &&
            entry->offset < (uint64_t)other->offset + other->length && other->offset < end)
            return true;
    }
    return false;
}

static enum vx_find kind_of(uint32_t rules)
{
    return rules & VX_METADATA_ITEM_TOO_LONG   ? VX_FIND_METADATA_ITEM_LONG
           : rules & VX_METADATA_ITEM_IN_TABLE ? VX_FIND_METADATA_ITEM_IN_TABLE
           : rules & VX_METADATA_ITEM_OUTSIDE  ? VX_FIND_METADATA_ITEM_OUTSIDE
                                               : VX_FIND_METADATA_ITEM_OVERLAP;
}

struct moving {
    struct vx_item_bytes items[KNOWN_COUNT];
    uint8_t values[KNOWN_COUNT][16];
    size_t count;
    enum vx_find kind; /* of the first */
    bool salvage;
    bool stuck; /* one of them has no witness that may be heard */
};

static void move_known(struct vx_mending *m, struct moving *moving, const struct known *known, enum vx_find kind)
{
    vhdx_repair_class class = vx_evidence_class(m->rebuilt, known->part);
    struct vx_item_bytes *item = &moving->items[moving->count];
    uint8_t *value = moving->values[moving->count];
    *item = (struct vx_item_bytes){.id = known->id, .flags = known->flags, .bytes = value};
    item->length = vx_mend_value_of(m->rebuilt, known->part, value);
    if (known->part == VX_PART_LOCATOR) {
        item->bytes = m->rebuilt->locator;
        item->length = m->rebuilt->locator ? m->rebuilt->locator_size : 0;
    }
    if (item->length == 0 || class == VHDX_REPAIR_NONE || (class == VHDX_REPAIR_SALVAGE && !m->salvage)) {
        moving->stuck = true;
        return;
    }
    moving->salvage = moving->salvage || class == VHDX_REPAIR_SALVAGE;
    moving->kind = moving->count == 0 ? kind : moving->kind;
    moving->count++;
}

/* All in one change: the one that were left would look as if it were alone where it is, and be believed. */
static vhdx_status mend_known(struct vx_mending *m, vhdx_error *err)
{
    const struct vx_metadata_table *table = m->exam->table;
    struct moving moving = {.count = 0};
    bool put;
    for (uint32_t i = 0; i < table->count && moving.count < KNOWN_COUNT; i++) {
        const struct known *known = known_item(&table->entries[i]);
        uint32_t rules = vx_metadata_entry_rules(&table->entries[i], m->exam->metadata.length) & MISPLACED;
        if (!known || (rules == 0 && !shares_bytes(m, i)))
            continue;
        VX_TRY(vx_mending_rebuild(m, false, err));
        move_known(m, &moving, known, kind_of(rules));
    }
    if (moving.count == 0 || moving.stuck)
        return VHDX_OK;
    const struct vx_reason reason = {moving.kind, moving.salvage, "the item has a place of its own",
                                     moving.salvage ? "the certainty that its value is the right one" : NULL};
    return vx_mend_move_items(m, moving.items, moving.count, &reason, &put, err);
}

/* What it reads as now it goes on reading as. */
static vhdx_status copy_unknown(struct vx_mending *m, const struct vx_metadata_entry *entry, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_METADATA_ITEM_OVERLAP, false, "the item has a place of its own",
                                            NULL};
    uint8_t *bytes = vx_alloc(entry->length, 1);
    bool put;
    if (!bytes)
        return vx_fail_memory(err, "a metadata item");
    vhdx_status status =
        vx_file_read(m->plan->sketch, bytes, entry->length, m->exam->metadata.file_offset + entry->offset, err);
    if (status == VHDX_OK)
        status = vx_mend_move_items(m, &(struct vx_item_bytes){&entry->item_id, entry->flags, entry->length, bytes}, 1,
                                    &reason, &put, err);
    vx_free(bytes);
    return status;
}

static vhdx_status drop_unknown(struct vx_mending *m, uint32_t index, enum vx_find kind, vhdx_error *err)
{
    const struct vx_reason reason = {kind, true, "the metadata table names only items that are there",
                                     "the item, of which nothing is known but its name"};
    struct vx_metadata_table *table = vx_alloc(1, sizeof *table);
    uint8_t *bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    vhdx_status status = table && bytes ? VHDX_OK : vx_fail_memory(err, "the metadata table");
    if (status == VHDX_OK) {
        *table = *m->exam->table;
        memmove(&table->entries[index], &table->entries[index + 1],
                (size_t)(table->count - index - 1u) * sizeof table->entries[0]);
        table->count--;
        vx_metadata_table_encode(table, bytes);
        status = vx_plan_put(m->plan, bytes, (size_t)(table->count + 2u) * VX_METADATA_ENTRY_SIZE,
                             m->exam->metadata.file_offset, &reason, err);
    }
    vx_free(bytes);
    vx_free(table);
    return status;
}

static vhdx_status mend_unknown(struct vx_mending *m, vhdx_error *err)
{
    const struct vx_metadata_table *table = m->exam->table;
    uint64_t before = m->plan->changes;
    for (uint32_t i = 0; i < table->count && m->plan->changes == before; i++) {
        const struct vx_metadata_entry entry = table->entries[i];
        uint32_t rules = vx_metadata_entry_rules(&entry, m->exam->metadata.length) & MISPLACED;
        if (known_item(&entry))
            continue;
        if (rules != 0 && m->salvage)
            VX_TRY(drop_unknown(m, i, kind_of(rules), err));
        else if (rules == 0 && shares_bytes(m, i))
            VX_TRY(copy_unknown(m, &entry, err));
    }
    return VHDX_OK;
}

vhdx_status vx_mend_structure(struct vx_mending *m, vhdx_error *err)
{
    uint64_t before = m->plan->changes;
    if (!m->exam->table || m->exam->table_guessed)
        return VHDX_OK;
    VX_TRY(mend_count(m, err));
    if (m->plan->changes == before)
        VX_TRY(vx_mend_entries(m, err));
    if (m->plan->changes != before || m->exam->table->count > VX_METADATA_MAX)
        return VHDX_OK;
    if (!vx_mend_is_present(m, VX_FIND_METADATA_ITEM_LONG) && !vx_mend_is_present(m, VX_FIND_METADATA_ITEM_IN_TABLE) &&
        !vx_mend_is_present(m, VX_FIND_METADATA_ITEM_OUTSIDE) && !vx_mend_is_present(m, VX_FIND_METADATA_ITEM_OVERLAP))
        return VHDX_OK;
    VX_TRY(mend_known(m, err));
    return m->plan->changes == before ? mend_unknown(m, err) : VHDX_OK;
}
