/*
 * What the checks share: progress, and the pages of the BAT in which something else was written. See verify.h.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/notice.h"
#include "evidence/clue.h"
#include "format/bat_page.h"
#include "rebuild/rebuild.h"

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

vhdx_status vx_verify_rebuild(struct vx_verification *v, struct vx_rebuilt **rebuilt, vhdx_error *err)
{
    struct vx_parent_hint hint;
    bool known_parent = vx_parent_hint_find(v->host, v->options->parents, v->options->parent_count, &hint);
    const struct vx_rebuild_options options = {.host = v->host,
                                               .told = v->told,
                                               .parent = known_parent ? &hint : NULL,
                                               .progress = v->options->progress,
                                               .progress_context = v->options->progress_context};
    return vx_rebuild(v->exam->file, &options, rebuilt, err);
}
