/*
 * Putting a metadata item into the region of the sketch. See vx_mend_put_item() in mend.h. The one thing that is easy
 * to get wrong: an entry may lie about its place; only what all entries call their own is taken, so nothing is
 * overwritten that anybody may still want to read.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/alloc.h"
#include "base/ranges.h"

#include <string.h>

#define ITEM_ALIGNMENT 8u

struct putting {
    struct vx_mending *m;
    struct vx_metadata_table *table; /* a copy */
    uint64_t region_length;
    const vhdx_guid *id;
    uint32_t flags, length;
};

static struct vx_metadata_entry *find(const struct putting *p)
{
    for (uint32_t i = 0; i < p->table->count; i++) {
        struct vx_metadata_entry *entry = &p->table->entries[i];
        if (memcmp(&entry->item_id, p->id, sizeof *p->id) == 0 && ((entry->flags ^ p->flags) & VX_ITEM_IS_USER) == 0)
            return entry;
    }
    return NULL;
}

#define WINDOW ((size_t)(64 * VX_KIB))

/* The first aligned place from `begin` on with room of zeros before `end`: what nobody names may be an item whose entry
 * is lost. 0 = there is none. */
static vhdx_status find_zeros(const struct putting *p, uint8_t *window, uint64_t begin, uint64_t end, uint64_t *place,
                              vhdx_error *err)
{
    const uint64_t region = p->m->exam->metadata.file_offset;
    uint64_t from = begin;
    *place = 0;
    for (uint64_t at = begin; at < end && at < from + p->length; at += WINDOW) {
        size_t got, here = (size_t)vx_min(WINDOW, end - at);
        memset(window, 0, here);
        VX_TRY(vx_file_read_some(p->m->plan->sketch, window, here, region + at, &got, err));
        for (size_t i = 0; i < here && at + i < from + p->length; i++)
            if (window[i] != 0)
                from = (at + i) / ITEM_ALIGNMENT * ITEM_ALIGNMENT + ITEM_ALIGNMENT;
    }
    if (from < end && p->length <= end - from)
        *place = from;
    return VHDX_OK;
}

static vhdx_status gather_taken(const struct putting *p, struct vx_ranges *taken, vhdx_error *err)
{
    struct vx_range range = {.offset = 0, .length = VX_METADATA_TABLE_SIZE};
    bool added = vx_ranges_add(taken, &range);
    for (uint32_t i = 0; i < p->table->count && added; i++) {
        range = (struct vx_range){.offset = p->table->entries[i].offset, .length = p->table->entries[i].length};
        added = vx_ranges_add(taken, &range);
    }
    vx_ranges_sort(taken);
    return added ? VHDX_OK : vx_fail_memory(err, "the items of a disk");
}

/* Behind all others if there is room, else in the first hole. */
static vhdx_status find_place(const struct putting *p, uint64_t *offset, vhdx_error *err)
{
    struct vx_ranges taken = {0};
    struct vx_gap gap = {0};
    uint8_t *window = vx_alloc(WINDOW, 1);
    vhdx_status status = window ? gather_taken(p, &taken, err) : vx_fail_memory(err, "a window of the metadata");
    *offset = 0;
    while (status == VHDX_OK && vx_ranges_next_gap(&taken, p->region_length, &gap)) {
        uint64_t begin = (gap.offset + ITEM_ALIGNMENT - 1) / ITEM_ALIGNMENT * ITEM_ALIGNMENT, place = 0;
        uint64_t end = gap.offset + gap.length;
        if (begin < end && p->length <= end - begin && (*offset == 0 || end == p->region_length))
            status = find_zeros(p, window, begin, end, &place, err);
        if (place != 0)
            *offset = place;
    }
    vx_ranges_clear(&taken);
    vx_free(window);
    return status;
}

