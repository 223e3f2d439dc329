/*
 * Deciding, block by block. See merge_plan.h. What it adds up to is totals.c, carrying it out is merge_apply.c.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/merge_plan.h"

#include "base/alloc.h"
#include "image/bat_window.h"

struct vx_planner {
    struct vx_cursor *cursor;
    struct vx_image *target;
    enum vx_direction direction;
    uint64_t at, size;           /* place on the virtual disk; its end */
    struct vx_bat_window window; /* up: on the target */
    struct vx_block_plan plan;
};

vhdx_status vx_planner_open(const struct vx_merge_task *task, struct vx_planner **out, vhdx_error *err)
{
    struct vx_planner *planner = vx_alloc(1, sizeof *planner);
    if (!planner)
        return vx_fail_memory(err, "the plan of a merge");
    planner->target = task->target;
    planner->direction = task->direction;
    planner->size = task->virtual_size;
    planner->at = task->begin;
    vhdx_status status = vx_cursor_open(task->chain, 0, task->layer_count, true, &planner->cursor, err);
    if (status == VHDX_OK && task->direction == VX_DIRECTION_UP)
        status = vx_bat_window_open(task->target, VX_BAT_WINDOW_SMALL, &planner->window, err);
    if (status == VHDX_OK)
        *out = planner;
    else
        vx_planner_close(planner);
    return status;
}

void vx_planner_close(struct vx_planner *planner)
{
    if (!planner)
        return;
    vx_cursor_close(planner->cursor);
    vx_bat_window_close(&planner->window);
    vx_free(planner->plan.pieces);
    vx_free(planner);
}

static bool joins(const struct vx_piece *last, const struct vx_piece *piece)
{
    return last->kind == piece->kind && last->layer == piece->layer && last->beyond_end == piece->beyond_end &&
           last->virtual_offset + last->length == piece->virtual_offset &&
           (piece->kind != VX_RUN_DATA || last->file_offset + last->length == piece->file_offset);
}

vhdx_status vx_merge_plan_add_piece(struct vx_block_plan *plan, const struct vx_piece *piece, vhdx_error *err)
{
    bool own = vx_piece_is_own(plan, piece);
    plan->any_data |= !own && piece->kind == VX_RUN_DATA;
    plan->any_zero |= !own && piece->kind == VX_RUN_ZERO;
    if (plan->piece_count > 0 && joins(&plan->pieces[plan->piece_count - 1], piece)) {
        plan->pieces[plan->piece_count - 1].length += piece->length;
        return VHDX_OK;
    }
    struct vx_piece *pieces = vx_room_for(plan->pieces, plan->piece_count, &plan->piece_room, sizeof *pieces);
    if (!pieces)
        return vx_fail_memory(err, "the plan of a merge");
    plan->pieces = pieces;
    plan->pieces[plan->piece_count++] = *piece;
    return VHDX_OK;
}

/* All that the layers say about the block in which `first` begins; before `first` it is transparent. */
static vhdx_status gather_block(struct vx_planner *planner, const struct vx_piece *first, vhdx_error *err)
{
    struct vx_block_plan *plan = &planner->plan;
    uint64_t block_size = planner->target->geometry.block_size;
    plan->block = first->virtual_offset / block_size;
    plan->virtual_offset = plan->block * block_size;
    plan->virtual_end = vx_min(plan->virtual_offset + block_size, planner->size);
    plan->full = first->virtual_offset == plan->virtual_offset;
    plan->any_data = plan->any_zero = false;
    plan->direction = planner->direction;
    plan->piece_count = 0;
    planner->at = first->virtual_offset;
    while (planner->at < plan->virtual_end) {
        struct vx_piece piece;
        VX_TRY(vx_cursor_at(planner->cursor, planner->at, plan->virtual_end - planner->at, &piece, err));
        if (piece.kind == VX_RUN_TRANSPARENT)
            plan->full = false;
        else
            VX_TRY(vx_merge_plan_add_piece(plan, &piece, err));
        planner->at += piece.length;
    }
    return VHDX_OK;
}

/*
 * The first block that begins in [from, end) of which the target holds a part, UINT64_MAX when there is none. In a base
 * none may be partial, so it has to be made whole also where neither the target nor a layer below holds a byte of it.
 */
static vhdx_status find_partial(struct vx_planner *planner, uint64_t from, uint64_t end, uint64_t *block,
                                vhdx_error *err)
{
    const struct vx_geometry *geometry = &planner->target->geometry;
    uint64_t first = vx_ceil_div(from, geometry->block_size), last = vx_ceil_div(end, geometry->block_size);
    *block = UINT64_MAX;
    if (first >= last)
        return VHDX_OK;
    uint64_t at = vx_geometry_payload_index(geometry, first);
    uint64_t stop = vx_geometry_payload_index(geometry, last - 1) + 1;
    for (;; at++) {
        struct vx_bat_entry entry;
        uint64_t which;
        VX_TRY(vx_bat_window_next_set(&planner->window, at, stop, &at, err));
        if (at >= stop)
            return VHDX_OK;
        VX_TRY(vx_bat_window_get(&planner->window, at, &entry, err));
        if (vx_geometry_is_payload(geometry, at, &which) && entry.state == VX_PAYLOAD_PARTIALLY_PRESENT) {
            *block = which;
            return VHDX_OK;
        }
    }
}

