/*
 * Merging: the layers of a chain from a child down to just above a target become part of the target. This header is the
 * room's door for api.c; the parts are plan (what happens to each block), copy (moving bytes), apply (windows of
 * changes), guard (which other disks would be harmed), run (the protocol) and flatten (a new file).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_MERGE_H
#define VX_MERGE_MERGE_H

#include "chain/neighbours.h"

/* What other rooms know that a merge cannot find out. Members may be NULL. */
struct vx_merge_surroundings {
    const struct vx_far_disks *far; /* what was found of options->siblings */
    vx_layer_check_fn *check;
    bool owner_known; /* the machine that uses the child is, and what it needs is told elsewhere */
};

/* As vhdx_merge; `plan_only`: as vhdx_merge_plan. `report` is never NULL here; it is filled as far as known also on
 * failure. */
vhdx_status vx_merge(const char *child, const vhdx_merge_options *options, bool plan_only,
                     const struct vx_merge_surroundings *around, vhdx_merge_report *report, vhdx_error *err);
/* As vhdx_flatten. */
vhdx_status vx_flatten(const char *child, const char *path, const vhdx_merge_options *options,
                       const struct vx_merge_surroundings *around, vhdx_merge_report *report, vhdx_error *err);

#endif
