/*
 * Metadata items: load, check, change. See items.h. The place of the region is open.c's business, how pages get to disk
 * the journal's.
 */
/* SPDX-License-Identifier: MIT */
#include "image/items.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/image.h"
#include "image/journal.h"
#include "image/writing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct rule_text {
    uint32_t rule;
    vhdx_status status;
    const char *text;
};

static const struct rule_text table_rules[] = {
    {VX_METADATA_TOO_MANY, VHDX_CORRUPT, "the metadata table claims more entries than it has room for"},
    {VX_METADATA_ITEM_TOO_LONG, VHDX_CORRUPT, "a metadata item is longer than 1 MiB"},
    {VX_METADATA_ITEM_IN_TABLE, VHDX_CORRUPT, "a metadata item lies inside the metadata table"},
    {VX_METADATA_ITEM_OUTSIDE, VHDX_CORRUPT, "a metadata item lies outside of the metadata region"},
    {VX_METADATA_DUPLICATE, VHDX_CORRUPT, "a metadata item is there twice"},
    {VX_METADATA_OVERLAP, VHDX_CORRUPT, "two metadata items share bytes"},
    {VX_METADATA_INCOMPLETE_FILE, VHDX_CORRUPT,
     "the disk is marked as unfinished: the program that made it was interrupted"},
    {VX_METADATA_UNKNOWN_REQUIRED, VHDX_UNSUPPORTED, "a metadata item that is required is not known to this program"},
    {VX_METADATA_MISSING, VHDX_CORRUPT, "a mandatory metadata item is missing"},
};

static const struct rule_text value_rules[] = {
    {VX_VALUES_BAD_BLOCK_SIZE, VHDX_CORRUPT, "the block size is none of the powers of two from 1 MiB to 256 MiB"},
    {VX_VALUES_BAD_LOGICAL_SECTOR, VHDX_CORRUPT, "the logical sector size is neither 512 nor 4096"},
    {VX_VALUES_BAD_VIRTUAL_SIZE, VHDX_CORRUPT,
     "the virtual disk size is zero, above 64 TiB, or no multiple of the logical sector size"},
};

static vhdx_status refuse(const struct rule_text *rules, size_t count, uint32_t broken, struct vx_where where,
                          vhdx_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (broken & rules[i].rule)
            return vx_fail(err, rules[i].status, where, "%s", rules[i].text);
    return VHDX_OK;
}

static vhdx_status load_table(struct vx_file *view, const struct vx_region *region, bool allow_unfinished,
                              struct vx_metadata_table *table, vhdx_error *err)
{
    uint32_t ignored = allow_unfinished ? VX_METADATA_INCOMPLETE_FILE : 0;
    struct vx_where where = vx_at(vx_file_path(view), "metadata table", region->file_offset);
    uint8_t *bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    if (!bytes)
        return vx_fail_memory(err, "the metadata table");
    vhdx_status status = vx_file_read(view, bytes, VX_METADATA_TABLE_SIZE, region->file_offset, err);
    if (status == VHDX_OK && vx_metadata_table_decode(vx_bytes_of(bytes, VX_METADATA_TABLE_SIZE), table) != VHDX_OK)
        status = vx_fail(err, VHDX_CORRUPT, where, "the metadata table's signature is missing");
    vx_free(bytes);
    if (status != VHDX_OK)
        return status;
    return refuse(table_rules, sizeof table_rules / sizeof table_rules[0],
                  vx_metadata_table_rules(table, region->length) & ~ignored, where, err);
}

/* Reads a small item of known length into `bytes` (16 of them). */
static vhdx_status load_item(struct vx_file *view, const struct vx_region *region, const struct vx_items *items,
                             const vhdx_guid *id, uint32_t length, uint8_t bytes[16], vhdx_error *err)
{
    const struct vx_metadata_entry *entry = vx_metadata_find(items->table, id);
    struct vx_where where = vx_at(vx_file_path(view), "metadata item", region->file_offset);
    if (!entry)
        return vx_fail(err, VHDX_CORRUPT, where, "a mandatory metadata item is missing");
    where.offset += entry->offset;
    if (entry->length != length)
        return vx_fail(err, VHDX_CORRUPT, where, "a metadata item has %" PRIu32 " bytes instead of %" PRIu32,
                       entry->length, length);
    return vx_file_read(view, bytes, length, where.offset, err);
}

