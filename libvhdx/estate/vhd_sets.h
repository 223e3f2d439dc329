/*
 * Which disks belong to a VHD set: those beside its .vhds file that it names, or that are called like it, and whatever
 * they hang on or hangs on them, to any depth. A set's disks are never merged or moved one by one.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_VHD_SETS_H
#define VX_ESTATE_VHD_SETS_H

#include "estate/estate.h"

/* Marks the disks beside the .vhds file that are its own. */
void vx_set_take(struct vx_estate *estate, const struct vx_machine *set);

/* Marks ancestors and descendants of what is marked. false: no memory. */
bool vx_sets_spread(struct vx_estate *estate);

#endif
