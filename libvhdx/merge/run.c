/*
 * The protocol of a merge in place. Invariants; the lines that uphold them name them:
 *
 *  M1  Nothing is written before every check has passed and every file that will be written is held exclusively.
 *  M2  The target gets its new identity only after the layer above it knows that identity as its second linkage: at
 *      every instant that layer's linkage or linkage2 is the target's DataWriteGuid.
 *  M3  The merged layers' content stays as it is until the target is complete and durable (or, block by block with
 *      `reclaim`, until the target durably has it). What is overwritten in the target is hidden by them, so that
 *      reading the child gives the same bytes throughout.
 *  M4  A layer above the child is linked to the target only after the target is complete; its linkage2 then names the
 *      child, which tells a later run that the target holds all of the child.
 *  M5  A file is removed only after everything that needs it has been linked past it, durably.
 *  M6  Each step may be repeated: the same command after a crash finds one of these states and goes on.
 *  M7  With an undo file: nothing is overwritten whose old bytes are not durable in it (undo/undo_save.h), from the
 *      first write to the last.
 *  M8  Merged layers that stay say so, as the last thing: the lowest one has its own identity as linkage2, and where
 *      there are several, the child has the target's. Both mean that the target holds all of the layer, until one of
 *      the two is written to.
 *
 *      check | linkage2 := g | target := g | blocks ... | size, items | linkage := g, mark | uppers | removal
 */
/* SPDX-License-Identifier: MIT */
#include "merge/run.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "chain/fork.h"
#include "chain/link.h"
#include "image/header_update.h"
#include "image/writing.h"
#include "base/path.h"
#include "merge/aftermath.h"
#include "merge/merge_apply.h"
#include "merge/guard.h"
#include "merge/merge.h"
#include "merge/merge_protect.h"
#include "merge/recheck.h"
#include "merge/reclaim.h"
#include "edit/grow.h"
#include "merge/resume.h"
#include "merge/up.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* M2: the layer above learns the new identity before the target takes it. So does a target that was begun before (M6):
 *     its identity of then is
 * a former one now, whichever linkage named it. */
static vhdx_status start_target(struct vx_merge_run *run, vhdx_error *err)
{
    if (run->resume.goes_on) { /* the identity of the run that was cut off, which that layer knows */
        run->identity = run->target->header.data_write_guid;
        return vx_image_begin_write(run->target, NULL, err);
    }
    struct vx_link link = {.linkage = run->target->header.data_write_guid};
    VX_TRY(vx_new_guid(run->chain->host, &run->identity, err));
    link.linkage2 = run->identity;
    VX_TRY(vx_merge_link(run, run->bottom, &link, err));
    return vx_image_begin_write(run->target, &run->identity, err);
}

/* What happens between windows, when the one before is durable. */
struct between {
    struct vx_merge_run *run;
    const struct vx_copier *copier;
    struct vx_recheck *recheck; /* NULL: not asked for */
    struct vx_reclaim *reclaim; /* likewise */
};

/* Nothing is given back before it was found to be there. */
static vhdx_status window_done(void *context, uint64_t virtual_end, vhdx_error *err)
{
    const struct between *between = context;
    if (between->recheck)
        VX_TRY(vx_recheck_window(between->recheck, err));
    vx_resume_verified(between->run, virtual_end, vx_copier_moved(between->copier));
    return between->reclaim ? vx_reclaim_window(between->reclaim, virtual_end, err) : VHDX_OK;
}

static vhdx_status before_commit(void *context, uint64_t virtual_end, vhdx_error *err)
{
    const struct between *between = context;
    return vx_resume_forward(between->run, virtual_end, vx_copier_moved(between->copier), err);
}

