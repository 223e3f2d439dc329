/*
 * A repair from end to end: the plan (planning.h) is shown and applied, and the disk is read again.
 *
 * Easy to get wrong: a finding is corrected when the disk itself, read again at the end, does not show it any more.
 * That a mender has done its work proves nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/repair.h"

#include "base/alloc.h"
#include "base/quote.h"
#include "repair/repair_apply.h"
#include "chain/beside.h"
#include "repair/forecast.h"
#include "repair/maps.h"
#include "repair/planning.h"
#include "io/rescue_map.h"

#include <string.h>

#define SHOWN_AT_ONCE 4096u

struct repair {
    const vhdx_host *host;
    const vhdx_repair_options *options;
    struct vx_file *file;
    struct vx_planning planning;
    char *undo; /* path of the undo file, NULL = none */
};

/* ---- showing and applying ---- */

static vhdx_status show_write(const struct repair *r, const struct vx_plan_write *write, vhdx_error *err)
{
    uint8_t bytes[SHOWN_AT_ONCE];
    const char *costs = write->reason.costs;
    bool links = costs == vx_costs_ids || costs == vx_costs_link;
    vhdx_repair_write shown = {.path = vx_file_path(r->file),
                               .offset = write->offset,
                               .id = vx_finding_kind((enum vx_find)write->reason.finding)->id,
                               .salvage = write->reason.salvage,
                               .gives = write->reason.gives,
                               .costs = costs,
                               .advice = links ? VHDX_ADVICE_RELINK_CHILDREN : VHDX_ADVICE_NONE};
    uint64_t done = 0;
    if (write->length == 0)
        r->options->write(r->options->write_context, &shown);
    while (done < write->length) {
        size_t got;
        shown.offset = write->offset + done;
        shown.length = vx_min(write->length - done, sizeof bytes);
        VX_TRY(vx_file_read_some(r->planning.plan->sketch, bytes, (size_t)shown.length, shown.offset, &got, err));
        shown.bytes = bytes;
        r->options->write(r->options->write_context, &shown);
        done += shown.length;
    }
    return VHDX_OK;
}

static vhdx_status show_plan(const struct repair *r, vhdx_error *err)
{
    for (size_t i = 0; r->options->write && i < r->planning.plan->count; i++)
        VX_TRY(show_write(r, &r->planning.plan->writes[i], err));
    return VHDX_OK;
}

static vhdx_status advise_both_ways(const struct repair *r, vhdx_status status, vhdx_error *err)
{
    return vx_advise_code(err, status,
                          status == VHDX_NO_SPACE ? VHDX_ADVICE_FREE_SPACE_GO_ON_OR_UNDO : VHDX_ADVICE_GO_ON_OR_UNDO,
                          r->undo);
}

/* The directory of the disk may be full, or not for us to write to. */
static vhdx_status advise_undo_place(const struct repair *r, vhdx_status status, vhdx_error *err)
{
    if (!err || strcmp(err->path, r->undo) != 0)
        return status;
    if (status == VHDX_NO_SPACE)
        return vx_advise_code(err, status, VHDX_ADVICE_UNDO_ELSEWHERE_OR_SPACE, NULL);
    if (status == VHDX_READ_ONLY || status == VHDX_NOT_FOUND)
        return vx_advise_code(err, status, VHDX_ADVICE_UNDO_ELSEWHERE, NULL);
    return status;
}

/* *begun: something may have been written. */
static vhdx_status apply(struct repair *r, bool *begun, vhdx_error *err)
{
    bool saved = false;
    vhdx_status status = vx_repair_apply(r->planning.plan, r->undo, &saved, err);
    *begun = saved || !r->undo;
    if (saved)
        vx_report_undo_path(r->planning.report, 0, r->undo);
    if (status != VHDX_OK && saved)
        return advise_both_ways(r, status, err);
    return r->undo && !saved ? advise_undo_place(r, status, err) : status;
}

/* ---- what came of it ---- */

static void add_given_up(struct repair *r, const struct vx_lost *lost)
{
    const vhdx_lost_range range = {lost->virtual_offset, lost->length, lost->loss->reason, lost->loss->doubtful};
    vx_report_add_lost(r->planning.report, 0, &range);
}

/* What the plan has given up, and what the disk, read again, still lacks: a finding may be about more than one
 * range. */
static vhdx_status add_lost(struct repair *r, vhdx_report *left, vhdx_error *err)
{
    const vhdx_lost_range *range;
    VX_TRY(vx_report_finish(left, err));
    vx_report_forget_lost(r->planning.report, 0);
    for (size_t i = 0; i < r->planning.plan->lost_count; i++)
        add_given_up(r, &r->planning.plan->lost[i]);
    for (size_t i = 0; (range = vx_report_lost(left, 0, i)) != NULL; i++)
        vx_report_add_lost(r->planning.report, 0, range);
    return VHDX_OK;
}

static vhdx_status judge(struct repair *r, const char *path, vhdx_error *err)
{
    struct vx_planning *planning = &r->planning;
    vhdx_report *left = NULL;
    struct vx_finding *finding;
    bool written = vx_plan_changes(planning->plan) && !r->options->dry_run;
    vhdx_status status = vx_planning_look(planning, r->file, &left, NULL, err);
    if (status == VHDX_OK) {
        vx_planning_take_over(planning, left);
        for (size_t i = 0; (finding = vx_report_record(planning->report, 0, i)) != NULL; i++)
            finding->corrected = written && !vx_planning_is_among(finding, left, SIZE_MAX);
        status = add_lost(r, left, err);
    }
    vx_report_free(left);
    return status == VHDX_OK ? vx_forecast_planned(path, planning, err) : status;
}

