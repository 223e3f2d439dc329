/*
 * The findings that tell why a disk is called what it is called. Words only: everything is judged before (classify.h).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_DISK_FINDINGS_H
#define VX_ESTATE_DISK_FINDINGS_H

#include "estate/estate.h"

/* A lack of memory is remembered in the estate. */
void vx_disk_tell(struct vx_estate *estate, struct vx_disk *disk);

/* What only a comparison of contents gives. */
void vx_disk_tell_compared(struct vx_estate *estate, struct vx_disk *disk);

#endif
