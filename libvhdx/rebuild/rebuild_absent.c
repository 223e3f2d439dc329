/*
 * Entries that are zero although they should not be, as mend_absent.c puts them back: a reader and a repair must see
 * the same disk. See absent.h.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/absent.h"
#include "image/bat_walk.h"
#include "rebuild/rebuild_parts.h"

static vhdx_status propose(void *context, const struct vx_absent *absent, vhdx_error *err)
{
    struct vx_rebuilding *work = context;
    work->out->lost_page_count++;
    for (uint64_t i = 0; i < absent->count; i++) {
        uint64_t index = absent->first_index + i, raw = vx_absent_entry(absent, &work->out->geometry, index);
        const struct vx_placement placement = {index, raw, absent->entries ? VX_WITNESS_LOG : VX_WITNESS_GEOMETRY,
                                               absent->lossless};
        if (raw != 0)
            VX_TRY(vx_rebuild_place(work, &placement, err));
    }
    return VHDX_OK;
}

static bool is_fixed(const struct vx_rebuilt *out)
{
    return (out->parameter_flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED) && !out->geometry.has_parent;
}

vhdx_status vx_rebuild_absent(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_leads leads = {0};
    VX_TRY(vx_rebuild_leads(work, &leads, err));
    const struct vx_absent_search search = {
        .leads = &leads,
        .log = work->log.open && work->log.ring.length <= 64 * VX_MIB ? &work->log : NULL,
        .fixed = is_fixed(work->out),
        .visit = propose,
        .context = work,
    };
    vhdx_status status = leads.present > 0 ? vx_absent_find(&search, err) : VHDX_OK;
    vx_leads_close(&leads);
    return status;
}

/* With all blocks. */
static uint64_t space_of(const struct vx_rebuilt *out)
{
    return VX_HEADER_SECTION_SIZE + out->header.log_length + out->bat.length + (uint64_t)out->metadata.length +
           out->virtual_size;
}

/*
 * Content has no owner, so some entry is wrong: an owner is in doubt where an entry without data names the same place.
 * Either that one has lost its state, or the owner its place.
 */
static vhdx_status doubt_owners(struct vx_rebuilding *work, const struct vx_leads *leads, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_bat_walk bat = {0};
    vhdx_status status = vx_bat_walk_begin(&leads->source, out->geometry.entry_count, &bat, err);
    for (; status == VHDX_OK; bat.index++) {
        status = vx_bat_walk_next(&bat, err);
        if (status != VHDX_OK || bat.index >= bat.end)
            break;
        struct vx_bat_entry entry = vx_bat_entry_decode(bat.raw);
        if (vx_rebuild_is_odd(out, bat.index, &entry) && entry.file_offset < work->view_size &&
            !vx_claims_is_free(&leads->owned, entry.file_offset, VX_MIB))
            status = vx_claims_take(&out->claims, entry.file_offset, VX_MIB, err);
    }
    vx_bat_walk_close(&bat);
    return status;
}

vhdx_status vx_rebuild_doubt_absent(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_absent_left left = {0};
    struct vx_leads leads = {0};
    VX_TRY(vx_rebuild_leads(work, &leads, err));
    const struct vx_absent_room room = {.file = work->view,
                                        .file_size = work->view_size,
                                        .owned = &out->claims,
                                        .block_size = out->block_size,
                                        .cut_off = leads.cut_off > 0,
                                        .creator = work->survey->file_id.creator};
    vhdx_status status = vx_absent_look(&room, &left, err);
    /* a disk of which most blocks are not there is no fixed one, whatever it says */
    out->fixed_short = is_fixed(out) && leads.present >= out->geometry.payload_count / 2 &&
                       (room.cut_off || work->view_size < space_of(out));
    out->unowned_block = left.block;
    out->unowned_part = left.part;
    out->sizes.contradicted = out->sizes.contradicted || (left.block && out->sizes.larger_fits);
    if (status == VHDX_OK && (left.block || left.part))
        status = doubt_owners(work, &leads, err);
    vx_leads_close(&leads);
    return status;
}
