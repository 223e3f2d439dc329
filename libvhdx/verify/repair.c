/*
 * The order of a repair. See repair.h. Damage hides damage, so the sketch is examined again after each step of mending,
 * until a step changes nothing; what was found on the way counts as found.
 *
 * Easy to get wrong: a finding is corrected when the disk itself, read again at the end, does not show it any more.
 * That a mender has done its work proves nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/repair.h"

#include "base/alloc.h"
#include "base/quote.h"
#include "image/header_update.h"
#include "io/path.h"
#include "verify/apply.h"
#include "verify/beside.h"
#include "verify/maps.h"
#include "verify/mend.h"
#include "verify/rebuild.h"
#include "verify/tolerant.h"
#include "verify/verify.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 40
#define SHOWN_AT_ONCE 4096u
#define LOG_LENGTH ((uint32_t)VX_MIB)

struct repair {
    const vhdx_host *host;
    const vhdx_repair_options *options;
    struct vx_file *file;
    struct vx_plan *plan;
    vhdx_report *report; /* what the caller gets */
    size_t number;       /* of the file in it */
    char *undo;          /* path of the undo file, NULL = none */
    char *directory;     /* of the disk */
    /* in which to look for the parent: those that the caller names, and the directory of the disk */
    const char **places;
    struct vx_ranges bad;
    uint64_t virtual_size; /* of the disk as it is in the end, 0 = not known */
    vhdx_guid former_id;   /* DataWriteGuid that the plan takes away, zeros = none */
    vhdx_guid ids[2];      /* that the disk has from now on only because of what this repair gives up */
    size_t id_count;
};

/* ---- looking ---- */

/* All that is wrong with the disk in `file`; `report` and `exam` are the caller's to free. */
static vhdx_status look(const struct repair *r, struct vx_file *file, vhdx_report **report, struct vx_exam **exam,
                        vhdx_error *err)
{
    struct vx_ranges bad;
    const vhdx_verify_options options = {.struct_size = sizeof options,
                                         .host = r->host,
                                         .parents = r->places,
                                         .parent_count = r->options->parent_count + 1,
                                         .chain = r->options->parent_count > 0,
                                         .progress = r->options->progress,
                                         .progress_context = r->options->progress_context};
    struct vx_verification v = {.host = r->host, .options = &options};
    *report = NULL;
    VX_TRY(vx_plan_still_bad(r->plan, &bad, err));
    vhdx_status status = vx_exam_of(r->host, file, &bad, exam, err);
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
    return vx_advise(err, VHDX_IO,
                     "nothing was changed; copy the file with ddrescue and repair the copy with --bad-ranges MAPFILE");
}

static bool same_thing(const struct vx_finding *a, const struct vx_finding *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->index == VHDX_NOWHERE || b->index == VHDX_NOWHERE)
        return a->index == b->index && a->offset == b->offset;
    return a->index < b->index + b->count && b->index < a->index + a->count;
}

