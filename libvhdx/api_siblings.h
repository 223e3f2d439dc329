/*
 * The other children of a chain's layers that lie elsewhere: directories, with all below them, and reports of
 * 'vhdx orphans --json' become disks that a merge can be judged by. The room of merges looks beside the layers only and
 * may not see the search.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_API_SIBLINGS_H
#define VX_API_SIBLINGS_H

#include "chain/neighbours.h"

struct vx_siblings;

/* NULL in *siblings where `options` names no place. Fails as vhdx_orphans_scan() does. */
vhdx_status vx_siblings_find(const vhdx_merge_options *options, struct vx_siblings **siblings, vhdx_error *err);
/* NULL: there are none. They live as long as `siblings`, which may be NULL. */
const struct vx_far_disks *vx_siblings_disks(const struct vx_siblings *siblings);
/* Takes NULL. */
void vx_siblings_free(struct vx_siblings *siblings);

#endif
