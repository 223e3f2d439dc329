/*
 * The files beside disks that are neither a disk nor a configuration: whose they are, and what they say of it. Change
 * tracking and replica logs belong to one disk, guest state to a machine.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_SIDES_H
#define VX_ESTATE_SIDES_H

#include "estate/estate.h"

/* Gives each its disk, and the disk its flags. */
void vx_sides_judge(struct vx_estate *estate);

#endif
