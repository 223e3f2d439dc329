/*
 * From a damaged disk to a plan that may be carried out. See planning.h. Damage hides damage, so the sketch is examined
 * again after each step of mending, until a step changes nothing; what was found on the way counts as found.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/planning.h"

#include "base/alloc.h"
#include "base/notice.h"
#include "image/header_update.h"
#include "base/path.h"
#include "plan/audit.h"
#include "repair/maps.h"
#include "repair/mend.h"
#include "rebuild/rebuild.h"
#include "verify/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 40
#define ROUNDS_MAX 12

/* ---- looking ---- */

static vhdx_status look(const struct vx_planning *p, struct vx_file *file, vhdx_report **report, struct vx_exam **exam,
                        vhdx_error *err)
{
    struct vx_ranges bad;
    const vhdx_verify_options options = {.struct_size = sizeof options,
                                         .host = p->host,
                                         .parents = p->places,
                                         .parent_count = p->options->parent_count + 1,
                                         .chain = p->options->parent_count > 0,
                                         .progress = p->options->progress,
                                         .progress_context = p->options->progress_context};
    struct vx_verification v = {
        .host = p->host,
        .options = &options,
        .told = {p->options->assume_virtual_size, p->options->assume_block_size, p->options->assume_logical_sector}};
    *report = NULL;
    VX_TRY(vx_plan_still_bad(p->plan, &bad, err));
    vhdx_status status = vx_exam_of(p->host, file, &bad, exam, err);
    vx_ranges_clear(&bad);
    if (status != VHDX_OK)
        return status;
    v.exam = *exam;
    status = vx_report_new(&v.report, err);
    *report = v.report;
    if (status == VHDX_OK)
        status = vx_report_add_file(v.report, vx_file_path(file), &v.file, err);
    if (status == VHDX_OK)
        status = vx_verify_structures(&v, err);
    if (status == VHDX_OK)
        status = options.chain ? vx_check_chain(&v, err) : vx_check_own_link(&v, err);
    return status == VHDX_OK ? vx_report_check(v.report, err) : status;
}

vhdx_status vx_planning_look(const struct vx_planning *p, struct vx_file *file, vhdx_report **report,
                             struct vx_exam **exam, vhdx_error *err)
{
    struct vx_exam *own = NULL;
    vhdx_status status = look(p, file, report, exam ? exam : &own, err);
    vx_exam_close(own);
    return status;
}

/*
 * What the medium refuses today looks like damage, and may be there tomorrow. A repair that overwrites it would make it
 * so.
 */
static vhdx_status refuse_failing_medium(const struct vx_exam *exam, vhdx_error *err)
{
    const struct vx_ranges *bad = &exam->patient.ranges;
    if (!exam->patient.refused)
        return VHDX_OK;
    vx_fail(err, VHDX_IO, vx_at(vx_file_path(exam->raw), NULL, bad->items[bad->count - 1].offset),
            "the medium under the file fails, and structures of the disk cannot be read");
    return vx_advise_code(err, VHDX_IO, VHDX_ADVICE_RESCUE_AND_REPAIR, NULL);
}

static bool same_thing(const struct vx_finding *a, const struct vx_finding *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind / 10 == VX_FIND_HEADER_DAMAGED / 10 || a->kind / 10 == VX_FIND_HEADER_DAMAGED / 10 + 1)
        return true; /* which copy is in use changes with each update */
    if (a->index == VHDX_NOWHERE || b->index == VHDX_NOWHERE)
        return a->index == b->index && a->offset == b->offset;
    return a->index < b->index + b->count && b->index < a->index + a->count;
}

bool vx_planning_is_among(const struct vx_finding *finding, vhdx_report *report, size_t count)
{
    size_t of_kind = 0;
    const struct vx_finding *other;
    for (size_t i = 0; i < count && (other = vx_report_record(report, 0, i)) != NULL; i++) {
        if (same_thing(finding, other))
            return true;
        of_kind += other->kind == finding->kind;
    }
    return of_kind >= VX_FINDINGS_OF_A_KIND; /* it may be one of those that were left out */
}

