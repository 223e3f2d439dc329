/*
 * From a block plan to jobs and pending pages. See merge_apply.h. In-place writes are safe because every byte that is
 * overwritten is hidden by the layers that are merged, until they are gone.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/merge_apply.h"

#include "image/journal.h"
#include "image/mark.h"
#include "image/payload.h"
#include "image/space.h"
#include "image/writing.h"

struct apply {
    const struct vx_merge_task *task;
    struct vx_chain *chain;
    struct vx_image *target;
    struct vx_copier *copier;
    struct vx_zeros *zeros;
    struct vx_apply_options options;
    bool counts_space;     /* a window is measured by the space it takes, too */
    uint64_t taken_before; /* by earlier windows */
};

static vhdx_status end_window(struct apply *apply, uint64_t virtual_end, vhdx_error *err)
{
    struct vx_image *target = apply->target;
    apply->taken_before = vx_space_taken(target->space);
    VX_TRY(vx_space_materialize(target->space, err));
    VX_TRY(vx_copier_run(apply->copier, err));
    if (apply->options.before_commit)
        VX_TRY(apply->options.before_commit(apply->options.context, virtual_end, err));
    VX_TRY(vx_image_commit(target, err));
    if (!apply->options.window_done)
        return VHDX_OK;
    VX_TRY(vx_file_flush(target->file, err)); /* what was overwritten in place made no commit */
    return apply->options.window_done(apply->options.context, virtual_end, err);
}

/* Ends the window before the block at `virtual_offset` if it holds enough. */
static vhdx_status make_room(struct apply *apply, uint64_t virtual_offset, vhdx_error *err)
{
    const struct vx_copier *copier = apply->copier;
    uint64_t taken = apply->counts_space ? vx_space_taken(apply->target->space) - apply->taken_before : 0;
    if (vx_max(copier->load, taken) < apply->options.window_bytes && copier->job_count < VX_WINDOW_JOBS &&
        vx_journal_room(apply->target->journal) >= vx_payload_pages_per_block(apply->target) + VX_MARK_PAGES)
        return VHDX_OK;
    return end_window(apply, virtual_offset, err);
}

static vhdx_status add_zeros(const struct apply *apply, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct vx_copy_job job = {.target_offset = offset, .length = length};
    return length > 0 ? vx_copier_add(apply->copier, &job, err) : VHDX_OK;
}

/* Jobs for the pieces of a block at `place`. `zeroed`: the place reads as zeros already, zero pieces need no job. */
static vhdx_status add_pieces(const struct apply *apply, const struct vx_block_plan *plan, uint64_t place, bool zeroed,
                              vhdx_error *err)
{
    for (size_t i = 0; i < plan->piece_count; i++) {
        const struct vx_piece *piece = &plan->pieces[i];
        uint64_t offset = place + (piece->virtual_offset - plan->virtual_offset);
        if (vx_piece_is_own(plan, piece))
            continue; /* it is where it belongs */
        if (piece->kind == VX_RUN_DATA) {
            struct vx_copy_job job = {.source = apply->chain->layers[piece->layer]->view,
                                      .source_offset = piece->file_offset,
                                      .target_offset = offset,
                                      .length = piece->length,
                                      .virtual_offset = piece->virtual_offset};
            VX_TRY(vx_copier_add(apply->copier, &job, err));
        } else if (!zeroed) {
            VX_TRY(add_zeros(apply, offset, piece->length, err));
        }
    }
    return VHDX_OK;
}

/* Zeros for what no piece covers, up to the end of the block's space. */
static vhdx_status add_gaps(const struct apply *apply, const struct vx_block_plan *plan, uint64_t place,
                            vhdx_error *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i < plan->piece_count; i++) {
        uint64_t begin = plan->pieces[i].virtual_offset - plan->virtual_offset;
        VX_TRY(add_zeros(apply, place + at, begin - at, err));
        at = begin + plan->pieces[i].length;
    }
    return add_zeros(apply, place + at, apply->target->geometry.block_size - at, err);
}

static vhdx_status set_bits(const struct apply *apply, const struct vx_block_plan *plan, uint64_t bits_offset,
                            vhdx_error *err)
{
    uint32_t sector_size = apply->target->geometry.logical_sector_size;
    for (size_t i = 0; i < plan->piece_count; i++) {
        uint64_t first = (plan->pieces[i].virtual_offset - plan->virtual_offset) / sector_size;
        VX_TRY(
            vx_payload_fill_bits(apply->target, bits_offset, first, plan->pieces[i].length / sector_size, true, err));
    }
    return VHDX_OK;
}

/* A place for the block: its own old one where an anchor kept it, else a new one. */
static vhdx_status take_place(const struct apply *apply, const struct vx_block_plan *plan, uint64_t *place, bool *fresh,
                              vhdx_error *err)
{
    bool anchored = vx_bat_payload_owns_space(&plan->entry) && plan->entry.file_offset != 0;
    *fresh = false;
    if (anchored) {
        *place = plan->entry.file_offset;
        return VHDX_OK;
    }
    return vx_space_take(apply->target->space, apply->target->geometry.block_size, place, fresh, err);
}

static vhdx_status allocate(const struct apply *apply, const struct vx_block_plan *plan, vhdx_error *err)
{
    struct vx_bat_entry entry = {.state = VX_PAYLOAD_FULLY_PRESENT};
    bool fresh;
    VX_TRY(take_place(apply, plan, &entry.file_offset, &fresh, err));
    VX_TRY(add_pieces(apply, plan, entry.file_offset, fresh, err));
    if (!fresh)
        VX_TRY(add_gaps(apply, plan, entry.file_offset, err));
    return vx_payload_set_entry(apply->target, plan->block, &entry, err);
}