/* Among the first `count` of the report. */
static bool is_among(const struct vx_finding *finding, vhdx_report *report, size_t count)
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
static void take_over(struct repair *r, vhdx_report *now)
{
    const struct vx_finding *finding;
    size_t known = 0;
    while (vx_report_record(r->report, r->number, known))
        known++;
    for (size_t i = 0; (finding = vx_report_record(now, 0, i)) != NULL; i++)
        if (!is_among(finding, r->report, known))
            vx_report_add(r->report, r->number, finding);
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
    if (vx_present(m, VX_FIND_FILE_SHORT))
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

static vhdx_status step(struct repair *r, bool *changed, vhdx_error *err)
{
    struct vx_mending *m = vx_alloc(1, sizeof *m);
    vhdx_report *now = NULL;
    uint64_t before = r->plan->changes;
    if (!m)
        return vx_fail_memory(err, "a repair");
    m->options = r->options;
    m->plan = r->plan;
    m->salvage = r->options->salvage;
    m->trim = r->options->trim;
    vhdx_status status = look(r, r->plan->sketch, &now, &m->exam, err);
    if (status == VHDX_OK)
        status = refuse_failing_medium(m->exam, err);
    if (status == VHDX_OK) {
        r->virtual_size = vx_exam_knows(m->exam, VX_KNOWS_VIRTUAL_SIZE) ? m->exam->virtual_size : 0;
        take_over(r, now);
        take_classes(m, now);
        status = mend(m, err);
    }
    *changed = r->plan->changes != before;
    vx_rebuild_free(m->rebuilt);
    vx_exam_close(m->exam);
    vx_report_free(now);
    vx_free(m);
    return status;
}

/* Pages of metadata change through a log, so there must be one: at the end of the file, where it is in nobody's way. */
static vhdx_status provide_log(struct repair *r, vhdx_error *err)
{
    struct vx_plan *plan = r->plan;
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(plan->sketch, survey, err);
    if (status == VHDX_OK && survey->current >= 0 && plan->count > 0 &&
        survey->headers[survey->current].header.log_length == 0) {
        struct vx_header header = survey->headers[survey->current].header;
        struct vx_reason reason = plan->writes[0].reason;
        reason.gives = "the disk has a log, through which its metadata can change safely";
        if (!vx_round_up(plan->new_size, VX_OBJECT_ALIGNMENT, &header.log_offset))
            status = vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(plan->file)), "the file is too long");
        header.log_length = LOG_LENGTH;
        if (status == VHDX_OK)
            status = vx_plan_resize(plan, header.log_offset + LOG_LENGTH, &reason, err);
        if (status == VHDX_OK)
            status = vx_plan_put_header(plan, &header, survey->current, &reason, err);
    }
    vx_free(survey);
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
static vhdx_status change_identity(struct repair *r, vhdx_error *err)
{
    struct vx_plan *plan = r->plan;
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(plan->sketch, survey, err);
    if (status == VHDX_OK && survey->current >= 0) {
        struct vx_header header = survey->headers[survey->current].header;
        struct vx_reason reason = costly_reason(plan);
        reason.gives = "the disk has a new DataWriteGuid, because its content is not what it was";
        reason.costs = "the link of disks that were made on it ('vhdx relink --force')";
        r->former_id = header.data_write_guid;
        status = vx_new_guid(plan->host, &header.data_write_guid, err);
        if (status == VHDX_OK)
            status = vx_plan_put_header(plan, &header, survey->current, &reason, err);
        r->ids[r->id_count++] = header.data_write_guid;
    }
    vx_free(survey);
    return status;
}

/* What an earlier run has given up, and was cut off, and the disk does not show any more. */
static vhdx_status recall_losses(struct repair *r, vhdx_error *err)
{
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    bool known = false;
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(r->plan->sketch, survey, err);
    if (status == VHDX_OK && survey->current >= 0) {
        const vhdx_guid *id = &survey->headers[survey->current].header.data_write_guid;
        status = vx_maps_recall(r->plan, id, r->options->map, &known, err);
        if (known)
            r->ids[r->id_count++] = *id;
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

static vhdx_status make_plan(struct repair *r, vhdx_error *err)
{
    bool changed = true;
    for (int i = 0; i < STEPS_MAX && changed; i++)
        VX_TRY(step(r, &changed, err));
    if (changed) /* two menders that undo each other: a fault of this program, and no reason to touch the disk */
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(r->file)),
                       "a plan for its repair does not come to an end after %d steps", STEPS_MAX);
    vx_plan_settle(r->plan);
    VX_TRY(vx_plan_doubt_rest(r->plan, r->virtual_size, err));
    VX_TRY(provide_log(r, err));
    bool gives_up = gives_up_content(r->plan);
    if (r->options->map && vx_plan_changes(r->plan))
        VX_TRY(recall_losses(r, err));
    return gives_up ? change_identity(r, err) : VHDX_OK;
}

/* ---- showing and applying ---- */

static vhdx_status show_write(const struct repair *r, const struct vx_plan_write *write, vhdx_error *err)
{
    uint8_t bytes[SHOWN_AT_ONCE];
    vhdx_repair_write shown = {.path = vx_file_path(r->file),
                               .offset = write->offset,
                               .id = vx_finding_kind((enum vx_find)write->reason.finding)->id,
                               .salvage = write->reason.salvage,
                               .gives = write->reason.gives,
                               .costs = write->reason.costs};
    uint64_t done = 0;
    if (write->length == 0)
        r->options->write(r->options->write_context, &shown);
    while (done < write->length) {
        size_t got;
        shown.offset = write->offset + done;
        shown.length = vx_min(write->length - done, sizeof bytes);
        VX_TRY(vx_file_read_some(r->plan->sketch, bytes, (size_t)shown.length, shown.offset, &got, err));
        shown.bytes = bytes;
        r->options->write(r->options->write_context, &shown);
        done += shown.length;
    }
    return VHDX_OK;
}