static vhdx_status apply(struct vx_merge_run *run, struct vx_copier *copier, const struct between *between,
                         vhdx_error *err)
{
    struct vx_merge_task task = vx_merge_task(run);
    struct vx_totals done = {0};
    struct vx_apply_options options = {
        .window_bytes = run->window_bytes, .before_commit = before_commit, .context = (void *)between, .done = &done};
    if (between->recheck) {
        copier->moved = vx_recheck_moved;
        copier->moved_context = between->recheck;
    }
    if (between->recheck || between->reclaim)
        options.window_done = window_done;
    vhdx_status status = vx_apply_layers(&task, copier, &options, err);
    vx_merge_report_done(run->report, copier, &done);
    if (between->recheck)
        run->report->bytes_verified += between->recheck->bytes;
    if (between->reclaim)
        run->report->bytes_reclaimed = vx_reclaim_bytes(between->reclaim);
    return status;
}

static vhdx_status apply_between(struct vx_merge_run *run, struct vx_copier *copier, vhdx_error *err)
{
    struct between between = {.run = run, .copier = copier};
    struct vx_recheck recheck = {0};
    vhdx_status status = VHDX_OK;
    if (run->options->verify) {
        VX_TRY(vx_recheck_open(&recheck, run->chain, run->into, err));
        between.recheck = &recheck;
    }
    if (run->options->reclaim)
        status = vx_reclaim_open(run->chain, run->into, &between.reclaim, err);
    if (status == VHDX_OK)
        status = apply(run, copier, &between, err);
    if (status == VHDX_OK && between.reclaim)
        status = vx_reclaim_finish(between.reclaim, err);
    vx_reclaim_close(between.reclaim);
    vx_recheck_close(&recheck);
    return status;
}

static vhdx_status move_payload(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_copier copier;
    uint64_t before = run->resume.moved_before;
    uint64_t total = before + run->totals.bytes_to_copy + run->totals.bytes_to_share;
    struct vx_teller teller = {run->options, total, 0, before};
    VX_TRY(vx_copier_open(&copier, run->target->file, err));
    vx_teller_attach(&teller, &copier);
    vhdx_status status = apply_between(run, &copier, err);
    vx_copier_close(&copier);
    return status;
}

static vhdx_status fill_target(struct vx_merge_run *run, vhdx_error *err)
{
    VX_TRY(vx_grow(run->target, run->child->geometry.virtual_size, NULL, err));
    VX_TRY(vx_resume_begin(run, err));
    VX_TRY(move_payload(run, err)); /* M3 */
    VX_TRY(vx_merge_take_items(run, false, err));
    VX_TRY(vx_clear_padding(run->target, err));
    return vx_image_end_write(run->target, err);
}

static vhdx_status merge_target(struct vx_merge_run *run, vhdx_error *err)
{
    vhdx_status status = start_target(run, err);
    run->begun = true;
    if (status == VHDX_OK)
        status = fill_target(run, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(run->target);
    run->report->flushes = vx_file_counters(run->target->file)->flushes;
    return status;
}

/* M8. What it says is true: the target is complete and durable. */
static vhdx_status settle(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->identity, .linkage2 = run->bottom->header.data_write_guid};
    return vx_merge_link(run, run->bottom, &link, err);
}

static vhdx_status link_uppers(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_link link = vx_merge_upper_link(run);
    for (size_t i = 0; i < run->upper_count; i++)
        VX_TRY(vx_merge_link(run, run->uppers[i], &link, err));
    return VHDX_OK;
}

/* An earlier run was cut off at the very end, perhaps: the mark is there, and the log is still to be emptied. */
static bool is_settled(const struct vx_merge_run *run, const struct vx_image *layer)
{
    return run->marked && layer->log == VHDX_LOG_STATE_CLEAN;
}

/* M8. Its parent is still the layer below it. */
static vhdx_status mark_child(struct vx_merge_run *run, vhdx_error *err)
{
    struct vx_link link = {.linkage = run->chain->layers[1]->header.data_write_guid, .linkage2 = run->identity};
    return vx_merge_link(run, run->child, &link, err);
}

