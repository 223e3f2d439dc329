/*
 * BAT entries one by one: bits that mean nothing, states that nobody may have, blocks that lie where no file is. Blocks
 * that share bytes are mend_overlap.c's, sector bitmaps that are gone mend_bitmap.c's, other entries mend_slots.c's.
 *
 * Easy to get wrong: a block whose content is lost becomes ZERO, never NOT_PRESENT: in a differencing disk that would
 * bring the parent's old content back as if it were the latest.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend_bat.h"

#include "base/alloc.h"
#include "format/bitmap.h"
#include "format/bat_page.h"

#include <string.h>

static const struct vx_loss lost_entry = {"the BAT says nothing usable of it", false, false};
static const struct vx_loss lost_beyond = {"the file ends before it", false, false};
static const struct vx_loss doubtful_place = {"it reaches beyond the file's end, and space before it is free", true,
                                              false};
static const struct vx_loss doubtful_state = {"its block had a state that says nothing", true, false};
static const struct vx_loss doubtful_anchor = {"its entry said that it holds no data, but led to some", true, false};
static const struct vx_loss doubtful_partial = {"its block was partially present in a disk without parent", true,
                                                false};

/* ---- shared ---- */

/* What evidence says that an entry without data was, see vx_lead_truth(). */
static vhdx_status find_truth(struct vx_bat_mending *b, uint64_t bat_index, struct vx_bat_entry *entry, bool *changed,
                              vhdx_error *err)
{
    *changed = false;
    if (entry->file_offset == 0 || entry->file_offset >= b->file_size)
        return VHDX_OK;
    VX_TRY(vx_leads_open(b->m->exam, &b->leads, err));
    return vx_lead_truth(&b->leads, bat_index, entry, changed, err);
}

/* ---- one entry of a payload block ---- */

struct payload {
    struct vx_bat_mending *b;
    uint64_t bat_index, block;
    struct vx_bat_entry entry;
};

static bool wanted(const struct payload *p, enum vx_find kind)
{
    return vx_mend_is_wanted(p->b->m, kind);
}

static vhdx_status put(struct payload *p, enum vx_find kind, bool salvage, const char *gives, const char *costs,
                       vhdx_error *err)
{
    const struct vx_reason reason = {kind, salvage, gives, costs};
    return vx_mend_bat_put(p->b, p->bat_index, &p->entry, &reason, err);
}

/* Reads as zeros from now on; what it held is lost, and of a partial block what the parent shows through it as well. */
static vhdx_status give_up(struct payload *p, enum vx_find kind, const struct vx_loss *why, vhdx_error *err)
{
    VX_TRY(vx_mend_bat_lose(p->b, p->block, VX_PAYLOAD_FULLY_PRESENT, 0, p->b->geometry.block_size, why, err));
    p->entry = (struct vx_bat_entry){.state = VX_PAYLOAD_ZERO};
    return put(p, kind, true, "the disk can be used; the block reads as zeros", "what the block held", err);
}

/* Where the place leads to content that nobody else has, the block is there again, in doubt. */
static vhdx_status restore(struct payload *p, enum vx_find kind, bool *restored, vhdx_error *err)
{
    struct vx_bat_entry truth = p->entry;
    *restored = false;
    if (!p->b->m->salvage || !wanted(p, kind))
        return VHDX_OK;
    VX_TRY(find_truth(p->b, p->bat_index, &truth, restored, err));
    if (!*restored)
        return VHDX_OK;
    VX_TRY(
        vx_mend_bat_lose(p->b, p->block, VX_PAYLOAD_FULLY_PRESENT, 0, p->b->geometry.block_size, &doubtful_state, err));
    p->entry = truth;
    return put(p, kind, true, "the block's space is taken for its content", "the certainty that it is", err);
}

