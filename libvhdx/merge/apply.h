/*
 * Carrying out block plans on a target that is in writing: windows of payload, each followed by one commit of all its BAT and bitmap pages. Between
 * windows, and at every instant inside of one, the target's committed metadata refer to durable payload only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_APPLY_H
#define VX_MERGE_APPLY_H

#include "merge/copy.h"
#include "merge/plan.h"

/* Carries out the whole plan of the layers [0, layer_count) on `target`. `copier` is open on the target's file. */
vhdx_status vx_apply_layers(struct vx_chain *chain, size_t layer_count, struct vx_image *target,
                            uint64_t virtual_size, struct vx_copier *copier, vhdx_error *err);

/* Runs the copier's jobs and commits the journal: the end of a window. */
vhdx_status vx_apply_window(struct vx_image *target, struct vx_copier *copier, vhdx_error *err);

#endif
