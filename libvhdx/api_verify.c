/*
 * The public functions that verify, repair and salvage, and the reports of the first two. As in api.c, arguments are
 * checked and no logic belongs here.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "base/options.h"
#include "repair/forecast.h"
#include "repair/repair.h"
#include "salvage/salvage.h"
#include "verify/verify.h"

/* Verification says what is wrong, the plans of a repair what can be done about it. */
static vhdx_status verify(const char *path, const vhdx_verify_options *options, vhdx_report **report, vhdx_error *err)
{
    vhdx_report *made = NULL;
    VX_TRY(vx_verify(path, options, &made, err));
    vhdx_status status = options->quick ? VHDX_OK : vx_forecast(path, options, made, err);
    if (status == VHDX_OK)
        status = vx_report_finish(made, err);
    if (status == VHDX_OK)
        *report = made;
    else
        vx_report_free(made);
    return status;
}

vhdx_status vhdx_verify(const char *path, const vhdx_verify_options *given, vhdx_report **report, vhdx_error *err)
{
    vhdx_verify_options options;
    vx_clear(err);
    if (!path || !report)
        return vx_refuse_argument(err, "vhdx_verify: a path and a place for the report are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count))
        return vx_refuse_argument(err, "vhdx_verify: a parent has no name");
    if (options.manifest && !options.data)
        return vx_refuse_argument(err, "a manifest is of use only when the data is read");
    return verify(path, &options, report, err);
}

vhdx_status vhdx_repair(const char *path, const vhdx_repair_options *given, vhdx_report **report, vhdx_error *err)
{
    vhdx_repair_options options;
    vx_clear(err);
    if (!path || !report)
        return vx_refuse_argument(err, "vhdx_repair: a path and a place for the report are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count))
        return vx_refuse_argument(err, "vhdx_repair: a parent has no name");
    if (options.undo && options.no_undo)
        return vx_refuse_argument(err, "vhdx_repair: an undo file is asked for and forbidden");
    return vx_repair(path, &options, report, err);
}

void vhdx_report_free(vhdx_report *report)
{
    vx_report_free(report);
}

size_t vhdx_report_file_count(const vhdx_report *report)
{
    return vx_report_file_count(report);
}

const vhdx_file_report *vhdx_report_file(const vhdx_report *report, size_t file)
{
    return vx_report_file(report, file);
}

const vhdx_finding *vhdx_report_finding(const vhdx_report *report, size_t file, size_t finding)
{
    return vx_report_finding(report, file, finding);
}

const vhdx_lost_range *vhdx_report_lost(const vhdx_report *report, size_t file, size_t range)
{
    return vx_report_lost(report, file, range);
}

vhdx_status vhdx_salvage(const char *child, const char *raw, const vhdx_salvage_options *given,
                         vhdx_salvage_report *report, vhdx_error *err)
{
    vhdx_salvage_options options;
    vx_clear(err);
    if (!child || !raw)
        return vx_refuse_argument(err, "vhdx_salvage: a child and a raw file are needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (!vx_all_named(options.parents, options.parent_count))
        return vx_refuse_argument(err, "vhdx_salvage: a parent has no name");
    vhdx_salvage_report filled = {.struct_size = sizeof filled};
    vhdx_status status = vx_salvage(child, raw, &options, &filled, err);
    vx_give_report(report, &filled, sizeof filled);
    return status;
}
