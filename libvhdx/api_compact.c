/*
 * The public functions that give back a disk's space. As in api.c, arguments are checked and no logic belongs here.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "base/options.h"
#include "compact/compact.h"
#include "evidence/lost_entries.h"
#include "io/io.h"

static vhdx_status compact_with(const char *path, const vhdx_compact_options *given, bool plan_only,
                                vhdx_compact_report *report, vhdx_error *err)
{
    vhdx_compact_options options;
    vhdx_compact_report filled = {.struct_size = sizeof filled};
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    options.host = vx_host_or_native(options.host);
    if (!vx_all_named(options.parents, options.parent_count))
        return vx_refuse_argument(err, "vhdx_compact: a parent has no name");
    vhdx_status status = vx_compact(path, &options, plan_only, vx_lost_entries_check, &filled, err);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}

vhdx_status vhdx_compact_plan(const char *path, const vhdx_compact_options *given, vhdx_compact_report *report,
                              vhdx_error *err)
{
    vx_clear(err);
    if (!path || !report)
        return vx_refuse_argument(err, "vhdx_compact_plan: a path and a place for the report are needed");
    return compact_with(path, given, true, report, err);
}

vhdx_status vhdx_compact(const char *path, const vhdx_compact_options *given, vhdx_compact_report *report,
                         vhdx_error *err)
{
    vx_clear(err);
    if (!path)
        return vx_refuse_argument(err, "vhdx_compact: a path is needed");
    return compact_with(path, given, false, report, err);
}
