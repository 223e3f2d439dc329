/*
 * What a plan adds up to: bytes, blocks, windows, space. The same addition serves the plan before the work and the
 * account after it. Changes nothing.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_TOTALS_H
#define VX_MERGE_TOTALS_H

#include "merge/merge_plan.h"
#include "merge/zeros.h"

struct vx_totals {
    uint64_t bytes_to_copy, bytes_to_share, bytes_to_zero;
    uint64_t blocks_to_allocate, bitmaps_to_allocate, blocks_to_zero;
    uint64_t new_bytes; /* of bytes_to_copy: those that go to new blocks or to holes of the host's file */
    uint64_t old_bytes; /* that are overwritten, and are no holes */
    uint64_t windows;   /* commits */
};

/* What it costs, in bytes written; sharing costs little. */
static inline uint64_t vx_totals_cost(const struct vx_totals *totals)
{
    return totals->bytes_to_copy + totals->bytes_to_zero + totals->bytes_to_share / 64;
}

/* Adds one block; `holes` NULL: new_bytes of blocks that are there already is of no interest. */
void vx_totals_add(struct vx_totals *totals, const struct vx_merge_task *task, const struct vx_block_plan *plan,
                   struct vx_extents *holes);

/* Says how far planning is. CANCELLED when the caller's callback says so. `options` may be NULL. */
vhdx_status vx_tell_planned(const vhdx_merge_options *options, uint64_t at, uint64_t size, vhdx_error *err);
/*
 * Walks all blocks and adds up. The target is read only (it need not be in writing). `window_bytes`: as for the work
 * itself. `closely`: bytes of the layers are looked at where a block may hold nothing but zeros, as the work itself
 * will do; else the totals are an upper bound.
 */
vhdx_status vx_merge_plan_totals(const struct vx_merge_task *task, uint64_t window_bytes, bool closely,
                                 struct vx_totals *totals, vhdx_error *err);

#endif
