/*
 * Entries that are zero although they should not be, as mend_absent.c puts them back: a reader and a repair must see
 * the same disk. See absent.h.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/absent.h"
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

vhdx_status vx_rebuild_doubt_absent(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_absent_left left;
    struct vx_leads leads = {0};
    VX_TRY(vx_rebuild_leads(work, &leads, err));
    const struct vx_absent_room room = {.file = work->view,
                                        .file_size = work->view_size,
                                        .owned = &out->claims,
                                        .block_size = out->block_size,
                                        .cut_off = leads.cut_off > 0,
                                        .creator = work->survey->file_id.creator};
    vx_leads_close(&leads);
    out->fixed_short = is_fixed(out) && (room.cut_off || work->view_size < space_of(out));
    VX_TRY(vx_absent_look(&room, &left, err));
    out->unowned_block = left.block;
    out->unowned_part = left.part;
    return VHDX_OK;
}
