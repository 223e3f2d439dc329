/*
 * Entries of the BAT that are zero although they should not be (absent.h): they are put back. In a fixed disk each
 * block has one place, so nothing is given up; everything else is the work of a salvage, and stays in doubt.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/absent.h"
#include "repair/mend_bat.h"

static const struct vx_loss doubtful_log = {
    "its entry in the BAT was lost; an old version in the log tells where it lies", true, false};
static const struct vx_loss doubtful_gap = {"its entry in the BAT was lost; the gap in the file tells where it lies",
                                            true, false};

static vhdx_status put_back(void *context, const struct vx_absent *absent, vhdx_error *err)
{
    static const struct vx_reason surely = {VX_FIND_BAT_LOST_ENTRIES, false, "blocks of a fixed disk are found again",
                                            NULL};
    static const struct vx_reason likely = {VX_FIND_BAT_LOST_ENTRIES, true,
                                            "blocks are found where the evidence says they lie",
                                            "the certainty that it is right"};
    struct vx_bat_mending *b = context;
    if (!absent->lossless && !b->m->salvage)
        return VHDX_OK;
    for (uint64_t i = 0; i < absent->count; i++) {
        uint64_t index = absent->first_index + i, block, raw = vx_absent_entry(absent, &b->geometry, index);
        const struct vx_bat_entry entry = vx_bat_entry_decode(raw);
        if (raw == 0)
            continue;
        if (!absent->lossless && vx_geometry_is_payload(&b->geometry, index, &block))
            VX_TRY(vx_mend_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size,
                                    absent->entries ? &doubtful_log : &doubtful_gap, err));
        VX_TRY(vx_mend_bat_put(b, index, &entry, absent->lossless ? &surely : &likely, err));
    }
    return VHDX_OK;
}

vhdx_status vx_mend_absent(struct vx_bat_mending *b, vhdx_error *err)
{
    struct vx_log_witnesses log = {0};
    if (!vx_mend_is_wanted(b->m, VX_FIND_BAT_LOST_ENTRIES))
        return VHDX_OK;
    VX_TRY(vx_leads_open(b->m->exam, &b->leads, err));
    vhdx_status status = vx_absent_open_log(b->m->exam, &log, err);
    const struct vx_absent_search search = {
        .leads = &b->leads, .log = log.open ? &log : NULL, .fixed = b->fixed, .visit = put_back, .context = b};
    if (status == VHDX_OK)
        status = vx_absent_find(&search, err);
    vx_log_witnesses_close(&log);
    vx_leads_close(&b->leads);
    return status;
}
