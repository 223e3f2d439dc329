/*
 * Which of the disks beside the layers would be harmed by a merge, or have to be told of it. Also recognizes what an
 * earlier run of the same merge has left behind, so that it is completed and not refused.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_GUARD_H
#define VX_MERGE_GUARD_H

#include "chain/neighbours.h"

/* What they mean for the merge of layers[0] .. layers[into - 1] into layers[into]. */
struct vx_guard {
    const struct vx_neighbour **siblings; /* become invalid: children of the target or of a layer in between */
    size_t sibling_count;
    const struct vx_neighbour **uppers; /* children of layers[0], and former ones: to be linked to the target */
    size_t upper_count;
    /* former layers between child and target, topmost first, after an earlier run */
    const struct vx_neighbour **leftovers;
    size_t leftover_count;
    /* disks that would be siblings, but were merged into their parent before, and kept: nothing is lost with them */
    const struct vx_neighbour **remnants;
    size_t remnant_count;
    bool merged_before; /* the target holds the child's data already: a child of the child was linked to it */
};

vhdx_status vx_guard_judge(const struct vx_chain *chain, size_t into, const struct vx_neighbours *neighbours,
                           struct vx_guard *guard, vhdx_error *err);
void vx_guard_free(struct vx_guard *guard);

#endif
