/*
 * Was it written as it was read? Hashes of what a window moved, compared with what the merged disk gives afterwards:
 * from the medium, not from the cache, and through the target's own BAT.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_RECHECK_H
#define VX_MERGE_RECHECK_H

#include "chain/layered.h"

struct vx_moved {
    uint64_t virtual_offset, length, hash;
};

struct vx_recheck {
    struct vx_chain *chain;
    size_t into; /* the target's layer */
    struct vx_moved *moved;
    size_t count, room;
    uint8_t *buf;
    uint64_t bytes; /* found equal so far */
};

vhdx_status vx_recheck_open(struct vx_recheck *recheck, struct vx_chain *chain, size_t into, vhdx_error *err);
void vx_recheck_close(struct vx_recheck *recheck);
/* For vx_copier.moved; `context` is the struct vx_recheck. */
vhdx_status vx_recheck_moved(void *context, uint64_t virtual_offset, const void *buf, size_t length, vhdx_error *err);
/* Compares what was moved since the last time; the target has been flushed. CORRUPT: something reads otherwise. */
vhdx_status vx_recheck_window(struct vx_recheck *recheck, vhdx_error *err);

#endif
