/*
 * Entries of a BAT that are no payload block's: of sector bitmaps, their slots in a disk without parent, and what
 * stands behind the last one that counts. Easy to get wrong: such an entry may be a block's that was moved there, and
 * all that knows it.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend_bat.h"

#include "format/bat_page.h"

/* An entry that should be zero. One that leads to content is all that knows it: it is given up by salvage only. */
vhdx_status vx_mend_bat_clear(struct vx_bat_mending *b, uint64_t bat_index, enum vx_find kind, const char *gives,
                              vhdx_error *err)
{
    const struct vx_bat_entry nothing = {0};
    struct vx_bat_entry entry;
    bool content;
    if (!vx_mend_is_wanted(b->m, kind))
        return VHDX_OK;
    VX_TRY(vx_bat_window_get(&b->walk, bat_index, &entry, err));
    VX_TRY(vx_mend_bat_leads(b, &entry, b->geometry.block_size, &content, err));
    if (content && !b->m->salvage)
        return VHDX_OK;
    const struct vx_reason reason = {kind, content, gives, content ? "the last pointer to what lies there" : NULL};
    return vx_mend_bat_put(b, bat_index, &nothing, &reason, err);
}

/* A block's entry that stands there (lead.h) is not the only one that has moved: nothing of its page is sure. */
static vhdx_status doubt_page(struct vx_bat_mending *b, uint64_t bat_index, const struct vx_bat_entry *entry,
                              vhdx_error *err)
{
    static const struct vx_loss moved = {.reason = "entries of its part of the BAT have moved", .doubtful = true};
    uint64_t offset, length;
    bool content;
    if (!b->m->salvage || !vx_mend_is_wanted(b->m, VX_FIND_BITMAP_IN_BASE))
        return VHDX_OK;
    VX_TRY(vx_mend_bat_leads(b, entry, b->geometry.block_size, &content, err));
    vx_bat_page_range(&b->geometry, bat_index / VX_BAT_PAGE_ENTRIES, &offset, &length);
    return content && length > 0 ? vx_plan_lose(b->m->plan, offset, length, &moved, err) : VHDX_OK;
}

static vhdx_status mend_base_slot(struct vx_bat_mending *b, uint64_t bat_index, const struct vx_bat_entry *entry,
                                  vhdx_error *err)
{
    if (entry->state != VX_BITMAP_PRESENT)
        return vx_mend_bat_clear(b, bat_index, VX_FIND_BITMAP_SLOT, "the unused entry is zero", err);
    VX_TRY(doubt_page(b, bat_index, entry, err));
    return vx_mend_bat_clear(b, bat_index, VX_FIND_BITMAP_IN_BASE, "a disk without parent has no sector bitmap", err);
}

/* A state that there is not, beside a place that nobody else has, is the one that a bitmap has; else there is none. */
static vhdx_status mend_bitmap_state(struct vx_bat_mending *b, uint64_t bat_index, struct vx_bat_entry *entry,
                                     vhdx_error *err)
{
    static const struct vx_reason present = {VX_FIND_BITMAP_STATE, false, "the sector bitmap is present", NULL};
    static const struct vx_reason none = {VX_FIND_BITMAP_STATE, true, "there is no sector bitmap",
                                          "what the bitmap said of the blocks of its chunk"};
    const struct vx_bat_entry nothing = {0};
    bool is_free = false;
    if (entry->file_offset >= VX_HEADER_SECTION_SIZE && entry->file_offset < b->file_size) {
        VX_TRY(vx_leads_open(b->m->exam, &b->leads, err));
        is_free = vx_claims_is_free(&b->leads.owned, entry->file_offset, VX_BITMAP_BLOCK_SIZE);
    }
    if (!is_free)
        return b->m->salvage ? vx_mend_bat_put(b, bat_index, &nothing, &none, err) : VHDX_OK;
    entry->state = VX_BITMAP_PRESENT;
    return vx_mend_bat_put(b, bat_index, entry, &present, err);
}

/* One that leads to something may be the bitmap: mend_bitmap.c asks for it, when blocks need it. */
static vhdx_status mend_bitmap_offset(struct vx_bat_mending *b, uint64_t bat_index, const struct vx_bat_entry *entry,
                                      vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_BITMAP_STRAY_OFFSET, false, "the entry remembers no place any more",
                                            NULL};
    const struct vx_bat_entry nothing = {0};
    bool content;
    VX_TRY(vx_mend_bat_leads(b, entry, VX_BITMAP_BLOCK_SIZE, &content, err));
    return content ? VHDX_OK : vx_mend_bat_put(b, bat_index, &nothing, &reason, err);
}

vhdx_status vx_mend_bitmap_entry(struct vx_bat_mending *b, uint64_t bat_index, vhdx_error *err)
{
    static const struct vx_reason reserved = {VX_FIND_BAT_RESERVED, false, "the reserved bits are zero", NULL};
    struct vx_bat_entry entry;
    bool nonsense;
    VX_TRY(vx_bat_window_get(&b->walk, bat_index, &entry, err));
    VX_TRY(vx_mend_bat_in_nonsense(b, bat_index, &nonsense, err));
    if (nonsense)
        return VHDX_OK;
    if (!b->geometry.has_parent)
        return mend_base_slot(b, bat_index, &entry, err);
    if (entry.reserved != 0 && vx_mend_is_wanted(b->m, VX_FIND_BAT_RESERVED)) {
        entry.reserved = 0;
        VX_TRY(vx_mend_bat_put(b, bat_index, &entry, &reserved, err));
    }
    uint32_t rules = vx_bat_bitmap_rules(&entry, true);
    if ((rules & VX_BAT_STRAY_OFFSET) && vx_mend_is_wanted(b->m, VX_FIND_BITMAP_STRAY_OFFSET))
        return mend_bitmap_offset(b, bat_index, &entry, err);
    if ((rules & VX_BAT_BAD_STATE) && vx_mend_is_wanted(b->m, VX_FIND_BITMAP_STATE))
        return mend_bitmap_state(b, bat_index, &entry, err);
    return VHDX_OK;
}
