/*
 * Everything that can be against a merge, found before the first write (M1 of run.c): disks that would become
 * invalid, traces of an interrupted run, room. Nothing is written here.
 */
/* SPDX-License-Identifier: MIT */
#include "base/notice.h"
#include "merge/run.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/path.h"
#include "base/size_text.h"
#include "image/writing.h"
#include "merge/aftermath.h"
#include "merge/compare_merged.h"
#include "edit/grow.h"
#include "merge/resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What comes back when files are removed; what others share with them stays in use. */
uint64_t vx_merge_released(const struct vx_merge_run *run, size_t first, size_t end)
{
    uint64_t bytes = 0;
    for (size_t i = first; i < end; i++)
        bytes += vx_file_facts(run->chain->layers[i]->file)->allocated;
    return bytes - vx_min(bytes, run->totals.bytes_to_share);
}

/* What carrying out the totals takes of the volume. Where sparse files do harm a block takes all of its length. */
static uint64_t bytes_taken(const struct vx_image *target, const struct vx_totals *totals)
{
    bool sparse = !(vx_file_facts(target->file)->attributes & VHDX_FILE_SPARSE_HARMS);
    uint64_t blocks = totals->blocks_to_allocate * target->geometry.block_size;
    return (sparse ? totals->new_bytes : blocks) + totals->bitmaps_to_allocate * VX_BITMAP_BLOCK_SIZE;
}

static vhdx_status check_file_size(const struct vx_image *target, const struct vx_totals *totals, uint64_t further,
                                   uint64_t max_file_size, vhdx_error *err)
{
    char longer[VX_SIZE_TEXT], most[VX_SIZE_TEXT];
    uint64_t file_size;
    VX_TRY(vx_file_size(target->view, &file_size, err));
    uint64_t size = file_size + totals->blocks_to_allocate * target->geometry.block_size +
                    totals->bitmaps_to_allocate * VX_BITMAP_BLOCK_SIZE + further;
    if (size <= max_file_size)
        return VHDX_OK;
    return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_image_path(target)),
                   "the disk may become %s long, files of this volume at most %s", vx_size_text(size, longer),
                   vx_size_text(max_file_size, most));
}

vhdx_status vx_merge_check_room(struct vx_image *target, const struct vx_totals *totals, const struct vx_room *room,
                                vhdx_merge_report *report, vhdx_error *err)
{
    const vhdx_host *host = target->host;
    vhdx_space space = {UINT64_MAX, UINT64_MAX};
    char needed[VX_SIZE_TEXT], there[VX_SIZE_TEXT];
    uint64_t unused;
    uint64_t grows = bytes_taken(target, totals);
    report->bytes_needed = vx_min(room->at_most, grows) + room->further;
    report->bytes_added = grows + room->further - vx_min(grows + room->further, room->released);
    report->bytes_free = UINT64_MAX;
    if (host->space(host->context, vx_image_path(target), &space, NULL) != VHDX_OK)
        return VHDX_OK;
    report->bytes_free = space.free_bytes;
    VX_TRY(check_file_size(target, totals, room->further, space.max_file_size, err));
    if (report->bytes_needed <= space.free_bytes)
        return VHDX_OK;
    /* A run that was cut off has already taken space that no structure owns yet. */
    VX_TRY(vx_image_unused_bytes(target, target->geometry.block_size, &unused, err));
    report->bytes_needed -= vx_min(unused, report->bytes_needed);
    if (report->bytes_needed <= space.free_bytes)
        return VHDX_OK;
    return vx_fail(err, VHDX_NO_SPACE, vx_at_file(vx_image_path(target)),
                   "the merge needs %s of free space, the volume has %s", vx_size_text(report->bytes_needed, needed),
                   vx_size_text(space.free_bytes, there));
}

#define RECLAIM_WINDOW (256 * VX_MIB)

/* Space under unallocated parts of the layers [first, last): a run that was cut off had not come to giving it
 * back, or had taken it in vain. */
