/*
 * Contents, compared: files of one identity with each other, and disks that nothing names with what is below them.
 * The only part of the search that reads disks whole; it runs between relating and advising. Writes nothing but the
 * outcome into the estate.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_COMPARE_H
#define VX_ORPHANS_COMPARE_H

#include "estate/estate.h"

/* Disks of this host only. What cannot be read is no failure. NOMEM, CANCELLED. */
vhdx_status vx_orphans_compare(struct vx_estate *estate, const vhdx_orphans_options *options, vhdx_error *err);
/* Takes over what the searches behind reports have compared, as far as it still is about the same files. */
void vx_compare_carry(struct vx_estate *estate);

#endif
