/*
 * Walking through directories and looking at every file in them, by several threads at once: fills an estate with
 * records. Judges nothing. Loops of links are found by a directory's identity, not by its name; what cannot be read
 * becomes a place that was not searched.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_SCAN_H
#define VX_ORPHANS_SCAN_H

#include "estate/estate.h"

/*
 * `extra`: only configurations are looked for. Roots may be directories or files. NOT_FOUND: a root is not there.
 * CANCELLED, NOMEM. Progress is told from the calling thread.
 */
vhdx_status vx_orphans_walk(struct vx_estate *estate, const char *const *roots, size_t root_count, bool extra,
                            const vhdx_orphans_options *options, vhdx_error *err);

#endif
