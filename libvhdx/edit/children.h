/*
 * The disks that were made on a disk which is about to get a new DataWriteGuid: they name it by that id, so they would
 * no longer open (MS-VHDX 2.2.2, 2.6.2.6.3). Found beside the disk, through damage, as a merge finds siblings. Reads
 * only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_CHILDREN_H
#define VX_EDIT_CHILDREN_H

#include "chain/neighbours.h"

struct vx_children_wish {
    const struct vx_far_disks *far; /* disks that lie elsewhere, found by somebody else; may be NULL */
    bool force;                     /* name them in warnings, and go on */
    vhdx_advice advice;             /* of a refusal */
    vhdx_notice_fn notice;
    void *notice_context;
};

/*
 * REFUSED, with their names, when a disk was made on `image` or may have been. A child that finds its parent in a copy
 * of this disk (the same id in another file, where the child's own paths lead) is none of its children; neither is a
 * layer that was merged into it and kept.
 */
vhdx_status vx_children_check(struct vx_image *image, const struct vx_children_wish *wish, vhdx_error *err);

#endif
