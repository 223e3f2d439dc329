/*
 * A BAT that is lost, or pages of it that say nothing: entries are put back where a witness knows them (rebuild.h), all
 * others of those pages are given up. The one thing that is easy to get wrong: an entry that is not known must not say
 * "ask the parent".
 */
/* SPDX-License-Identifier: MIT */
#include "verify/mend_bat.h"

#include "verify/rebuild.h"

static const struct vx_loss lost_entry = {"its entry in the BAT is lost, and nothing tells where it lies", false};
static const struct vx_loss doubtful_place = {"its entry in the BAT was lost; its content tells where it lies", true};

static const struct vx_reason placed = {VX_FIND_BAT_EMPTY, true, "blocks are found where the evidence says they lie",
                                        "the certainty that it is right, and blocks that nothing tells of"};

static vhdx_status put_placement(struct vx_bat_mending *b, const struct vx_placement *placement, vhdx_error *err)
{
    struct vx_bat_entry entry = vx_bat_entry_decode(placement->raw);
    uint64_t block;
    if (placement->bat_index >= b->geometry.entry_count)
        return VHDX_OK;
    if (!placement->lossless && vx_geometry_is_payload(&b->geometry, placement->bat_index, &block) &&
        block < b->geometry.payload_count)
        VX_TRY(vx_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size, &doubtful_place, err));
    return vx_bat_put(b, placement->bat_index, &entry, &placed, err);
}

static vhdx_status give_up_entry(struct vx_bat_mending *b, uint64_t index, vhdx_error *err)
{
    const struct vx_bat_entry zero = {.state = VX_PAYLOAD_ZERO};
    uint64_t block;
    if (!vx_geometry_is_payload(&b->geometry, index, &block) || block >= b->geometry.payload_count)
        return VHDX_OK;
    VX_TRY(vx_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size, &lost_entry, err));
    return b->geometry.has_parent ? vx_bat_put(b, index, &zero, &placed, err) : VHDX_OK;
}

vhdx_status vx_mend_placements(struct vx_bat_mending *b, vhdx_error *err)
{
    const struct vx_rebuilt *rebuilt;
    VX_TRY(vx_mending_rebuild(b->m, true, err));
    rebuilt = b->m->rebuilt;
    if (rebuilt->geometry.entry_count != b->geometry.entry_count || rebuilt->placement_count == 0)
        return VHDX_OK;
    for (uint64_t index = 0; index < b->geometry.entry_count; index++)
        if (vx_rebuilt_entry_lost(rebuilt, index) && !vx_rebuilt_placement(rebuilt, index))
            VX_TRY(give_up_entry(b, index, err));
    for (size_t i = 0; i < rebuilt->placement_count; i++)
        VX_TRY(put_placement(b, &rebuilt->placements[i], err));
    return VHDX_OK;
}
