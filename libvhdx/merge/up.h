/*
 * Merging upwards: the child takes what it lacks from the layers below it and becomes a base. The ancestor is never
 * written; at most its name is taken over at the very end.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_UP_H
#define VX_MERGE_UP_H

#include "merge/run.h"

/* What an upward merge would move; REFUSED when the ancestor has a parent itself. Fills run->totals. */
vhdx_status vx_up_plan(struct vx_merge_run *run, vhdx_error *err);

/*
 * Merges run->chain, which is open with at least the child for writing (with removal: all layers). Checks first, as
 * vx_merge_check does. The chain is closed when names change.
 */
vhdx_status vx_up_merge(struct vx_merge_run *run, vhdx_error *err);

/*
 * A child that has no parent any more: what an earlier run left to do is done. `also`: directories in which its other
 * layers may be, besides its own and its ancestor's; may be NULL. The report's target is filled.
 */
vhdx_status vx_up_resume(struct vx_merge_run *run, const struct vx_search *also, vhdx_error *err);

#endif
