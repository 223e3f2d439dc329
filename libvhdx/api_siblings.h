/*
 * The other children of a chain's layers, in other places: directories, with all below them, and reports of
 * 'vhdx orphans --json' become disks that a merge, or a change of a disk, can be judged by. Their rooms look beside the
 * layers only and may not see the search.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_API_SIBLINGS_H
#define VX_API_SIBLINGS_H

#include "chain/neighbours.h"

struct vx_siblings;

/* Where to look: members of the options of whoever asks. */
struct vx_siblings_wish {
    const vhdx_host *host;
    const char *const *places;
    size_t count;
};

/* NULL in *siblings where no place is named. Fails as vhdx_orphans_scan() does. */
vhdx_status vx_siblings_find(const struct vx_siblings_wish *wish, struct vx_siblings **siblings, vhdx_error *err);
/* NULL: there are none. They live as long as `siblings`, which may be NULL. */
const struct vx_far_disks *vx_siblings_disks(const struct vx_siblings *siblings);
/* Takes NULL. */
void vx_siblings_free(struct vx_siblings *siblings);

#endif
