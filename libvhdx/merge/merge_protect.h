/*
 * The undo file of a merge: which files it protects, from when to when, and whether there is room for it. See
 * merge/run.h for the run, image/protect.h for what protection means.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_MERGE_PROTECT_H
#define VX_MERGE_MERGE_PROTECT_H

#include "merge/run.h"

/*
 * Does nothing unless an undo file is asked for. After every check and before the first write: protects what this merge
 * writes to (in a plan only looks whether it could). The same files again when the same merge goes on after a crash.
 */
vhdx_status vx_merge_protect(struct vx_merge_run *run, bool up, vhdx_error *err);
/* After the last write. */
vhdx_status vx_merge_protect_end(struct vx_merge_run *run, vhdx_error *err);

#endif
