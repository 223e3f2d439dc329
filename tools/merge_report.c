/*
 * What vhdx merge tells. See merge_report.h. Names of files go through text.h. Easy to get wrong: a row of zero says
 * nothing to those who want to know what will happen, and everything to those who compare two plans (--verbose).
 */
/* SPDX-License-Identifier: MIT */
#include "merge_report.h"

#include "platform.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>

enum { NAMES_MAX = 4 };

static void count_row(const char *label, uint64_t count)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, count);
    report_row(stdout, 2, label, text);
}

/* The layers that are merged, from the child on, by name; many of them by number. */
static void put_layers(const struct merge_work *work)
{
    size_t count = work->report.layers_merged;
    bool known = count <= work->layers.count && count <= NAMES_MAX && !work->wish->output;
    for (size_t i = 0; known && i < count; i++) {
        fputs(i == 0 ? "" : i + 1 == count ? " and " : ", ", stdout);
        text_put(stdout, i == 0 ? work->child : platform_base_name(work->layers.items[i]));
    }
    if (!known)
        text_put(stdout, work->child);
    printf(" (%zu layer%s)", count, count == 1 ? "" : "s");
}

/* Upwards the child takes what it lacks from what lies below it. */
static void headline(const struct merge_work *work, const char *verb)
{
    const vhdx_merge_report *report = &work->report;
    printf("%s ", verb);
    if (report->direction == VHDX_DIRECTION_UP && !work->wish->output && work->layers.count > 1)
        printf("what lies below it (%" PRIu32 " layer%s)", report->layers_merged,
               report->layers_merged == 1 ? "" : "s");
    else
        put_layers(work);
    printf(" into ");
    text_put(stdout, report->target);
    putchar('\n');
}

static const char *direction_name(const vhdx_merge_report *report)
{
    return report->direction == VHDX_DIRECTION_UP ? "up" : "down";
}

static const char *direction_reason(const vhdx_merge_report *report)
{
    switch (report->direction_reason) {
    case VHDX_MERGE_REASON_ASKED:
        return "as asked for";
    case VHDX_MERGE_REASON_CHEAPER:
        return "this way less is written, and the names come out the same";
    case VHDX_MERGE_REASON_KEPT:
        return "the usual way: without --delete the result belongs at the ancestor's path";
    case VHDX_MERGE_REASON_DOWN_ONLY:
        return "giving space back and verifying go down only";
    case VHDX_MERGE_REASON_HAS_PARENT:
        return "the ancestor has a parent itself";
    case VHDX_MERGE_REASON_OTHER_KIND:
        return "the child would not make the same kind of disk";
    default:
        return "";
    }
}

static void print_direction(const struct merge_work *work)
{
    const vhdx_merge_report *plan = &work->report;
    char text[VHDX_PATH_ROOM + 200];
    bool up = plan->direction == VHDX_DIRECTION_UP;
    snprintf(text, sizeof text, "%s, into %s (%s)", direction_name(plan), platform_base_name(plan->target),
             direction_reason(plan));
    printf("  direction:            ");
    text_put_wrapped_line(stdout, text, 24);
    putchar('\n');
    if (plan->bytes_other_way == UINT64_MAX)
        return;
    char size[REPORT_SIZE_ROOM];
    report_size_short(plan->bytes_other_way, size);
    printf("  the other way (--direction %s) would write %s\n", up ? "down" : "up", size);
}

/* Rows of zero say nothing, except to those who want to know all. */
static void size_row(const struct merge_work *work, const char *label, uint64_t bytes)
{
    if (bytes || work->cli->verbose)
        report_size_row(stdout, 2, label, bytes);
}

static void number_row(const struct merge_work *work, const char *label, uint64_t count)
{
    if (count || work->cli->verbose)
        count_row(label, count);
}