/* State 5 without content is what its name says; else, as state 4, it says nothing. */
static vhdx_status mend_bad_state(struct payload *p, vhdx_error *err)
{
    bool old = p->entry.state == VX_PAYLOAD_OLD_UNMAPPED, restored, content = true;
    enum vx_find kind = old ? VX_FIND_BAT_OLD_STATE : VX_FIND_BAT_STATE;
    if (!wanted(p, kind))
        return VHDX_OK;
    VX_TRY(restore(p, kind, &restored, err));
    if (restored)
        return VHDX_OK;
    if (old)
        VX_TRY(vx_mend_bat_leads(p->b, &p->entry, p->b->geometry.block_size, &content, err));
    if (content)
        return p->b->m->salvage ? give_up(p, kind, &lost_entry, err) : VHDX_OK;
    p->entry = (struct vx_bat_entry){.state = VX_PAYLOAD_UNMAPPED};
    return put(p, kind, false, "the block is unmapped, as the final format says it", NULL, err);
}

static vhdx_status mend_state(struct payload *p, uint32_t rules, vhdx_error *err)
{
    if (rules & VX_BAT_BAD_STATE)
        return mend_bad_state(p, err);
    if ((rules & VX_BAT_STATE_FOR_CHILD) && wanted(p, VX_FIND_BAT_PARTIAL_IN_BASE)) {
        VX_TRY(vx_mend_bat_lose(p->b, p->block, VX_PAYLOAD_FULLY_PRESENT, 0, p->b->geometry.block_size,
                                &doubtful_partial, err));
        p->entry.state = VX_PAYLOAD_FULLY_PRESENT;
        return put(p, VX_FIND_BAT_PARTIAL_IN_BASE, true, "the block counts as fully present",
                   "the certainty that all of it is the block's content", err);
    }
    return VHDX_OK;
}

static vhdx_status mend_reserved(struct payload *p, vhdx_error *err)
{
    if (!wanted(p, VX_FIND_BAT_RESERVED))
        return VHDX_OK;
    p->entry.reserved = 0;
    return put(p, VX_FIND_BAT_RESERVED, false, "the reserved bits are zero", NULL, err);
}

/* MS-VHDX 2.5.1.1: the place means nothing. All the same, one that leads to content is never cleared. */
static vhdx_status mend_stray_offset(struct payload *p, vhdx_error *err)
{
    bool restored, content;
    if (!wanted(p, VX_FIND_BAT_STRAY_OFFSET))
        return VHDX_OK;
    VX_TRY(restore(p, VX_FIND_BAT_STRAY_OFFSET, &restored, err));
    if (restored)
        return VHDX_OK;
    VX_TRY(vx_mend_bat_leads(p->b, &p->entry, p->b->geometry.block_size, &content, err));
    if (content)
        return VHDX_OK;
    p->entry.file_offset = 0;
    return put(p, VX_FIND_BAT_STRAY_OFFSET, false, "the block remembers no place any more", NULL, err);
}

/* Old content of a block that reads as zeros: its place is given up where it is in the way. */
static vhdx_status mend_anchor(struct payload *p, vhdx_error *err)
{
    bool content;
    bool outside = p->entry.file_offset < VX_HEADER_SECTION_SIZE || p->entry.file_offset >= p->b->file_size ||
                   p->b->geometry.block_size > p->b->file_size - p->entry.file_offset;
    if (!outside || !wanted(p, VX_FIND_BAT_ANCHOR))
        return VHDX_OK;
    VX_TRY(vx_mend_bat_leads(p->b, &p->entry, p->b->geometry.block_size, &content, err));
    if (!content) {
        p->entry.file_offset = 0;
        return put(p, VX_FIND_BAT_ANCHOR, false, "the block, which holds no data, claims no space any more", NULL, err);
    }
    if (!p->b->m->salvage)
        return VHDX_OK;
    VX_TRY(vx_mend_bat_lose(p->b, p->block, VX_PAYLOAD_FULLY_PRESENT, 0, p->b->geometry.block_size, &doubtful_anchor,
                            err));
    p->entry.file_offset = 0;
    return put(p, VX_FIND_BAT_ANCHOR, true, "the block, which holds no data, claims no space any more",
               "the last pointer to what lies there", err);
}

