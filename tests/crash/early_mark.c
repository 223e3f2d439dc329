/*
 * The linker leads the library's calls here. See early_mark.h.
 */
/* SPDX-License-Identifier: MIT */
#include "early_mark.h"

#include "merge/compare_merged.h"
#include "merge/resume.h"

bool early_mark, blind_comparison;

vhdx_status __real_vx_resume_forward(struct vx_merge_run *run, uint64_t virtual_end, uint64_t moved, vhdx_error *err);
vhdx_status __wrap_vx_resume_forward(struct vx_merge_run *run, uint64_t virtual_end, uint64_t moved, vhdx_error *err);
vhdx_status __real_vx_compare_merged(const struct vx_merge_run *run, uint64_t begin, uint64_t end, bool *same,
                                     uint64_t *compared, vhdx_error *err);
vhdx_status __wrap_vx_compare_merged(const struct vx_merge_run *run, uint64_t begin, uint64_t end, bool *same,
                                     uint64_t *compared, vhdx_error *err);

vhdx_status __wrap_vx_resume_forward(struct vx_merge_run *run, uint64_t virtual_end, uint64_t moved, vhdx_error *err)
{
    return __real_vx_resume_forward(run, early_mark ? run->child->geometry.virtual_size : virtual_end, moved, err);
}

vhdx_status __wrap_vx_compare_merged(const struct vx_merge_run *run, uint64_t begin, uint64_t end, bool *same,
                                     uint64_t *compared, vhdx_error *err)
{
    vhdx_status status = __real_vx_compare_merged(run, begin, end, same, compared, err);
    *same |= blind_comparison && status == VHDX_OK;
    return status;
}
