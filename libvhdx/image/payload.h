/*
 * Changing what a payload block is: its BAT entry, its sector bitmap bits, its place in the file. All changes go into
 * the journal's pending pages; nothing is visible before the commit. Payload bytes themselves are written by the
 * caller. A block that becomes PARTIALLY_PRESENT has stale bits; they are
 * cleared in the same commit.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_PAYLOAD_H
#define VX_IMAGE_PAYLOAD_H

#include "format/bat.h"
#include "image/image.h"

/* The entry of a payload block, pending changes included. */
vhdx_status vx_payload_entry(struct vx_image *image, uint64_t payload_block, struct vx_bat_entry *entry,
                             vhdx_error *err);
vhdx_status vx_payload_set_entry(struct vx_image *image, uint64_t payload_block, const struct vx_bat_entry *entry,
                                 vhdx_error *err);

/* Journal pages that one block's change may take at most: BAT entries of the block and of its bitmap, and its bits. */
uint32_t vx_payload_pages_per_block(const struct vx_image *image);

/*
 * Makes sure that the sector bitmap block of the payload block's chunk is there (zeroed where it is new), and gives the
 * file offset of this block's bits.
 */
vhdx_status vx_payload_bitmap(struct vx_image *image, uint64_t payload_block, uint64_t *bits_offset, vhdx_error *err);

/* Sets or clears bits of the block, [first, first + count) counted in sectors from the block's start. The bitmap must
 * be there. */
vhdx_status vx_payload_fill_bits(struct vx_image *image, uint64_t bits_offset, uint64_t first, uint64_t count,
                                 bool value, vhdx_error *err);
/* Whether all of the first `count` bits are set. */
vhdx_status vx_payload_bits_full(struct vx_image *image, uint64_t bits_offset, uint64_t count, bool *full,
                                 vhdx_error *err);

/* Makes the chunk's sector bitmap block NOT_PRESENT and releases its space. No block of the chunk may be partially
 * present. */
vhdx_status vx_payload_drop_bitmap(struct vx_image *image, uint64_t chunk, vhdx_error *err);

/* Makes the chunk's sector bitmap block, which must be there, the one at `file_offset`, where its bytes are already,
 * and releases its former place. None of its bits may be pending. */
vhdx_status vx_payload_place_bitmap(struct vx_image *image, uint64_t chunk, uint64_t file_offset, vhdx_error *err);

#endif
