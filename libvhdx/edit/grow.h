/*
 * Changing the size of a virtual disk: growing it (the BAT may have to move), and what both ways have in common. The
 * one thing that is easy to get wrong: what appears when a disk grows must read as zeros, not as garbage behind the old
 * end nor as a grandparent's data.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_GROW_H
#define VX_EDIT_GROW_H

#include "image/image.h"

/* Space that growing to `virtual_size` takes in the file, fixed disks' new blocks included. */
uint64_t vx_grow_needs(const struct vx_image *target, uint64_t virtual_size);

/* What a growing disk is told besides its size. */
struct vx_growth {
    /* In a child: where the disk below it ends. What lies before that must not show through the blocks that are new,
     * and behind it there is nothing that could. UINT64_MAX = not known. */
    uint64_t hidden_end;
    vhdx_progress_fn progress; /* may be NULL */
    void *progress_context;
};

/*
 * Makes the virtual disk `virtual_size` long, if it is shorter. The new size is published by the last commit; before
 * it, everything reads as it did. The journal must have nothing pending. `growth` NULL: nothing is known.
 */
vhdx_status vx_grow(struct vx_image *target, uint64_t virtual_size, const struct vx_growth *growth, vhdx_error *err);

/* Makes another size true, by one commit, which carries what was written before. The journal must have nothing
 * pending. */
vhdx_status vx_publish_size(struct vx_image *target, uint64_t virtual_size, vhdx_error *err);

/*
 * Makes the BAT's padding, the entries behind the last one, zero: what remains of blocks that a smaller disk no longer
 * has. Their space is nobody's as soon as the smaller size is published; a crash before this leaves only noise.
 */
vhdx_status vx_clear_padding(struct vx_image *target, vhdx_error *err);
/* Whether there is any to be cleared. The image need not be in writing. */
vhdx_status vx_padding_is_set(struct vx_image *target, bool *set, vhdx_error *err);

#endif