/* ---- blocks that the file does not hold, or not whole ---- */

/* The file is made longer, so that what is there of the block counts. */
static vhdx_status fill_up(struct payload *p, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_BAT_BEYOND_END, true, "the beginning of the block can be read",
                                            "the rest of it, which reads as zeros"};
    struct vx_plan *plan = p->b->m->plan;
    uint64_t kept = p->b->file_size - p->entry.file_offset, place = p->entry.file_offset;
    VX_TRY(vx_mend_bat_lose(p->b, p->block, p->entry.state, kept, p->b->geometry.block_size, &lost_beyond, err));
    VX_TRY(vx_leads_open(p->b->m->exam, &p->b->leads, err));
    if (place > VX_HEADER_SECTION_SIZE && vx_claims_is_free(&p->b->leads.owned, place - VX_MIB, VX_MIB))
        VX_TRY(vx_mend_bat_lose(p->b, p->block, p->entry.state, 0, kept, &doubtful_place, err));
    uint64_t end = p->entry.file_offset + p->b->geometry.block_size;
    return end > plan->new_size ? vx_plan_resize(plan, end, &reason, err) : VHDX_OK;
}

/* Sectors that the block does not hold go on coming from the parent. */
static vhdx_status move_partial(struct payload *p, vhdx_error *err)
{
    const struct vx_reason reason = {VX_FIND_BAT_BEYOND_END, true, "the parent's sectors can be read through the block",
                                     "the block's own sectors, which read as zeros"};
    VX_TRY(vx_mend_bat_lose(p->b, p->block, p->entry.state, 0, p->b->geometry.block_size, &lost_beyond, err));
    VX_TRY(vx_mend_bat_take_space(p->b, p->b->geometry.block_size, &reason, &p->entry.file_offset, err));
    return vx_mend_bat_put(p->b, p->bat_index, &p->entry, &reason, err);
}

static vhdx_status mend_beyond(struct payload *p, vhdx_error *err)
{
    uint64_t end;
    if (!vx_add(p->entry.file_offset, p->b->geometry.block_size, &end))
        return give_up(p, VX_FIND_BAT_FAR, &lost_beyond, err);
    if (p->entry.file_offset < p->b->file_size)
        return fill_up(p, err);
    if (p->entry.state == VX_PAYLOAD_PARTIALLY_PRESENT && p->b->geometry.has_parent) {
        VX_TRY(vx_mend_bat_look_at_bitmap(p->b, p->block / p->b->geometry.chunk_ratio, err));
        if (p->b->chunk_readable)
            return move_partial(p, err);
    }
    return give_up(p, VX_FIND_BAT_BEYOND_END, &lost_beyond, err);
}

/* Bytes of the block that lie on the virtual disk; a file may end behind them. */
static bool is_short(const struct payload *p)
{
    uint64_t needed = vx_mend_bat_block_end(p->b, p->block);
    return p->entry.file_offset > p->b->file_size || needed > p->b->file_size - p->entry.file_offset;
}

static vhdx_status mend_place(struct payload *p, vhdx_error *err)
{
    if (p->entry.state != VX_PAYLOAD_FULLY_PRESENT && p->entry.state != VX_PAYLOAD_PARTIALLY_PRESENT)
        return VHDX_OK;
    if (p->entry.file_offset == 0)
        return wanted(p, VX_FIND_BAT_NO_PLACE) ? give_up(p, VX_FIND_BAT_NO_PLACE, &lost_entry, err) : VHDX_OK;
    if (is_short(p) && (wanted(p, VX_FIND_BAT_BEYOND_END) || wanted(p, VX_FIND_BAT_FAR)))
        return mend_beyond(p, err);
    return VHDX_OK;
}

