/*
 * Carrying out block plans on a target that is in writing: windows of payload, each followed by one commit of all its
 * BAT and bitmap pages. Between windows, and at every instant inside of one, the target's committed metadata refer to
 * durable payload only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_MERGE_APPLY_H
#define VX_MERGE_MERGE_APPLY_H

#include "merge/copy.h"
#include "merge/totals.h"

/* A window ends when it holds so much; memory is bounded by the number of jobs. */
#define VX_WINDOW_BYTES (256 * VX_MIB)
#define VX_WINDOW_JOBS 65536u

/* How to go about it; zero members mean the defaults. */
struct vx_apply_options {
    uint64_t window_bytes; /* payload between two commits */
    /* Called before the commit of each window, whose pages it may add to (VX_MARK_PAGES of them): with that commit all
     * blocks before `virtual_end` will be done. */
    vhdx_status (*before_commit)(void *context, uint64_t virtual_end, vhdx_error *err);
    /* Called after each window, when its changes are durable: all blocks before `virtual_end` are done. Not VHDX_OK
     * ends the work. */
    vhdx_status (*window_done)(void *context, uint64_t virtual_end, vhdx_error *err);
    void *context;
    struct vx_totals *done; /* what is done is added to it; may be NULL */
};

/* Carries out the whole plan of `task`. `copier` is open on the target's file. `options` may be NULL. */
vhdx_status vx_apply_layers(const struct vx_merge_task *task, struct vx_copier *copier,
                            const struct vx_apply_options *options, vhdx_error *err);

#endif
