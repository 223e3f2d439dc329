/*
 * Entries whose state is wrong, or says that there is no data, while their place leads to content that nobody owns
 * (lead.h). Where that proves what the entry was it is proposed; everything else stays as it stands, and in doubt. Easy
 * to get wrong: real writers leave places in entries without data, so nothing is proposed without proof.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "evidence/lead.h"
#include "evidence/old_bits.h"
#include "rebuild/rebuild_parts.h"

static vhdx_status doubt(struct vx_rebuilt *out, uint64_t bat_index, vhdx_error *err)
{
    if (!out->doubted)
        out->doubted = vx_alloc((size_t)(out->geometry.entry_count / 8 + 1), 1);
    if (!out->doubted)
        return vx_fail_memory(err, "the entries in doubt");
    vx_set_page_bit(out->doubted, bat_index);
    return VHDX_OK;
}

/* A bitmap's slot of a disk without parent: what leads to content from there is a block's entry that has moved, and so
 * may all of its page have. */
static vhdx_status judge_slot(struct vx_rebuilding *work, struct vx_leads *leads, uint64_t bat_index,
                              const struct vx_bat_entry *entry, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    bool content;
    if (out->geometry.has_parent)
        return VHDX_OK;
    VX_TRY(vx_lead_has_content(leads, entry->file_offset, out->block_size, &content, err));
    if (!content)
        return VHDX_OK;
    if (!out->moved_pages)
        out->moved_pages = vx_alloc((size_t)(out->page_count / 8 + 1), 1);
    if (!out->moved_pages)
        return vx_fail_memory(err, "the pages in doubt");
    vx_set_page_bit(out->moved_pages, bat_index / VX_BAT_PAGE_ENTRIES);
    return VHDX_OK;
}

static vhdx_status judge(struct vx_rebuilding *work, struct vx_leads *leads, uint64_t bat_index,
                         const struct vx_bat_entry *entry, vhdx_error *err)
{
    struct vx_bat_entry truth = *entry;
    uint64_t which, length = work->out->block_size;
    bool changed, content;
    const struct vx_bat_world world = vx_rebuild_world(work->out);
    if (vx_bat_entry_is_garbage(&world, entry)) /* no reader may take it for one of the empty entries around */
        return doubt(work->out, bat_index, err);
    VX_TRY(vx_lead_truth(leads, bat_index, &truth, &changed, err));
    if (changed) {
        const struct vx_placement placement = {bat_index, vx_bat_entry_encode(&truth), VX_WITNESS_GEOMETRY, false};
        return vx_rebuild_place(work, &placement, err);
    }
    if (!vx_geometry_is_payload(&work->out->geometry, bat_index, &which))
        return judge_slot(work, leads, bat_index, entry, err);
    VX_TRY(vx_lead_has_content(leads, entry->file_offset, length, &content, err));
    /* an anchor owns its space; where another block has it, one of the two entries is wrong */
    bool anchor = (vx_bat_payload_rules(entry, work->out->geometry.has_parent) & VX_BAT_ANCHOR) != 0;
    content = content || (anchor && entry->file_offset < leads->source.file_size &&
                          !vx_claims_is_free(&leads->owned, entry->file_offset, length));
    return content ? doubt(work->out, bat_index, err) : VHDX_OK;
}

static vhdx_status judge_all(struct vx_rebuilding *work, struct vx_leads *leads, struct vx_bat_walk *bat,
                             vhdx_error *err)
{
    for (;; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            return VHDX_OK;
        struct vx_bat_entry entry = vx_bat_entry_decode(bat->raw);
        if (vx_rebuild_is_odd(work->out, bat->index, &entry))
            VX_TRY(judge(work, leads, bat->index, &entry, err));
    }
}

vhdx_status vx_rebuild_leads(struct vx_rebuilding *work, struct vx_leads *leads, vhdx_error *err)
{
    const struct vx_rebuilt *out = work->out;
    const struct vx_bat_source source = {work->view, &out->geometry, out->bat.file_offset, work->view_size};
    struct vx_claims owned;
    vhdx_status status = vx_claims_open(source.file_size, &owned, err);
    if (status == VHDX_OK)
        status = vx_claim_structures(out, &owned, err);
    if (status != VHDX_OK) {
        vx_claims_close(&owned);
        return status;
    }
    status = vx_leads_begin(&source, &owned, leads, err);
    if (status != VHDX_OK)
        vx_leads_close(leads);
    return status;
}

vhdx_status vx_rebuild_states(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_leads leads = {0};
    struct vx_bat_walk bat = {0};
    VX_TRY(vx_rebuild_leads(work, &leads, err));
    vhdx_status status = vx_bat_walk_begin(&leads.source, work->out->geometry.entry_count, &bat, err);
    if (status == VHDX_OK)
        status = judge_all(work, &leads, &bat, err);
    vx_bat_walk_close(&bat);
    vx_leads_close(&leads);
    return status;
}

/* ---- sector bitmaps ---- */

bool vx_rebuilt_has_old_bits(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    return rebuilt->old_bits && bat_index < rebuilt->geometry.entry_count && vx_page_bit(rebuilt->old_bits, bat_index);
}

static vhdx_status note_old_bits(void *context, uint64_t payload_block, vhdx_error *err)
{
    struct vx_rebuilt *out = context;
    if (!out->old_bits)
        out->old_bits = vx_alloc((size_t)(out->geometry.entry_count / 8 + 1), 1);
    if (!out->old_bits)
        return vx_fail_memory(err, "the entries in doubt");
    vx_set_page_bit(out->old_bits, vx_geometry_payload_index(&out->geometry, payload_block));
    return VHDX_OK;
}

vhdx_status vx_rebuild_bits(struct vx_rebuilding *work, vhdx_error *err)
{
    const struct vx_rebuilt *out = work->out;
    const struct vx_bat_source source = {work->view, &out->geometry, out->bat.file_offset, work->view_size};
    if (!out->geometry.has_parent || !work->log.open || work->log.ring.length > 64 * VX_MIB)
        return VHDX_OK;
    return vx_old_bits_find(&source, &work->log, note_old_bits, work->out, err);
}
