/*
 * The plan's second half: with what leaves the file taken off the map of its space, where the rest of it belongs. Reads
 * the BAT once more, and no payload.
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact_run.h"

#include "image/bat_window.h"
#include "image/space.h"

#define RELEASES 4096u /* that are remembered at once */

/* Calls `visit` for each entry of the BAT that is set and a block. */
typedef vhdx_status (*entry_fn)(struct vx_compact_run *run, void *context, uint64_t bat_index,
                                const struct vx_bat_entry *entry, vhdx_error *err);

static vhdx_status walk(struct vx_compact_run *run, entry_fn visit, void *context, vhdx_error *err)
{
    const uint64_t end = run->disk->geometry.entry_count;
    struct vx_bat_window bat;
    VX_TRY(vx_bat_window_open(run->disk, VX_BAT_WINDOW_LARGE, &bat, err));
    vhdx_status status = VHDX_OK;
    for (uint64_t at = 0; at < end && status == VHDX_OK; at++) {
        struct vx_bat_entry entry;
        status = vx_bat_window_next_set(&bat, at, end, &at, err);
        if (status != VHDX_OK || at == end)
            break;
        status = vx_bat_window_get(&bat, at, &entry, err);
        if (status == VHDX_OK)
            status = visit(run, context, at, &entry, err);
    }
    vx_bat_window_close(&bat);
    return status;
}

struct releasing {
    struct vx_space *space;
    uint32_t count;
};

static vhdx_status release(struct vx_compact_run *run, void *context, uint64_t bat_index,
                           const struct vx_bat_entry *entry, vhdx_error *err)
{
    struct releasing *releasing = context;
    const struct vx_geometry *geometry = &run->disk->geometry;
    uint64_t which;
    bool payload = vx_geometry_is_payload(geometry, bat_index, &which);
    if (vx_compact_drops(run, bat_index)) {
        VX_TRY(vx_space_release(releasing->space, entry->file_offset,
                                payload ? geometry->block_size : VX_BITMAP_BLOCK_SIZE, err));
        if (++releasing->count % RELEASES == 0)
            vx_space_committed(releasing->space);
        return VHDX_OK;
    }
    struct vx_object bitmap = {VX_OBJECT_BITMAP, which, entry->file_offset, 0, VX_BITMAP_BLOCK_SIZE};
    return !payload && entry->state == VX_BITMAP_PRESENT ? vx_pack_add(&run->pack, &bitmap, err) : VHDX_OK;
}

/* What this library does not know may say somewhere where it is. */
static bool is_known(const struct vx_image *disk, const struct vx_region *region)
{
    return region->file_offset == disk->bat.file_offset || region->file_offset == disk->metadata.file_offset;
}

static vhdx_status add_objects(struct vx_compact_run *run, vhdx_error *err)
{
    const struct vx_image *disk = run->disk;
    struct vx_object object = {VX_OBJECT_FIXED, 0, 0, 0, VX_HEADER_SECTION_SIZE};
    VX_TRY(vx_pack_add(&run->pack, &object, err));
    object = (struct vx_object){VX_OBJECT_LOG, 0, disk->header.log_offset, 0, disk->header.log_length};
    if (object.length > 0)
        VX_TRY(vx_pack_add(&run->pack, &object, err));
    for (uint32_t i = 0; i < disk->regions->count; i++) {
        const struct vx_region *region = &disk->regions->entries[i];
        object.kind = is_known(disk, region) ? VX_OBJECT_REGION : VX_OBJECT_FIXED;
        object.from = region->file_offset;
        object.length = region->length;
        VX_TRY(vx_pack_add(&run->pack, &object, err));
    }
    return VHDX_OK;
}

/* A file may end inside of its last object; it is never made longer. */
static void report(struct vx_compact_run *run)
{
    vhdx_compact_report *out = run->report;
    uint64_t moved = run->pack.payload_count * run->disk->geometry.block_size;
    for (size_t i = 0; i < run->pack.count; i++)
        if (run->pack.objects[i].to != run->pack.objects[i].from)
            moved += run->pack.objects[i].length;
    out->file_size_after = vx_min(out->file_size_before, run->pack.end);
    out->bytes_to_move = moved;
    out->blocks_to_move = run->pack.payload_count;
}

vhdx_status vx_compact_plan_places(struct vx_compact_run *run, vhdx_error *err)
{
    struct releasing releasing = {0};
    VX_TRY(vx_space_open(run->disk, &releasing.space, err));
    vhdx_status status = add_objects(run, err);
    if (status == VHDX_OK)
        status = walk(run, release, &releasing, err);
    if (status == VHDX_OK) {
        vx_space_committed(releasing.space);
        vx_pack_plan(&run->pack, releasing.space, run->disk->geometry.block_size);
        report(run);
    }
    vx_space_close(releasing.space);
    return status;
}