static vhdx_status change(struct vx_merge_run *run, vhdx_error *err)
{
    if (run->complete)
        run->identity = run->target->header.data_write_guid;
    else
        VX_TRY(merge_target(run, err));
    if (!run->complete || (run->guard.leftover_count == 0 && !is_settled(run, run->bottom)))
        VX_TRY(settle(run, err));
    VX_TRY(link_uppers(run, err));
    if (run->options->delete_merged)
        return vx_merge_remove(run, err);
    return run->into > 1 && !is_settled(run, run->child) ? mark_child(run, err) : VHDX_OK;
}

/* After the first write every message says what holds and how to go on. */
static vhdx_status explain(const struct vx_merge_run *run, vhdx_status status, vhdx_error *err)
{
    char cure[sizeof err->advice_text];
    if (status == VHDX_OK || !run->begun || !err)
        return status;
    vhdx_advice then = err->advice;
    snprintf(cure, sizeof cure, "%s",
             status == VHDX_CANCELLED ? "run the same command again to go on" : err->advice_text);
    vx_locate(err, vx_at_file(run->child_path));
    vx_advise_as(err, status, VHDX_ADVICE_MERGE_UNFINISHED,
                 "the merge is not finished, %.200s still reads as before; %.220s%s", run->child_path, cure,
                 VHDX_ADVICE_IS_AGAIN(then) ? "" : ", then run the same command again");
    err->advice_then = then;
    vx_put_argument(err, run->child_path);
    return status;
}

/* Whether the child, as a base under the target's name, would be the same kind of disk: nothing of the target that a
 * merge down keeps is lost. */
static bool could_replace(const struct vx_image *child, const struct vx_image *target)
{
    const struct vx_metadata_table *table = target->items.table;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++)
        kept += !(table->entries[i].flags & VX_ITEM_IS_VIRTUAL_DISK);
    return target->info.kind == VHDX_KIND_DYNAMIC && target->geometry.block_size == child->geometry.block_size &&
           target->regions->count == 2 && kept == 1 /* the file parameters */ &&
           vx_file_facts(child->file)->volume == vx_file_facts(target->file)->volume;
}

/* Why there is no choice; NONE: with removal the names come out the same either way. */
static vhdx_merge_reason why_only_down(const struct vx_merge_run *run)
{
    if (!run->options->delete_merged)
        return VHDX_MERGE_REASON_KEPT;
    if (run->options->reclaim || run->options->verify)
        return VHDX_MERGE_REASON_DOWN_ONLY;
    if (vx_image_has_parent(run->target))
        return VHDX_MERGE_REASON_HAS_PARENT;
    return could_replace(run->child, run->target) ? VHDX_MERGE_REASON_NONE : VHDX_MERGE_REASON_OTHER_KIND;
}

static vhdx_status find_costs(struct vx_merge_run *run, uint64_t *down, uint64_t *up, vhdx_error *err)
{
    struct vx_merge_task task = vx_merge_task(run);
    VX_TRY(vx_merge_plan_totals(&task, 0, run->plan_only, &run->totals, err));
    *down = vx_totals_cost(&run->totals);
    VX_TRY(vx_up_plan(run, err));
    *up = vx_totals_cost(&run->totals);
    return VHDX_OK;
}

/* Where there is a choice, the one that moves less is taken. A plan tells the cost of the other one in any case. */
static vhdx_status choose_direction(struct vx_merge_run *run, vhdx_error *err)
{
    vhdx_merge_report *report = run->report;
    vhdx_merge_reason only_down = why_only_down(run);
    bool asked = run->options->direction != VHDX_DIRECTION_AUTO;
    bool choice = !asked && only_down == VHDX_MERGE_REASON_NONE;
    uint64_t down = 0, up = 0;
    report->direction = asked ? run->options->direction : VHDX_DIRECTION_DOWN;
    report->bytes_other_way = UINT64_MAX;
    if (choice || (run->plan_only && !vx_image_has_parent(run->target))) {
        VX_TRY(find_costs(run, &down, &up, err));
        if (choice && up < down)
            report->direction = VHDX_DIRECTION_UP;
        report->bytes_other_way = report->direction == VHDX_DIRECTION_UP ? down : up;
    }
    report->direction_reason = asked ? VHDX_MERGE_REASON_ASKED : choice ? VHDX_MERGE_REASON_CHEAPER : only_down;
    return VHDX_OK;
}