/* What came to light in this step only. Two findings of one step are two, however alike they are. */
void vx_planning_take_over(struct vx_planning *p, vhdx_report *now)
{
    const struct vx_finding *finding;
    size_t known = 0;
    while (vx_report_record(p->report, 0, known))
        known++;
    for (size_t i = 0; (finding = vx_report_record(now, 0, i)) != NULL; i++)
        if (!vx_planning_is_among(finding, p->report, known))
            vx_report_add(p->report, 0, finding);
}

/* ---- mending ---- */

static bool log_is_settled(const struct vx_exam *exam)
{
    const struct vx_survey *survey = exam->survey;
    return survey->current >= 0 && !survey->tie && survey->log == VX_SURVEY_LOG_CLEAN &&
           !(vx_header_rules(exam->header) & VX_HEADER_BAD_VERSION);
}

/* One step: the first mender that finds something to do. */
static vhdx_status mend(struct vx_mending *m, vhdx_error *err)
{
    static const struct {
        vx_mender *mender;
        bool behind_log;     /* the structure changes through the log: that must be settled first */
        bool behind_regions; /* it is where the region table says: that as well */
    } menders[] = {
        {vx_mend_file_id, false, false}, {vx_mend_headers, false, false}, {vx_mend_log, false, false},
        {vx_mend_regions, true, false},  {vx_mend_metadata, true, true},  {vx_mend_locator, true, true},
        {vx_mend_room, true, true},      {vx_mend_bat, true, true},       {vx_mend_space, true, true},
    };
    uint64_t before = m->plan->changes;
    if (vx_mend_is_present(m, VX_FIND_FILE_SHORT))
        return VHDX_OK; /* not even the header section is there: nothing can be mended in place */
    for (size_t i = 0; i < sizeof menders / sizeof menders[0] && m->plan->changes == before; i++)
        if ((!menders[i].behind_log || log_is_settled(m->exam)) &&
            (!menders[i].behind_regions || vx_mend_regions_settled(m)))
            VX_TRY(menders[i].mender(m, err));
    return VHDX_OK;
}

static void take_classes(struct vx_mending *m, vhdx_report *report)
{
    const struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(report, 0, i)) != NULL; i++)
        m->classes[finding->kind] |=
            (uint8_t)(1u << finding->repair | (finding->severity == VHDX_SEVERITY_ERROR ? VX_CLASS_ERROR : 0));
}

static vhdx_status step(struct vx_planning *p, bool *changed, vhdx_error *err)
{
    struct vx_mending *m = vx_alloc(1, sizeof *m);
    vhdx_report *now = NULL;
    uint64_t before = p->plan->changes;
    if (!m)
        return vx_fail_memory(err, "a repair");
    m->options = p->options;
    m->plan = p->plan;
    m->salvage = p->salvaging;
    m->trim = p->options->trim;
    vhdx_status status = look(p, p->plan->sketch, &now, &m->exam, err);
    if (status == VHDX_OK)
        status = refuse_failing_medium(m->exam, err);
    if (status == VHDX_OK) {
        p->virtual_size = vx_exam_knows(m->exam, VX_KNOWS_VIRTUAL_SIZE) ? m->exam->virtual_size : 0;
        vx_planning_take_over(p, now);
        take_classes(m, now);
        status = mend(m, err);
    }
    *changed = p->plan->changes != before;
    vx_rebuild_free(m->rebuilt);
    vx_exam_close(m->exam);
    vx_report_free(now);
    vx_free(m);
    return status;
}

/* Of the first write that gives something up; what is lost without any is nobody's but the first one's. */
static struct vx_reason costly_reason(const struct vx_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->writes[i].reason.salvage)
            return plan->writes[i].reason;
    return plan->writes[0].reason;
}

