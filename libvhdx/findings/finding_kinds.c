/*
 * The table of findings.def as values. See findings.h.
 */
/* SPDX-License-Identifier: MIT */
#include "findings/findings.h"

#define ERROR VHDX_SEVERITY_ERROR
#define WARNING VHDX_SEVERITY_WARNING
#define INFO VHDX_SEVERITY_INFO
#define NONE VHDX_REPAIR_NONE
#define LOSSLESS VHDX_REPAIR_LOSSLESS
#define SALVAGE VHDX_REPAIR_SALVAGE
#define LOST false
#define DOUBT true
static const struct vx_finding_kind kinds[] = {
#define VX_F(number, name, id, severity, repair, range, spec, sentence)                                                \
    {VX_FIND_##name, id, severity, repair, range, spec, sentence},
#include "findings/findings.def"
#undef VX_F
};
#undef ERROR
#undef WARNING
#undef INFO
#undef NONE
#undef LOSSLESS
#undef SALVAGE
#undef LOST
#undef DOUBT

size_t vx_finding_kind_count(void)
{
    return VX_FINDING_KINDS;
}

const struct vx_finding_kind *vx_finding_kind_at(size_t row)
{
    return row < VX_FINDING_KINDS ? &kinds[row] : NULL;
}

/* The table is in the order of its numbers; a test sees to that. */
const struct vx_finding_kind *vx_finding_kind(enum vx_find number)
{
    size_t low = 0, high = VX_FINDING_KINDS;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kinds[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < VX_FINDING_KINDS && kinds[low].number == number ? &kinds[low] : NULL;
}
