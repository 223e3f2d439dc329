/*
 * Blocks that are not needed any more. See reclaim.h. That the target holds them durably is the caller's promise.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/reclaim.h"

#include "base/alloc.h"
#include "image/bat_window.h"
#include "image/journal.h"
#include "image/payload.h"
#include "image/space.h"
#include "image/writing.h"

/* Places whose blocks are NOT_PRESENT in the pending commit; punched when it is durable. */
struct freed {
    uint64_t *offsets;
    size_t count, room;
};

struct vx_reclaim {
    struct vx_chain *chain;
    size_t into;
    size_t open_count;     /* layers [0, open_count) are in writing */
    uint64_t *next_blocks; /* per layer: blocks before it are done */
    struct freed freed;
    uint64_t bytes;
};

/* Where nothing can be given back the merge would fill the volume up: better said at once. */
static vhdx_status punched(const struct vx_image *layer, vhdx_status status, vhdx_error *err)
{
    if (status != VHDX_UNSUPPORTED)
        return status;
    vx_fail(err, status, vx_at_file(vx_image_path(layer)),
            "its file system cannot give back the space of a part of a file");
    return vx_advise_code(err, status, VHDX_ADVICE_FREE_SPACE_OR_KEEP, NULL);
}

static vhdx_status begin_layers(struct vx_reclaim *reclaim, vhdx_error *err)
{
    for (; reclaim->open_count < reclaim->into; reclaim->open_count++) {
        struct vx_image *layer = reclaim->chain->layers[reclaim->open_count];
        VX_TRY(vx_image_begin_write(layer, NULL, err));
        vx_file_allow_holes(layer->file); /* these files are being given up, a sparse one does no harm */
        /* what a run that was cut off had not come to */
        VX_TRY(punched(layer, vx_space_give_back(layer->space, err), err));
    }
    return VHDX_OK;
}

vhdx_status vx_reclaim_open(struct vx_chain *chain, size_t into, struct vx_reclaim **out, vhdx_error *err)
{
    struct vx_reclaim *reclaim = vx_alloc(1, sizeof *reclaim);
    if (!reclaim)
        return vx_fail_memory(err, "giving space back");
    reclaim->chain = chain;
    reclaim->into = into;
    reclaim->next_blocks = vx_alloc(into, sizeof *reclaim->next_blocks);
    vhdx_status status = reclaim->next_blocks ? begin_layers(reclaim, err) : vx_fail_memory(err, "giving space back");
    if (status == VHDX_OK)
        *out = reclaim;
    else
        vx_reclaim_close(reclaim);
    return status;
}

void vx_reclaim_close(struct vx_reclaim *reclaim)
{
    if (!reclaim)
        return;
    for (size_t i = 0; i < reclaim->open_count; i++)
        vx_image_abandon_write(reclaim->chain->layers[i]);
    vx_free(reclaim->freed.offsets);
    vx_free(reclaim->next_blocks);
    vx_free(reclaim);
}

uint64_t vx_reclaim_bytes(const struct vx_reclaim *reclaim)
{
    return reclaim->bytes;
}

static vhdx_status add_freed(struct freed *freed, uint64_t offset, vhdx_error *err)
{
    uint64_t *offsets = vx_room_for(freed->offsets, freed->count, &freed->room, sizeof *offsets);
    if (!offsets)
        return vx_fail_memory(err, "giving space back");
    freed->offsets = offsets;
    freed->offsets[freed->count++] = offset;
    return VHDX_OK;
}

/* The last block's file may end before the block does. */
static vhdx_status give_back(struct vx_image *layer, uint64_t offset, vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(layer->file, &size, err));
    return offset < size
               ? vx_file_give_back(layer->file, offset, vx_min(layer->geometry.block_size, size - offset), err)
               : VHDX_OK;
}

static vhdx_status commit(struct vx_reclaim *reclaim, struct vx_image *layer, vhdx_error *err)
{
    VX_TRY(vx_image_commit(layer, err));
    for (size_t i = 0; i < reclaim->freed.count; i++)
        VX_TRY(punched(layer, give_back(layer, reclaim->freed.offsets[i], err), err));
    reclaim->bytes += reclaim->freed.count * layer->geometry.block_size;
    reclaim->freed.count = 0;
    return VHDX_OK;
}

static vhdx_status free_block(struct vx_reclaim *reclaim, struct vx_image *layer, uint64_t block, vhdx_error *err)
{
    const struct vx_bat_entry absent = {.state = VX_PAYLOAD_NOT_PRESENT};
    struct vx_bat_entry entry;
    VX_TRY(vx_payload_entry(layer, block, &entry, err));
    if (vx_journal_room(layer->journal) == 0)
        VX_TRY(commit(reclaim, layer, err));
    if (vx_bat_payload_owns_space(&entry))
        VX_TRY(add_freed(&reclaim->freed, entry.file_offset, err));
    return vx_payload_set_entry(layer, block, &absent, err);
}

/* Where the layers between this one and the target end first: beyond it they would show zeros, not what the target
 * has. */
static uint64_t end_below(const struct vx_reclaim *reclaim, size_t index)
{
    uint64_t end = UINT64_MAX;
    for (size_t i = index + 1; i < reclaim->into; i++)
        end = vx_min(end, reclaim->chain->layers[i]->geometry.virtual_size);
    return end;
}

/* All blocks of one layer that end at or before `virtual_end`. */
static vhdx_status free_layer(struct vx_reclaim *reclaim, size_t index, uint64_t virtual_end, vhdx_error *err)
{
    struct vx_image *layer = reclaim->chain->layers[index];
    const struct vx_geometry *geometry = &layer->geometry;
    virtual_end = vx_min(virtual_end, end_below(reclaim, index));
    uint64_t stop =
        virtual_end >= geometry->virtual_size ? geometry->payload_count : virtual_end / geometry->block_size;
    while (reclaim->next_blocks[index] < stop) {
        uint64_t at = vx_geometry_payload_index(geometry, reclaim->next_blocks[index]);
        uint64_t end = vx_geometry_payload_index(geometry, stop - 1) + 1;
        uint64_t which;
        VX_TRY(vx_bat_window_next_set(layer->bat_window, at, end, &at, err));
        if (at >= end)
            break;
        if (vx_geometry_is_payload(geometry, at, &which))
            VX_TRY(free_block(reclaim, layer, which++, err));
        else
            which = (which + 1) * geometry->chunk_ratio; /* a sector bitmap block stays: the next chunk */
        reclaim->next_blocks[index] = which;
    }
    reclaim->next_blocks[index] = vx_max(stop, reclaim->next_blocks[index]);
    return commit(reclaim, layer, err);
}

vhdx_status vx_reclaim_window(void *context, uint64_t virtual_end, vhdx_error *err)
{
    struct vx_reclaim *reclaim = context;
    for (size_t i = reclaim->into; i-- > 0;)
        VX_TRY(free_layer(reclaim, i, virtual_end, err));
    return VHDX_OK;
}

vhdx_status vx_reclaim_finish(struct vx_reclaim *reclaim, vhdx_error *err)
{
    while (reclaim->open_count > 0) {
        VX_TRY(vx_image_end_write(reclaim->chain->layers[reclaim->open_count - 1], err));
        reclaim->open_count--;
    }
    return VHDX_OK;
}
