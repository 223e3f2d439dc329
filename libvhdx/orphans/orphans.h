/*
 * The whole search from its options to its result, in order: walk, relate, compare, advise. See vhdx_orphans_scan.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_ORPHANS_H
#define VX_ORPHANS_ORPHANS_H

#include "estate/estate.h"

/* `options` is never NULL here. `trier` tries each command before it is proposed; NULL: nothing cancels it. */
vhdx_status vx_orphans_scan(const char *const *roots, size_t root_count, const vhdx_orphans_options *options,
                            const struct vx_trier *trier, struct vx_estate **estate, vhdx_error *err);

#endif
