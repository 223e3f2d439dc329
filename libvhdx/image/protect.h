/*
 * Images under the protection of an undo file: which of their bytes are saved at once because every change begins with
 * them, and by which words a disk is known again. How bytes are saved and put back is undo/undo_save.c's and
 * undo/undo_apply.c's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_PROTECT_H
#define VX_IMAGE_PROTECT_H

#include "image/image.h"
#include "undo/undo_save.h"

/*
 * vx_undo_begin() for these images, which must be open for writing and not in writing yet. `undo` NULL: only
 * vx_undo_check(). Close the undo file before the images.
 */
vhdx_status vx_images_protect(struct vx_image *const *images, size_t count, const char *path, struct vx_undo **undo,
                              vhdx_error *err);

/* The current header's DataWriteGuid and FileWriteGuid; a vx_identify_fn. */
vhdx_status vx_image_identify(struct vx_file *file, struct vx_identity *identity, bool *readable, vhdx_error *err);

static inline struct vx_identity vx_header_identity(const struct vx_header *header)
{
    struct vx_identity identity;
    for (size_t i = 0; i < sizeof identity.content; i++) {
        identity.content[i] = header->data_write_guid.bytes[i];
        identity.writer[i] = header->file_write_guid.bytes[i];
    }
    return identity;
}

#endif
