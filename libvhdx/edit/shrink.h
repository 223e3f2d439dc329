/*
 * A smaller virtual disk. The size is published first, by one commit: from then on entries behind the new last one mean
 * nothing (MS-VHDX 2.5), and what they led to is nobody's. Clearing them comes after, so that a power cut leaves the
 * old disk or the new one.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_SHRINK_H
#define VX_EDIT_SHRINK_H

#include "image/image.h"

struct vx_space;

/*
 * Makes the virtual disk `virtual_size` long, which is less than it is. The image is in writing, and nothing is
 * pending. The bytes of the last block that lie behind the new end become zeros.
 */
vhdx_status vx_shrink(struct vx_image *image, uint64_t virtual_size, vhdx_error *err);

/* Takes from `space` what a disk of that size no longer needs, as far as the BAT tells; writes nothing. */
vhdx_status vx_shrink_release(struct vx_image *image, struct vx_space *space, const struct vx_geometry *old,
                              const struct vx_geometry *new, vhdx_error *err);

#endif