static vhdx_status show_plan(const struct repair *r, vhdx_error *err)
{
    for (size_t i = 0; r->options->write && i < r->plan->count; i++)
        VX_TRY(show_write(r, &r->plan->writes[i], err));
    return VHDX_OK;
}

static vhdx_status advise_both_ways(const struct repair *r, vhdx_status status, vhdx_error *err)
{
    struct vx_arena arena = {0};
    const char *undo = vx_quote_word(&arena, r->undo, r->host->windows_paths);
    vx_advise(err, status, "%srun the same command again to go on; to go back: vhdx undo %s",
              status == VHDX_NO_SPACE ? "free space on the volume, then " : "", undo ? undo : "UNDO-FILE");
    vx_arena_clear(&arena);
    return status;
}

/* The directory of the disk may be full, or not for us to write to. */
static vhdx_status advise_undo_place(const struct repair *r, vhdx_status status, vhdx_error *err)
{
    if (!err || strcmp(err->path, r->undo) != 0)
        return status;
    if (status == VHDX_NO_SPACE)
        return vx_advise(err, status,
                         "nothing was changed; free space, or give the undo file another place with --undo");
    if (status == VHDX_READ_ONLY || status == VHDX_NOT_FOUND)
        return vx_advise(err, status, "nothing was changed; give the undo file another place with --undo");
    return status;
}

/* *begun: something may have been written. */
static vhdx_status apply(struct repair *r, bool *begun, vhdx_error *err)
{
    bool saved = false;
    vhdx_status status = vx_plan_apply(r->plan, r->undo, &saved, err);
    *begun = saved || !r->undo;
    if (saved)
        vx_report_undo_path(r->report, r->number, r->undo);
    if (status != VHDX_OK && saved)
        return advise_both_ways(r, status, err);
    return r->undo && !saved ? advise_undo_place(r, status, err) : status;
}

/* ---- what came of it ---- */

static void add_given_up(struct repair *r, const struct vx_lost *lost)
{
    const vhdx_lost_range range = {lost->virtual_offset, lost->length, lost->loss->reason, lost->loss->doubtful};
    vx_report_add_lost(r->report, r->number, &range);
}

/* What the plan has given up, and what the disk, read again, still lacks: a finding may be about more than one
 * range. */
static vhdx_status add_lost(struct repair *r, vhdx_report *left, vhdx_error *err)
{
    const vhdx_lost_range *range;
    VX_TRY(vx_report_finish(left, err));
    vx_report_forget_lost(r->report, r->number);
    for (size_t i = 0; i < r->plan->lost_count; i++)
        add_given_up(r, &r->plan->lost[i]);
    for (size_t i = 0; (range = vx_report_lost(left, 0, i)) != NULL; i++)
        vx_report_add_lost(r->report, r->number, range);
    return VHDX_OK;
}

static vhdx_status judge(struct repair *r, vhdx_error *err)
{
    struct vx_exam *exam = NULL;
    vhdx_report *left = NULL;
    struct vx_finding *finding;
    bool written = vx_plan_changes(r->plan) && !r->options->dry_run;
    vhdx_status status = look(r, r->file, &left, &exam, err);
    if (status == VHDX_OK) {
        take_over(r, left);
        for (size_t i = 0; (finding = vx_report_record(r->report, r->number, i)) != NULL; i++)
            finding->corrected = written && !is_among(finding, left, SIZE_MAX);
        status = add_lost(r, left, err);
    }
    vx_exam_close(exam);
    vx_report_free(left);
    return status;
}

