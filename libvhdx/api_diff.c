/*
 * The public function that compares two disks. As in api.c, arguments are checked and no logic belongs here.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "base/options.h"
#include "diff/diff.h"
#include "evidence/lost_entries.h"

static vhdx_status tell_of_layer(struct vx_image *image, vhdx_notice_fn notice, void *context, vhdx_error *err)
{
    (void)err;
    vx_lost_entries_tell(image, VX_LOST_ALL, notice, context);
    return VHDX_OK;
}

vhdx_status vhdx_diff(const char *a, const char *b, const vhdx_diff_options *given, vhdx_range_fn visit, void *context,
                      vhdx_diff_report *report, vhdx_error *err)
{
    vhdx_diff_options options;
    vhdx_diff_report filled = {.struct_size = sizeof filled};
    vx_clear(err);
    if (!a)
        return vx_refuse_argument(err, "vhdx_diff: a disk is needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count))
        return vx_refuse_argument(err, "vhdx_diff: a parent has no name");
    if (b && options.below)
        return vx_refuse_argument(err, "vhdx_diff: a layer below goes with one disk only");
    vhdx_status status = vx_diff(a, b, &options, tell_of_layer, visit, context, &filled, err);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}
