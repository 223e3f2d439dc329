/*
 * Going on after an interruption. See resume.h.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/resume.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/mark.h"
#include "base/path.h"
#include "base/notice.h"
#include "merge/compare_merged.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define PROBED (16 * VX_MIB) /* so much before the mark's place, or a window, is compared, see G4 */

/* Of the identities of all merged layers, topmost first. */
static uint64_t digest_layers(const struct vx_merge_run *run)
{
    uint64_t digest = 0;
    for (size_t i = 0; i < run->into; i++)
        digest = XXH3_64bits_withSeed(run->chain->layers[i]->header.data_write_guid.bytes, 16, digest);
    return digest;
}

static void name_child(const struct vx_merge_run *run, struct vx_merge_mark *mark)
{
    const char *name = vx_path_name(vx_image_path(run->child), run->chain->host->windows_paths);
    if (strlen(name) < sizeof mark->child_name && !strpbrk(name, "/\\"))
        snprintf(mark->child_name, sizeof mark->child_name, "%s", name);
}

static struct vx_merge_mark new_mark(const struct vx_merge_run *run)
{
    struct vx_merge_mark mark = {.identity = run->identity,
                                 .child = run->child->header.data_write_guid,
                                 .layers_digest = digest_layers(run),
                                 .layer_count = (uint32_t)run->into,
                                 .virtual_size = run->child->geometry.virtual_size,
                                 .total = run->totals.bytes_to_copy + run->totals.bytes_to_share};
    mark.flags = (run->options->delete_merged ? VX_MERGE_MARK_DELETE : 0u) |
                 (run->options->reclaim ? VX_MERGE_MARK_RECLAIM : 0u);
    name_child(run, &mark);
    return mark;
}

/* G2, and a place that a plan may begin at. */
static bool is_of_this_merge(const struct vx_merge_run *run, const struct vx_merge_mark *mark)
{
    uint64_t size = run->child->geometry.virtual_size;
    return mark->layers_digest == digest_layers(run) && mark->layer_count == run->into &&
           vx_guid_equal(&mark->child, &run->child->header.data_write_guid) && mark->virtual_size == size &&
           mark->done_end <= size && (mark->done_end == size || mark->done_end % run->target->geometry.block_size == 0);
}

/* Whether the layer above was told of the identity that the target has, and of another one before: M2. */
static bool was_begun(const struct vx_merge_run *run)
{
    const vhdx_parent_names *names = &run->bottom->parent_names;
    const vhdx_guid *identity = &run->target->header.data_write_guid;
    return names->has_linkage2 && vx_guid_equal(&names->linkage2, identity) &&
           !(names->has_linkage && vx_guid_equal(&names->linkage, identity));
}

/* G4 */
static vhdx_status is_there(const struct vx_merge_run *run, uint64_t end, bool *there, vhdx_error *err)
{
    uint64_t window = run->options->window_bytes ? vx_min(run->options->window_bytes, PROBED) : PROBED;
    uint64_t begin = run->options->verify ? 0 : end - vx_min(end, window);
    uint64_t compared;
    VX_TRY(vx_compare_merged(run, begin, end, there, &compared, err));
    if (*there && run->options->verify)
        run->report->bytes_verified = compared;
    return VHDX_OK;
}

static void tell_found(const struct vx_merge_run *run)
{
    const vhdx_merge_options *options = run->options;
    uint64_t done = run->resume.mark.moved, all = vx_max(run->resume.mark.total, done);
    unsigned percent = all ? (unsigned)((double)done / (double)all * 100.0) : 0;
    if (run->resume.goes_on)
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NOTE,
                  "a merge of this disk into %s stopped half way; continuing at %u %%", vx_image_path(run->target),
                  percent);
    else
        vx_notice(options->notice, options->notice_context, VHDX_NOTICE_NOTE,
                  "a merge of this disk into %s stopped half way; starting again from the beginning (nothing that was "
                  "moved is lost)",
                  vx_image_path(run->target));
}

vhdx_status vx_resume_find(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_resume *resume = &run->resume;
    bool found, there = false;
    VX_TRY(vx_mark_read(run->target, &found, &resume->mark, err)); /* G1 */
    if (found && is_of_this_merge(run, &resume->mark))
        VX_TRY(is_there(run, resume->mark.done_end, &there, err));
    resume->goes_on = there && resume->mark.done_end > 0;
    run->report->begun_before = resume->goes_on || was_begun(run);
    if (resume->goes_on)
        run->report->bytes_done_before = resume->mark.moved;
    if (run->report->begun_before)
        tell_found(run);
    return VHDX_OK;
}

vhdx_status vx_resume_begin(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_resume *resume = &run->resume;
    vhdx_error why;
    resume->verified_end = resume->goes_on ? resume->mark.done_end : 0;
    resume->moved_before = resume->goes_on ? resume->mark.moved : 0;
    if (resume->goes_on) {
        resume->carried = true;
        return VHDX_OK;
    }
    resume->mark = new_mark(run);
    vhdx_status status = vx_mark_begin(run->target, &resume->mark, &why);
    resume->carried = status == VHDX_OK;
    if (status != VHDX_OK && status != VHDX_LIMIT && err)
        *err = why;
    return status == VHDX_LIMIT ? VHDX_OK : status;
}

vhdx_status vx_resume_forward(struct vx_merge_run *run, uint64_t virtual_end, uint64_t moved, vhdx_error *err)
{
    struct vx_resume *resume = &run->resume;
    bool lags = run->options->verify; /* G3 */
    if (!resume->carried)
        return VHDX_OK;
    resume->mark.done_end = vx_min(lags ? resume->verified_end : virtual_end, resume->mark.virtual_size);
    resume->mark.moved = resume->moved_before + (lags ? resume->verified_moved : moved);
    return vx_mark_forward(run->target, &resume->mark, err);
}

void vx_resume_verified(struct vx_merge_run *run, uint64_t virtual_end, uint64_t moved)
{
    run->resume.verified_end = virtual_end;
    run->resume.verified_moved = moved;
}
