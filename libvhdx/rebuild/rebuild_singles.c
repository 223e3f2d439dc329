/*
 * Single entries of a BAT that is otherwise sound: blocks that lie where no file is, or where another one lies. When
 * space of the file belongs to nobody, they are withdrawn, and their places sought anew: by what the guest wrote in
 * them (rebuild_content.c), by where their neighbours lie, and last by exclusion. See rebuild.h. Easy to get wrong: a
 * block directly behind the end of a file that was cut is lost, not misplaced; another place for it would be another
 * block's.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "rebuild/rebuild_parts.h"

#include <stdlib.h>

#define PAGE_ENTRIES (VX_PAGE / VX_BAT_ENTRY_SIZE)
#define SINGLES_MAX 4096u /* more are no single entries */

struct singles {
    struct vx_rebuilding *work;
    struct vx_claims claims; /* of those that hold data */
    struct vx_claims bitmaps;
    struct vx_single *items; /* ascending by index */
    size_t count;
    bool too_many;
    uint64_t end;                     /* behind the last block that begins in the file */
    uint64_t last_index, last_offset; /* of the block that was looked at before */
    uint64_t neighbours, in_order;    /* pairs of blocks; those that lie so in the file, too */
};

typedef vhdx_status entry_fn(struct singles *s, uint64_t index, uint64_t raw, vhdx_error *err);

static vhdx_status each_entry(struct singles *s, entry_fn *visit, vhdx_error *err)
{
    const struct vx_rebuilt *out = s->work->out;
    for (uint64_t page = 0; page < out->page_count; page++) {
        uint8_t bytes[VX_PAGE];
        uint64_t data = 0, length, offset = out->bat.file_offset + page * VX_PAGE;
        size_t got;
        vx_file_next_data(s->work->view, offset, &data, &length);
        if (length == 0)
            return VHDX_OK;
        if (data >= offset + VX_PAGE) {
            page = (data - out->bat.file_offset) / VX_PAGE - 1;
            continue;
        }
        VX_TRY(vx_file_read_some(s->work->view, bytes, sizeof bytes, offset, &got, err));
        for (uint32_t i = 0; i < PAGE_ENTRIES && page * PAGE_ENTRIES + i < out->geometry.entry_count; i++)
            if (vx_get64(bytes + i * VX_BAT_ENTRY_SIZE) != 0)
                VX_TRY(visit(s, page * PAGE_ENTRIES + i, vx_get64(bytes + i * VX_BAT_ENTRY_SIZE), err));
    }
    return VHDX_OK;
}

/* ---- who they are ---- */

static bool has_data(const struct vx_rebuilt *out, uint64_t index, const struct vx_bat_entry *entry, uint64_t *length)
{
    uint64_t which;
    bool payload = vx_geometry_is_payload(&out->geometry, index, &which);
    *length = payload ? out->block_size : VX_BITMAP_BLOCK_SIZE;
    if (entry->file_offset == 0 || entry->file_offset > INT64_MAX || entry->reserved != 0)
        return false;
    return payload ? entry->state == VX_PAYLOAD_FULLY_PRESENT || entry->state == VX_PAYLOAD_PARTIALLY_PRESENT
                   : entry->state == VX_BITMAP_PRESENT;
}

static vhdx_status claim(struct singles *s, uint64_t index, uint64_t raw, vhdx_error *err)
{
    const struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    uint64_t length, which;
    if (!has_data(s->work->out, index, &entry, &length))
        return VHDX_OK;
    VX_TRY(vx_claims_take(&s->claims, entry.file_offset, length, err));
    if (entry.file_offset < s->work->view_size)
        s->end = vx_max(s->end, entry.file_offset + length);
    if (!vx_geometry_is_payload(&s->work->out->geometry, index, &which))
        return vx_claims_take(&s->bitmaps, entry.file_offset, length, err);
    bool follows = s->last_offset != 0 && index == s->last_index + 1;
    s->neighbours += follows;
    s->in_order += follows && entry.file_offset == s->last_offset + length;
    s->last_index = index;
    s->last_offset = entry.file_offset;
    return VHDX_OK;
}

/* In a disk that was filled from front to back one neighbour says enough; in others that it lies there may be
 * chance. */
static bool is_orderly(const struct singles *s)
{
    return s->neighbours >= 4 && s->in_order * 4 >= s->neighbours * 3;
}

