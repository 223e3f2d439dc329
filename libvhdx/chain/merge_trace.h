/*
 * What a merge has left in a disk: one that stopped half way, seen from its target or from the layer next to it, or one
 * that came to its end and whose layer was kept. Reads only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_MERGE_TRACE_H
#define VX_CHAIN_MERGE_TRACE_H

#include "chain/resolve.h"

/* Fills `trace`; without a trace its state is NONE. A parent that cannot be found is no failure: it tells nothing. */
vhdx_status vx_merge_trace(struct vx_image *image, const struct vx_search *search, vhdx_merge_trace *trace,
                           vhdx_error *err);
/* REFUSED for a disk of a merge that stopped half way: only that merge can go on with it. */
vhdx_status vx_check_no_merge(struct vx_image *image, const struct vx_search *search, vhdx_error *err);

#endif
