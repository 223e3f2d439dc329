/*
 * What the file systems inside of a virtual disk do not use. The one door to the readers of free space: it finds the
 * volumes (partitions of a GPT or of boot records, extended ones too; linear logical volumes of LVM2; a disk without a
 * table), asks the reader of each, and tells what they vouch for. Everything unknown is in use. Only reads; what it
 * reads and remembers is bounded, whatever the bytes say.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_FREE_SPACE_H
#define VX_GUEST_FREE_SPACE_H

#include "guest/content.h"

struct vx_free_listener {
    void *context;
    /* A range of the virtual disk that is free. Ranges of one volume come in ascending order, none twice. false ends
     * the work. */
    bool (*free)(void *context, uint64_t virtual_offset, uint64_t length);
    /* Each volume that is known by name, and each of which nothing is known. May be NULL. */
    vhdx_volume_fn volume;
    void *volume_context;
};

/*
 * NOMEM; CANCELLED (no error text): the listener ended it; IO: what could be read once could not be read again. What
 * was told before is no longer to be believed then.
 */
vhdx_status vx_free_space_find(const struct vx_content_source *source, const struct vx_free_listener *listener,
                               vhdx_error *err);

#endif