static bool is_there(const vhdx_host *host, const char *path)
{
    struct vx_file *file;
    vhdx_status status = vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL);
    if (status == VHDX_OK)
        vx_file_close(file);
    return status != VHDX_NOT_FOUND;
}

/*
 * Before the disk changes: what is given up shows on it no longer when that is done, so a run that is cut off would
 * take the only trace with it. And a map that cannot be written must be no surprise at the end.
 */
static vhdx_status write_map(const struct repair *r, vhdx_error *err)
{
    const struct vx_planning *planning = &r->planning;
    vhdx_status status =
        vx_maps_write(planning->plan, planning->virtual_size, planning->ids, planning->id_count, r->options->map, err);
    if (status == VHDX_NO_SPACE)
        return vx_advise_code(err, status, VHDX_ADVICE_MAP_ELSEWHERE_OR_SPACE, NULL);
    return status == VHDX_OK ? status : vx_advise_code(err, status, VHDX_ADVICE_MAP_ELSEWHERE, NULL);
}

/* What lies beside a device lies in memory, and is gone when it is needed. */
static vhdx_status refuse_beside_device(const struct repair *r, vhdx_error *err)
{
    const char *path = vx_file_path(r->file), *map = r->planning.plan->lost_count > 0 ? r->options->map : NULL;
    bool device = (vx_file_facts(r->file)->attributes & VHDX_FILE_IS_BLOCK_DEVICE) != 0;
    bool undo = r->undo && !r->options->undo;
    if (!device || r->options->dry_run || !(undo || (map && strncmp(map, path, strlen(path)) == 0)))
        return VHDX_OK;
    vx_fail(err, VHDX_REFUSED, vx_at_file(path), "the disk is a device, and %s beside it would not last",
            undo ? "an undo file" : "a map");
    return vx_advise_code(err, VHDX_REFUSED, undo ? VHDX_ADVICE_UNDO_NAME : VHDX_ADVICE_MAP_NAME, NULL);
}

static vhdx_status map_and_apply(struct repair *r, vhdx_error *err)
{
    bool begun = false, changes = vx_plan_changes(r->planning.plan);
    bool maps = r->options->map && r->planning.plan->lost_count > 0 && !r->options->dry_run;
    bool new_map = maps && !is_there(r->host, r->options->map);
    vhdx_status status = VHDX_OK;
    if (changes && r->undo)
        VX_TRY(vx_repair_check_undo(r->planning.plan, r->undo, err));
    if (maps)
        status = write_map(r, err);
    if (status == VHDX_OK && changes && !r->options->dry_run)
        status = apply(r, &begun, err);
    if (status != VHDX_OK && new_map && !begun)
        r->host->remove(r->host->context, r->options->map, NULL);
    return status;
}

static vhdx_status repair(struct repair *r, const char *path, vhdx_error *err)
{
    VX_TRY(vx_planning_begin(r->host, path, r->file, r->options, &r->planning, err));
    if (r->options->map)
        VX_TRY(vx_rescue_map_check_output(r->host, r->options->map, err));
    VX_TRY(vx_planning_make(&r->planning, err));
    VX_TRY(show_plan(r, err));
    if (vx_plan_changes(r->planning.plan))
        VX_TRY(refuse_beside_device(r, err));
    VX_TRY(map_and_apply(r, err));
    VX_TRY(judge(r, path, err));
    VX_TRY(vx_tell_children(r->host, vx_file_path(r->file), &r->planning.former_id, r->options->notice,
                            r->options->notice_context, err));
    return vx_report_finish(r->planning.report, err);
}

static vhdx_status name_undo(struct repair *r, const char *path, vhdx_error *err)
{
    static const char suffix[] = ".vhdx-undo";
    size_t length = strlen(path);
    if (r->options->no_undo)
        return VHDX_OK;
    if (r->options->undo) {
        r->undo = vx_copy_string(r->options->undo);
    } else {
        r->undo = vx_alloc(length + sizeof suffix, 1);
        if (r->undo) {
            memcpy(r->undo, path, length);
            memcpy(r->undo + length, suffix, sizeof suffix);
        }
    }
    return r->undo ? VHDX_OK : vx_fail_memory(err, "a path");
}

vhdx_status vx_repair(const char *path, const vhdx_repair_options *options, vhdx_report **report, vhdx_error *err)
{
    struct repair r = {.host = vx_host_or_native(options->host), .options = options};
    vhdx_status status = name_undo(&r, path, err);
    if (status == VHDX_OK)
        status = vx_file_open(r.host, path, options->dry_run ? VHDX_OPEN_READ : VHDX_OPEN_WRITE, &r.file, err);
    if (status == VHDX_OK)
        status = repair(&r, path, err);
    if (status == VHDX_OK) {
        *report = r.planning.report;
        r.planning.report = NULL;
    }
    vx_planning_end(&r.planning);
    vx_file_close(r.file);
    vx_free(r.undo);
    return status;
}
