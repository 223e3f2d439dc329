/*
 * Adding up. See totals.h.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/totals.h"

#include "base/notice.h"
#include "image/bat_window.h"
#include "merge/merge_apply.h"
#include "merge/share.h"

#include <string.h>

/* Of a piece of data: how much of it the host will share, as far as its files say. */
static uint64_t shared_part(const struct vx_merge_task *task, const struct vx_piece *piece, uint64_t place)
{
    const struct vx_file *source = task->chain->layers[piece->layer]->view, *target = task->target->file;
    if (!vx_file_may_clone(target, source))
        return 0;
    return vx_share_parts(target, piece->file_offset, place, piece->length).body;
}

static void add_data(struct vx_totals *totals, const struct vx_merge_task *task, const struct vx_block_plan *plan,
                     const struct vx_piece *piece, struct vx_extents *holes)
{
    uint64_t in_block = piece->virtual_offset - plan->virtual_offset; /* a new block's place is as good as MiB 0 */
    bool allocates = vx_merge_plan_allocates(plan);
    uint64_t place = (allocates ? 0 : plan->entry.file_offset) + in_block;
    uint64_t shared = shared_part(task, piece, place);
    totals->bytes_to_share += shared;
    totals->bytes_to_copy += piece->length - shared;
    if (allocates)
        totals->new_bytes += piece->length - shared;
    else if (holes && shared == 0)
        totals->new_bytes += vx_extents_holes(holes, place, piece->length);
}

static void add_overwritten(struct vx_totals *totals, const struct vx_block_plan *plan, const struct vx_piece *piece,
                            struct vx_extents *holes)
{
    uint64_t place = plan->entry.file_offset + (piece->virtual_offset - plan->virtual_offset);
    totals->old_bytes += piece->length - (holes ? vx_extents_holes(holes, place, piece->length) : 0);
}

void vx_totals_add(struct vx_totals *totals, const struct vx_merge_task *task, const struct vx_block_plan *plan,
                   struct vx_extents *holes)
{
    totals->blocks_to_zero += plan->action == VX_BLOCK_ZERO;
    totals->blocks_to_allocate += vx_merge_plan_allocates(plan);
    if (!vx_merge_plan_allocates(plan) && !vx_merge_plan_is_in_place(plan))
        return;
    for (size_t i = 0; i < plan->piece_count; i++) {
        const struct vx_piece *piece = &plan->pieces[i];
        if (vx_piece_is_own(plan, piece))
            continue;
        if (piece->kind == VX_RUN_DATA)
            add_data(totals, task, plan, piece, holes);
        else if (vx_merge_plan_is_in_place(plan))
            totals->bytes_to_zero += piece->length;
        if (vx_merge_plan_is_in_place(plan))
            add_overwritten(totals, plan, piece, holes);
    }
}

/* An entry of the target, which may be shorter than the merged disk: what is beyond its end will be as resize.c makes
 * it. */
static vhdx_status target_entry(struct vx_bat_window *window, const struct vx_image *target, uint64_t block,
                                struct vx_bat_entry *entry, vhdx_error *err)
{
    if (block < target->geometry.payload_count)
        return vx_bat_window_get(window, vx_geometry_payload_index(&target->geometry, block), entry, err);
    *entry = (struct vx_bat_entry){.state = VX_PAYLOAD_NOT_PRESENT};
    if (vx_image_has_parent(target))
        entry->state = VX_PAYLOAD_ZERO;
    else if (vx_image_is_fixed(target))
        entry->state = VX_PAYLOAD_FULLY_PRESENT; /* growing has made room for it */
    return VHDX_OK;
}

#define BLOCKS_UNTOLD 256u /* blocks between two words to the caller */

vhdx_status vx_tell_planned(const vhdx_merge_options *options, uint64_t at, uint64_t size, vhdx_error *err)
{
    vhdx_progress progress = {VHDX_PHASE_PLAN, vx_min(at, size), size};
    if (!options)
        return VHDX_OK;
    return vx_progress(options->progress, options->progress_context, &progress, NULL, "the merge", err);
}

struct adding {
    const struct vx_merge_task *task;
    struct vx_totals *totals;
    struct vx_planner *planner;
    struct vx_zeros *zeros;
    struct vx_bat_window window;
    struct vx_extents holes;
    uint64_t window_bytes;
    uint64_t window_begin; /* bytes to copy before the present window */
    size_t jobs;           /* in it */
    uint64_t last_chunk;
};

static vhdx_status add_bitmap(struct adding *adding, const struct vx_block_plan *plan, vhdx_error *err)
{
    const struct vx_geometry *geometry = &adding->task->target->geometry;
    uint64_t chunk = plan->block / geometry->chunk_ratio;
    struct vx_bat_entry bitmap;
    if (plan->action != VX_BLOCK_ALLOCATE_PART || chunk == adding->last_chunk)
        return VHDX_OK;
    adding->last_chunk = chunk;
    VX_TRY(vx_bat_window_get(&adding->window, vx_geometry_bitmap_index(geometry, chunk), &bitmap, err));
    adding->totals->bitmaps_to_allocate += bitmap.state != VX_BITMAP_PRESENT;
    return VHDX_OK;
}

/* As merge_apply.c ends its windows, but for those that are full of pages. */
static void count_window(struct adding *adding, const struct vx_block_plan *plan)
{
    adding->jobs += plan->piece_count;
    if (adding->totals->bytes_to_copy - adding->window_begin < adding->window_bytes && adding->jobs < VX_WINDOW_JOBS)
        return;
    adding->totals->windows++;
    adding->window_begin = adding->totals->bytes_to_copy;
    adding->jobs = 0;
}

static vhdx_status add_all(struct adding *adding, vhdx_error *err)
{
    struct vx_image *target = adding->task->target;
    for (uint32_t planned = 0;; planned++) {
        struct vx_block_plan *plan;
        struct vx_bat_entry entry;
        VX_TRY(vx_planner_next(adding->planner, &plan, err));
        if (!plan)
            break;
        if (planned % BLOCKS_UNTOLD == 0)
            VX_TRY(vx_tell_planned(adding->task->options, plan->virtual_offset, adding->task->virtual_size, err));
        VX_TRY(target_entry(&adding->window, target, plan->block, &entry, err));
        vx_merge_plan_decide(target, plan, &entry);
        VX_TRY(vx_zeros_find(adding->zeros, plan, err));
        vx_totals_add(adding->totals, adding->task, plan, &adding->holes);
        count_window(adding, plan);
        VX_TRY(add_bitmap(adding, plan, err));
    }
    adding->totals->windows += adding->jobs > 0;
    return VHDX_OK;
}

vhdx_status vx_merge_plan_totals(const struct vx_merge_task *task, uint64_t window_bytes, bool closely,
                                 struct vx_totals *totals, vhdx_error *err)
{
    struct adding adding = {.task = task,
                            .totals = totals,
                            .holes = {.file = task->target->view},
                            .window_bytes = window_bytes ? window_bytes : VX_WINDOW_BYTES,
                            .last_chunk = UINT64_MAX};
    memset(totals, 0, sizeof *totals);
    vhdx_status status = vx_planner_open(task, &adding.planner, err);
    if (status == VHDX_OK)
        status = vx_zeros_open(task, closely, &adding.zeros, err);
    if (status == VHDX_OK)
        status = vx_bat_window_open(task->target, VX_BAT_WINDOW_LARGE, &adding.window, err);
    if (status == VHDX_OK)
        status = add_all(&adding, err);
    vx_bat_window_close(&adding.window);
    vx_zeros_close(adding.zeros);
    vx_planner_close(adding.planner);
    return status;
}