static vhdx_status gather(struct singles *s, uint64_t index, uint64_t raw, vhdx_error *err)
{
    const struct vx_rebuilt *out = s->work->out;
    const struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    uint64_t which;
    (void)err;
    bool has_data = entry.state == VX_PAYLOAD_FULLY_PRESENT ||
                    (entry.state == VX_PAYLOAD_PARTIALLY_PRESENT && out->geometry.has_parent);
    if (!has_data || entry.reserved != 0 || !vx_geometry_is_payload(&out->geometry, index, &which) ||
        which >= out->geometry.payload_count)
        return VHDX_OK;
    bool nowhere = entry.file_offset < VX_MIB || entry.file_offset >= s->work->view_size;
    if (!nowhere && !vx_claims_contested(&s->claims, entry.file_offset, out->block_size))
        return VHDX_OK;
    if (!nowhere && !vx_claims_is_free(&s->bitmaps, entry.file_offset, out->block_size))
        return VHDX_OK; /* the bitmap's entry may be the wrong one; then it must stay in doubt, too */
    s->too_many = s->count == SINGLES_MAX;
    if (!s->too_many)
        s->items[s->count++] = (struct vx_single){.bat_index = index, .raw = raw, .nowhere = nowhere};
    return VHDX_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct vx_single *left = a, *right = b;
    return (left->raw > right->raw) - (left->raw < right->raw);
}

static int by_index(const void *a, const void *b)
{
    const struct vx_single *left = a, *right = b;
    return (left->bat_index > right->bat_index) - (left->bat_index < right->bat_index);
}

/* Those that would lie side by side from the end of the file on were there before it was cut. */
static void leave_cut_off(struct singles *s)
{
    uint64_t block_size = s->work->out->block_size;
    uint64_t end = vx_max(s->end, vx_ceil_div(s->work->view_size, VX_MIB) * VX_MIB);
    size_t kept = 0;
    if (s->count > 1)
        qsort(s->items, s->count, sizeof *s->items, by_place);
    for (size_t i = 0; i < s->count; i++) {
        uint64_t place = vx_bat_entry_decode(s->items[i].raw).file_offset;
        if (s->items[i].nowhere && place >= VX_MIB && place <= end) {
            end = vx_max(end, place + block_size);
            continue;
        }
        s->items[kept++] = s->items[i];
    }
    s->count = kept;
    if (s->count > 1)
        qsort(s->items, s->count, sizeof *s->items, by_index);
}

static vhdx_status find(struct singles *s, vhdx_error *err)
{
    const struct vx_rebuilt *out = s->work->out;
    VX_TRY(vx_claims_open(s->work->view_size, &s->claims, err));
    VX_TRY(vx_claims_open(s->work->view_size, &s->bitmaps, err));
    s->items = vx_alloc(SINGLES_MAX, sizeof *s->items);
    if (!s->items)
        return vx_fail_memory(err, "the single entries of a BAT");
    VX_TRY(vx_claim_structures(out, &s->claims, err));
    VX_TRY(each_entry(s, claim, err));
    VX_TRY(each_entry(s, gather, err));
    leave_cut_off(s);
    return VHDX_OK;
}

/* ---- withdrawing them ---- */

static vhdx_status put_raw(struct singles *s, uint64_t index, uint64_t raw, vhdx_error *err)
{
    uint8_t bytes[VX_BAT_ENTRY_SIZE];
    vx_put64(bytes, raw);
    return vx_file_write(s->work->view, bytes, sizeof bytes, s->work->out->bat.file_offset + index * VX_BAT_ENTRY_SIZE,
                         err);
}

static vhdx_status withdraw(struct singles *s, vhdx_error *err)
{
    for (size_t i = 0; i < s->count; i++)
        VX_TRY(put_raw(s, s->items[i].bat_index, 0, err));
    s->work->out->singles = s->items;
    s->work->out->single_count = s->count;
    VX_TRY(vx_rebuild_claims(s->work, err));
    return vx_rebuild_strays(s->work, err);
}

static uint64_t entry_now(const struct singles *s, uint64_t index)
{
    uint8_t bytes[VX_BAT_ENTRY_SIZE] = {0};
    size_t got;
    uint64_t at = s->work->out->bat.file_offset + index * VX_BAT_ENTRY_SIZE;
    if (vx_file_read_some(s->work->view, bytes, sizeof bytes, at, &got, NULL) != VHDX_OK)
        return 0;
    return vx_get64(bytes);
}

/* ---- order, exclusion ---- */

/* Where the neighbouring block lies, 0 = it does not say. */
static uint64_t place_of(const struct singles *s, uint64_t payload_block)
{
    const struct vx_geometry *geometry = &s->work->out->geometry;
    if (payload_block >= geometry->payload_count)
        return 0;
    struct vx_bat_entry entry = vx_bat_entry_decode(entry_now(s, vx_geometry_payload_index(geometry, payload_block)));
    return entry.state == VX_PAYLOAD_FULLY_PRESENT || entry.state == VX_PAYLOAD_PARTIALLY_PRESENT ? entry.file_offset
                                                                                                  : 0;
}

