/*
 * The public functions that merge and link layers, and that undo such work. As in api.c, arguments are checked and no
 * logic belongs here.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "api_siblings.h"
#include "base/options.h"
#include "chain/merge_trace.h"
#include "chain/relink.h"
#include "config/machines.h"
#include "evidence/lost_entries.h"
#include "image/protect.h"
#include "merge/merge.h"
#include "undo/undo_apply.h"
#include "verify/mismatch.h"

/* What was deleted or punched out no undo file can give back. */
static bool undo_fits(const vhdx_merge_options *options)
{
    return !options->undo || !(options->delete_merged || options->reclaim);
}

/* What a merge of the machines' disk 0 into `target` (NULL: its parent) means for them. */
static vhdx_machine_change change_of(const vhdx_merge_options *options, const char *target)
{
    const struct vhdx_machines *machines = options->machines;
    bool keeps = options->direction == VHDX_DIRECTION_UP && !options->delete_merged;
    size_t last = target ? vx_machines_number(machines, target) : 1;
    return (vhdx_machine_change){.struct_size = sizeof(vhdx_machine_change),
                                 .touched = keeps                         ? 0
                                            : last < machines->disk_count ? last + 1
                                                                          : machines->disk_count,
                                 .state_unfit = true,
                                 .target = target};
}

static vhdx_status merge_with(const char *child, const vhdx_merge_options *options, bool plan_only,
                              vhdx_merge_report *report, vhdx_error *err)
{
    struct vx_siblings *siblings;
    vhdx_merge_report filled = {.struct_size = sizeof filled};
    const struct vhdx_machines *machines = options->machines;
    if (machines) {
        const vhdx_machine_change change = change_of(options, options->into);
        vx_machines_warn(machines, &change, options->notice, options->notice_context);
    }
    const struct vx_siblings_wish wish = {options->host, options->siblings, options->sibling_count};
    VX_TRY(vx_siblings_find(&wish, &siblings, err));
    const struct vx_merge_surroundings around = {.far = vx_siblings_disks(siblings),
                                                 .check = vx_lost_entries_check,
                                                 .owner_known = machines && vx_machines_own_first(machines)};
    vhdx_status status = vx_merge(child, options, plan_only, &around, &filled, err);
    vx_siblings_free(siblings);
    if (status == VHDX_OK && machines) {
        const vhdx_machine_change change = change_of(options, filled.target);
        vx_machines_next(machines, &change, options->notice, options->notice_context);
    }
    vx_give_report(report, &filled, sizeof filled);
    return status;
}

vhdx_status vhdx_merge_look(const char *path, const vhdx_open_options *given, vhdx_merge_trace *trace, vhdx_error *err)
{
    vhdx_open_options options;
    struct vx_image *image;
    vx_clear(err);
    if (!path || !trace || trace->struct_size < sizeof *trace)
        return vx_refuse_argument(err, "vhdx_merge_look: a path and a trace with its size are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    struct vx_search search = {options.parents, options.parent_count};
    VX_TRY(vx_image_open(options.host, path, options.inspect_only ? VX_OPEN_INSPECT : 0, &image, err));
    vhdx_status status = vx_merge_trace(image, &search, trace, err);
    vx_image_close(image);
    return status;
}

/* What goes together in a merge in place. */
static vhdx_status check_merge(const vhdx_merge_options *options, vhdx_error *err)
{
    if (!undo_fits(options))
        return vx_refuse_argument(err, "an undo file does not go with removing layers or giving their space back");
    if (options->block_size || options->fixed_result)
        return vx_refuse_argument(err, "a merge in place keeps the ancestor's kind and block size");
    return VHDX_OK;
}

vhdx_status vhdx_merge_plan(const char *child, const vhdx_merge_options *given, vhdx_merge_report *report,
                            vhdx_error *err)
{
    vhdx_merge_options options;
    vx_clear(err);
    if (!child || !report)
        return vx_refuse_argument(err, "vhdx_merge_plan: a child and a place for the report are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count) || !vx_all_named(options.siblings, options.sibling_count))
        return vx_refuse_argument(err, "vhdx_merge_plan: a parent or a place has no name");
    VX_TRY(check_merge(&options, err));
    return merge_with(child, &options, true, report, err);
}

vhdx_status vhdx_merge(const char *child, const vhdx_merge_options *given, vhdx_merge_report *report, vhdx_error *err)
{
    vhdx_merge_options options;
    vx_clear(err);
    if (!child)
        return vx_refuse_argument(err, "vhdx_merge: a child is needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count) || !vx_all_named(options.siblings, options.sibling_count))
        return vx_refuse_argument(err, "vhdx_merge: a parent or a place has no name");
    VX_TRY(check_merge(&options, err));
    return merge_with(child, &options, false, report, err);
}

static vhdx_status tell_of_layer(struct vx_image *image, vhdx_notice_fn notice, void *context, vhdx_error *err)
{
    (void)err;
    vx_lost_entries_tell(image, VX_LOST_ALL, notice, context);
    return VHDX_OK;
}

vhdx_status vhdx_flatten(const char *child, const char *path, const vhdx_merge_options *given,
                         vhdx_merge_report *report, vhdx_error *err)
{
    vhdx_merge_options options;
    vx_clear(err);
    if (!child || !path)
        return vx_refuse_argument(err, "vhdx_flatten: a child and a path are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count))
        return vx_refuse_argument(err, "vhdx_flatten: a parent has no name");
    if (options.into || options.delete_merged || options.force_siblings || options.undo)
        return vx_refuse_argument(
            err, "a merge into a new file changes no layer: into, delete, force and undo do not apply");
    vhdx_merge_report filled = {.struct_size = sizeof filled};
    const struct vhdx_machines *machines = options.machines;
    const struct vx_merge_surroundings around = {.check = tell_of_layer,
                                                 .owner_known = machines && vx_machines_own_first(machines)};
    const vhdx_machine_change change = {.struct_size = sizeof change, .target = path, .new_file = true};
    if (machines)
        vx_machines_warn(machines, &change, options.notice, options.notice_context);
    vhdx_status status = vx_flatten(child, path, &options, &around, &filled, err);
    if (status == VHDX_OK && machines)
        vx_machines_next(machines, &change, options.notice, options.notice_context);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}

vhdx_status vhdx_relink(const char *child, const char *parent, const vhdx_relink_options *given, vhdx_error *err)
{
    vhdx_relink_options options;
    vx_clear(err);
    if (!child || !parent)
        return vx_refuse_argument(err, "vhdx_relink: a child and a parent are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    vhdx_status status = vx_relink(options.host, child, parent, options.force, err);
    if (status == VHDX_PARENT_MISMATCH)
        vx_mismatch_explain(options.host, child, parent, err);
    return status;
}

vhdx_status vhdx_undo(const char *path, const vhdx_undo_options *given, vhdx_undo_report *report, vhdx_error *err)
{
    vhdx_undo_options options;
    vx_clear(err);
    if (!path)
        return vx_refuse_argument(err, "vhdx_undo: a path is needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    vhdx_undo_report filled = {.struct_size = sizeof filled};
    vhdx_status status = vx_undo_apply(path, &options, vx_image_identify, &filled, err);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}