/*
 * MS-VHDX 2.2.2: what reads otherwise than before is another disk to those who were made on it. They must not go on as
 * if nothing had happened; while nothing is lost they go on.
 */
static vhdx_status change_identity(struct vx_planning *p, vhdx_error *err)
{
    struct vx_plan *plan = p->plan;
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(plan->sketch, survey, err);
    if (status == VHDX_OK && survey->current >= 0) {
        struct vx_header header = survey->headers[survey->current].header;
        struct vx_reason reason = costly_reason(plan);
        reason.gives = "the disk has a new DataWriteGuid, because its content is not what it was";
        reason.costs = vx_costs_link;
        p->former_id = header.data_write_guid;
        p->ids[p->id_count++] = p->former_id;
        status = vx_new_guid(plan->host, &header.data_write_guid, err);
        if (status == VHDX_OK)
            status = vx_plan_put_header(plan, &header, survey->current, &reason, err);
        p->ids[p->id_count++] = header.data_write_guid;
    }
    vx_free(survey);
    return status;
}

/* What an earlier run has given up, and was cut off, and the disk does not show any more. */
static vhdx_status recall_losses(struct vx_planning *p, vhdx_error *err)
{
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    bool known = false;
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(p->plan->sketch, survey, err);
    if (status == VHDX_OK && survey->current >= 0) {
        const vhdx_guid *id = &survey->headers[survey->current].header.data_write_guid;
        status = vx_maps_recall(p->plan, id, p->options->map, &known, err);
        if (known)
            p->ids[p->id_count++] = *id;
    }
    vx_free(survey);
    return status;
}

/* What the medium has lost is lost without us. */
static bool gives_up_content(const struct vx_plan *plan)
{
    for (size_t i = 0; i < plan->lost_count && vx_plan_changes(plan); i++)
        if (!plan->lost[i].loss->by_medium)
            return true;
    return false;
}

/* ---- the plan ---- */

/* What an earlier round has made is gone. */
static vhdx_status begin_round(struct vx_planning *p, vhdx_error *err)
{
    size_t number;
    vx_plan_close(p->plan);
    vx_report_free(p->report);
    p->plan = NULL;
    p->report = NULL;
    p->virtual_size = 0;
    VX_TRY(vx_report_new(&p->report, err));
    VX_TRY(vx_report_add_file(p->report, vx_file_path(p->file), &number, err));
    VX_TRY(vx_plan_open(p->host, p->file, &p->bad, &p->plan, err));
    memcpy(p->plan->forbidden, p->forbidden, sizeof p->forbidden);
    if (p->hopeless)
        memset(p->plan->forbidden, 0xFF, sizeof p->plan->forbidden);
    return VHDX_OK;
}

/*
 * What costs nothing comes first: a mender that may give things up sees the disk as a plain repair leaves it, and takes
 * no damage for lost that another one mends.
 */
static vhdx_status take_steps(struct vx_planning *p, bool *unfinished, vhdx_error *err)
{
    p->salvaging = false;
    *unfinished = true;
    for (int i = 0; i < STEPS_MAX && *unfinished; i++) {
        VX_TRY(step(p, unfinished, err));
        if (*unfinished || p->salvaging || !p->options->salvage || p->gentle)
            continue;
        p->salvaging = true;
        *unfinished = true;
        for (size_t k = 0; k < sizeof p->forbidden_late; k++)
            p->plan->forbidden[k] |= p->forbidden_late[k];
    }
    return VHDX_OK;
}

/* Two menders that undo each other are a fault of this program; the disk is not touched for the last one's finding. */
static void blame_last_write(const struct vx_plan *plan, struct vx_audit_fault *fault)
{
    fault->what = "the steps of the repair do not come to an end";
    fault->finding = plan->count > 0 ? plan->writes[plan->count - 1].reason.finding : 0;
}