/* A merge is refused for other children, so none was found; where nobody has looked there may be some. */
static void print_where_looked(const struct merge_work *work)
{
    const struct cli_list *places = &work->wish->siblings;
    fputs("  looked for siblings:  beside the layers", stdout);
    for (size_t i = 0; i < places->count; i++) {
        fputs(i + 1 < places->count ? ", in " : " and in ", stdout);
        text_put(stdout, places->items[i]);
    }
    fputs(places->count ? "\n" : " only (--siblings)\n", stdout);
}

/* Of a merge that was cut off: what is behind it, in bytes and in parts of all. */
static void before_row(const struct merge_work *work, uint64_t rest)
{
    const vhdx_merge_report *report = &work->report;
    char text[2 * REPORT_SIZE_ROOM + 64], size[REPORT_SIZE_ROOM];
    double all = (double)report->bytes_done_before + (double)rest;
    if (!report->begun_before)
        return;
    report_size_short(report->bytes_done_before, size);
    snprintf(text, sizeof text, "%s (%u %%), by a run that was cut off", size,
             all > 0 ? (unsigned)((double)report->bytes_done_before / all * 100.0) : 0);
    report_row(stdout, 2, "done before", text);
}

/* What is left of a merge whose content is in the target. */
static void print_complete(const struct merge_work *work)
{
    text_put(stdout, work->child);
    printf(" is already merged into ");
    text_put(stdout, work->report.target);
    printf(work->wish->delete_merged ? "; only the end of that merge %s.\n" : ".\n",
           work->wish->dry_run ? "is left" : "was left");
}

void merge_report_plan(const struct merge_work *work)
{
    const vhdx_merge_report *plan = &work->report;
    if (plan->already_complete)
        print_complete(work);
    else
        headline(work, "Would merge");
    report_size_row(stdout, 2, "virtual size", plan->virtual_size);
    if (plan->direction_reason != VHDX_MERGE_REASON_NONE)
        print_direction(work);
    before_row(work, plan->bytes_to_share + plan->bytes_to_copy);
    size_row(work, "to share (reflink)", plan->bytes_to_share);
    report_size_row(stdout, 2, "to copy", plan->bytes_to_copy);
    size_row(work, "to fill with zeros", plan->bytes_to_zero);
    number_row(work, "blocks to allocate", plan->blocks_to_allocate);
    number_row(work, "blocks to make zero", plan->blocks_to_zero);
    number_row(work, "flushes, about", plan->flushes);
    report_size_row(stdout, 2, "free space needed", plan->bytes_needed);
    if (!work->wish->output)
        report_size_row(stdout, 2, "kept afterwards", plan->bytes_added);
    if (plan->bytes_free == UINT64_MAX)
        report_row(stdout, 2, "free on the volume", "not known");
    else
        report_size_row(stdout, 2, "free on the volume", plan->bytes_free);
    if (!work->wish->output && plan->direction != VHDX_DIRECTION_UP)
        print_where_looked(work);
    printf("Nothing was changed.\n");
    notices_print_next(&work->notices, "Afterwards, in Hyper-V:");
}

/* What takes no time to speak of has no rate. */
static void time_row(const struct merge_work *work)
{
    char text[REPORT_SIZE_ROOM + 64], rate[REPORT_SIZE_ROOM];
    uint64_t seconds = (uint64_t)work->seconds;
    if (work->seconds < 2.0)
        return;
    report_size_short((uint64_t)((double)work->report.bytes_copied / work->seconds), rate);
    snprintf(text, sizeof text, "%" PRIu64 ":%02" PRIu64 " minutes, %s/s", seconds / 60, seconds % 60, rate);
    report_row(stdout, 2, "time taken", text);
}