static vhdx_status mend_payload(struct payload *p, vhdx_error *err)
{
    const struct vx_bat_world world = {&p->b->geometry, p->b->file_size};
    uint32_t rules = vx_bat_payload_rules(&p->entry, p->b->geometry.has_parent);
    if (vx_bat_entry_is_garbage(&world, &p->entry))
        return p->b->m->salvage ? give_up(p, VX_FIND_BAT_RESERVED, &lost_entry, err) : VHDX_OK;
    if (rules & VX_BAT_RESERVED_SET)
        VX_TRY(mend_reserved(p, err));
    if (rules & VX_BAT_STRAY_OFFSET)
        VX_TRY(mend_stray_offset(p, err));
    if (rules & (VX_BAT_BAD_STATE | VX_BAT_STATE_FOR_CHILD))
        VX_TRY(mend_state(p, rules, err));
    if (vx_bat_payload_rules(&p->entry, p->b->geometry.has_parent) & VX_BAT_ANCHOR)
        VX_TRY(mend_anchor(p, err));
    return mend_place(p, err);
}

static bool bitmaps_are_lost(const struct vx_mending *m)
{
    return vx_mend_is_wanted(m, VX_FIND_BITMAP_MISSING) || vx_mend_is_wanted(m, VX_FIND_BITMAP_BEYOND_END) ||
           vx_mend_is_wanted(m, VX_FIND_BITMAP_NO_PLACE);
}

static vhdx_status mend_entry(struct vx_bat_mending *b, uint64_t bat_index, vhdx_error *err)
{
    struct payload p = {.b = b, .bat_index = bat_index};
    const struct vx_bat_world world = {&b->geometry, b->file_size};
    bool nonsense, is_payload = vx_geometry_is_payload(&b->geometry, bat_index, &p.block);
    VX_TRY(vx_mend_bat_in_nonsense(b, bat_index, &nonsense, err));
    if (nonsense)
        return VHDX_OK;
    bool padding = bat_index >= b->geometry.entry_count || (is_payload && p.block >= b->geometry.payload_count);
    VX_TRY(vx_bat_window_get(&b->walk, bat_index, &p.entry, err));
    if (padding && vx_bat_entry_is_like_bitmap(&world, bat_index, &p.entry))
        return VHDX_OK; /* all that knows of a parent */
    if (bat_index * VX_BAT_ENTRY_SIZE >= vx_geometry_bat_region_length(&b->geometry))
        return VHDX_OK; /* no BAT of such a disk is so long: the region may be wrong, and this content */
    if (padding)
        return vx_mend_bat_clear(b, bat_index, VX_FIND_BAT_PADDING, "the padding of the BAT is zero", err);
    if (!is_payload)
        return vx_mend_bitmap_entry(b, bat_index, err);
    VX_TRY(vx_bat_window_get(&b->walk, bat_index, &p.entry, err));
    if (p.entry.state == VX_PAYLOAD_PARTIALLY_PRESENT && b->geometry.has_parent && bitmaps_are_lost(b->m))
        VX_TRY(vx_mend_lost_bitmap(b, p.block / b->geometry.chunk_ratio, err));
    if (p.entry.state == VX_PAYLOAD_PARTIALLY_PRESENT && b->geometry.has_parent && b->m->salvage &&
        b->m->plan->bad.ranges.count > 0)
        VX_TRY(vx_mend_bad_bits(b, p.block, &p.entry, err));
    return mend_payload(&p, err);
}

static vhdx_status mend_bitmap_entries(struct vx_bat_mending *b, vhdx_error *err)
{
    for (uint64_t chunk = 0; b->geometry.has_parent && chunk < b->geometry.chunk_count; chunk++)
        VX_TRY(vx_mend_bitmap_entry(b, vx_geometry_bitmap_index(&b->geometry, chunk), err));
    return VHDX_OK;
}

