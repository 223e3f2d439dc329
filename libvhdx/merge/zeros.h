/*
 * Zeros that are stored as data: holes of the layers' files, and blocks that hold nothing but zeros. A plan in which
 * they are zeros, not data, allocates no block for them and leaves the merged file as sparse as the layers were.
 * Looking costs time, so bytes are read only where a whole new block may be saved by it, and no further than the first
 * that is not zero.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_ZEROS_H
#define VX_MERGE_ZEROS_H

#include "merge/merge_plan.h"

/* Where a file has holes, as far as was asked last: a walk in order asks the host once for each. */
struct vx_extents {
    struct vx_file *file;
    uint64_t size;             /* of the file; only zeros.c wants to know */
    uint64_t begin, data, end; /* [begin, data) is a hole, [data, end) holds something; all 0 = nothing is known */
};

/* Whether there is a hole at `offset`, and where that (or what holds something) ends. */
bool vx_extents_is_hole(struct vx_extents *extents, uint64_t offset, uint64_t *end);
/* Bytes of the range that are in holes. */
uint64_t vx_extents_holes(struct vx_extents *extents, uint64_t offset, uint64_t length);

struct vx_zeros;

/* With `task->keep_zeros` nothing is found. `bytes`: not only holes, also bytes are looked at. */
vhdx_status vx_zeros_open(const struct vx_merge_task *task, bool bytes, struct vx_zeros **zeros, vhdx_error *err);
/* Takes NULL. */
void vx_zeros_close(struct vx_zeros *zeros);
/* Turns data of a decided plan into zeros where that is what they are, and decides anew. */
vhdx_status vx_zeros_find(struct vx_zeros *zeros, struct vx_block_plan *plan, vhdx_error *err);

#endif
