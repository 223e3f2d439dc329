/*
 * Regions that get another place in the file (MS-VHDX 2.2.3). The bytes are copied first; then one log entry makes both
 * region tables name the new place, so that a power cut leaves the old one or the new one. Space is the caller's: the
 * new place is taken already, the old one is free after the commit.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_REGION_MOVE_H
#define VX_IMAGE_REGION_MOVE_H

#include "image/image.h"

/*
 * Makes the region that begins at `from_offset` be what `to` says. The bytes are there already and become durable here;
 * nothing may be pending in the journal.
 */
vhdx_status vx_region_switch(struct vx_image *image, uint64_t from_offset, const struct vx_region *to, vhdx_error *err);
/* Copies the region to `to_offset`, whatever is there, and switches to it. */
vhdx_status vx_region_move(struct vx_image *image, uint64_t from_offset, uint64_t to_offset, vhdx_error *err);

#endif
