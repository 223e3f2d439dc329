/*
 * vhdx merge: into the parent, into an ancestor, or into a new disk. All of the work, and every refusal, is the
 * library's; here options become one call and the outcome becomes a report. A merge that failed half
 * way must say so even when it is quiet, because then the command has to be run again.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "advice.h"
#include "exit.h"
#include "merge_report.h"
#include "plan_new.h"
#include "platform.h"
#include "report.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* Of a new disk, which vhdx_merge_plan does not plan. */
static vhdx_status plan_with_machines(struct merge_work *work, const vhdx_open_options *open, vhdx_error *err)
{
    const struct merge_wish *wish = work->wish;
    const vhdx_machine_change change = {.struct_size = sizeof change, .target = wish->output, .new_file = true};
    vhdx_machines_warn(work->machines, &change, notices_take, &work->notices);
    vhdx_status status =
        plan_new(work->child, wish->output, wish->overwrite, work->options.block_size, open, &work->report, err);
    if (status == VHDX_OK)
        vhdx_machines_next(work->machines, &change, notices_take, &work->notices);
    return status;
}

static vhdx_status call(struct merge_work *work, vhdx_error *err)
{
    const struct merge_wish *wish = work->wish;
    if (!wish->output)
        return wish->dry_run ? vhdx_merge_plan(work->child, &work->options, &work->report, err)
                             : vhdx_merge(work->child, &work->options, &work->report, err);
    const vhdx_open_options open = {.struct_size = sizeof open,
                                    .parents = wish->parents.items,
                                    .parent_count = wish->parents.count,
                                    .notice = work->options.notice,
                                    .notice_context = work->options.notice_context};
    if (wish->dry_run) {
        replace_drop(&work->replace);
        return plan_with_machines(work, &open, err);
    }
    vhdx_status status = vhdx_flatten(work->child, work->replace.written, &work->options, &work->report, err);
    if (work->replace.beside)
        notices_leave_out(&work->notices, REPLACE_SUFFIX);
    status = replace_end(&work->replace, status, err);
    snprintf(work->report.target, sizeof work->report.target, "%s", wish->output);
    return status;
}

/* ---- the machines that use the layers ---- */

/* The chain's layers, so far as it opens; at least the child. false: no memory. */
static bool list_layers(struct merge_work *work)
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

static bool find_machines(struct merge_work *work)
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
static vhdx_status check_rights(const struct merge_work *work, vhdx_error *err)
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

/* Whether the merge would have room upwards, and what it would write then. */
static bool fits_upwards(const struct merge_work *work, uint64_t *bytes)
{
    const struct merge_wish *wish = work->wish;
    vhdx_merge_options options = work->options;
    vhdx_merge_report report = {.struct_size = sizeof report};
    if (wish->way != VHDX_DIRECTION_AUTO || wish->reclaim || wish->verify || wish->undo || wish->delete_merged)
        return false;
    options.direction = VHDX_DIRECTION_UP;
    options.notice = NULL;
    options.progress = NULL;
    if (vhdx_merge_plan(work->child, &options, &report, NULL) != VHDX_OK)
        return false;
    *bytes = report.bytes_to_copy + report.bytes_to_share;
    return true;
}

/* Where a merge has no room on this volume: what needs less, and what needs none of it. Nothing was changed yet. */
static void offer_other_ways(const struct merge_work *work, vhdx_error *err)
{
    char room[ADVICE_ROOM], size[REPORT_SIZE_ROOM], up[200] = "";
    uint64_t bytes;
    if (err->status != VHDX_NO_SPACE || work->wish->output || err->advice == VHDX_ADVICE_MERGE_UNFINISHED)
        return;
    const char *advice = advice_of_error(err, room);
    if (fits_upwards(work, &bytes)) {
        report_size_short(bytes, size);
        snprintf(up, sizeof up, "; '--direction up' writes %s and fits (the result is then at the child's path)", size);
    }
    char text[sizeof err->advice_text];
    int length = snprintf(text, sizeof text, "%s%s; '-o NEW' writes the merged disk to another volume", advice, up);
    if ((size_t)length >= sizeof text)
        return;
    memcpy(err->advice_text, text, (size_t)length + 1);
    err->advice = VHDX_ADVICE_TEXT;
}

static int merge(struct merge_work *work)
{
    vhdx_error err;
    const char *output = work->wish->output;
    if (output && !replace_begin(&work->replace, work->cli, output, work->wish->overwrite,
                                 (const char *const *)work->layers.items, work->layers.count))
        return EXIT_FAILED;
    progress_begin(&work->progress, work->cli);
    double began = platform_seconds();
    vhdx_status status = call(work, &err);
    work->seconds = platform_seconds() - began;
    if (status == VHDX_OK)
        status = check_rights(work, &err);
    progress_clear(&work->progress);
    if (status != VHDX_OK) {
        offer_other_ways(work, &err);
        progress_advise(&err, work->wish->output ? "the unfinished file was removed; run the same command again"
                                                 : "nothing is lost; run the same command again to go on");
        return cli_fail(work->cli, &err);
    }
    if (work->cli->json)
        merge_report_json(work);
    else if (work->wish->dry_run)
        merge_report_plan(work);
    else
        merge_report_done(work);
    return EXIT_DONE;
}

static int prepare_and_merge(const struct cli *cli, const struct merge_wish *wish)
{
    struct merge_work work = {.cli = cli, .wish = wish, .child = cli->files[0]};
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
                                        .block_size = (uint32_t)wish->block_size.bytes,
                                        .fixed_result = wish->fixed,
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
static bool usable(const struct cli *cli, struct merge_wish *wish)
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
    uint64_t block = wish->block_size.bytes;
    if (wish->block_size.given && (block < 1u << 20 || block > 256u << 20 || (block & (block - 1)) != 0)) {
        cli_usage_error(cli->command, "--block-size: a block has a power of two from 1M to 256M bytes");
        return false;
    }
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
                        : wish->undo           ? "--undo"
                        : wish->direction      ? "--direction"
                        : wish->window.given   ? "--window"
                                               : NULL;
    if (!wish->output && (wish->fixed || wish->block_size.given)) {
        cli_usage_error(cli->command, "%s belongs to -o", wish->fixed ? "--fixed" : "--block-size");
        return false;
    }
    if (wish->overwrite && !wish->output) {
        cli_usage_error(cli->command, "--overwrite belongs to -o");
        return false;
    }
    if (!wish->output || !other)
        return true;
    cli_usage_error(cli->command, "-o writes a new disk and touches no input: it does not go with %s", other);
    return false;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct merge_wish wish = {0};
    int status;
    const struct cli_option options[] = {
        {"into", 0, CLI_TEXT, &wish.into, "ANCESTOR",
         "merge the whole run of layers above ANCESTOR up to\n"
         "CHILD into ANCESTOR, in one pass"},
        {NULL, 'o', CLI_TEXT, &wish.output, "NEW",
         "write the flattened disk to the new dynamic disk NEW\n"
         "and touch no input"},
        {"fixed", 0, CLI_FLAG, &wish.fixed, NULL, "with -o: make NEW a fixed disk"},
        {"block-size", 0, CLI_SIZE, &wish.block_size, "N",
         "with -o: 1M to 256M, a power of two; when not given\nthe base's"},
        {"overwrite", 0, CLI_FLAG, &wish.overwrite, NULL,
         "with -o: replace a file with something in it, once\nthe new disk is complete"},
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
