/*
 * Another size for a disk, in place. The door of this operation.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_RESIZE_H
#define VX_EDIT_RESIZE_H

#include "chain/neighbours.h"

/* As vhdx_resize. `far`: what was found of options->siblings; `check`: of the disk, before anything is written. Both
 * may be NULL. `report` is never NULL here. */
vhdx_status vx_disk_resize(const char *path, const vhdx_resize_options *options, const struct vx_far_disks *far,
                           vx_layer_check_fn *check, vhdx_resize_report *report, vhdx_error *err);

#endif