static bool is_open_space(const struct singles *s, uint64_t offset)
{
    return vx_rebuilt_is_free(s->work->out, offset, s->work->out->block_size);
}

static vhdx_status take(struct singles *s, const struct vx_single *single, uint64_t file_offset, vhdx_error *err)
{
    const struct vx_bat_entry entry = {.state = vx_bat_entry_decode(single->raw).state, .file_offset = file_offset};
    const struct vx_placement placement = {single->bat_index, vx_bat_entry_encode(&entry), VX_WITNESS_GEOMETRY, false};
    return vx_rebuild_place(s->work, &placement, err);
}

/* A place that lies between its neighbours' as the block does; with `both`, both must say so. */
static vhdx_status join_neighbours(struct singles *s, bool both, vhdx_error *err)
{
    const struct vx_rebuilt *out = s->work->out;
    for (size_t i = 0; i < s->count; i++) {
        uint64_t block, before, after, place;
        if (entry_now(s, s->items[i].bat_index) != 0)
            continue;
        (void)vx_geometry_is_payload(&out->geometry, s->items[i].bat_index, &block);
        before = block > 0 ? place_of(s, block - 1) : 0;
        after = place_of(s, block + 1);
        bool agree = before != 0 && after != 0 && after > before && after - before == 2 * (uint64_t)out->block_size;
        if (both ? !agree : before == 0 && after <= out->block_size)
            continue;
        place = before != 0 ? before + out->block_size : after - out->block_size;
        if (!is_open_space(s, place) && !both && before != 0 && after > out->block_size)
            place = after - out->block_size;
        if (is_open_space(s, place))
            VX_TRY(take(s, &s->items[i], place, err));
    }
    return VHDX_OK;
}

/* One block without a place, one place of just its size without a block: they belong together. */
static vhdx_status join_last(struct singles *s, vhdx_error *err)
{
    const struct vx_rebuilt *out = s->work->out;
    const struct vx_single *left = NULL;
    size_t open = 0;
    for (size_t i = 0; i < s->count; i++)
        if (entry_now(s, s->items[i].bat_index) == 0) {
            left = &s->items[i];
            open++;
        }
    VX_TRY(vx_rebuild_strays(s->work, err));
    if (open != 1 || out->stray_count != 1 || out->strays[0].length > out->block_size)
        return VHDX_OK;
    uint64_t mib = out->strays[0].file_offset, end = mib;
    while (mib >= 2 * VX_MIB && vx_rebuilt_is_free(out, mib - VX_MIB, VX_MIB))
        mib -= VX_MIB;
    while (end < out->file_size && vx_rebuilt_is_free(out, end, 1))
        end += VX_MIB;
    return end - mib == out->block_size ? take(s, left, mib, err) : VHDX_OK;
}

/* Whoever found no place, and whose own place nobody else was given, stays where the BAT says. */
static vhdx_status give_back(struct singles *s, vhdx_error *err)
{
    struct vx_rebuilt *out = s->work->out;
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        uint64_t offset = vx_bat_entry_decode(s->items[i].raw).file_offset;
        if (entry_now(s, s->items[i].bat_index) == 0 && !s->items[i].nowhere && is_open_space(s, offset)) {
            s->items[i].back = true;
            VX_TRY(put_raw(s, s->items[i].bat_index, s->items[i].raw, err));
        }
    }
    for (size_t i = 0; i < s->count; i++)
        if (!s->items[i].back)
            s->items[kept++] = s->items[i];
    out->single_count = s->count = kept;
    VX_TRY(vx_rebuild_claims(s->work, err));
    return vx_rebuild_strays(s->work, err);
}

static vhdx_status place_all(struct singles *s, vhdx_error *err)
{
    VX_TRY(withdraw(s, err));
    VX_TRY(vx_rebuild_content(s->work, err));
    VX_TRY(join_neighbours(s, true, err));
    if (is_orderly(s))
        VX_TRY(join_neighbours(s, false, err));
    VX_TRY(join_last(s, err));
    return give_back(s, err);
}

vhdx_status vx_rebuild_singles(struct vx_rebuilding *work, vhdx_error *err)
{
    struct singles s = {.work = work};
    vhdx_status status = find(&s, err);
    if (status == VHDX_OK && s.count > 0 && !s.too_many && work->out->stray_count > 0)
        status = place_all(&s, err);
    vx_claims_close(&s.claims);
    vx_claims_close(&s.bitmaps);
    if (work->out->singles != s.items)
        vx_free(s.items);
    return status;
}
