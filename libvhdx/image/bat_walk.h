/*
 * The BAT of an exam from its first entry to its last, in windows, passing over zeros and holes. What is not in
 * the file reads as zeros. Unlike image/bat_window.h it wants no sound image, only a geometry and a region. Pages of
 * nonsense (bat_page.h) read as zeros: what is there are no entries.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_BAT_WALK_H
#define VX_IMAGE_BAT_WALK_H

#include "format/bat.h"
#include "image/exam.h"
#include "format/bat_page.h"

/* A page is nonsense; called once for each, in order. */
typedef vhdx_status vx_bat_nonsense_fn(void *context, uint64_t page, const struct vx_bat_page_look *look,
                                       vhdx_error *err);

/* A BAT, wherever it comes from. */
struct vx_bat_source {
    struct vx_file *file;
    const struct vx_geometry *geometry;
    uint64_t offset;    /* of its first entry in the file */
    uint64_t file_size; /* what is behind is no place of a block */
};

struct vx_bat_walk {
    struct vx_bat_source source;
    uint64_t index; /* of the present entry; == end when there is none left */
    uint64_t end;
    uint64_t raw; /* the present entry */
    uint64_t first;
    uint32_t count;
    bool is_zero; /* the whole window */
    uint8_t *bytes;
    vx_bat_nonsense_fn *nonsense; /* NULL, or to be set after opening */
    void *context;
};

/* The BAT of an exam, which must have a geometry and a BAT. */
struct vx_bat_source vx_bat_source_of(struct vx_exam *exam);
/* `end`: entries to walk, no more than the region has room for. */
vhdx_status vx_bat_walk_open(struct vx_exam *exam, uint64_t end, struct vx_bat_walk *walk, vhdx_error *err);
vhdx_status vx_bat_walk_begin(const struct vx_bat_source *source, uint64_t end, struct vx_bat_walk *walk,
                              vhdx_error *err);
void vx_bat_walk_close(struct vx_bat_walk *walk);
/* Goes to the next entry at or after `index` that is not all zero. The caller adds one to `index` before it calls
 * again. */
vhdx_status vx_bat_walk_next(struct vx_bat_walk *walk, vhdx_error *err);

#endif
