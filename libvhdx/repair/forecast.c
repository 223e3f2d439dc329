/*
 * What repairs would achieve. See forecast.h. The plan without losses says what is lossless; what it leaves, and a plan
 * with losses would mend, is for salvage; what that leaves too is beyond repair.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/forecast.h"

#include "base/notice.h"
#include "verify/verify.h"

/* Not errors nor warnings, and nothing that anyone asked to be mended: a plan may change it on the way. */
static bool is_idle_remark(const struct vx_finding *finding)
{
    return finding->severity == VHDX_SEVERITY_INFO && finding->repair == VHDX_REPAIR_NONE;
}

/* Whether somebody may hope for a repair of that class. */
static bool is_hoped_for(vhdx_report *report, bool salvage)
{
    const struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(report, 0, i)) != NULL; i++) {
        if (finding->corrected)
            continue;
        if (finding->repair == VHDX_REPAIR_SALVAGE || (!salvage && finding->repair == VHDX_REPAIR_LOSSLESS))
            return true;
        if (salvage && finding->severity == VHDX_SEVERITY_ERROR)
            return true;
    }
    return false;
}

/* Plans a repair of the disk in `file`. *first: what is wrong with it now; *left: what would be wrong afterwards. Both
 * are the caller's to free. */
static vhdx_status foresee(const char *path, struct vx_file *file, const vhdx_repair_options *options,
                           vhdx_report **left, vhdx_error *err)
{
    struct vx_planning planning = {.host = NULL};
    vhdx_status status = vx_planning_begin(vx_host_or_native(options->host), path, file, options, &planning, err);
    if (status == VHDX_OK)
        status = vx_planning_make(&planning, err);
    if (status == VHDX_OK)
        status = vx_planning_look(&planning, planning.plan->sketch, left, NULL, err);
    vx_planning_end(&planning);
    return status;
}

/* Advice is about what the check hoped for; where something else is true, the class says what. */
static void set_class(vhdx_report *report, struct vx_finding *finding, vhdx_repair_class class)
{
    if (finding->repair != class && finding->repair != VHDX_REPAIR_NONE)
        vx_report_advise(report, finding, VHDX_ADVICE_NONE, NULL, NULL);
    finding->repair = class;
}

/* What is not `left` any more is `achieved`, the rest `otherwise`. `known`: what a repair looks for at all, NULL:
 * everything. */
static void settle(vhdx_report *report, vhdx_report *known, vhdx_report *left, vhdx_repair_class achieved,
                   vhdx_repair_class otherwise)
{
    struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(report, 0, i)) != NULL; i++) {
        if (finding->corrected && finding->repair == VHDX_REPAIR_NONE)
            finding->repair = achieved; /* by what was done for others */
        if (finding->corrected || is_idle_remark(finding) || (known && !vx_planning_is_among(finding, known, SIZE_MAX)))
            continue;
        if (achieved == VHDX_REPAIR_SALVAGE && finding->repair == VHDX_REPAIR_LOSSLESS)
            continue; /* settled already */
        bool is_left = !left || vx_planning_is_among(finding, left, SIZE_MAX);
        set_class(report, finding, is_left ? otherwise : achieved);
    }
}

static vhdx_repair_options options_of(const vhdx_verify_options *verify, bool salvage)
{
    return (vhdx_repair_options){.struct_size = sizeof(vhdx_repair_options),
                                 .host = verify->host,
                                 .parents = verify->parents,
                                 .parent_count = verify->parent_count,
                                 .dry_run = true,
                                 .salvage = salvage,
                                 .no_undo = true,
                                 .progress = verify->progress,
                                 .progress_context = verify->progress_context,
                                 .notice = verify->notice,
                                 .notice_context = verify->notice_context};
}

/* The records that verification of one file alone makes: those that a repair looks at. */
static vhdx_status look_now(const char *path, struct vx_file *file, const vhdx_repair_options *options,
                            vhdx_report **now, vhdx_error *err)
{
    struct vx_planning planning = {.host = NULL};
    vhdx_status status = vx_planning_begin(vx_host_or_native(options->host), path, file, options, &planning, err);
    if (status == VHDX_OK)
        status = vx_plan_open(planning.host, file, &planning.bad, &planning.plan, err);
    if (status == VHDX_OK)
        status = vx_planning_look(&planning, file, now, NULL, err);
    vx_planning_end(&planning);
    return status;
}

static vhdx_status forecast(const char *path, struct vx_file *file, const vhdx_verify_options *verify,
                            vhdx_report *report, vhdx_error *err)
{
    const vhdx_repair_options lossless = options_of(verify, false), salvage = options_of(verify, true);
    vhdx_report *known = NULL, *left = NULL;
    vhdx_status status = look_now(path, file, &lossless, &known, err);
    if (status == VHDX_OK)
        status = foresee(path, file, &lossless, &left, err);
    if (vx_ends_all(status) || !known) {
        vx_report_free(known);
        return status;
    }
    settle(report, known, status == VHDX_OK ? left : NULL, VHDX_REPAIR_LOSSLESS, VHDX_REPAIR_SALVAGE);
    vx_report_free(left);
    left = NULL;
    if (is_hoped_for(report, true)) {
        status = foresee(path, file, &salvage, &left, err);
        settle(report, known, status == VHDX_OK ? left : NULL, VHDX_REPAIR_SALVAGE, VHDX_REPAIR_NONE);
        vx_report_free(left);
    }
    vx_report_free(known);
    vx_clear(err);
    return vx_ends_all(status) ? status : VHDX_OK;
}

vhdx_status vx_forecast(const char *path, const vhdx_verify_options *options, vhdx_report *report, vhdx_error *err)
{
    struct vx_file *file;
    if (!is_hoped_for(report, false))
        return VHDX_OK;
    VX_TRY(vx_file_open(vx_host_or_native(options->host), path, VHDX_OPEN_READ, &file, err));
    vhdx_status status = forecast(path, file, options, report, err);
    vx_file_close(file);
    return status;
}

vhdx_status vx_forecast_planned(const char *path, struct vx_planning *planning, vhdx_error *err)
{
    const vhdx_repair_options *options = planning->options;
    vhdx_repair_options salvage = *options;
    vhdx_report *left = NULL;
    vhdx_repair_class achieved = options->salvage ? VHDX_REPAIR_SALVAGE : VHDX_REPAIR_LOSSLESS;
    salvage.salvage = salvage.dry_run = true;
    salvage.map = NULL;
    if (options->dry_run) {
        VX_TRY(vx_planning_look(planning, planning->plan->sketch, &left, NULL, err));
        settle(planning->report, NULL, left, achieved, options->salvage ? VHDX_REPAIR_NONE : VHDX_REPAIR_SALVAGE);
        vx_report_free(left);
        left = NULL;
    } else {
        settle(planning->report, NULL, NULL, achieved, VHDX_REPAIR_SALVAGE);
    }
    if ((options->salvage && options->dry_run) || !is_hoped_for(planning->report, true))
        return VHDX_OK; /* once done, one more salvage may find something to do that hung on what is mended now */
    vhdx_status status = foresee(path, planning->file, &salvage, &left, err);
    settle(planning->report, NULL, status == VHDX_OK ? left : NULL, VHDX_REPAIR_SALVAGE, VHDX_REPAIR_NONE);
    vx_report_free(left);
    if (!vx_ends_all(status))
        vx_clear(err);
    return vx_ends_all(status) ? status : VHDX_OK;
}
