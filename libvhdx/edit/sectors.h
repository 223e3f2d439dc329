/*
 * Writing sectors of the virtual disk into one image that is in writing: what a guest's write would do. In a child
 * exactly these sectors become its own; what the layers below hold is not touched.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_SECTORS_H
#define VX_EDIT_SECTORS_H

#include "image/image.h"

/*
 * Writes whole logical sectors; the range lies on the virtual disk. Sectors that the image holds already change where
 * they are, each at once or not at all as far as the medium's sectors go. Others are there after vx_sectors_settle().
 */
vhdx_status vx_sectors_write(struct vx_image *image, const uint8_t *bytes, uint64_t length, uint64_t virtual_offset,
                             vhdx_error *err);
/* Makes all that was written durable, and the blocks that it needed. */
vhdx_status vx_sectors_settle(struct vx_image *image, vhdx_error *err);

/* What vx_sectors_write() would take of the file for a block. */
struct vx_sectors_need {
    bool block, bitmap; /* space for it, and for its sector bitmap */
    bool transparent;   /* the image says nothing of the block: in a child its parent is asked */
    bool no_bitmap;     /* the chunk has no sector bitmap */
};

vhdx_status vx_sectors_look(struct vx_image *image, uint64_t payload_block, struct vx_sectors_need *need,
                            vhdx_error *err);

#endif