/* Whether there is something to be done where all layers are transparent; then `piece` begins there. */
static vhdx_status find_hidden(struct vx_planner *planner, struct vx_piece *piece, bool *found, vhdx_error *err)
{
    uint64_t block;
    *found = false;
    if (planner->direction != VX_DIRECTION_UP)
        return VHDX_OK;
    VX_TRY(find_partial(planner, piece->virtual_offset, piece->virtual_offset + piece->length, &block, err));
    *found = block != UINT64_MAX;
    if (*found)
        piece->virtual_offset = block * planner->target->geometry.block_size;
    return VHDX_OK;
}

vhdx_status vx_planner_next(struct vx_planner *planner, struct vx_block_plan **plan, vhdx_error *err)
{
    *plan = NULL;
    while (planner->at < planner->size) {
        struct vx_piece piece;
        VX_TRY(vx_cursor_at(planner->cursor, planner->at, planner->size - planner->at, &piece, err));
        bool found = piece.kind != VX_RUN_TRANSPARENT;
        if (!found)
            VX_TRY(find_hidden(planner, &piece, &found, err));
        if (found) {
            VX_TRY(gather_block(planner, &piece, err));
            *plan = &planner->plan;
            return VHDX_OK;
        }
        planner->at += piece.length;
    }
    return VHDX_OK;
}

/* The block reads as zeros and hides what is below, or will when the merge is complete. */
static bool reads_zero(const struct vx_image *target, const struct vx_block_plan *plan)
{
    uint8_t state = plan->entry.state;
    if (state == VX_PAYLOAD_NOT_PRESENT)
        return plan->direction == VX_DIRECTION_UP || !vx_image_has_parent(target);
    return state != VX_PAYLOAD_FULLY_PRESENT && state != VX_PAYLOAD_PARTIALLY_PRESENT;
}

/* Zeros beyond the end of a smaller layer: nothing was ever written there. A base that has nothing there needs nothing.
 */
static bool only_beyond_end(const struct vx_block_plan *plan)
{
    for (size_t i = 0; i < plan->piece_count; i++)
        if (!plan->pieces[i].beyond_end)
            return false;
    return true;
}

static enum vx_block_action decide_zeros(const struct vx_image *target, const struct vx_block_plan *plan)
{
    uint8_t state = plan->entry.state;
    bool fixed = vx_image_is_fixed(target);
    if (reads_zero(target, plan)) {
        bool keep = fixed || state == VX_PAYLOAD_ZERO || (state == VX_PAYLOAD_NOT_PRESENT && only_beyond_end(plan));
        return keep ? VX_BLOCK_KEEP : VX_BLOCK_ZERO;
    }
    if (plan->full && !fixed)
        return VX_BLOCK_ZERO;
    if (state == VX_PAYLOAD_FULLY_PRESENT)
        return VX_BLOCK_OVERWRITE;
    return state == VX_PAYLOAD_PARTIALLY_PRESENT ? VX_BLOCK_EXTEND_PART : VX_BLOCK_ALLOCATE_PART;
}

static enum vx_block_action decide_data(const struct vx_image *target, const struct vx_block_plan *plan)
{
    uint8_t state = plan->entry.state;
    if (state == VX_PAYLOAD_FULLY_PRESENT)
        return VX_BLOCK_OVERWRITE;
    if (state == VX_PAYLOAD_PARTIALLY_PRESENT)
        return VX_BLOCK_EXTEND_PART;
    return plan->full || reads_zero(target, plan) ? VX_BLOCK_ALLOCATE : VX_BLOCK_ALLOCATE_PART;
}

/* A topmost layer that holds a block wholly, in whatever form, hides all below it; in a base no block may be
 * partial. */
static enum vx_block_action decide_up(const struct vx_image *target, const struct vx_block_plan *plan)
{
    if (plan->entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)
        return VX_BLOCK_COMPLETE_PART;
    if (plan->entry.state != VX_PAYLOAD_NOT_PRESENT || !(plan->any_data || plan->any_zero))
        return VX_BLOCK_KEEP;
    return plan->any_data ? decide_data(target, plan) : decide_zeros(target, plan);
}

void vx_merge_plan_decide(const struct vx_image *target, struct vx_block_plan *plan, const struct vx_bat_entry *entry)
{
    plan->entry = *entry;
    if (plan->direction == VX_DIRECTION_UP)
        plan->action = decide_up(target, plan);
    else
        plan->action = plan->any_data ? decide_data(target, plan) : decide_zeros(target, plan);
}
