/*
 * The owner of each MiB of a file that is being written: header section, log, regions, payload and sector bitmap
 * blocks, or unallocated (MS-VHDX 2.1: every object starts at a multiple of 1 MiB). Built once when writing begins;
 * refuses a file in which two owners claim the same bytes. One bit a MiB: 8 MiB for a file of 64 TiB.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_SPACE_H
#define VX_IMAGE_SPACE_H

#include "image/image.h"

/* CORRUPT names both owners, or the block that is beyond the end of the file. */
vhdx_status vx_space_open(struct vx_image *image, struct vx_space **space, vhdx_error *err);
void vx_space_close(struct vx_space *space);

/*
 * Takes `length` bytes (a multiple of 1 MiB). *fresh: they are beyond the old end and read as zeros once the file has
 * grown; else they may hold anything. The file itself grows in vx_space_materialize().
 */
vhdx_status vx_space_take(struct vx_space *space, uint64_t length, uint64_t *offset, bool *fresh, vhdx_error *err);
/* Whether the MiB at that offset has an owner. What is beyond the file has none. */
bool vx_space_is_used(const struct vx_space *space, uint64_t offset);
/* The first free run of that length in [from, end); false: there is none. All in bytes, multiples of 1 MiB. */
bool vx_space_find(const struct vx_space *space, uint64_t from, uint64_t end, uint64_t length, uint64_t *offset);
/* Takes exactly these bytes, which are free and are inside of the file. */
void vx_space_claim(struct vx_space *space, uint64_t offset, uint64_t length);
/* Gives bytes back once the pending commit is durable. */
vhdx_status vx_space_release(struct vx_space *space, uint64_t offset, uint64_t length, vhdx_error *err);
/* The pending commit is durable: what was released before it may be taken again (J5 of journal.h). */
void vx_space_committed(struct vx_space *space);
/* Makes the file as long as what was taken. */
vhdx_status vx_space_materialize(struct vx_space *space, vhdx_error *err);
/* End of the last owned MiB. */
uint64_t vx_space_end(const struct vx_space *space);

/* Bytes taken so far. */
uint64_t vx_space_taken(const struct vx_space *space);
/*
 * Bytes of the volume that are under unallocated parts of the file: what an interrupted writer had taken in vain,
 * or a finished one has left behind. Runs shorter than `least` do not count.
 */
uint64_t vx_space_unused_bytes(const struct vx_space *space, uint64_t least);
/* Gives them back to the volume. UNSUPPORTED (no error text): the host cannot. */
vhdx_status vx_space_give_back(struct vx_space *space, vhdx_error *err);

#endif