static vhdx_status count_unused(const struct vx_merge_run *run, size_t first, size_t last, uint64_t least,
                                uint64_t *bytes, vhdx_error *err)
{
    uint64_t unused;
    *bytes = 0;
    for (size_t i = first; i < last; i++) {
        VX_TRY(vx_image_unused_bytes(run->chain->layers[i], least, &unused, err));
        *bytes += unused;
    }
    return VHDX_OK;
}

/* A window ends behind the block that fills it: besides the window a block and its bitmap must have room. */
static uint64_t reclaim_overhead(const struct vx_merge_run *run)
{
    return run->target->geometry.block_size + VX_BITMAP_BLOCK_SIZE;
}

/* Half of what is free beyond that makes a good window: the host's file system needs room too. `returned`: what the
 * layers give back at once. */
static vhdx_status choose_window(struct vx_merge_run *run, uint64_t returned, vhdx_error *err)
{
    const vhdx_host *host = run->chain->host;
    uint64_t unused, fixed = reclaim_overhead(run) + vx_grow_needs(run->target, run->child->geometry.virtual_size);
    vhdx_space space;
    run->window_bytes = RECLAIM_WINDOW;
    if (host->space(host->context, vx_image_path(run->target), &space, NULL) != VHDX_OK ||
        space.free_bytes == UINT64_MAX)
        return VHDX_OK;
    VX_TRY(count_unused(run, run->into, run->into + 1, run->target->geometry.block_size, &unused, err));
    uint64_t there = space.free_bytes + returned + unused;
    uint64_t rest = there - vx_min(there, fixed);
    run->window_bytes = vx_max(VX_MIB, vx_min(RECLAIM_WINDOW, rest / 2));
    return VHDX_OK;
}

/* What would help, when there is too little room. */
static vhdx_status advise_room(const struct vx_merge_run *run, vhdx_error *err)
{
    uint64_t further = vx_grow_needs(run->target, run->child->geometry.virtual_size);
    uint64_t least = reclaim_overhead(run) + VX_MIB + further;
    char text[VX_SIZE_TEXT];
    vx_size_text(least, text);
    if (run->options->reclaim && run->options->window_bytes > VX_MIB && least <= run->report->bytes_free)
        return vx_advise(err, VHDX_NO_SPACE, "give a smaller window, or none: then it is chosen by what is free");
    if (run->options->reclaim)
        return vx_advise_code(err, VHDX_NO_SPACE, VHDX_ADVICE_FREE_SPACE_TO_RECLAIM, text);
    if (run->options->undo || least > run->report->bytes_free)
        return vx_advise_as(err, VHDX_NO_SPACE, VHDX_ADVICE_FREE_SPACE,
                            "free space on the volume, then run the command again");
    return vx_advise_code(err, VHDX_NO_SPACE, VHDX_ADVICE_FREE_SPACE_OR_RECLAIM, text);
}

static vhdx_status check_room(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_room room = {.further = vx_grow_needs(run->target, run->child->geometry.virtual_size),
                           .at_most = UINT64_MAX};
    uint64_t returned;
    run->window_bytes = run->options->window_bytes;
    if (run->options->reclaim) {
        VX_TRY(count_unused(run, 0, run->into, 0, &returned, err));
        if (run->window_bytes == 0)
            VX_TRY(choose_window(run, returned, err));
        room.at_most = run->window_bytes + vx_min(reclaim_overhead(run), UINT64_MAX - run->window_bytes);
        room.at_most -= vx_min(room.at_most, returned);
    }
    if (run->options->delete_merged || run->options->reclaim)
        room.released = vx_merge_released(run, 0, run->into);
    vhdx_status status = vx_merge_check_room(run->target, &run->totals, &room, run->report, err);
    return status == VHDX_NO_SPACE ? advise_room(run, err) : status;
}

