/*
 * Giving back the space of a disk, in place: blocks that read as zeros, and blocks that the guest's file systems do not
 * use, leave the file; blocks from its end move into the holes; the file is cut. See compact.c for what holds
 * meanwhile.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_COMPACT_COMPACT_H
#define VX_COMPACT_COMPACT_H

#include "merge/merge.h"

/* `check`, of each layer, may be NULL. `options` and `report` are complete. */
vhdx_status vx_compact(const char *path, const vhdx_compact_options *options, bool plan_only, vx_layer_check_fn *check,
                       vhdx_compact_report *report, vhdx_error *err);

#endif
