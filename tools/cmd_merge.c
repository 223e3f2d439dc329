/*
 * vhdx merge: into the parent, into an ancestor, or into a new disk. All of the work, and every refusal, is the
 * library's; here options become one call and the outcome becomes a report. Easy to get wrong: a merge that failed half
 * way must say so even when it is quiet, because then the command has to be run again.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "machines.h"
#include "notices.h"
#include "plan_new.h"
#include "platform.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 4 };

struct wish {
    const char *into, *output, *direction, *undo, *zero_detect;
    struct cli_list parents, configs, siblings;
    bool dry_run, delete_merged, force_siblings, reclaim, verify;
    struct cli_size window;
    vhdx_direction way;
    vhdx_zero_detect zeros;
};

/* One merge on its way: what was asked for, what is called with, what came out. */
struct work {
    const struct cli *cli;
    const struct wish *wish;
    const char *child;
    struct progress progress;
    struct notices notices;
    vhdx_machines *machines; /* whose configurations name layers of the chain */
    struct texts layers;     /* paths, from the child down */
    vhdx_merge_options options;
    vhdx_merge_report report;
    double seconds; /* that it took */
};

static void count_row(const char *label, uint64_t count)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, count);
    report_row(stdout, 2, label, text);
}

/* The layers that are merged, from the child on, by name; many of them by number. */
static void put_layers(const struct work *work)
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
static void headline(const struct work *work, const char *verb)
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

static void print_direction(const struct work *work)
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
static void size_row(const struct work *work, const char *label, uint64_t bytes)
{
    if (bytes || work->cli->verbose)
        report_size_row(stdout, 2, label, bytes);
}

static void number_row(const struct work *work, const char *label, uint64_t count)
{
    if (count || work->cli->verbose)
        count_row(label, count);
}

/* A merge is refused for other children, so none was found; where nobody has looked there may be some. */
static void print_where_looked(const struct work *work)
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
static void before_row(const struct work *work, uint64_t rest)
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
static void print_complete(const struct work *work)
{
    text_put(stdout, work->child);
    printf(" is already merged into ");
    text_put(stdout, work->report.target);
    printf(work->wish->delete_merged ? "; only the end of that merge %s.\n" : ".\n",
           work->wish->dry_run ? "is left" : "was left");
}

static void print_plan(const struct work *work)
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
static void time_row(const struct work *work)
{
    char text[REPORT_SIZE_ROOM + 64], rate[REPORT_SIZE_ROOM];
    uint64_t seconds = (uint64_t)work->seconds;
    if (work->seconds < 2.0)
        return;
    report_size_short((uint64_t)((double)work->report.bytes_copied / work->seconds), rate);
    snprintf(text, sizeof text, "%" PRIu64 ":%02" PRIu64 " minutes, %s/s", seconds / 60, seconds % 60, rate);
    report_row(stdout, 2, "time taken", text);
}

static void print_done(const struct work *work)
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

static void plan_members(struct json *json, const struct work *work)
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

static void done_members(struct json *json, const struct work *work)
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

static void print_json(const struct work *work)
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

/* Of a new disk, which vhdx_merge_plan does not plan. */
static vhdx_status plan_with_machines(struct work *work, const vhdx_open_options *open, vhdx_error *err)
{
    const vhdx_machine_change change = {.struct_size = sizeof change, .target = work->wish->output, .new_file = true};
    vhdx_machines_warn(work->machines, &change, notices_take, &work->notices);
    vhdx_status status = plan_new(work->child, work->wish->output, open, &work->report, err);
    if (status == VHDX_OK)
        vhdx_machines_next(work->machines, &change, notices_take, &work->notices);
    return status;
}

static vhdx_status call(struct work *work, vhdx_error *err)
{
    const struct wish *wish = work->wish;
    if (!wish->output)
        return wish->dry_run ? vhdx_merge_plan(work->child, &work->options, &work->report, err)
                             : vhdx_merge(work->child, &work->options, &work->report, err);
    const vhdx_open_options open = {.struct_size = sizeof open,
                                    .parents = wish->parents.items,
                                    .parent_count = wish->parents.count,
                                    .notice = work->options.notice,
                                    .notice_context = work->options.notice_context};
    return wish->dry_run ? plan_with_machines(work, &open, err)
                         : vhdx_flatten(work->child, wish->output, &work->options, &work->report, err);
}

/* ---- the machines that use the layers ---- */

/* The chain's layers, so far as it opens; at least the child. false: no memory. */
static bool list_layers(struct work *work)
{
    const vhdx_open_options options = {
        .struct_size = sizeof options, .parents = work->options.parents, .parent_count = work->options.parent_count};
    vhdx_chain *chain = NULL;
    size_t count = 1;
    if (vhdx_chain_open(work->child, &options, &chain, NULL) == VHDX_OK)
        count = vhdx_chain_layer_count(chain);
    bool all = true;
    for (size_t i = 0; i < count; i++)
        all = texts_add(&work->layers, i == 0 ? work->child : vhdx_chain_layer(chain, i)->path) && all;
    vhdx_chain_free(chain);
    return all;
}

