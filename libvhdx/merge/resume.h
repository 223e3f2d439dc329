/*
 * Going on where an earlier run of the same merge was cut off, by the mark that it left in the target (image/mark.h).
 * The mark is believed only as long as both sides are what they were:
 *
 *  G1  It names the target's present DataWriteGuid, which nothing but this merge has: no other program has written to
 * it. G2  It names the DataWriteGuids of the merged layers, all of them and in order: what they hold is what was moved.
 *  G3  It is carried forward by the commit that ends a window, so that the window's payload is durable before it (J1);
 *      with `verify` only when the window was read back.
 *  G4  What is just before its place is compared; with `verify`, all that does. One difference, and the merge begins
 *      anew.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_RESUME_H
#define VX_MERGE_RESUME_H

#include "merge/run.h"

/* Looks for what an earlier run has done, before planning: run->resume, the report. Writes nothing. */
vhdx_status vx_resume_find(struct vx_merge_run *run, vhdx_error *err);
/* The mark of this run, when the target is in writing. Without room for it the merge does without. */
vhdx_status vx_resume_begin(struct vx_merge_run *run, vhdx_error *err);
/* Carries the mark forward with the commit to come. `moved`: bytes, in this run. */
vhdx_status vx_resume_forward(struct vx_merge_run *run, uint64_t virtual_end, uint64_t moved, vhdx_error *err);
/* The window up to there was read back. */
void vx_resume_verified(struct vx_merge_run *run, uint64_t virtual_end, uint64_t moved);

#endif