static vhdx_status load_values(struct vx_file *view, const struct vx_region *region, struct vx_items *items,
                               vhdx_error *err)
{
    uint8_t bytes[16];
    VX_TRY(load_item(view, region, items, &vx_guid_file_parameters, 8, bytes, err));
    VX_TRY(vx_file_parameters_decode(vx_bytes_of(bytes, 8), &items->parameters));
    VX_TRY(load_item(view, region, items, &vx_guid_virtual_disk_size, 8, bytes, err));
    VX_TRY(vx_item_u64_decode(vx_bytes_of(bytes, 8), &items->virtual_size));
    VX_TRY(load_item(view, region, items, &vx_guid_logical_sector_size, 4, bytes, err));
    VX_TRY(vx_item_u32_decode(vx_bytes_of(bytes, 4), &items->logical_sector_size));
    VX_TRY(load_item(view, region, items, &vx_guid_physical_sector_size, 4, bytes, err));
    VX_TRY(vx_item_u32_decode(vx_bytes_of(bytes, 4), &items->physical_sector_size));
    VX_TRY(load_item(view, region, items, &vx_guid_virtual_disk_id, 16, bytes, err));
    VX_TRY(vx_item_guid_decode(vx_bytes_of(bytes, 16), &items->virtual_disk_id));
    return refuse(value_rules, sizeof value_rules / sizeof value_rules[0],
                  vx_values_rules(&items->parameters, items->virtual_size, items->logical_sector_size,
                                  items->physical_sector_size),
                  vx_at(vx_file_path(view), "metadata item", region->file_offset), err);
}

static vhdx_status copy_path(const struct vx_locator *locator, const char *key, char **text, vhdx_error *err)
{
    const struct vx_locator_pair *pair = vx_locator_find(locator, key);
    if (!pair)
        return VHDX_OK;
    *text = vx_alloc(VX_UTF8_ROOM(pair->value.size), 1);
    if (!*text)
        return vx_fail_memory(err, "a path of the parent locator");
    vx_utf16_to_utf8(pair->value, *text);
    return VHDX_OK;
}

vhdx_status vx_items_take_paths(struct vx_items *items, vhdx_error *err)
{
    VX_TRY(copy_path(items->locator, VX_KEY_RELATIVE, &items->relative_path, err));
    VX_TRY(copy_path(items->locator, VX_KEY_VOLUME, &items->volume_path, err));
    return copy_path(items->locator, VX_KEY_ABSOLUTE, &items->absolute_win32_path, err);
}

/* A damaged locator is kept as far as it decodes: the layer itself reads well without it; the chain will refuse. */
static vhdx_status load_locator(struct vx_file *view, const struct vx_region *region, struct vx_items *items,
                                vhdx_error *err)
{
    const struct vx_metadata_entry *entry = vx_metadata_find(items->table, &vx_guid_parent_locator);
    if (!entry || entry->length == 0)
        return VHDX_OK;
    items->locator_bytes = vx_alloc(entry->length, 1);
    items->locator = vx_alloc(1, sizeof *items->locator);
    if (!items->locator_bytes || !items->locator)
        return vx_fail_memory(err, "the parent locator");
    VX_TRY(vx_file_read(view, items->locator_bytes, entry->length, region->file_offset + entry->offset, err));
    items->locator_size = entry->length;
    if (vx_locator_decode(vx_bytes_of(items->locator_bytes, entry->length), items->locator) != VHDX_OK) {
        vx_free(items->locator);
        items->locator = NULL;
        return VHDX_OK;
    }
    return vx_items_take_paths(items, err);
}

void vx_items_free(struct vx_items *items)
{
    vx_free(items->table);
    vx_free(items->locator_bytes);
    vx_free(items->locator);
    vx_free(items->relative_path);
    vx_free(items->volume_path);
    vx_free(items->absolute_win32_path);
    memset(items, 0, sizeof *items);
}

vhdx_status vx_items_load(struct vx_file *view, const struct vx_region *region, bool allow_unfinished,
                          struct vx_items *items, vhdx_error *err)
{
    memset(items, 0, sizeof *items);
    items->table = vx_alloc(1, sizeof *items->table);
    if (!items->table)
        return vx_fail_memory(err, "the metadata table");
    vhdx_status status = load_table(view, region, allow_unfinished, items->table, err);
    if (status == VHDX_OK)
        status = load_values(view, region, items, err);
    if (status == VHDX_OK)
        status = load_locator(view, region, items, err);
    if (status != VHDX_OK)
        vx_items_free(items);
    return status;
}

vhdx_status vx_items_read(struct vx_image *image, const struct vx_metadata_entry *entry, uint8_t *bytes,
                          vhdx_error *err)
{
    if (entry->length == 0)
        return VHDX_OK;
    return vx_image_read_metadata(image, bytes, entry->length, image->metadata.file_offset + entry->offset, err);
}

