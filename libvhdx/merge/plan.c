/*
 * Deciding, block by block. See plan.h. Carrying it out is apply.c.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/plan.h"

#include "base/alloc.h"
#include "image/bat_window.h"

#include <string.h>

struct vx_planner {
    struct vx_cursor *cursor;
    struct vx_image *target;
    enum vx_direction direction;
    uint64_t at, size; /* place on the virtual disk; its end */
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
    vhdx_status status = vx_cursor_open(task->chain, 0, task->layer_count, true, &planner->cursor, err);
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
    vx_free(planner->plan.pieces);
    vx_free(planner);
}

static bool joins(const struct vx_piece *last, const struct vx_piece *piece)
{
    return last->kind == piece->kind && last->layer == piece->layer && last->beyond_end == piece->beyond_end &&
           last->virtual_offset + last->length == piece->virtual_offset &&
           (piece->kind != VX_RUN_DATA || last->file_offset + last->length == piece->file_offset);
}

static vhdx_status add_piece(struct vx_block_plan *plan, const struct vx_piece *piece, vhdx_error *err)
{
    bool own = vx_piece_is_own(plan, piece);
    plan->any_data |= !own && piece->kind == VX_RUN_DATA;
    plan->any_zero |= !own && piece->kind == VX_RUN_ZERO;
    if (plan->piece_count > 0 && joins(&plan->pieces[plan->piece_count - 1], piece)) {
        plan->pieces[plan->piece_count - 1].length += piece->length;
        return VHDX_OK;
    }
    if (plan->piece_count == plan->piece_room) {
        size_t room = plan->piece_room ? plan->piece_room * 2 : 64;
        struct vx_piece *pieces = vx_resize(plan->pieces, room, sizeof *pieces);
        if (!pieces)
            return vx_fail_memory(err, "the plan of a merge");
        plan->pieces = pieces;
        plan->piece_room = room;
    }
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
            VX_TRY(add_piece(plan, &piece, err));
        planner->at += piece.length;
    }
    return VHDX_OK;
}

vhdx_status vx_planner_next(struct vx_planner *planner, struct vx_block_plan **plan, vhdx_error *err)
{
    *plan = NULL;
    while (planner->at < planner->size) {
        struct vx_piece piece;
        VX_TRY(vx_cursor_at(planner->cursor, planner->at, planner->size - planner->at, &piece, err));
        if (piece.kind != VX_RUN_TRANSPARENT) {
            VX_TRY(gather_block(planner, &piece, err));
            *plan = &planner->plan;
            return VHDX_OK;
        }
        planner->at += piece.length;
    }
    return VHDX_OK;
}

/* The block reads as zeros and hides what lies below, or will when the merge is complete. */
static bool reads_zero(const struct vx_image *target, const struct vx_block_plan *plan)
{
    uint8_t state = plan->entry.state;
    if (state == VX_PAYLOAD_NOT_PRESENT)
        return plan->direction == VX_DIRECTION_UP || !vx_image_has_parent(target);
    return state != VX_PAYLOAD_FULLY_PRESENT && state != VX_PAYLOAD_PARTIALLY_PRESENT;
}

/* Zeros beyond the end of a smaller layer: nobody ever wrote there. A base that has nothing there needs nothing. */
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

/* A topmost layer that holds a block wholly, in whatever form, hides all below it; in a base no block may be partial. */
static enum vx_block_action decide_up(const struct vx_image *target, const struct vx_block_plan *plan)
{
    if (plan->entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)
        return VX_BLOCK_COMPLETE_PART;
    if (plan->entry.state != VX_PAYLOAD_NOT_PRESENT || !(plan->any_data || plan->any_zero))
        return VX_BLOCK_KEEP;
    return plan->any_data ? decide_data(target, plan) : decide_zeros(target, plan);
}

void vx_plan_decide(const struct vx_image *target, struct vx_block_plan *plan, const struct vx_bat_entry *entry)
{
    plan->entry = *entry;
    if (plan->direction == VX_DIRECTION_UP)
        plan->action = decide_up(target, plan);
    else
        plan->action = plan->any_data ? decide_data(target, plan) : decide_zeros(target, plan);
}

