/*
 * Families (what hangs together) and chains (lines from a leaf down), made of a graph that is classified. A forged
 * estate may have a hundred thousand leaves over a hundred thousand layers; lists of chains are bounded for it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_FAMILY_H
#define VX_ESTATE_FAMILY_H

#include "estate/estate.h"

/* Fills families (but for their steps), chains and each disk's family. NOMEM is the only failure. */
vhdx_status vx_families_make(struct vx_estate *estate, vhdx_error *err);

#endif
