/*
 * Which disk depends on which: files that are one file under several names, parents by identity (then by second
 * linkage), files that are where a parent should be, loops. Names are only asked where identities tell nothing. Asks no
 * host.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_GRAPH_H
#define VX_ESTATE_GRAPH_H

#include "estate/names.h"

/* Joins records of one file (hard links, symbolic links, one file in two reports). The estate is sorted. NOMEM. */
vhdx_status vx_graph_unify(struct vx_estate *estate, vhdx_error *err);

/* Fills parent, suspect, twin, children, in_cycle and what belongs to them. NOMEM. */
vhdx_status vx_graph_build(struct vx_estate *estate, vhdx_error *err);

#endif
