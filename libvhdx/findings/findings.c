/*
 * Records and the report. See findings.h. What a finding means for the disk
 * is not known here.
 */
/* SPDX-License-Identifier: MIT */
#include "findings/findings.h"

#include "base/advice.h"
#include "base/alloc.h"
#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

#define SCATTERED_FEW 3 /* so many records of a kind are shown one by one, even when they say the same */

struct vx_finding vx_finding_at_index(enum vx_find kind, const char *structure, uint64_t offset, uint64_t index)
{
    const struct vx_finding_kind *row = vx_finding_kind(kind);
    return (struct vx_finding){.kind = kind,
                               .severity = row->severity,
                               .repair = row->repair,
                               .structure = structure,
                               .offset = offset,
                               .index = index,
                               .other = VHDX_NOWHERE,
                               .count = 1};
}

struct vx_finding vx_finding_at(enum vx_find kind, const char *structure, uint64_t offset)
{
    return vx_finding_at_index(kind, structure, offset, VHDX_NOWHERE);
}

void vx_finding_set_found(struct vx_finding *finding, uint64_t found)
{
    finding->found = found;
    finding->has_found = true;
}

void vx_finding_set_values(struct vx_finding *finding, uint64_t found, uint64_t expected)
{
    vx_finding_set_found(finding, found);
    finding->expected = expected;
    finding->has_expected = true;
}

static vhdx_advice usual_advice(vhdx_repair_class repair)
{
    return repair == VHDX_REPAIR_LOSSLESS  ? VHDX_ADVICE_REPAIR
           : repair == VHDX_REPAIR_SALVAGE ? VHDX_ADVICE_LOSSY
                                           : VHDX_ADVICE_NONE;
}

/* What is shown of a record that is kept: its strings live as long. */
static void show_advice(const struct vx_finding *record, vhdx_finding *shown)
{
    bool usual = !record->advice;
    shown->advice = usual ? usual_advice(record->repair) : record->advice_code;
    shown->advice_text = usual ? vx_advice_words(shown->advice) : record->advice;
    for (size_t i = 0; i < 2 && !usual; i++)
        shown->advice_arguments[i] = record->advice_arguments[i];
    if (!shown->advice_text[0])
        shown->advice = VHDX_ADVICE_NONE;
}

static size_t row_of(enum vx_find kind)
{
    return (size_t)(vx_finding_kind(kind) - vx_finding_kind_at(0));
}

/* ---- the report ------------------------------------------------------------------------------------------------- */

enum { SEVERITIES = 4 }; /* their numbers are below */

/* Of one kind and severity: what there was no room for. Its entries count where others of their kind are gathered. */
struct left {
    uint64_t records, entries;
};

struct file {
    vhdx_file_report shown;
    char *path, *undo;
    struct vx_finding *records;
    size_t count, room;
    uint64_t of_kind[VX_FINDING_KINDS]; /* kept records */
    vhdx_lost_range *lost;
    size_t lost_count, lost_room;
    vhdx_finding *findings; /* after finishing: shown.finding_count of them */
    struct left left[VX_FINDING_KINDS][SEVERITIES];
};

struct vhdx_report {
    struct file *files;
    size_t count;
    bool no_memory, finished;
};

vhdx_status vx_report_new(vhdx_report **report, vhdx_error *err)
{
    vhdx_report *made = vx_alloc(1, sizeof *made);
    if (!made)
        return vx_fail_memory(err, "a report");
    *report = made;
    return VHDX_OK;
}

static void free_text(const char *text)
{
    vx_free((char *)(uintptr_t)text);
}

static void free_advice(struct vx_finding *record)
{
    free_text(record->advice);
    free_text(record->advice_arguments[0]);
    free_text(record->advice_arguments[1]);
    record->advice = record->advice_arguments[0] = record->advice_arguments[1] = NULL;
    record->advice_code = VHDX_ADVICE_NONE;
}

static void free_file(struct file *file)
{
    for (size_t i = 0; i < file->count; i++) {
        free_text(file->records[i].text);
        free_text(file->records[i].note);
        free_advice(&file->records[i]);
    }
    for (size_t i = 0; file->findings && i < file->shown.finding_count; i++)
        free_text(file->findings[i].message);
    vx_free(file->records);
    vx_free(file->findings);
    vx_free(file->lost);
    vx_free(file->path);
    vx_free(file->undo);
}

void vx_report_free(vhdx_report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->count; i++)
        free_file(&report->files[i]);
    vx_free(report->files);
    vx_free(report);
}