/* What is to be said of a disk that rules out the merge: begins with what it is. */
static const char *sibling_text(const struct vx_neighbour *sibling)
{
    if (sibling->is_busy)
        return "is in use and may be another child of a layer that this merge changes";
    if (sibling->is_unreadable)
        return "cannot be read and may be another child of a layer that this merge changes";
    if (sibling->is_obscure)
        return "is damaged, does not identify its parent, and may be another child of a layer that this merge changes";
    return "is another child of a layer that this merge changes, and would become invalid";
}

static vhdx_advice sibling_advice(const struct vx_neighbour *sibling)
{
    return sibling->is_obscure ? VHDX_ADVICE_MEND_SIBLING_OR_FORCE : VHDX_ADVICE_MERGE_TO_NEW_OR_FORCE;
}

/* Named first is what weighs most: a sound child, then what may be one. */
static const struct vx_neighbour *gravest_sibling(const struct vx_merge_run *run)
{
    for (size_t i = 0; i < run->guard.sibling_count; i++)
        if (run->guard.siblings[i]->is_disk)
            return run->guard.siblings[i];
    return run->guard.siblings[0];
}

static vhdx_status fail_siblings(const struct vx_merge_run *run, vhdx_error *err)
{
    const struct vx_neighbour *first = gravest_sibling(run);
    char more[64] = "";
    if (run->guard.sibling_count > 1)
        snprintf(more, sizeof more, " (and %zu more)", run->guard.sibling_count - 1);
    for (size_t i = 0; i < run->guard.sibling_count; i++)
        vx_notice(run->options->notice, run->options->notice_context, VHDX_NOTICE_WARNING, "%s %s",
                  run->guard.siblings[i]->path, sibling_text(run->guard.siblings[i]));
    vx_fail(err, VHDX_REFUSED, vx_at_file(run->child_path), "%s%s %s", first->path, more, sibling_text(first));
    return vx_advise_code(err, VHDX_REFUSED, sibling_advice(first), NULL);
}

static void tell_invalid(const struct vx_merge_run *run, const struct vx_neighbour *sibling)
{
    const char *text = sibling->is_disk ? run->plan_only ? "would become invalid" : "becomes invalid"
                       : run->plan_only ? "would become invalid if it is another child of a layer that changes"
                                        : "becomes invalid if it is another child of a layer that changes";
    vx_notice(run->options->notice, run->options->notice_context, VHDX_NOTICE_WARNING, "%s %s", sibling->path, text);
}

/* They are against nothing: what they held is where it belongs. But read on their own they mean nothing then. */
static void tell_remnants(const struct vx_merge_run *run)
{
    for (size_t i = 0; i < run->guard.remnant_count; i++)
        vx_notice(run->options->notice, run->options->notice_context, VHDX_NOTICE_WARNING,
                  "%s was merged before and kept; %s, and may go", run->guard.remnants[i]->path,
                  run->plan_only ? "it could not be read on its own afterwards"
                                 : "it can no longer be read on its own after this");
}

static vhdx_status check_siblings(const struct vx_merge_run *run, vhdx_error *err)
{
    const vhdx_merge_options *options = run->options;
    tell_remnants(run);
    if (run->guard.sibling_count > 0 && !options->force_siblings)
        return fail_siblings(run, err);
    for (size_t i = 0; i < run->guard.sibling_count; i++)
        tell_invalid(run, run->guard.siblings[i]);
    if (run->neighbours.vhd_set && !options->force_siblings)
        return vx_fail(err, VHDX_REFUSED, vx_at_file(run->child_path),
                       "it may belong to the VHD set %s, whose bookkeeping would be wrong after a merge",
                       run->neighbours.vhd_set);
    return VHDX_OK;
}

/* Whether the target alone reads as the child does through it: everything was merged before. */
static vhdx_status target_has_all(const struct vx_merge_run *run, bool *same, vhdx_error *err)
{
    uint64_t size = run->child->geometry.virtual_size, compared;
    *same = size == run->target->geometry.virtual_size;
    return *same ? vx_compare_merged(run, 0, size, same, &compared, err) : VHDX_OK;
}

