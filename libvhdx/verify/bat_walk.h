/*
 * The BAT of an exam from its first entry to its last, in windows, passing over zeros and holes. What does not lie in the file reads as zeros. Unlike
 * image/bat_window.h it wants no sound image, only a geometry and a region.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_BAT_WALK_H
#define VX_VERIFY_BAT_WALK_H

#include "format/bat.h"
#include "image/exam.h"

struct vx_bat_walk {
    struct vx_exam *exam;
    uint64_t index; /* of the present entry; == end when there is none left */
    uint64_t end;
    uint64_t raw; /* the present entry */
    uint64_t first;
    uint32_t count;
    bool is_zero; /* the whole window */
    uint8_t *bytes;
};

/* `end`: entries to walk, no more than the region has room for. */
vhdx_status vx_bat_walk_open(struct vx_exam *exam, uint64_t end, struct vx_bat_walk *walk, vhdx_error *err);
void vx_bat_walk_close(struct vx_bat_walk *walk);
/* Goes to the next entry at or after `index` that is not all zero. The caller adds one to `index` before it calls again. */
vhdx_status vx_bat_walk_next(struct vx_bat_walk *walk, vhdx_error *err);

#endif
