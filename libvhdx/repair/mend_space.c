/*
 * Space that nobody owns at the end of the file is given back to the host, when that was asked for. Holes inside of the
 * file stay: the next writer fills them.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "image/space.h"

vhdx_status vx_mend_space(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_SPACE_TRAILING, false,
                                            "the host has the space back that nobody owns", NULL};
    struct vx_space *space;
    if (!m->trim || !vx_mend_is_present(m, VX_FIND_SPACE_TRAILING) || !vx_exam_is_readable(m->exam))
        return VHDX_OK;
    if (vx_sizes_are_doubted(m) || (m->classes[VX_FIND_BAT_PADDING] & 1u << VHDX_REPAIR_SALVAGE))
        return VHDX_OK; /* what lies there may be blocks of a disk that is larger than it says */
    if (m->exam->image.info.kind == VHDX_KIND_FIXED)
        return VHDX_OK; /* it keeps the room for all its blocks, MS-VHDX 2.6.2.1 */
    if (vx_space_open(&m->exam->image, &space, NULL) != VHDX_OK)
        return VHDX_OK; /* while owners contradict each other nothing is cut off */
    uint64_t end = vx_space_end(space);
    vx_space_close(space);
    return end < m->plan->new_size ? vx_plan_resize(m->plan, end, &reason, err) : VHDX_OK;
}