static vhdx_status allocate_part(const struct apply *apply, const struct vx_block_plan *plan, vhdx_error *err)
{
    struct vx_bat_entry entry = {.state = VX_PAYLOAD_PARTIALLY_PRESENT};
    uint64_t bits_offset;
    bool fresh;
    VX_TRY(take_place(apply, plan, &entry.file_offset, &fresh, err));
    VX_TRY(add_pieces(apply, plan, entry.file_offset, fresh, err));
    VX_TRY(vx_payload_bitmap(apply->target, plan->block, &bits_offset, err));
    VX_TRY(vx_payload_fill_bits(apply->target, bits_offset, 0, apply->target->geometry.sectors_per_block, false, err));
    VX_TRY(set_bits(apply, plan, bits_offset, err));
    return vx_payload_set_entry(apply->target, plan->block, &entry, err);
}

static vhdx_status extend_part(const struct apply *apply, const struct vx_block_plan *plan, vhdx_error *err)
{
    struct vx_bat_entry entry = {.state = VX_PAYLOAD_FULLY_PRESENT, .file_offset = plan->entry.file_offset};
    uint64_t sectors = (plan->virtual_end - plan->virtual_offset) / apply->target->geometry.logical_sector_size;
    uint64_t bits_offset;
    bool full;
    VX_TRY(add_pieces(apply, plan, plan->entry.file_offset, false, err));
    VX_TRY(vx_payload_bitmap(apply->target, plan->block, &bits_offset, err));
    VX_TRY(set_bits(apply, plan, bits_offset, err));
    VX_TRY(vx_payload_bits_full(apply->target, bits_offset, sectors, &full, err));
    return full ? vx_payload_set_entry(apply->target, plan->block, &entry, err) : VHDX_OK;
}

static vhdx_status complete_part(const struct apply *apply, const struct vx_block_plan *plan, vhdx_error *err)
{
    struct vx_bat_entry entry = {.state = VX_PAYLOAD_FULLY_PRESENT, .file_offset = plan->entry.file_offset};
    VX_TRY(add_pieces(apply, plan, entry.file_offset, false, err));
    VX_TRY(add_gaps(apply, plan, entry.file_offset, err));
    return vx_payload_set_entry(apply->target, plan->block, &entry, err);
}

static vhdx_status make_zero(const struct apply *apply, const struct vx_block_plan *plan, vhdx_error *err)
{
    struct vx_bat_entry entry = {.state = VX_PAYLOAD_ZERO};
    if (vx_bat_payload_owns_space(&plan->entry))
        VX_TRY(
            vx_space_release(apply->target->space, plan->entry.file_offset, apply->target->geometry.block_size, err));
    return vx_payload_set_entry(apply->target, plan->block, &entry, err);
}

static vhdx_status apply_block(const struct apply *apply, const struct vx_block_plan *plan, vhdx_error *err)
{
    switch (plan->action) {
    case VX_BLOCK_KEEP:
        return VHDX_OK;
    case VX_BLOCK_ZERO:
        return make_zero(apply, plan, err);
    case VX_BLOCK_OVERWRITE:
        return add_pieces(apply, plan, plan->entry.file_offset, false, err);
    case VX_BLOCK_ALLOCATE:
        return allocate(apply, plan, err);
    case VX_BLOCK_ALLOCATE_PART:
        return allocate_part(apply, plan, err);
    case VX_BLOCK_EXTEND_PART:
        return extend_part(apply, plan, err);
    case VX_BLOCK_COMPLETE_PART:
        return complete_part(apply, plan, err);
    }
    return VHDX_OK;
}

static vhdx_status apply_all(struct apply *apply, struct vx_planner *planner, vhdx_error *err)
{
    for (;;) {
        struct vx_block_plan *plan;
        struct vx_bat_entry entry;
        VX_TRY(vx_planner_next(planner, &plan, err));
        if (!plan)
            return end_window(apply, UINT64_MAX, err);
        VX_TRY(make_room(apply, plan->virtual_offset, err));
        VX_TRY(vx_payload_entry(apply->target, plan->block, &entry, err));
        vx_merge_plan_decide(apply->target, plan, &entry);
        VX_TRY(vx_zeros_find(apply->zeros, plan, err));
        if (apply->options.done)
            vx_totals_add(apply->options.done, apply->task, plan, NULL);
        VX_TRY(apply_block(apply, plan, err));
    }
}

vhdx_status vx_apply_layers(const struct vx_merge_task *task, struct vx_copier *copier,
                            const struct vx_apply_options *options, vhdx_error *err)
{
    struct apply apply = {.task = task, .chain = task->chain, .target = task->target, .copier = copier};
    struct vx_planner *planner;
    if (options)
        apply.options = *options;
    /* Where sparse files do harm a new block is written whole; when space is given back between windows, no more than a
     * window is there. */
    apply.counts_space =
        apply.options.window_done && (vx_file_facts(task->target->file)->attributes & VHDX_FILE_SPARSE_HARMS) != 0;
    if (apply.options.window_bytes == 0)
        apply.options.window_bytes = VX_WINDOW_BYTES;
    VX_TRY(vx_planner_open(task, &planner, err));
    vhdx_status status = vx_zeros_open(task, true, &apply.zeros, err);
    if (status == VHDX_OK)
        status = apply_all(&apply, planner, err);
    vx_zeros_close(apply.zeros);
    vx_planner_close(planner);
    return status;
}