/* Whether the child says itself that the target holds all of it: see M8. */
static bool is_marked(const struct vx_merge_run *run)
{
    const vhdx_parent_names *names = &run->child->parent_names;
    const vhdx_guid *target = &run->target->header.data_write_guid;
    if (run->into == 1)
        return vx_image_is_merged(run->child) && names->has_linkage && vx_guid_equal(&names->linkage, target);
    return names->has_linkage2 && vx_guid_equal(&names->linkage2, target);
}

/* M6: what an earlier run of the same merge has done already. */
static vhdx_status find_state(struct vx_merge_run *run, vhdx_error *err)
{
    run->marked = !run->options->reclaim && is_marked(run);
    if (run->marked && !run->options->delete_merged && run->guard.leftover_count == 0) {
        run->complete = true; /* a mark is enough where nothing is given up for it */
        return VHDX_OK;
    }
    if (run->guard.leftover_count == 0 && !run->guard.merged_before && !run->marked)
        return VHDX_OK;
    VX_TRY(target_has_all(run, &run->complete, err)); /* a neighbour's word is not enough to give the child up */
    if (run->complete)
        return VHDX_OK;
    run->marked = false;
    if (run->guard.merged_before)
        return vx_fail(err, VHDX_REFUSED, vx_at_file(run->child_path),
                       "a disk beside it is linked to %s as if this one had been merged, but its content is not there",
                       vx_image_path(run->target));
    /* Not the end of an earlier run after all: those files are siblings like others. */
    for (size_t i = 0; i < run->guard.leftover_count; i++)
        if (vx_guid_equal(&run->guard.leftovers[i]->linkage, &run->target->header.data_write_guid))
            run->guard.siblings[run->guard.sibling_count++] = run->guard.leftovers[i];
    run->guard.leftover_count = 0;
    return VHDX_OK;
}

static vhdx_status open_uppers(struct vx_merge_run *run, vhdx_error *err)
{
    run->uppers = vx_alloc(run->guard.upper_count + 1, sizeof *run->uppers);
    if (!run->uppers)
        return vx_fail_memory(err, "the layers above");
    for (size_t i = 0; i < run->guard.upper_count; i++) {
        const char *path = run->guard.uppers[i]->path;
        vhdx_status status = vx_image_open(run->chain->host, path, run->plan_only ? 0 : VX_OPEN_WRITE,
                                           &run->uppers[run->upper_count], err);
        bool damaged = status == VHDX_CORRUPT || status == VHDX_UNSUPPORTED;
        if (damaged && !run->options->force_siblings)
            return vx_advise_code(err, status, VHDX_ADVICE_MEND_LAYER_OR_FORCE, run->child_path);
        if (status != VHDX_OK && !damaged)
            return status;
        if (damaged)
            tell_invalid(run, run->guard.uppers[i]);
        else
            run->upper_count++;
    }
    vx_clear(err);
    return VHDX_OK;
}

/* Every locator that will be written has room in its disk; better known now than when the blocks have moved. */
static vhdx_status check_links(struct vx_merge_run *run, vhdx_error *err)
{
    static const vhdx_guid any = {{1}}; /* the target's coming identity: all are of one length */
    const struct vx_link bottom = {.linkage = any, .linkage2 = any};
    run->identity = any;
    if (!run->complete)
        VX_TRY(vx_link_check(run->bottom, &bottom, err));
    for (size_t i = 0; i < run->upper_count; i++) {
        struct vx_link upper = vx_merge_upper_link(run);
        VX_TRY(vx_link_check(run->uppers[i], &upper, err));
    }
    if (run->into > 1) {
        struct vx_link past = vx_merge_link_past(run);
        VX_TRY(vx_link_check(run->child, &past, err));
    }
    return VHDX_OK;
}

