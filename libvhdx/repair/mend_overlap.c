/*
 * Blocks that claim bytes which another owner claims too. A structure wins against a block, because without it there is
 * no disk; of two blocks the one wins for which more speaks: what the log remembers of the BAT, and the order in which
 * the neighbours lie. The other one becomes ZERO and is named as lost; its place is not given to anybody.
 *
 * Easy to get wrong: memory. All blocks are marked in two bits a MiB; only those that meet another one are remembered.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend_bat.h"

#include "base/alloc.h"
#include "evidence/log_witnesses.h"

#include <string.h>

#define UNIT VX_OBJECT_ALIGNMENT
#define RIVALS_MAX 1000000u

static const struct vx_loss lost_structure = {"a structure of the disk lies in its place", false, false};
static const struct vx_loss lost_rival = {"another block lies in its place", false, false};
static const struct vx_loss doubtful_anchor = {"its entry said that it holds no data, but led to some", true, false};
static const struct vx_loss doubtful_winner = {"another block claimed its place, and nothing told which one was right",
                                               true, false};

enum owner { OWNER_STRUCTURE, OWNER_BITMAP, OWNER_PAYLOAD, OWNER_ANCHOR };

struct overlaps {
    struct vx_bat_mending *b;
    uint8_t *once, *more; /* a bit for each MiB */
    uint64_t units;
    struct vx_ranges rivals; /* owner_index: BAT index; of a structure its number */
    struct vx_log_witnesses log;
};

/* ---- marking ---- */

static bool is_set(const uint8_t *bits, uint64_t unit)
{
    return bits[unit / 8] >> (unit % 8) & 1;
}

static void mark(struct overlaps *o, uint64_t offset, uint64_t length)
{
    uint64_t end = vx_min(o->units, vx_ceil_div(offset + length, UNIT));
    for (uint64_t unit = offset / UNIT; unit < end; unit++) {
        uint8_t bit = (uint8_t)(1u << (unit % 8));
        if (is_set(o->once, unit))
            o->more[unit / 8] |= bit;
        o->once[unit / 8] |= bit;
    }
}

static bool meets_another(const struct overlaps *o, uint64_t offset, uint64_t length)
{
    uint64_t end = vx_min(o->units, vx_ceil_div(offset + length, UNIT));
    for (uint64_t unit = offset / UNIT; unit < end; unit++)
        if (is_set(o->more, unit))
            return true;
    return false;
}

typedef vhdx_status claim_fn(struct overlaps *o, const struct vx_range *claim, vhdx_error *err);

static vhdx_status mark_claim(struct overlaps *o, const struct vx_range *claim, vhdx_error *err)
{
    (void)err;
    mark(o, claim->offset, claim->length);
    return VHDX_OK;
}

static vhdx_status keep_rival(struct overlaps *o, const struct vx_range *claim, vhdx_error *err)
{
    if (!meets_another(o, claim->offset, claim->length))
        return VHDX_OK;
    if (o->rivals.count == RIVALS_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at(vx_file_path(o->b->m->plan->file), "BAT", o->b->image->bat.file_offset),
                       "more than %u blocks claim space that others claim too", RIVALS_MAX);
    return vx_ranges_add(&o->rivals, claim) ? VHDX_OK : vx_fail_memory(err, "the blocks that overlap");
}

/* ---- who claims what ---- */

static vhdx_status visit_structures(struct overlaps *o, claim_fn *visit, vhdx_error *err)
{
    const struct vx_exam *exam = o->b->m->exam;
    struct vx_range claim = {.offset = 0, .length = VX_HEADER_SECTION_SIZE, .owner_kind = OWNER_STRUCTURE};
    VX_TRY(visit(o, &claim, err));
    claim.owner_index++;
    if (exam->header && exam->header->log_length > 0) {
        claim.offset = exam->header->log_offset;
        claim.length = exam->header->log_length;
        VX_TRY(visit(o, &claim, err));
    }
    for (uint32_t i = 0; i < vx_min(exam->regions->count, VX_REGION_MAX); i++) {
        claim.owner_index++;
        claim.offset = exam->regions->entries[i].file_offset;
        claim.length = exam->regions->entries[i].length;
        VX_TRY(visit(o, &claim, err));
    }
    return VHDX_OK;
}

static bool claim_of(const struct overlaps *o, uint64_t bat_index, const struct vx_bat_entry *entry,
                     struct vx_range *claim)
{
    const struct vx_geometry *g = &o->b->geometry;
    uint64_t which;
    *claim = (struct vx_range){.offset = entry->file_offset, .length = g->block_size, .owner_index = bat_index};
    if (entry->file_offset == 0 || entry->file_offset >= VX_LONGEST_FILE)
        return false;
    if (!vx_geometry_is_payload(g, bat_index, &which)) {
        claim->owner_kind = OWNER_BITMAP;
        claim->length = VX_BITMAP_BLOCK_SIZE;
        return g->has_parent && entry->state == VX_BITMAP_PRESENT;
    }
    claim->owner_kind =
        entry->state == VX_PAYLOAD_UNDEFINED || entry->state == VX_PAYLOAD_UNMAPPED ? OWNER_ANCHOR : OWNER_PAYLOAD;
    return which < g->payload_count && vx_bat_payload_owns_space(entry);
}