void merge_report_done(const struct merge_work *work)
{
    const vhdx_merge_report *done = &work->report;
    if (work->cli->quiet)
        return;
    if (done->already_complete)
        print_complete(work);
    else
        headline(work, "Merged");
    report_size_row(stdout, 2, "virtual size", done->virtual_size);
    before_row(work, done->bytes_shared + done->bytes_copied);
    size_row(work, "shared (reflink)", done->bytes_shared);
    report_size_row(stdout, 2, "copied", done->bytes_copied);
    size_row(work, "filled with zeros", done->bytes_to_zero);
    number_row(work, "blocks allocated", done->blocks_to_allocate);
    number_row(work, "blocks made zero", done->blocks_to_zero);
    if (work->wish->verify)
        report_size_row(stdout, 2, "read back, equal", done->bytes_verified);
    if (work->wish->reclaim)
        report_size_row(stdout, 2, "given back", done->bytes_reclaimed);
    if (done->relinked)
        count_row("layers re-linked", done->relinked);
    time_row(work);
    if (work->wish->undo) {
        printf("To take it back: vhdx undo ");
        text_put_word(stdout, work->wish->undo);
        putchar('\n');
    }
    notices_print_next(&work->notices,
                       work->wish->output ? "If a machine is to use it, in Hyper-V:" : "Now, in Hyper-V:");
}

static void number_or_null(struct json *json, const char *name, uint64_t number)
{
    if (number == UINT64_MAX)
        json_null(json, name);
    else
        json_number(json, name, number);
}

static void plan_members(struct json *json, const struct merge_work *work)
{
    const vhdx_merge_report *plan = &work->report;
    json_text(json, "target", plan->target);
    json_text(json, "child", work->child);
    json_text(json, "direction", direction_name(plan));
    json_number(json, "layers_merged", plan->layers_merged);
    json_number(json, "virtual_size", plan->virtual_size);
    json_text(json, "direction_reason", direction_reason(plan));
    number_or_null(json, "bytes_other_way", plan->bytes_other_way);
    json_number(json, "bytes_to_share", plan->bytes_to_share);
    json_number(json, "bytes_to_copy", plan->bytes_to_copy);
    json_number(json, "bytes_to_zero", plan->bytes_to_zero);
    json_number(json, "blocks_to_allocate", plan->blocks_to_allocate);
    json_number(json, "blocks_to_zero", plan->blocks_to_zero);
    json_number(json, "flushes", plan->flushes);
    json_number(json, "bytes_needed", plan->bytes_needed);
    json_number(json, "bytes_added", plan->bytes_added);
    number_or_null(json, "bytes_free", plan->bytes_free);
    json_bool(json, "already_complete", plan->already_complete);
    json_bool(json, "begun_before", plan->begun_before);
    json_number(json, "bytes_done_before", plan->bytes_done_before);
}

static void done_members(struct json *json, const struct merge_work *work)
{
    const vhdx_merge_report *done = &work->report;
    json_text(json, "merged", done->target);
    json_text(json, "child", work->child);
    json_text(json, "direction", direction_name(done));
    json_number(json, "layers_merged", done->layers_merged);
    json_number(json, "virtual_size", done->virtual_size);
    json_number(json, "bytes_shared", done->bytes_shared);
    json_number(json, "bytes_copied", done->bytes_copied);
    json_number(json, "bytes_zeroed", done->bytes_to_zero);
    json_number(json, "blocks_allocated", done->blocks_to_allocate);
    json_number(json, "blocks_zeroed", done->blocks_to_zero);
    json_number(json, "bytes_verified", done->bytes_verified);
    json_number(json, "bytes_reclaimed", done->bytes_reclaimed);
    json_number(json, "flushes", done->flushes);
    json_number(json, "relinked", done->relinked);
    json_bool(json, "already_complete", done->already_complete);
    json_bool(json, "begun_before", done->begun_before);
    json_number(json, "bytes_done_before", done->bytes_done_before);
    json_text(json, "undo", work->wish->undo);
}

void merge_report_json(const struct merge_work *work)
{
    struct json json;
    json_document_begin(&json, stdout);
    if (work->wish->dry_run) {
        json_object_begin(&json, "plan");
        plan_members(&json, work);
        machines_json(&json, work->machines, (const char *const *)work->layers.items);
        notices_json(&json, &work->notices);
        json_object_end(&json);
    } else {
        done_members(&json, work);
        machines_json(&json, work->machines, (const char *const *)work->layers.items);
        notices_json(&json, &work->notices);
    }
    json_document_end(&json);
}