static struct vx_metadata_entry *find_entry(struct vx_metadata_table *table, const struct vx_item_change *change)
{
    for (uint32_t i = 0; i < table->count; i++) {
        struct vx_metadata_entry *entry = &table->entries[i];
        if (vx_guid_equal(&entry->item_id, &change->item_id) &&
            (entry->flags & VX_ITEM_IS_USER) == (change->flags & VX_ITEM_IS_USER))
            return entry;
    }
    return NULL;
}

/* Same length as before: the bytes can change where they are, within the one log entry. */
static bool keeps_length(struct vx_metadata_table *old, const struct vx_item_change *change)
{
    const struct vx_metadata_entry *entry = find_entry(old, change);
    return change->bytes && change->length > 0 && entry && entry->length == change->length;
}

static void remove_entry(struct vx_metadata_table *table, struct vx_metadata_entry *entry)
{
    size_t index = (size_t)(entry - table->entries);
    memmove(entry, entry + 1, (table->count - index - 1) * sizeof *entry);
    table->count--;
}

static int by_offset(const void *a, const void *b)
{
    uint32_t left = ((const struct vx_metadata_entry *)a)->offset;
    uint32_t right = ((const struct vx_metadata_entry *)b)->offset;
    return (left > right) - (left < right);
}

/*
 * A free place for `length` bytes that touches no item of the old table nor of the new one: until the table is switched
 * the old items must stay whole. 0: no room.
 */
static uint32_t free_place(const struct vx_metadata_table *old, const struct vx_metadata_table *new, uint32_t region,
                           uint32_t length, struct vx_metadata_entry *scratch)
{
    size_t count = 0;
    for (uint32_t i = 0; i < old->count; i++)
        scratch[count++] = old->entries[i];
    for (uint32_t i = 0; i < new->count; i++)
        scratch[count++] = new->entries[i];
    qsort(scratch, count, sizeof *scratch, by_offset);
    uint64_t at = VX_METADATA_TABLE_SIZE;
    for (size_t i = 0; i < count; i++) {
        if (scratch[i].length == 0)
            continue;
        if (scratch[i].offset >= at && scratch[i].offset - at >= length)
            break;
        at = vx_max(at, vx_round_down((uint64_t)scratch[i].offset + scratch[i].length + 7, 8));
    }
    return at <= region && region - at >= length ? (uint32_t)at : 0;
}

/* Writes item bytes through the journal's pages. */
static vhdx_status journal_bytes(struct vx_journal *journal, uint64_t offset, const uint8_t *bytes, size_t length,
                                 vhdx_error *err)
{
    while (length > 0) {
        uint8_t *page;
        size_t in_page = (size_t)(offset % VX_PAGE);
        size_t here = (size_t)vx_min(length, VX_PAGE - in_page);
        VX_TRY(vx_journal_page(journal, offset - in_page, &page, err));
        memcpy(page + in_page, bytes, here);
        offset += here;
        bytes += here;
        length -= here;
    }
    return VHDX_OK;
}

vhdx_status vx_items_rewrite(struct vx_image *image, const struct vx_metadata_entry *entry, const uint8_t *bytes,
                             vhdx_error *err)
{
    return journal_bytes(image->journal, image->metadata.file_offset + entry->offset, bytes, entry->length, err);
}

struct edit {
    struct vx_image *image;
    struct vx_metadata_table *old, *new;
    struct vx_metadata_entry *scratch;
    bool *in_place;  /* of each change */
    bool check_only; /* find the places, write nothing */
};

/* Of the pages that one log entry has at least (126), so many are for items that change in place; the table may take
 * 16. */
#define IN_PLACE_PAGES 96u

/* As many as the log entry can take; the others go to free places, as if they had another length. */
static void choose_in_place(struct edit *edit, const struct vx_item_change *changes, size_t count)
{
    uint64_t pages = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t need = vx_ceil_div(changes[i].length, VX_PAGE) + 1; /* it may begin anywhere in a page */
        edit->in_place[i] = keeps_length(edit->old, &changes[i]) && need <= IN_PLACE_PAGES - pages;
        if (edit->in_place[i])
            pages += need;
    }
}

/* New bytes for an item: in place when the length stays, else at a free place, which nothing refers to until the table
 * does. */
