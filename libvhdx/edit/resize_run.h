/*
 * A resize on its way, as the files that carry it out share it: resize.c has the order, resize_room.c says what it
 * takes.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_RESIZE_RUN_H
#define VX_EDIT_RESIZE_RUN_H

#include "edit/table.h"
#include "undo/undo_save.h"

struct vx_resize_run {
    const vhdx_resize_options *options;
    vhdx_resize_report *report;
    struct vx_chain *chain;
    struct vx_image *image; /* layer 0 */
    uint64_t old_size, size;
    uint64_t hidden_end;         /* where the parent's disk ends; 0 = there is none */
    struct vx_geometry geometry; /* of the new size */
    struct vx_layout layout;
    struct vx_table_plan *table; /* count 0: is not written */
    bool stray_padding;          /* entries without meaning are left from a run that was cut off */
    struct vx_undo *undo;
    bool begun; /* something was written */
};

/* The file's size afterwards, into the report: takes and gives back in memory what the work would. */
vhdx_status vx_resize_estimate(struct vx_resize_run *run, vhdx_error *err);
/* NO_SPACE or LIMIT where the volume cannot hold that. */
vhdx_status vx_resize_check_room(const struct vx_resize_run *run, vhdx_error *err);

#endif
