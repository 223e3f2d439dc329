/*
 * What the checks share: progress, and the pages of the BAT in which something else was written. See verify.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/notice.h"
#include "verify/verify.h"

#include "base/alloc.h"
#include "format/bat_page.h"

vhdx_status vx_verify_step(struct vx_verification *v, uint64_t done, uint64_t total, vhdx_error *err)
{
    const vhdx_progress progress = {VHDX_PHASE_READ, done, total};
    return vx_progress(v->options->progress, v->options->progress_context, &progress, vx_file_path(v->exam->raw),
                       "the check", err);
}

vhdx_status vx_verify_set_nonsense(struct vx_verification *v, uint64_t page, vhdx_error *err)
{
    if (!v->nonsense)
        v->nonsense = vx_alloc((size_t)(v->exam->geometry.entry_count / VX_BAT_PAGE_ENTRIES / 8 + 1), 1);
    if (!v->nonsense)
        return vx_fail_memory(err, "the pages of the BAT");
    v->nonsense[page / 8] = (uint8_t)(v->nonsense[page / 8] | 1u << page % 8);
    return VHDX_OK;
}

bool vx_verify_is_nonsense(const struct vx_verification *v, uint64_t page)
{
    return v->nonsense && v->nonsense[page / 8] >> page % 8 & 1;
}