static vhdx_status draft(struct vx_planning *p, struct vx_audit_fault *fault, vhdx_error *err)
{
    const struct vx_audit_options options = {.salvage = p->options->salvage && !p->gentle,
                                             .repair = p->options,
                                             .parents = p->options->parents,
                                             .parent_count = p->options->parent_count,
                                             .progress = p->options->progress,
                                             .progress_context = p->options->progress_context};
    bool changed;
    *fault = (struct vx_audit_fault){.what = NULL, .virtual_offset = VHDX_NOWHERE, .file_offset = VHDX_NOWHERE};
    VX_TRY(begin_round(p, err));
    VX_TRY(take_steps(p, &changed, err));
    if (vx_plan_changes(p->plan))
        VX_TRY(vx_planning_provide_log(p, err));
    vx_plan_settle(p->plan);
    if (changed)
        blame_last_write(p->plan, fault);
    else if (vx_plan_changes(p->plan))
        VX_TRY(vx_audit(p->plan, &options, fault, err));
    return VHDX_OK;
}

static bool is_forbidden(const struct vx_planning *p, unsigned finding)
{
    return finding == 0 || finding >= VX_PLAN_FINDINGS || (p->forbidden[finding / 8] >> finding % 8 & 1);
}

/* A fault of this program: it is told, and the rest of the disk is mended all the same. */
static void tell_fault(const struct vx_planning *p, const struct vx_audit_fault *fault)
{
    char text[4096], place[96] = "";
    if (fault->by_disk) {
        snprintf(text, sizeof text, "%s: nothing is repaired, because by it %s", vx_file_path(p->file), fault->what);
        vx_notice_advised(
            p->options->notice, p->options->notice_context,
            &(vhdx_notice){.kind = VHDX_NOTICE_WARNING, .text = text, .advice = VHDX_ADVICE_SALVAGE_OR_LOSSY});
        return;
    }
    if (fault->virtual_offset != VHDX_NOWHERE)
        snprintf(place, sizeof place, " (%" PRIu64 " bytes at 0x%" PRIx64 " of the virtual disk)", fault->length,
                 fault->virtual_offset);
    else if (fault->file_offset != VHDX_NOWHERE)
        snprintf(place, sizeof place, " (%" PRIu64 " bytes at 0x%" PRIx64 " of the file)", fault->length,
                 fault->file_offset);
    snprintf(text, sizeof text, "%s: a planned repair%s%s was refused, because by it %s%s; it is left out",
             vx_file_path(p->file), fault->finding ? " of " : "",
             fault->finding ? vx_finding_kind((enum vx_find)fault->finding)->id : "", fault->what, place);
    vx_notice_advised(
        p->options->notice, p->options->notice_context,
        &(vhdx_notice){.kind = VHDX_NOTICE_WARNING, .text = text, .advice = VHDX_ADVICE_SALVAGE_AND_REPORT});
}

/* First where something is given up for it, and if that is not enough, altogether. */
static void forbid(struct vx_planning *p, unsigned finding)
{
    const uint8_t bit = (uint8_t)(1u << finding % 8);
    bool late = p->options->salvage && !p->gentle && !(p->forbidden_late[finding / 8] & bit);
    uint8_t *bits = late ? p->forbidden_late : p->forbidden;
    bits[finding / 8] |= bit;
}

static vhdx_status draft_until_sound(struct vx_planning *p, bool *refused, vhdx_error *err)
{
    struct vx_audit_fault fault;
    *refused = false;
    for (int round = 0;; round++) {
        VX_TRY(draft(p, &fault, err));
        if (!fault.what || p->hopeless)
            return VHDX_OK;
        *refused = true;
        if (!p->gentle) /* else all of it is known already */
            tell_fault(p, &fault);
        p->hopeless = round + 1 >= ROUNDS_MAX || is_forbidden(p, fault.finding);
        if (!p->hopeless)
            forbid(p, fault.finding);
    }
}