static bool find_machines(struct work *work)
{
    if (!list_layers(work)) {
        fputs("vhdx: out of memory\n", stderr);
        return false;
    }
    work->machines =
        machines_find(work->cli, (const char *const *)work->layers.items, work->layers.count, &work->wish->configs);
    work->options.machines = work->machines;
    return work->machines != NULL;
}

/* A dry run refuses what the run would: files that it would write to, and directories in which it makes new ones. */
static vhdx_status check_rights(const struct work *work, vhdx_error *err)
{
    if (!work->wish->dry_run)
        return VHDX_OK;
    if (work->wish->output)
        return cli_may_make(work->wish->output, err);
    if (work->wish->undo && cli_may_make(work->wish->undo, err) != VHDX_OK)
        return err->status;
    for (size_t i = 0; i < work->layers.count; i++) {
        if (cli_may_change(work->layers.items[i], err) != VHDX_OK)
            return err->status;
        if (i > 0 && strcmp(work->layers.items[i], work->report.target) == 0)
            break;
    }
    return VHDX_OK;
}

static int merge(struct work *work)
{
    vhdx_error err;
    progress_begin(&work->progress, work->cli);
    double began = platform_seconds();
    vhdx_status status = call(work, &err);
    work->seconds = platform_seconds() - began;
    if (status == VHDX_OK)
        status = check_rights(work, &err);
    progress_clear(&work->progress);
    if (status != VHDX_OK) {
        progress_advise(&err, work->wish->output ? "the unfinished file was removed; run the same command again"
                                                 : "nothing is lost; run the same command again to go on");
        return cli_fail(work->cli, &err);
    }
    if (work->cli->json)
        print_json(work);
    else if (work->wish->dry_run)
        print_plan(work);
    else
        print_done(work);
    return EXIT_DONE;
}

static int prepare_and_merge(const struct cli *cli, const struct wish *wish)
{
    struct work work = {.cli = cli, .wish = wish, .child = cli->files[0]};
    work.notices.cli = cli;
    work.notices.progress = &work.progress;
    work.report.struct_size = sizeof work.report;
    work.options = (vhdx_merge_options){.struct_size = sizeof work.options,
                                        .parents = wish->parents.items,
                                        .parent_count = wish->parents.count,
                                        .into = wish->into,
                                        .delete_merged = wish->delete_merged,
                                        .force_siblings = wish->force_siblings,
                                        .reclaim = wish->reclaim,
                                        .verify = wish->verify,
                                        .window_bytes = wish->window.bytes,
                                        .siblings = wish->siblings.items,
                                        .sibling_count = wish->siblings.count,
                                        .direction = wish->way,
                                        .zero_detect = wish->zeros,
                                        .undo = wish->undo,
                                        .progress = progress_step,
                                        .progress_context = &work.progress,
                                        .notice = notices_take,
                                        .notice_context = &work.notices};
    int status = find_machines(&work) ? merge(&work) : EXIT_FAILED;
    vhdx_machines_free(work.machines);
    texts_free(&work.layers);
    notices_free(&work.notices);
    return status;
}

static bool take_direction(const struct cli *cli, const char *text, vhdx_direction *direction)
{
    static const char *const names[] = {"auto", "down", "up"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        *direction = (vhdx_direction)i;
        if (!text || strcmp(text, names[i]) == 0)
            return true;
    }
    cli_usage_error(cli->command, "--direction: '%s' is none of auto, down, up", text);
    return false;
}

static bool take_zero_detect(const struct cli *cli, const char *text, vhdx_zero_detect *zeros)
{
    *zeros = text && strcmp(text, "off") == 0 ? VHDX_ZERO_DETECT_OFF : VHDX_ZERO_DETECT_AUTO;
    if (!text || *zeros == VHDX_ZERO_DETECT_OFF || strcmp(text, "auto") == 0)
        return true;
    cli_usage_error(cli->command, "--zero-detect: '%s' is none of auto, off", text);
    return false;
}