static bool is_there(const vhdx_host *host, const char *path)
{
    struct vx_file *file;
    vhdx_status status = vx_file_open(host, path, VHDX_FILE_PEEK, &file, NULL);
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
    vhdx_status status = vx_maps_write(r->plan, r->virtual_size, r->ids, r->id_count, r->options->map, err);
    if (status == VHDX_NO_SPACE)
        return vx_advise(err, status, "the disk was not changed; free space, or give the map another place with --map");
    return status == VHDX_OK ? status
                             : vx_advise(err, status, "the disk was not changed; choose another place with --map");
}

/* What lies beside a device lies in memory, and is gone when it is needed. */
static vhdx_status refuse_beside_device(const struct repair *r, vhdx_error *err)
{
    const char *path = vx_file_path(r->file), *map = r->plan->lost_count > 0 ? r->options->map : NULL;
    bool device = (vx_file_facts(r->file)->attributes & VHDX_FILE_IS_BLOCK_DEVICE) != 0;
    bool undo = r->undo && !r->options->undo;
    if (!device || r->options->dry_run || !(undo || (map && strncmp(map, path, strlen(path)) == 0)))
        return VHDX_OK;
    vx_fail(err, VHDX_REFUSED, vx_at_file(path), "the disk is a device, and %s beside it would not last",
            undo ? "an undo file" : "a map");
    return vx_advise(err, VHDX_REFUSED, "say with %s where it goes", undo ? "--undo" : "--map");
}

static vhdx_status map_and_apply(struct repair *r, vhdx_error *err)
{
    bool begun = false, changes = vx_plan_changes(r->plan);
    bool maps = r->options->map && r->plan->lost_count > 0 && !r->options->dry_run;
    bool new_map = maps && !is_there(r->host, r->options->map);
    vhdx_status status = VHDX_OK;
    if (changes && r->undo)
        VX_TRY(vx_plan_check_undo(r->plan, r->undo, err));
    if (maps)
        status = write_map(r, err);
    if (status == VHDX_OK && changes && !r->options->dry_run)
        status = apply(r, &begun, err);
    if (status != VHDX_OK && new_map && !begun)
        r->host->remove(r->host->context, r->options->map, NULL);
    return status;
}

static vhdx_status repair(struct repair *r, vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(r->file, &size, err));
    if (r->options->bad_ranges)
        VX_TRY(vx_maps_read(r->host, r->options->bad_ranges, size, &r->bad, err));
    if (r->options->map)
        VX_TRY(vx_rescue_map_check_output(r->host, r->options->map, err));
    VX_TRY(vx_plan_open(r->host, r->file, &r->bad, &r->plan, err));
    VX_TRY(make_plan(r, err));
    VX_TRY(show_plan(r, err));
    if (vx_plan_changes(r->plan))
        VX_TRY(refuse_beside_device(r, err));
    VX_TRY(map_and_apply(r, err));
    VX_TRY(judge(r, err));
    VX_TRY(vx_tell_children(r->host, vx_file_path(r->file), &r->former_id, r->options->notice,
                            r->options->notice_context, err));
    return vx_report_finish(r->report, err);
}

static vhdx_status name_places(struct repair *r, const char *path, vhdx_error *err)
{
    size_t count = r->options->parent_count;
    r->directory = vx_path_directory(path, r->host->windows_paths);
    r->places = vx_alloc(count + 1, sizeof *r->places);
    if (!r->directory || !r->places)
        return vx_fail_memory(err, "the places of a parent");
    for (size_t i = 0; i < count; i++)
        r->places[i] = r->options->parents[i];
    r->places[count] = r->directory;
    return VHDX_OK;
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
        status = name_places(&r, path, err);
    if (status == VHDX_OK)
        status = vx_file_open(r.host, path, options->dry_run ? VHDX_FILE_READ : VHDX_FILE_WRITE, &r.file, err);
    if (status == VHDX_OK)
        status = vx_report_new(&r.report, err);
    if (status == VHDX_OK)
        status = vx_report_add_file(r.report, path, &r.number, err);
    if (status == VHDX_OK)
        status = repair(&r, err);
    vx_plan_close(r.plan);
    vx_ranges_clear(&r.bad);
    vx_file_close(r.file);
    vx_free(r.undo);
    vx_free(r.places);
    vx_free(r.directory);
    if (status == VHDX_OK)
        *report = r.report;
    else
        vx_report_free(r.report);
    return status;
}
