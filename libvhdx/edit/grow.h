/*
 * Changing the size of a target's virtual disk: growing it before the merge (the BAT may have to move), shrinking it
 * after. The one thing that is easy to get wrong: what appears when a disk grows must read as zeros, not as garbage
 * behind the old end nor as a grandparent's data.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_GROW_H
#define VX_EDIT_GROW_H

#include "image/image.h"

/* Space that growing to `virtual_size` takes in the file, fixed disks' new blocks included. */
uint64_t vx_grow_needs(const struct vx_image *target, uint64_t virtual_size);

/*
 * Makes the virtual disk `virtual_size` long, if it is shorter. The new size is published by the last commit; before
 * it, everything reads as it did. The journal must have nothing pending.
 */
vhdx_status vx_grow(struct vx_image *target, uint64_t virtual_size, vhdx_error *err);

/*
 * Makes the BAT's padding, the entries behind the last one, zero: what remains of blocks that a smaller disk no longer
 * has. Their space is nobody's as soon as the smaller size is published; a crash before this leaves only noise.
 */
vhdx_status vx_clear_padding(struct vx_image *target, vhdx_error *err);

#endif