static vhdx_status mend_entries(struct vx_bat_mending *b, vhdx_error *err)
{
    uint64_t end = b->entries;
    for (uint64_t index = 0;; index++) {
        VX_TRY(vx_bat_window_next_set(&b->walk, index, end, &index, err));
        if (index >= end)
            return VHDX_OK;
        VX_TRY(mend_entry(b, index, err));
    }
}

/* ---- all of it ---- */

static vhdx_status open_windows(struct vx_bat_mending *b, vhdx_error *err)
{
    uint64_t room;
    VX_TRY(vx_file_size(b->m->plan->sketch, &b->file_size, err));
    room = b->file_size - vx_min(b->file_size, b->image->bat.file_offset);
    b->entries = vx_min(b->image->bat.length, room) / VX_BAT_ENTRY_SIZE;
    if (b->entries < b->geometry.entry_count)
        return VHDX_OK;
    VX_TRY(vx_bat_window_open(b->image, VX_BAT_WINDOW_LARGE, &b->walk, err));
    VX_TRY(vx_bat_window_open(b->image, VX_BAT_WINDOW_SMALL, &b->bitmaps, err));
    b->walk.entries = b->bitmaps.entries = b->entries;
    return VHDX_OK;
}

/* Whether whole pages may say nothing: that comes before single entries, or garbage is given up that the log still
 * knows. */
static bool may_be_lost(const struct vx_mending *m)
{
    return vx_mend_is_present(m, VX_FIND_BAT_EMPTY) || vx_mend_is_present(m, VX_FIND_BAT_NONSENSE) ||
           vx_mend_is_present(m, VX_FIND_BAT_STATE) || vx_mend_is_present(m, VX_FIND_BAT_RESERVED) ||
           vx_mend_is_present(m, VX_FIND_BAT_FAR) || vx_mend_is_present(m, VX_FIND_BAT_NO_PLACE) ||
           vx_mend_is_present(m, VX_FIND_BAT_PARTIAL_IN_BASE) || vx_mend_is_present(m, VX_FIND_BAT_BEYOND_END) ||
           vx_mend_is_present(m, VX_FIND_BAT_OVERLAP) || vx_mend_is_present(m, VX_FIND_BAT_ON_STRUCTURE);
}

static vhdx_status mend(struct vx_bat_mending *b, vhdx_error *err)
{
    VX_TRY(open_windows(b, err));
    if (!b->bitmaps.bytes)
        return VHDX_OK; /* the file does not hold all of the BAT */
    uint64_t before = b->m->plan->changes;
    VX_TRY(vx_mend_bad_entries(b, err));
    VX_TRY(vx_mend_absent(b, err));
    if (b->m->salvage && may_be_lost(b->m))
        VX_TRY(vx_mend_placements(b, err));
    if (b->m->plan->changes != before)
        return VHDX_OK;
    if (vx_mend_is_wanted(b->m, VX_FIND_BITMAP_STATE))
        return mend_bitmap_entries(b, err); /* first, and alone: the blocks' turn is when their bitmaps can be read */
    VX_TRY(mend_entries(b, err));
    VX_TRY(vx_mend_overlaps(b, err));
    return vx_mend_bad_places(b, err);
}

vhdx_status vx_mend_bat(struct vx_mending *m, vhdx_error *err)
{
    struct vx_bat_mending b = {.m = m, .image = &m->exam->image, .geometry = m->exam->geometry, .chunk = UINT64_MAX};
    if (!vx_exam_is_readable(m->exam) || vx_sizes_are_doubted(m))
        return VHDX_OK;
    b.fixed = m->exam->image.info.kind == VHDX_KIND_FIXED;
    vhdx_status status = mend(&b, err);
    vx_bat_window_close(&b.walk);
    vx_bat_window_close(&b.bitmaps);
    vx_leads_close(&b.leads);
    return status;
}