static vhdx_status visit_blocks(struct overlaps *o, claim_fn *visit, vhdx_error *err)
{
    uint64_t end = o->b->geometry.entry_count;
    for (uint64_t index = 0;; index++) {
        struct vx_bat_entry entry;
        struct vx_range claim;
        VX_TRY(vx_bat_window_next_set(&o->b->walk, index, end, &index, err));
        if (index >= end)
            return VHDX_OK;
        VX_TRY(vx_bat_window_get(&o->b->walk, index, &entry, err));
        if (claim_of(o, index, &entry, &claim))
            VX_TRY(visit(o, &claim, err));
    }
}

/* ---- who is right ---- */

/* Two points when the last version of the page that the log remembers has the same entry. */
static vhdx_status log_speaks(struct overlaps *o, const struct vx_range *claim, unsigned *points, vhdx_error *err)
{
    uint64_t place = vx_bat_entry_offset(o->b->image, claim->owner_index);
    const struct vx_log_witness *witness = vx_log_witness_find(&o->log, vx_round_down(place, VX_PAGE));
    struct vx_bat_entry entry;
    uint8_t page[VX_PAGE];
    if (!witness)
        return VHDX_OK;
    VX_TRY(vx_bat_window_get(&o->b->walk, claim->owner_index, &entry, err));
    VX_TRY(vx_log_witness_page(&o->log, witness, page, err));
    *points += vx_get64(page + place % VX_PAGE) == vx_bat_entry_encode(&entry) ? 2 : 0;
    return VHDX_OK;
}

/* One point for each neighbour in the BAT that lies beside the block in the file as well. */
static vhdx_status order_speaks(struct overlaps *o, const struct vx_range *claim, unsigned *points, vhdx_error *err)
{
    const struct vx_geometry *g = &o->b->geometry;
    uint64_t block;
    if (!vx_geometry_is_payload(g, claim->owner_index, &block))
        return VHDX_OK;
    for (int side = -1; side <= 1; side += 2) {
        struct vx_bat_entry entry;
        uint64_t other = side < 0 ? block - 1 : block + 1;
        if (other >= g->payload_count) /* also the one before the first */
            continue;
        VX_TRY(vx_bat_window_get(&o->b->bitmaps, vx_geometry_payload_index(g, other), &entry, err));
        uint64_t expected = side < 0 ? claim->offset - g->block_size : claim->offset + g->block_size;
        *points += entry.file_offset == expected && vx_bat_payload_owns_space(&entry);
    }
    return VHDX_OK;
}

/* Where nobody has all of the place, what nobody has is still known by the anchor only. */
static vhdx_status give_up_anchor(struct overlaps *o, const struct vx_range *claim, struct vx_bat_entry *entry,
                                  vhdx_error *err)
{
    struct vx_bat_mending *b = o->b;
    bool content;
    uint64_t block;
    VX_TRY(vx_mend_bat_leads(b, entry, b->geometry.block_size, &content, err));
    if (content && !b->m->salvage)
        return VHDX_OK;
    (void)vx_geometry_is_payload(&b->geometry, claim->owner_index, &block);
    if (content)
        VX_TRY(vx_mend_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size, &doubtful_anchor, err));
    const struct vx_reason reason = {VX_FIND_BAT_ANCHOR, content,
                                     "the block, which holds no data, claims no space any more",
                                     content ? "the last pointer to what lies there" : NULL};
    entry->file_offset = 0;
    return vx_mend_bat_put(b, claim->owner_index, entry, &reason, err);
}

static vhdx_status give_up(struct overlaps *o, const struct vx_range *claim, const struct vx_loss *why, vhdx_error *err)
{
    static const struct vx_reason payload = {VX_FIND_BAT_OVERLAP, true, "each byte of the file has one owner",
                                             "what the other block held"};
    static const struct vx_reason bitmap = {VX_FIND_BITMAP_OVERLAP, true, "each byte of the file has one owner",
                                            "the sector bitmap, which is made anew from the blocks"};
    struct vx_bat_mending *b = o->b;
    struct vx_bat_entry entry;
    uint64_t block;
    VX_TRY(vx_bat_window_get(&b->walk, claim->owner_index, &entry, err));
    if (claim->owner_kind == OWNER_ANCHOR)
        return give_up_anchor(o, claim, &entry, err);
    if (claim->owner_kind == OWNER_BITMAP) {
        entry = (struct vx_bat_entry){.state = VX_BITMAP_NOT_PRESENT};
        return vx_mend_bat_put(b, claim->owner_index, &entry, &bitmap, err);
    }
    (void)vx_geometry_is_payload(&b->geometry, claim->owner_index, &block);
    /* all of it reads as zeros then, also where the parent shows through a partial block */
    VX_TRY(vx_mend_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size, why, err));
    entry = (struct vx_bat_entry){.state = VX_PAYLOAD_ZERO};
    return vx_mend_bat_put(b, claim->owner_index, &entry, &payload, err);
}

