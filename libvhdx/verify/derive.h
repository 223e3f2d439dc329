/*
 * A geometry for the checks of BAT and bitmaps when the disk's own metadata or region tables do not give one: the
 * values that rebuild.h has witnesses for stand in while these checks run, so that damage of the metadata hides none of
 * the BAT. The same where the sizes are there and contradict everything else (sizes.h). Only for looking: a repair
 * brings the metadata back first, and looks again. What rests on a mere default is no geometry.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_DERIVE_H
#define VX_VERIFY_DERIVE_H

#include "rebuild/rebuild.h"
#include "verify/verify.h"

struct vx_derived {
    struct vx_rebuilt *rebuilt; /* NULL: nothing was missing; also for vx_check_evidence() */
    bool stands_in;
    /* what the exam said before */
    bool has_geometry, has_bat;
    struct vx_geometry geometry;
    struct vx_region bat;
    uint64_t bat_entries;
    const struct vx_region_table *regions;
};

/* Lets derived values stand in, and reports with which evidence. vx_derive_end() is called in any case. */
vhdx_status vx_derive_begin(struct vx_verification *v, struct vx_derived *derived, vhdx_error *err);
void vx_derive_end(struct vx_verification *v, struct vx_derived *derived);

#endif