/* Three to begin writing, two for a commit (of the mark, the windows, the items), three to end it. */
static uint64_t flushes_of(const struct vx_totals *totals)
{
    return 10 + 2 * totals->windows;
}

void vx_merge_fill_report(struct vx_merge_run *run)
{
    vhdx_merge_report *report = run->report;
    vx_path_put(report->target, vx_image_path(run->target));
    report->layers_merged = (uint32_t)run->into;
    report->virtual_size = run->child->geometry.virtual_size;
    report->bytes_to_copy = run->totals.bytes_to_copy;
    report->bytes_to_share = run->totals.bytes_to_share;
    report->bytes_to_zero = run->totals.bytes_to_zero;
    report->blocks_to_allocate = run->totals.blocks_to_allocate;
    report->blocks_to_zero = run->totals.blocks_to_zero;
    report->relinked = (uint32_t)run->upper_count;
    report->already_complete = run->complete;
    report->flushes = run->plan_only && !run->complete ? flushes_of(&run->totals) : 0;
}

void vx_merge_report_done(vhdx_merge_report *report, const struct vx_copier *copier, const struct vx_totals *done)
{
    report->bytes_copied = copier->copied;
    report->bytes_shared = copier->shared;
    report->bytes_to_zero = done->bytes_to_zero;
    report->blocks_to_allocate = done->blocks_to_allocate;
    report->blocks_to_zero = done->blocks_to_zero;
}

struct vx_merge_task vx_merge_task(const struct vx_merge_run *run)
{
    return (struct vx_merge_task){.chain = run->chain,
                                  .layer_count = run->into,
                                  .target = run->target,
                                  .virtual_size = run->child->geometry.virtual_size,
                                  .begin = run->resume.goes_on ? run->resume.mark.done_end : 0,
                                  .keep_zeros = run->options->zero_detect == VHDX_ZERO_DETECT_OFF,
                                  .options = run->options};
}

static vhdx_status plan_down(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_merge_task task = vx_merge_task(run);
    return vx_merge_plan_totals(&task, run->options->window_bytes, run->plan_only, &run->totals, err);
}

/* M1: what would refuse to be written later refuses now. */
static vhdx_status check_written(const struct vx_merge_run *run, vhdx_error *err)
{
    if (!run->complete)
        VX_TRY(vx_image_check_write(run->target, err));
    VX_TRY(vx_image_check_write(run->bottom, err));
    if (run->child != run->bottom)
        VX_TRY(vx_image_check_write(run->child, err));
    for (size_t i = 0; i < run->upper_count; i++)
        VX_TRY(vx_image_check_write(run->uppers[i], err));
    return VHDX_OK;
}

vhdx_status vx_merge_check_neighbours(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_search also = {run->options->parents, run->options->parent_count};
    VX_TRY(vx_neighbours_find(run->chain, run->into + 1, &also, &run->neighbours, err));
    VX_TRY(vx_neighbours_add(run->chain, run->around->far, run->options->delete_merged, &run->neighbours, err));
    VX_TRY(vx_guard_judge(run->chain, run->into, &run->neighbours, &run->guard, err));
    VX_TRY(find_state(run, err));
    VX_TRY(check_siblings(run, err));
    return open_uppers(run, err);
}

vhdx_status vx_merge_check(struct vx_merge_run *run, vhdx_error *err)
{
    VX_TRY(vx_merge_check_neighbours(run, err));
    VX_TRY(check_written(run, err));
    VX_TRY(check_links(run, err));
    if (!run->complete)
        VX_TRY(vx_merge_take_items(run, true, err));
    if (run->complete) {
        run->totals = (struct vx_totals){0};
        run->report->bytes_other_way = UINT64_MAX;
    } else {
        VX_TRY(vx_resume_find(run, err));
        VX_TRY(plan_down(run, err));
    }
    vx_merge_fill_report(run);
    if (run->complete)
        return VHDX_OK;
    return check_room(run, err);
}