static bool may_give_up(const struct overlaps *o, const struct vx_range *claim, const struct vx_range *winner)
{
    const struct vx_mending *m = o->b->m;
    if (claim->owner_kind == OWNER_ANCHOR)
        return vx_mend_is_wanted(m, VX_FIND_BAT_ANCHOR) || vx_mend_is_wanted(m, VX_FIND_BAT_OVERLAP) ||
               vx_mend_is_wanted(m, VX_FIND_BAT_ON_STRUCTURE);
    if (claim->owner_kind == OWNER_BITMAP)
        return vx_mend_is_wanted(m, VX_FIND_BITMAP_OVERLAP);
    return vx_mend_is_wanted(m, winner->owner_kind == OWNER_PAYLOAD || winner->owner_kind == OWNER_ANCHOR
                                    ? VX_FIND_BAT_OVERLAP
                                : winner->owner_kind == OWNER_BITMAP ? VX_FIND_BITMAP_OVERLAP
                                                                     : VX_FIND_BAT_ON_STRUCTURE);
}

/* The weaker one of two gives up; returns whether that was `second`. */
static vhdx_status settle(struct overlaps *o, const struct vx_range *first, const struct vx_range *second,
                          bool *second_goes, vhdx_error *err)
{
    unsigned left = 0, right = 0;
    bool told = first->owner_kind != second->owner_kind;
    *second_goes = first->owner_kind <= second->owner_kind;
    if (first->owner_kind == OWNER_PAYLOAD && second->owner_kind == OWNER_PAYLOAD) {
        VX_TRY(order_speaks(o, first, &left, err));
        VX_TRY(order_speaks(o, second, &right, err));
        VX_TRY(log_speaks(o, first, &left, err));
        VX_TRY(log_speaks(o, second, &right, err));
        told = left != right;
        *second_goes = left >= right;
    }
    const struct vx_range *loser = *second_goes ? second : first, *winner = *second_goes ? first : second;
    if (loser->owner_kind == OWNER_STRUCTURE || !may_give_up(o, loser, winner))
        return VHDX_OK;
    VX_TRY(give_up(o, loser, winner->owner_kind == OWNER_PAYLOAD ? &lost_rival : &lost_structure, err));
    if (told || winner->owner_kind != OWNER_PAYLOAD)
        return VHDX_OK;
    uint64_t block;
    (void)vx_geometry_is_payload(&o->b->geometry, winner->owner_index, &block);
    return vx_mend_bat_lose(o->b, block, VX_PAYLOAD_FULLY_PRESENT, 0, o->b->geometry.block_size, &doubtful_winner, err);
}

/* From the front to the back: the one that reaches farthest meets the next. */
static vhdx_status settle_all(struct overlaps *o, vhdx_error *err)
{
    struct vx_range last = {0};
    vx_ranges_sort(&o->rivals);
    for (size_t i = 0; i < o->rivals.count; i++) {
        struct vx_range next = o->rivals.items[i];
        bool next_goes = false;
        if (last.length > 0 && next.offset < last.offset + last.length) {
            VX_TRY(settle(o, &last, &next, &next_goes, err));
            if (next_goes)
                continue;
        }
        last = next;
    }
    return VHDX_OK;
}

static vhdx_status find_and_settle(struct overlaps *o, vhdx_error *err)
{
    uint64_t room = vx_ceil_div(vx_min(o->b->m->plan->new_size, VX_LONGEST_FILE), UNIT) + 1;
    o->units = room;
    o->once = vx_alloc((size_t)(room / 8 + 1), 1);
    o->more = vx_alloc((size_t)(room / 8 + 1), 1);
    if (!o->once || !o->more)
        return vx_fail_memory(err, "the map of used space");
    VX_TRY(visit_structures(o, mark_claim, err));
    VX_TRY(visit_blocks(o, mark_claim, err));
    VX_TRY(visit_structures(o, keep_rival, err));
    VX_TRY(visit_blocks(o, keep_rival, err));
    if (o->rivals.count > 0 && o->b->m->exam->has_log)
        VX_TRY(vx_log_witnesses_open(&o->log, o->b->m->plan->sketch, o->b->m->exam->header->log_offset,
                                     o->b->m->exam->header->log_length, NULL, err));
    return settle_all(o, err);
}

vhdx_status vx_mend_overlaps(struct vx_bat_mending *b, vhdx_error *err)
{
    struct overlaps o = {.b = b};
    if (!vx_mend_is_wanted(b->m, VX_FIND_BAT_OVERLAP) && !vx_mend_is_wanted(b->m, VX_FIND_BAT_ON_STRUCTURE) &&
        !vx_mend_is_wanted(b->m, VX_FIND_BITMAP_OVERLAP) && !vx_mend_is_wanted(b->m, VX_FIND_BAT_ANCHOR))
        return VHDX_OK;
    vhdx_status status = find_and_settle(&o, err);
    vx_free(o.once);
    vx_free(o.more);
    vx_ranges_clear(&o.rivals);
    vx_log_witnesses_close(&o.log);
    return status;
}
