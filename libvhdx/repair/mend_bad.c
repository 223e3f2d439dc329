/*
 * Blocks on places of the medium that could not be read, as a map tells (vhdx_repair_options.bad_ranges). Payload there
 * is lost and named, and never written; bits of a sector bitmap there are made anew like those of a bitmap that is
 * gone. The one thing that is easy to get wrong: the copy has something in these places, mostly zeros, which looks like
 * content.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend_bat.h"

static const struct vx_loss unread = {.reason = "the medium could not be read there", .by_medium = true};

/* All bad places of one block. */
static vhdx_status lose_places(struct vx_bat_mending *b, uint64_t block, const struct vx_bat_entry *entry,
                               vhdx_error *err)
{
    const struct vx_patient *bad = &b->m->plan->bad;
    uint64_t end = entry->file_offset + b->geometry.block_size, at = entry->file_offset;
    while (at < end && vx_patient_bad(bad, at, end - at, &at)) {
        uint64_t from = at;
        while (at < end && vx_patient_bad(bad, at, 1, NULL))
            at += vx_min(b->geometry.logical_sector_size - at % b->geometry.logical_sector_size, end - at);
        VX_TRY(
            vx_mend_bat_lose(b, block, entry->state, from - entry->file_offset, at - entry->file_offset, &unread, err));
    }
    return VHDX_OK;
}

static bool has_data(const struct vx_bat_entry *entry, const struct vx_bat_mending *b)
{
    return (entry->state == VX_PAYLOAD_FULLY_PRESENT || entry->state == VX_PAYLOAD_PARTIALLY_PRESENT) &&
           entry->file_offset >= VX_HEADER_SECTION_SIZE && entry->file_offset < b->file_size;
}

vhdx_status vx_mend_bad_places(struct vx_bat_mending *b, vhdx_error *err)
{
    uint64_t end = b->geometry.entry_count;
    for (uint64_t index = 0; b->m->plan->bad.ranges.count > 0; index++) {
        struct vx_bat_entry entry;
        uint64_t block;
        VX_TRY(vx_bat_window_next_set(&b->walk, index, end, &index, err));
        if (index >= end)
            break;
        VX_TRY(vx_bat_window_get(&b->walk, index, &entry, err));
        if (vx_geometry_is_payload(&b->geometry, index, &block) && block < b->geometry.payload_count &&
            has_data(&entry, b))
            VX_TRY(lose_places(b, block, &entry, err));
    }
    return VHDX_OK;
}