/* Whether the command line makes sense; else the usage error is printed. */
static bool usable(const struct cli *cli, struct wish *wish)
{
    if (cli->file_count == 2) {
        cli_usage_error(cli->command,
                        "one disk is merged at a time: 'vhdx merge --into PARENT CHILD' names the parent '%s' is to go "
                        "into",
                        cli->files[0]);
        return false;
    }
    if (!cli_files(cli, 1, 1) || !take_direction(cli, wish->direction, &wish->way) ||
        !take_zero_detect(cli, wish->zero_detect, &wish->zeros))
        return false;
    if (wish->window.given && wish->window.bytes == 0) {
        cli_usage_error(cli->command, "--window: a window has at least one byte");
        return false;
    }
    if (wish->way == VHDX_DIRECTION_UP && (wish->reclaim || wish->verify)) {
        cli_usage_error(cli->command, "--direction up does not go with %s", wish->reclaim ? "--reclaim" : "--verify");
        return false;
    }
    if (wish->undo && (wish->delete_merged || wish->reclaim)) {
        cli_usage_error(cli->command, "--undo does not go with %s: what that takes away cannot be given back",
                        wish->delete_merged ? "--delete" : "--reclaim");
        return false;
    }
    const char *other = wish->into             ? "--into"
                        : wish->delete_merged  ? "--delete"
                        : wish->force_siblings ? "--force-siblings"
                        : wish->siblings.count ? "--siblings"
                        : wish->reclaim        ? "--reclaim"
                        : wish->verify         ? "--verify"
                        : wish->undo           ? "--undo"
                        : wish->direction      ? "--direction"
                        : wish->window.given   ? "--window"
                                               : NULL;
    if (!wish->output || !other)
        return true;
    cli_usage_error(cli->command, "-o writes a new disk and touches no input: it does not go with %s", other);
    return false;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct wish wish = {0};
    int status;
    const struct cli_option options[] = {
        {"into", 0, CLI_TEXT, &wish.into, "ANCESTOR",
         "merge the whole run of layers above ANCESTOR up to\n"
         "CHILD into ANCESTOR, in one pass"},
        {NULL, 'o', CLI_TEXT, &wish.output, "NEW",
         "write the flattened disk to the new dynamic disk NEW\n"
         "and touch no input"},
        {"parent", 0, CLI_LIST, &wish.parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
        {"config", 0, CLI_LIST, &wish.configs, "PATH",
         "configuration of a machine that uses the disks, or a\ndirectory; those beside the disks are read too"},
        {"dry-run", 0, CLI_FLAG, &wish.dry_run, NULL, "print the plan and change nothing"},
        {"delete", 0, CLI_FLAG, &wish.delete_merged, NULL, "remove the merged children after success"},
        {"force-siblings", 0, CLI_FLAG, &wish.force_siblings, NULL,
         "go on although other disks become invalid; each is\nnamed"},
        {"siblings", 0, CLI_LIST, &wish.siblings, "PLACE",
         "where other children of the layers may be, besides\nthe layers' own directories: a directory, with all\n"
         "below it, or a report of 'vhdx orphans --json'; may\nbe given more than once"},
        {"undo", 0, CLI_TEXT, &wish.undo, "FILE",
         "save what is overwritten to FILE first, so that\n'vhdx undo FILE' takes the merge back"},
        {"verify", 0, CLI_FLAG, &wish.verify, NULL, "read what was moved back from the disk and compare"},
        {"reclaim", 0, CLI_FLAG, &wish.reclaim, NULL,
         "give the merged layers' space back while merging: for\na volume that is nearly full"},
        {"window", 0, CLI_SIZE, &wish.window, "N",
         "bytes to move between two commits, and with --reclaim\nthe extra space (default 256M, less where it must "
         "be)"},
        {"direction", 0, CLI_TEXT, &wish.direction, "WAY",
         "down: CHILD's data goes into the ancestor; up: CHILD\ntakes what it lacks and becomes the base; auto"},
        {"zero-detect", 0, CLI_TEXT, &wish.zero_detect, "WHEN",
         "auto: holes and blocks of zeros take no space in the\nmerged disk; off: they are moved like other data"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = usable(&cli, &wish) ? prepare_and_merge(&cli, &wish) : EXIT_USAGE;
    free(wish.parents.items);
    free(wish.configs.items);
    free(wish.siblings.items);
    return status;
}

const struct command command_merge = {
    .name = "merge",
    .synopsis = "[OPTION...] CHILD\n[OPTION...] --into ANCESTOR CHILD\n[OPTION...] -o NEW CHILD",
    .summary = "merges a child into its parent, an ancestor or a new disk",
    .details = "Merges CHILD into its immediate parent, in place. At every instant, also right\n"
               "after a power cut, CHILD reads as it did before; after a failure the same\n"
               "command goes on. The merged disk lies at the ancestor's path. The merged\n"
               "children stay unless --delete is given. Refused when another disk beside them\n"
               "would become invalid.",
    .examples = "vhdx merge --dry-run --into disk.vhdx disk_2.avhdx\n"
                "vhdx merge -o flat.vhdx disk_2.avhdx\n"
                "vhdx merge --verify --undo merge.undo disk_2.avhdx\n"
                "vhdx merge --delete --into disk.vhdx disk_2.avhdx",
    .run = run,
};
