/*
 * One fact about a disk: its virtual disk id, its physical sector size, its creator. The door of this operation.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EDIT_SET_H
#define VX_EDIT_SET_H

#include "chain/neighbours.h"

/* As vhdx_set. `far`: what was found of options->siblings; `check`: of the disk, before anything is written. Both may
 * be NULL. */
vhdx_status vx_set(const char *path, const vhdx_set_options *options, const struct vx_far_disks *far,
                   vx_layer_check_fn *check, vhdx_set_report *report, vhdx_error *err);

#endif