static vhdx_status merge_down(struct vx_merge_run *run, vhdx_error *err)
{
    VX_TRY(vx_merge_check(run, err));          /* M1 */
    VX_TRY(vx_merge_protect(run, false, err)); /* M7 */
    if (run->plan_only)
        return VHDX_OK;
    VX_TRY(change(run, err));
    return vx_merge_protect_end(run, err);
}

static void tell_aftermath(const struct vx_merge_run *run, bool has_upper)
{
    const vhdx_merge_options *options = run->options;
    struct vx_aftermath aftermath = {.child = run->child_path,
                                     .target = run->report->target,
                                     .has_upper = has_upper,
                                     .in_place = strcmp(run->child_path, run->report->target) == 0,
                                     .between = run->into > 1 && !options->delete_merged &&
                                                run->report->direction == VHDX_DIRECTION_DOWN,
                                     .deleted = options->delete_merged || options->reclaim,
                                     .owner_known = run->around->owner_known};
    if (!run->plan_only)
        vx_tell_aftermath(&aftermath, options->notice, options->notice_context);
}

/* A child without parent: nothing to merge, unless an earlier merge upwards has brought it there. */
static vhdx_status merge_base(struct vx_merge_run *run, vhdx_error *err)
{
    bool left_over = run->chain->layers[0]->items.locator != NULL;
    if (run->options->direction != VHDX_DIRECTION_UP && !left_over) {
        vx_fail(err, VHDX_ARG, vx_at_file(run->child_path), "the disk has no parent, there is nothing to merge into");
        return vx_advise(err, VHDX_ARG, "name the layer (AVHDX) that is to be merged, not the base");
    }
    vx_merge_close(run);
    return vx_up_resume(run, NULL, err);
}

static vhdx_status run_merge(struct vx_merge_run *run, vhdx_error *err)
{
    const vhdx_merge_options *options = run->options;
    struct vx_search search = {options->parents, options->parent_count};
    bool up_only = options->direction == VHDX_DIRECTION_UP;
    struct vx_chain_access access = {.write = !run->plan_only,
                                     .leaf_only = up_only && !options->delete_merged,
                                     .may_be_base = options->direction != VHDX_DIRECTION_DOWN,
                                     .into = options->into};
    VX_TRY(vx_chain_open(options->host, run->child_path, &search, &access, &run->chain, &run->into, err));
    if (run->chain->count == 1)
        return merge_base(run, err);
    for (size_t i = 0; i <= run->into; i++) {
        VX_TRY(vx_image_check_log(run->chain->layers[i], err));
        vx_image_tell(run->chain->layers[i], options->notice, options->notice_context);
        if (run->around->check)
            VX_TRY(run->around->check(run->chain->layers[i], options->notice, options->notice_context, err));
    }
    run->child = run->chain->layers[0];
    run->bottom = run->chain->layers[run->into - 1];
    run->target = run->chain->layers[run->into];
    VX_TRY(choose_direction(run, err));
    bool up = run->report->direction == VHDX_DIRECTION_UP;
    VX_TRY(up ? vx_up_merge(run, err) : merge_down(run, err));
    tell_aftermath(run, run->upper_count > 0 || run->guard.merged_before);
    return VHDX_OK;
}

vhdx_status vx_merge(const char *child, const vhdx_merge_options *options, bool plan_only,
                     const struct vx_merge_surroundings *around, vhdx_merge_report *report, vhdx_error *err)
{
    struct vx_merge_run run = {
        .options = options, .child_path = child, .plan_only = plan_only, .around = around, .report = report};
    vhdx_status status = explain(&run, run_merge(&run, err), err);
    vx_merge_close(&run);
    return status;
}