static vhdx_status write_table(const struct putting *p, const struct vx_reason *reason, vhdx_error *err)
{
    uint8_t *bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    if (!bytes)
        return vx_fail_memory(err, "the metadata table");
    vx_metadata_table_encode(p->table, bytes);
    size_t used = (size_t)(p->table->count + 1) * VX_METADATA_ENTRY_SIZE; /* what lies behind the entries stays */
    vhdx_status status = vx_plan_put(p->m->plan, bytes, used, p->m->exam->metadata.file_offset, reason, err);
    vx_free(bytes);
    return status;
}

/* Into the free place that the table knows of next; *put = false: there is none. */
static vhdx_status move_item(struct putting *p, const uint8_t *bytes, const struct vx_reason *reason, bool *put,
                             vhdx_error *err)
{
    struct vx_metadata_entry *entry = find(p);
    uint64_t offset;
    if (entry)
        entry->length = 0; /* its old place is free */
    VX_TRY(find_place(p, &offset, err));
    *put = offset != 0 && (entry || p->table->count < VX_METADATA_MAX);
    if (!*put)
        return VHDX_OK;
    if (!entry)
        entry = &p->table->entries[p->table->count++];
    *entry = (struct vx_metadata_entry){
        .item_id = *p->id, .offset = (uint32_t)offset, .length = p->length, .flags = p->flags};
    return vx_plan_put(p->m->plan, bytes, p->length, p->m->exam->metadata.file_offset + offset, reason, err);
}

static vhdx_status put_item(struct putting *p, const uint8_t *bytes, const struct vx_reason *reason, bool *put,
                            vhdx_error *err)
{
    const struct vx_metadata_entry *entry = find(p);
    uint32_t misplaced = VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_ITEM_OUTSIDE;
    *put = true;
    if (entry && entry->length == p->length && !(vx_metadata_entry_rules(entry, p->region_length) & misplaced))
        return vx_plan_put(p->m->plan, bytes, p->length, p->m->exam->metadata.file_offset + entry->offset, reason, err);
    VX_TRY(move_item(p, bytes, reason, put, err));
    return *put ? write_table(p, reason, err) : VHDX_OK;
}

static vhdx_status move_items(struct putting *p, const struct vx_item_bytes *items, size_t count,
                              const struct vx_reason *reason, bool *put, vhdx_error *err)
{
    for (size_t i = 0; i < count; i++) {
        p->id = items[i].id;
        p->flags = items[i].flags;
        p->length = items[i].length;
        VX_TRY(move_item(p, items[i].bytes, reason, put, err));
        if (!*put)
            return VHDX_OK;
    }
    return write_table(p, reason, err);
}

static bool is_usable(const struct vx_exam *exam)
{
    return exam->table && !exam->table_guessed && exam->table->count <= VX_METADATA_MAX;
}

static vhdx_status copy_table(struct putting *p, vhdx_error *err)
{
    p->table = vx_alloc(1, sizeof *p->table);
    if (!p->table)
        return vx_fail_memory(err, "the metadata table");
    *p->table = *p->m->exam->table;
    return VHDX_OK;
}

vhdx_status vx_mend_put_item(struct vx_mending *m, const vhdx_guid *id, uint32_t flags, const uint8_t *bytes,
                             uint32_t length, const struct vx_reason *reason, bool *put, vhdx_error *err)
{
    struct putting p = {.m = m, .region_length = m->exam->metadata.length, .id = id, .flags = flags, .length = length};
    *put = false;
    if (!is_usable(m->exam))
        return VHDX_OK;
    VX_TRY(copy_table(&p, err));
    vhdx_status status = put_item(&p, bytes, reason, put, err);
    vx_free(p.table);
    return status;
}

vhdx_status vx_mend_move_items(struct vx_mending *m, const struct vx_item_bytes *items, size_t count,
                               const struct vx_reason *reason, bool *put, vhdx_error *err)
{
    struct putting p = {.m = m, .region_length = m->exam->metadata.length};
    *put = false;
    if (!is_usable(m->exam))
        return VHDX_OK;
    VX_TRY(copy_table(&p, err));
    vhdx_status status = move_items(&p, items, count, reason, put, err);
    vx_free(p.table);
    return status;
}
