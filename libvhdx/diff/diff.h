/*
 * In which ranges two disks read differently: by what their layers say, where they share the layers below, and by their
 * bytes where that is asked for. Reads only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_DIFF_DIFF_H
#define VX_DIFF_DIFF_H

#include "chain/chain.h"

/* As vhdx_diff; `look`: at each layer before it is compared, may be NULL. `report` is never NULL here. */
vhdx_status vx_diff(const char *a, const char *b, const vhdx_diff_options *options, vx_layer_check_fn *look,
                    vhdx_range_fn visit, void *context, vhdx_diff_report *report, vhdx_error *err);

#endif