/* Bytes of a range of the file that lie in holes: writing them takes space. */
static uint64_t hole_bytes(struct vx_file *file, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length, holes = 0;
    while (offset < end) {
        uint64_t data, data_length;
        vx_file_next_data(file, offset, &data, &data_length);
        if (data_length == 0 || data >= end)
            return holes + (end - offset);
        holes += data - offset;
        offset = vx_min(end, data + data_length);
    }
    return holes;
}

static void add_in_place(struct vx_totals *totals, struct vx_image *target, const struct vx_block_plan *plan)
{
    for (size_t i = 0; i < plan->piece_count; i++) {
        const struct vx_piece *piece = &plan->pieces[i];
        uint64_t place = plan->entry.file_offset + (piece->virtual_offset - plan->virtual_offset);
        if (piece->kind == VX_RUN_DATA && !vx_piece_is_own(plan, piece))
            totals->new_bytes += hole_bytes(target->view, place, piece->length);
    }
}

static void add_block(struct vx_totals *totals, struct vx_image *target, const struct vx_block_plan *plan)
{
    bool allocates = plan->action == VX_BLOCK_ALLOCATE || plan->action == VX_BLOCK_ALLOCATE_PART;
    bool in_place = plan->action == VX_BLOCK_OVERWRITE || plan->action == VX_BLOCK_EXTEND_PART ||
                    plan->action == VX_BLOCK_COMPLETE_PART;
    totals->blocks_to_zero += plan->action == VX_BLOCK_ZERO;
    totals->blocks_to_allocate += allocates;
    if (!allocates && !in_place)
        return;
    for (size_t i = 0; i < plan->piece_count; i++) {
        bool data = plan->pieces[i].kind == VX_RUN_DATA;
        if (vx_piece_is_own(plan, &plan->pieces[i]))
            continue;
        totals->bytes_to_copy += data ? plan->pieces[i].length : 0;
        totals->bytes_to_zero += !data && in_place ? plan->pieces[i].length : 0;
        totals->new_bytes += data && allocates ? plan->pieces[i].length : 0;
    }
    if (in_place)
        add_in_place(totals, target, plan);
}

/* An entry of the target, which may be shorter than the merged disk: what is beyond its end will be as resize.c makes it. */
static vhdx_status target_entry(struct vx_bat_window *window, const struct vx_image *target, uint64_t block,
                                struct vx_bat_entry *entry, vhdx_error *err)
{
    if (block < target->geometry.payload_count)
        return vx_bat_window_get(window, vx_geometry_payload_index(&target->geometry, block), entry, err);
    *entry = (struct vx_bat_entry){.state = vx_image_has_parent(target) ? VX_PAYLOAD_ZERO : VX_PAYLOAD_NOT_PRESENT};
    return VHDX_OK;
}

static vhdx_status add_all(struct vx_planner *planner, struct vx_bat_window *window, struct vx_totals *totals,
                           vhdx_error *err)
{
    struct vx_image *target = planner->target;
    uint64_t last_chunk = UINT64_MAX;
    for (;;) {
        struct vx_block_plan *plan;
        struct vx_bat_entry entry, bitmap;
        VX_TRY(vx_planner_next(planner, &plan, err));
        if (!plan)
            return VHDX_OK;
        VX_TRY(target_entry(window, target, plan->block, &entry, err));
        vx_plan_decide(target, plan, &entry);
        add_block(totals, target, plan);
        uint64_t chunk = plan->block / target->geometry.chunk_ratio;
        if (plan->action != VX_BLOCK_ALLOCATE_PART || chunk == last_chunk)
            continue;
        last_chunk = chunk;
        VX_TRY(vx_bat_window_get(window, vx_geometry_bitmap_index(&target->geometry, chunk), &bitmap, err));
        totals->bitmaps_to_allocate += bitmap.state != VX_BITMAP_PRESENT;
    }
}

vhdx_status vx_plan_totals(const struct vx_merge_task *task, struct vx_totals *totals, vhdx_error *err)
{
    struct vx_planner *planner;
    struct vx_bat_window window;
    memset(totals, 0, sizeof *totals);
    VX_TRY(vx_planner_open(task, &planner, err));
    vhdx_status status = vx_bat_window_open(task->target, VX_BAT_WINDOW_LARGE, &window, err);
    if (status == VHDX_OK) {
        status = add_all(planner, &window, totals, err);
        vx_bat_window_close(&window);
    }
    vx_planner_close(planner);
    return status;
}