static vhdx_status put_item(struct edit *edit, const struct vx_item_change *change, bool in_place, vhdx_error *err)
{
    struct vx_image *image = edit->image;
    struct vx_metadata_entry *entry = find_entry(edit->new, change);
    uint64_t region = image->metadata.file_offset;
    if (entry && in_place) {
        entry->flags = change->flags;
        if (edit->check_only)
            return VHDX_OK;
        return journal_bytes(image->journal, region + entry->offset, change->bytes, change->length, err);
    }
    if (entry)
        remove_entry(edit->new, entry);
    if (edit->new->count >= VX_METADATA_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at(vx_image_path(image), "metadata table", region),
                       "the metadata table has no room for another entry");
    struct vx_metadata_entry added = {.item_id = change->item_id, .flags = change->flags, .length = change->length};
    if (change->length > 0) {
        added.offset = free_place(edit->old, edit->new, image->metadata.length, change->length, edit->scratch);
        if (added.offset == 0)
            return vx_fail(err, VHDX_LIMIT, vx_at(vx_image_path(image), "metadata region", region),
                           "the metadata region has no room for an item of %" PRIu32 " bytes", change->length);
        if (!edit->check_only)
            VX_TRY(vx_file_write(image->file, change->bytes, change->length, region + added.offset, err));
    }
    edit->new->entries[edit->new->count++] = added;
    return VHDX_OK;
}

static vhdx_status apply_changes(struct edit *edit, const struct vx_item_change *changes, size_t count, vhdx_error *err)
{
    /* Removals first: their table slots are free for others, their bytes not before the switch. */
    for (size_t i = 0; i < count; i++) {
        struct vx_metadata_entry *entry = changes[i].bytes ? NULL : find_entry(edit->new, &changes[i]);
        if (entry)
            remove_entry(edit->new, entry);
    }
    /* Then what goes to free places by plain writes, while none of these pages is in the journal; then what changes in
     * place. */
    for (int in_place = 0; in_place < 2; in_place++)
        for (size_t i = 0; i < count; i++)
            if (changes[i].bytes && edit->in_place[i] == (in_place != 0))
                VX_TRY(put_item(edit, &changes[i], in_place != 0, err));
    return VHDX_OK;
}

/* Journals those pages of the table that differ. */
static vhdx_status journal_table(struct edit *edit, uint8_t *before, uint8_t *after, vhdx_error *err)
{
    struct vx_image *image = edit->image;
    VX_TRY(vx_image_read_metadata(image, before, VX_METADATA_TABLE_SIZE, image->metadata.file_offset, err));
    vx_metadata_table_encode(edit->new, after);
    for (uint32_t at = 0; at < VX_METADATA_TABLE_SIZE; at += VX_PAGE)
        if (memcmp(before + at, after + at, VX_PAGE) != 0)
            VX_TRY(journal_bytes(image->journal, image->metadata.file_offset + at, after + at, VX_PAGE, err));
    return VHDX_OK;
}

static vhdx_status change(struct edit *edit, const struct vx_item_change *changes, size_t count, uint8_t *buffers,
                          vhdx_error *err)
{
    struct vx_image *image = edit->image;
    struct vx_items items;
    *edit->new = *edit->old;
    choose_in_place(edit, changes, count);
    VX_TRY(apply_changes(edit, changes, count, err));
    if (edit->check_only)
        return VHDX_OK;
    VX_TRY(journal_table(edit, buffers, buffers + VX_METADATA_TABLE_SIZE, err));
    VX_TRY(vx_image_commit(image, err));
    VX_TRY(vx_items_load(image->view, &image->metadata, true, &items, err));
    vx_items_free(&image->items);
    image->items = items;
    return vx_image_refresh(image, err);
}

static vhdx_status check_or_change(struct vx_image *image, const struct vx_item_change *changes, size_t count,
                                   bool check_only, vhdx_error *err)
{
    struct edit edit = {.image = image, .old = image->items.table, .check_only = check_only};
    uint8_t *buffers = vx_alloc(2, VX_METADATA_TABLE_SIZE);
    vhdx_status status = VHDX_NOMEM;
    edit.new = vx_alloc(1, sizeof *edit.new);
    edit.scratch = vx_alloc(2 * VX_METADATA_MAX, sizeof *edit.scratch);
    edit.in_place = vx_alloc(count + 1, sizeof *edit.in_place);
    if (buffers && edit.new &&edit.scratch &&edit.in_place)
        status = change(&edit, changes, count, buffers, err);
    else
        vx_fail_memory(err, "the metadata table");
    vx_free(edit.in_place);
    vx_free(edit.scratch);
    vx_free(edit.new);
    vx_free(buffers);
    return status;
}

vhdx_status vx_items_check(struct vx_image *image, const struct vx_item_change *changes, size_t count, vhdx_error *err)
{
    return check_or_change(image, changes, count, true, err);
}

vhdx_status vx_items_change(struct vx_image *image, const struct vx_item_change *changes, size_t count, vhdx_error *err)
{
    return check_or_change(image, changes, count, false, err);
}