vhdx_status vx_report_add_file(vhdx_report *report, const char *path, size_t *number, vhdx_error *err)
{
    struct file *files = vx_resize(report->files, report->count + 1, sizeof *files);
    if (!files)
        return vx_fail_memory(err, "a report");
    report->files = files;
    struct file *file = &files[report->count];
    memset(file, 0, sizeof *file);
    file->path = vx_copy_string(path);
    if (!file->path)
        return vx_fail_memory(err, "a report");
    *number = report->count++;
    return VHDX_OK;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether the record goes on where the last one ended. */
static bool goes_on(const struct vx_finding *last, const struct vx_finding *next)
{
    if (!last->gather || !next->gather || last->kind != next->kind || next->index != last->index + last->count)
        return false;
    if (last->severity != next->severity || last->repair != next->repair || !same_text(last->text, next->text) ||
        !same_text(last->note, next->note) || (last->lost_length > 0) != (next->lost_length > 0))
        return false;
    return last->lost_length == 0 || last->lost_offset + last->lost_length == next->lost_offset;
}

static bool keep_text(const char **text)
{
    if (!*text)
        return true;
    *text = vx_copy_string(*text);
    return *text != NULL;
}

void vx_finding_advise(struct vx_finding *finding, vhdx_advice advice, const char *first, const char *second)
{
    finding->advice_code = advice;
    finding->advice = advice == VHDX_ADVICE_TEXT ? first : NULL;
    finding->advice_arguments[0] = advice == VHDX_ADVICE_TEXT ? NULL : first;
    finding->advice_arguments[1] = second;
}

/* Copies of an advice's strings; its words are made here, from its number. */
static bool keep_advice(struct vx_finding *record)
{
    bool first = keep_text(&record->advice_arguments[0]), second = keep_text(&record->advice_arguments[1]);
    if (record->advice && record->advice_code == VHDX_ADVICE_NONE)
        record->advice_code = VHDX_ADVICE_TEXT;
    if (record->advice || record->advice_code == VHDX_ADVICE_NONE)
        return keep_text(&record->advice) && first && second;
    const char *one = record->advice_arguments[0], *two = record->advice_arguments[1];
    size_t length = vx_advice_format(record->advice_code, one, two, NULL, 0);
    char *words = vx_alloc(length + 1, 1);
    if (words)
        vx_advice_format(record->advice_code, one, two, words, length + 1);
    record->advice = words;
    return words && first && second;
}

static bool keep(struct file *file, const struct vx_finding *finding)
{
    struct vx_finding *records = vx_room_for(file->records, file->count, &file->room, sizeof *records);
    if (!records)
        return false;
    file->records = records;
    struct vx_finding record = *finding;
    bool text = keep_text(&record.text), note = keep_text(&record.note), advice = keep_advice(&record);
    file->records[file->count++] = record; /* also when a string is missing: then it is NULL, and freed as such */
    return text && note && advice;
}

static void count_severity(struct file *file, vhdx_severity severity)
{
    file->shown.errors += severity == VHDX_SEVERITY_ERROR;
    file->shown.warnings += severity == VHDX_SEVERITY_WARNING;
    file->shown.infos += severity == VHDX_SEVERITY_INFO;
}

/* Joins with the record before, which is the last one of its kind when checks walk in order. */
static bool gather(struct file *file, const struct vx_finding *finding)
{
    for (size_t back = 1; finding->gather && back <= 4 && back <= file->count; back++) {
        struct vx_finding *last = &file->records[file->count - back];
        if (goes_on(last, finding)) {
            last->count += finding->count;
            last->length += finding->length;
            last->lost_length += finding->lost_length;
            return true;
        }
    }
    return false;
}

vhdx_lost_range vx_finding_lost(enum vx_find kind, uint64_t offset, uint64_t length)
{
    const struct vx_finding_kind *row = vx_finding_kind(kind);
    return (vhdx_lost_range){offset, length, row->id, row->doubtful};
}

static void add_lost_of(vhdx_report *report, size_t number, const struct vx_finding *finding)
{
    const vhdx_lost_range range = vx_finding_lost(finding->kind, finding->lost_offset, finding->lost_length);
    vx_report_add_lost(report, number, &range);
}

void vx_report_add(vhdx_report *report, size_t number, const struct vx_finding *finding)
{
    struct file *file = &report->files[number];
    size_t row = row_of(finding->kind);
    if (finding->lost_length > 0)
        add_lost_of(report, number, finding);
    if (gather(file, finding))
        return;
    count_severity(file, finding->severity);
    if (file->of_kind[row] >= VX_FINDINGS_OF_A_KIND) {
        file->shown.left_out++;
        file->left[row][finding->severity].records++;
        file->left[row][finding->severity].entries += finding->count;
        return;
    }
    file->of_kind[row]++;
    if (!keep(file, finding))
        report->no_memory = true;
}

static bool same_fate(const vhdx_lost_range *a, const vhdx_lost_range *b)
{
    return a->doubtful == b->doubtful && strcmp(a->reason, b->reason) == 0;
}

void vx_report_add_lost(vhdx_report *report, size_t number, const vhdx_lost_range *range)
{
    struct file *file = &report->files[number];
    vhdx_lost_range *last = file->lost_count ? &file->lost[file->lost_count - 1] : NULL;
    if (last && last->offset + last->length == range->offset && same_fate(last, range)) {
        last->length += range->length;
        return;
    }
    /* better too much than too little: the last one swallows what is behind it */
    if (file->lost_count == VX_LOST_RANGES) {
        last->length = vx_max(last->offset + last->length, range->offset + range->length) - last->offset;
        last->doubtful = last->doubtful && range->doubtful;
        return;
    }
    vhdx_lost_range *lost = vx_room_for(file->lost, file->lost_count, &file->lost_room, sizeof *lost);
    if (!lost) {
        report->no_memory = true;
        return;
    }
    file->lost = lost;
    file->lost[file->lost_count++] = *range;
}

void vx_report_forget_lost(vhdx_report *report, size_t number)
{
    report->files[number].lost_count = 0;
}

void vx_report_advise(vhdx_report *report, struct vx_finding *finding, vhdx_advice advice, const char *first,
                      const char *second)
{
    free_advice(finding);
    vx_finding_advise(finding, advice, first, second);
    if (!keep_advice(finding))
        report->no_memory = true;
}

void vx_report_missing(vhdx_report *report, size_t file, uint64_t bytes)
{
    report->files[file].shown.bytes_missing = bytes;
}

void vx_report_undo_path(vhdx_report *report, size_t number, const char *path)
{
    struct file *file = &report->files[number];
    vx_free(file->undo);
    file->undo = path ? vx_copy_string(path) : NULL;
    if (path && !file->undo)
        report->no_memory = true;
}

struct vx_finding *vx_report_record(vhdx_report *report, size_t number, size_t record)
{
    return record < report->files[number].count ? &report->files[number].records[record] : NULL;
}

/* ---- finishing -------------------------------------------------------------------------------------------------- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

/* The worst first; then by kind, which is by structure; then by place. */
static int compare_records(const void *left, const void *right)
{
    const struct vx_finding *a = left, *b = right;
    int order = compare_numbers(b->severity, a->severity);
    if (order == 0)
        order = compare_numbers(a->kind, b->kind);
    if (order == 0 && a->gather && b->gather) { /* what says the same comes together, to be gathered */
        order = compare_numbers(b->repair, a->repair);
        order = order ? order : compare_numbers(a->corrected, b->corrected);
        order = order ? order : compare_texts(a->text, b->text);
        order = order ? order : compare_texts(a->advice, b->advice);
    }
    if (order == 0)
        order = compare_numbers(a->index, b->index);
    return order ? order : compare_numbers(a->offset, b->offset);
}

static int compare_lost(const void *left, const void *right)
{
    const vhdx_lost_range *a = left, *b = right;
    int order = compare_numbers(a->offset, b->offset);
    return order ? order : strcmp(a->reason, b->reason);
}

/* Ranges in order, those that share bytes joined. The reason is that of the first. */
static void settle_lost(struct file *file)
{
    size_t kept = 0;
    if (file->lost_count > 1)
        qsort(file->lost, file->lost_count, sizeof *file->lost, compare_lost);
    for (size_t i = 0; i < file->lost_count; i++) {
        vhdx_lost_range *last = kept ? &file->lost[kept - 1] : NULL;
        const vhdx_lost_range *next = &file->lost[i];
        bool touches = last && next->offset <= last->offset + last->length;
        if (!touches || (next->offset == last->offset + last->length && !same_fate(last, next))) {
            file->lost[kept++] = *next;
            continue;
        }
        last->length = vx_max(last->offset + last->length, next->offset + next->length) - last->offset;
        last->doubtful = last->doubtful && next->doubtful; /* better too much than too little */
    }
    file->lost_count = kept;
    file->shown.lost_count = kept;
    file->shown.lost_bytes = 0;
    for (size_t i = 0; i < kept; i++)
        file->shown.lost_bytes += file->lost[i].length;
}

/* `scattered`, `more`: see vx_finding_message(). */
static bool show(const struct vx_finding *record, size_t scattered, uint64_t more, vhdx_finding *shown)
{
    char message[VX_FINDING_MESSAGE];
    uint64_t count = record->count + more, length = record->length;
    const struct vx_finding_kind *kind = vx_finding_kind(record->kind);
    vx_finding_message(record, scattered, more, message, sizeof message);
    for (size_t i = 1; i <= scattered; i++) {
        count += record[i].count;
        length += record[i].length;
    }
    *shown = (vhdx_finding){.id = kind->id,
                            .number = (uint32_t)record->kind,
                            .severity = record->severity,
                            .repair = record->repair,
                            .spec = kind->spec,
                            .structure = record->structure,
                            .offset = record->offset,
                            .length = length,
                            .index = record->index,
                            .count = count,
                            .has_found = record->has_found,
                            .has_expected = record->has_expected,
                            .found = record->found,
                            .expected = record->expected,
                            .lost_offset = record->lost_offset,
                            .lost_length = record->lost_length,
                            .message = vx_copy_string(message),
                            .corrected = record->corrected};
    show_advice(record, shown);
    return shown->message != NULL;
}

/* Whether something worth mending is left, and whether something was mended. */
static vhdx_verdict verdict_of(const struct file *file)
{
    bool corrected = false;
    uint64_t open = file->shown.errors;
    for (size_t i = 0; i < file->count; i++) {
        corrected |= file->records[i].corrected;
        open -= file->records[i].corrected && file->records[i].severity == VHDX_SEVERITY_ERROR;
    }
    if (open > 0)
        return VHDX_VERDICT_ERRORS;
    return corrected ? VHDX_VERDICT_CORRECTED : VHDX_VERDICT_CLEAN;
}

/* Whether two records say the same of different entries, so that one sentence will do for both. */
static bool says_the_same(const struct vx_finding *a, const struct vx_finding *b)
{
    return a->gather && b->gather && a->kind == b->kind && a->severity == b->severity && a->repair == b->repair &&
           a->corrected == b->corrected && same_text(a->text, b->text) && same_text(a->note, b->note) &&
           same_text(a->advice, b->advice) && same_text(a->structure, b->structure);
}

static size_t count_alike(const struct file *file, size_t first)
{
    size_t count = 1;
    while (first + count < file->count && says_the_same(&file->records[first], &file->records[first + count]))
        count++;
    return count;
}

/* One record for all that say the same, when there are many; what was left out of its kind counts with it. */
static void show_all(vhdx_report *report, struct file *file)
{
    size_t shown = 0;
    file->shown.errors = file->shown.warnings = file->shown.infos = 0;
    for (size_t i = 0, alike; i < file->count; i += alike) {
        const struct vx_finding *record = &file->records[i];
        uint64_t more = 0;
        alike = count_alike(file, i);
        if (alike <= SCATTERED_FEW)
            alike = 1;
        if (alike > 1) {
            struct left *left = &file->left[row_of(record->kind)][record->severity];
            more = left->entries;
            file->shown.left_out -= left->records;
            *left = (struct left){0};
        }
        count_severity(file, record->severity);
        if (!show(record, alike - 1, more, &file->findings[shown++]))
            report->no_memory = true;
    }
    for (size_t kind = 0; kind < VX_FINDING_KINDS; kind++) { /* what is left out all the same */
        file->shown.errors += file->left[kind][VHDX_SEVERITY_ERROR].records;
        file->shown.warnings += file->left[kind][VHDX_SEVERITY_WARNING].records;
        file->shown.infos += file->left[kind][VHDX_SEVERITY_INFO].records;
    }
    file->shown.finding_count = shown;
}

static void finish_file(vhdx_report *report, struct file *file)
{
    if (file->count > 1)
        qsort(file->records, file->count, sizeof *file->records, compare_records);
    settle_lost(file);
    file->findings = vx_alloc(file->count ? file->count : 1, sizeof *file->findings);
    if (!file->findings) {
        report->no_memory = true;
        return;
    }
    file->shown.path = file->path;
    file->shown.undo = file->undo;
    file->shown.verdict = verdict_of(file);
    show_all(report, file);
}

vhdx_status vx_report_check(const vhdx_report *report, vhdx_error *err)
{
    return report->no_memory ? vx_fail_memory(err, "a report") : VHDX_OK;
}

vhdx_status vx_report_finish(vhdx_report *report, vhdx_error *err)
{
    for (size_t i = 0; i < report->count && !report->no_memory; i++)
        finish_file(report, &report->files[i]);
    report->finished = !report->no_memory;
    return report->no_memory ? vx_fail_memory(err, "a report") : VHDX_OK;
}

/* ---- what vhdx.h shows ------------------------------------------------------------------------------------------ */

size_t vx_report_file_count(const vhdx_report *report)
{
    return report->count;
}

const vhdx_file_report *vx_report_file(const vhdx_report *report, size_t file)
{
    return report->finished && file < report->count ? &report->files[file].shown : NULL;
}

const vhdx_finding *vx_report_finding(const vhdx_report *report, size_t file, size_t finding)
{
    bool there = report->finished && file < report->count && finding < report->files[file].shown.finding_count;
    return there ? &report->files[file].findings[finding] : NULL;
}

const vhdx_lost_range *vx_report_lost(const vhdx_report *report, size_t file, size_t range)
{
    bool there = report->finished && file < report->count && range < report->files[file].lost_count;
    return there ? &report->files[file].lost[range] : NULL;
}