/* Whether something is wrong with the sketch, and was not with the other one. */
static vhdx_status leaves_more(const struct vx_planning *p, vhdx_report *other, bool *more, vhdx_error *err)
{
    const struct vx_finding *finding;
    vhdx_report *now = NULL;
    vhdx_status status = vx_planning_look(p, p->plan->sketch, &now, NULL, err);
    *more = false;
    for (size_t i = 0; status == VHDX_OK && (finding = vx_report_record(now, 0, i)) != NULL; i++)
        *more = *more || (finding->severity > VHDX_SEVERITY_INFO && !vx_planning_is_among(finding, other, SIZE_MAX));
    vx_report_free(now);
    return status;
}

/* The plan that gives nothing up; *left: what is wrong with the disk then. */
static vhdx_status draft_gently(struct vx_planning *p, vhdx_report **left, vhdx_error *err)
{
    bool refused;
    p->gentle = true;
    p->hopeless = false;
    memset(p->forbidden, 0, sizeof p->forbidden);
    VX_TRY(draft_until_sound(p, &refused, err));
    return vx_planning_look(p, p->plan->sketch, left, NULL, err);
}

/*
 * A salvage of which a part was refused may leave what a plain repair would have mended, because one write was blamed
 * for another. Then it does no more than that one.
 */
static vhdx_status draft_best(struct vx_planning *p, vhdx_error *err)
{
    uint8_t forbidden[sizeof p->forbidden];
    struct vx_audit_fault fault;
    vhdx_report *left = NULL;
    bool refused, less;
    VX_TRY(draft_until_sound(p, &refused, err));
    if (!refused || !p->options->salvage)
        return VHDX_OK;
    bool hopeless = p->hopeless;
    memcpy(forbidden, p->forbidden, sizeof forbidden);
    vhdx_status status = draft_gently(p, &left, err);
    if (status == VHDX_OK && !hopeless) {
        p->gentle = false;
        memcpy(p->forbidden, forbidden, sizeof forbidden);
        status = draft(p, &fault, err);
        if (status == VHDX_OK)
            status = leaves_more(p, left, &less, err);
        vx_report_free(left);
        left = NULL;
        if (status == VHDX_OK && less)
            status = draft_gently(p, &left, err);
    }
    vx_report_free(left);
    return status;
}

vhdx_status vx_planning_make(struct vx_planning *p, vhdx_error *err)
{
    VX_TRY(draft_best(p, err));
    VX_TRY(vx_plan_doubt_rest(p->plan, p->virtual_size, err));
    bool gives_up = gives_up_content(p->plan);
    if (p->options->map && vx_plan_changes(p->plan))
        VX_TRY(recall_losses(p, err));
    return gives_up ? change_identity(p, err) : VHDX_OK;
}

/* ---- beginning and end ---- */

static vhdx_status name_places(struct vx_planning *p, const char *path, vhdx_error *err)
{
    size_t count = p->options->parent_count;
    p->directory = vx_path_directory(path, p->host->windows_paths);
    p->places = vx_alloc(count + 1, sizeof *p->places);
    if (!p->directory || !p->places)
        return vx_fail_memory(err, "the places of a parent");
    for (size_t i = 0; i < count; i++)
        p->places[i] = p->options->parents[i];
    p->places[count] = p->directory;
    return VHDX_OK;
}

vhdx_status vx_planning_begin(const vhdx_host *host, const char *path, struct vx_file *file,
                              const vhdx_repair_options *options, struct vx_planning *p, vhdx_error *err)
{
    uint64_t size;
    *p = (struct vx_planning){.host = host, .options = options, .file = file};
    VX_TRY(name_places(p, path, err));
    VX_TRY(vx_file_size(file, &size, err));
    return options->bad_ranges ? vx_maps_read(host, options->bad_ranges, size, &p->bad, err) : VHDX_OK;
}

void vx_planning_end(struct vx_planning *p)
{
    vx_plan_close(p->plan);
    vx_report_free(p->report);
    vx_ranges_clear(&p->bad);
    vx_free(p->places);
    vx_free(p->directory);
    *p = (struct vx_planning){.host = NULL};
}
