/*
 * vhdx diff: in which ranges two disks read differently. Ranges are printed as they are found, because there may be
 * millions of them.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "notices.h"
#include "platform.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct work {
    struct cli cli;
    vhdx_diff_options options;
    vhdx_diff_report report;
    const char *below_text;
    struct cli_list parents;
    struct progress progress;
    struct notices notices;
    struct json json;
    char *other; /* path of what is compared with */
    bool exit_code;
};

static bool take_range(void *context, uint64_t offset, uint64_t length)
{
    struct work *work = context;
    progress_clear(&work->progress);
    if (work->cli.json) {
        json_row_begin(&work->json, NULL);
        json_number(&work->json, "offset", offset);
        json_number(&work->json, "length", length);
        json_object_end(&work->json);
    } else if (!work->cli.quiet) {
        printf("%18" PRIu64 " %18" PRIu64 "\n", offset, length);
    }
    return true;
}

static void begin_output(struct work *work)
{
    if (work->cli.json) {
        json_document_begin(&work->json, stdout);
        json_text(&work->json, "a", work->cli.files[0]);
        json_text(&work->json, "b", work->other);
        json_text(&work->json, "by", work->options.data ? "data" : "structure");
        json_array_begin(&work->json, "ranges");
    } else if (!work->cli.quiet) {
        printf("%18s %18s\n", "offset", "length");
    }
}

/* When it fails, "error" behind the rows says that they are not all. */
static void end_json(struct work *work, vhdx_status status, const vhdx_error *err)
{
    struct json *json = &work->json;
    json_array_end(json);
    json_number(json, "bytes", work->report.bytes);
    json_number(json, "virtual_size_a", work->report.virtual_size_a);
    json_number(json, "virtual_size_b", work->report.virtual_size_b);
    json_number(json, "shared_layers", work->report.shared_layers);
    if (status != VHDX_OK) {
        vhdx_error advised = cli_advised(&work->cli, err);
        json_error(json, &advised);
    }
    json_document_end(json);
}

static void print_sum(const struct work *work)
{
    char size[REPORT_SIZE_ROOM];
    report_size(work->report.bytes, size);
    printf("%s in %" PRIu64 " range%s%s\n", size, work->report.range_count, work->report.range_count == 1 ? "" : "s",
           work->options.data ? "" : ", by what the layers say");
}

static int diff(struct work *work)
{
    vhdx_error err;
    begin_output(work);
    progress_begin(&work->progress, &work->cli);
    vhdx_status status = vhdx_diff(work->cli.files[0], work->cli.file_count > 1 ? work->cli.files[1] : NULL,
                                   &work->options, take_range, work, &work->report, &err);
    progress_clear(&work->progress);
    if (status != VHDX_OK)
        progress_advise(&err, "run the same command again");
    if (work->cli.json)
        end_json(work, status, &err);
    if (status != VHDX_OK)
        return cli_error(&work->cli, &err);
    if (!work->cli.json && !work->cli.quiet)
        print_sum(work);
    return work->exit_code && work->report.bytes > 0 ? EXIT_CORRECTED : EXIT_DONE;
}

/* ---- which layer ---- */

/* By number, by the path that the chain has, or by the name alone. false: there is none, or the number is none. */
static bool is_layer(const struct work *work, const vhdx_chain *chain, size_t layer)
{
    const char *path = vhdx_chain_layer(chain, layer)->path, *text = work->below_text;
    char number[32];
    snprintf(number, sizeof number, "%zu", layer);
    return strcmp(number, text) == 0 || strcmp(path, text) == 0 || strcmp(platform_base_name(path), text) == 0;
}

static bool choose_layer(struct work *work, const vhdx_chain *chain)
{
    size_t count = vhdx_chain_layer_count(chain);
    for (size_t layer = 1; work->below_text && layer < count && work->options.below == 0; layer++)
        if (is_layer(work, chain, layer))
            work->options.below = layer;
    if (work->below_text && work->options.below == 0) {
        cli_usage_error(work->cli.command, "--below: '%s' is no layer below %s (1 to %zu, or its path)",
                        work->below_text, work->cli.files[0], count - 1);
        return false;
    }
    return true;
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* What is compared with, for the report; -1: go on. */
static int find_other(struct work *work)
{
    const vhdx_open_options open = {
        .struct_size = sizeof open, .parents = work->parents.items, .parent_count = work->parents.count};
    vhdx_chain *chain;
    vhdx_error err;
    int status = -1;
    if (work->cli.file_count > 1) {
        work->other = copy_text(work->cli.files[1]);
        return status;
    }
    if (vhdx_chain_open(work->cli.files[0], &open, &chain, &err) != VHDX_OK)
        return cli_fail(&work->cli, &err);
    size_t count = vhdx_chain_layer_count(chain);
    if (count == 1) {
        vhdx_chain_free(chain);
        return cli_usage_error(work->cli.command, "%s has no parent: name a second disk", work->cli.files[0]);
    }
    if (choose_layer(work, chain))
        work->other = copy_text(vhdx_chain_layer(chain, work->options.below ? work->options.below : 1)->path);
    else
        status = EXIT_USAGE;
    vhdx_chain_free(chain);
    return status;
}

static int prepare_and_diff(struct work *work)
{
    if (!cli_files(&work->cli, 1, 2))
        return EXIT_USAGE;
    if (work->below_text && work->cli.file_count > 1)
        return cli_usage_error(work->cli.command, "--below goes with one disk, not with two");
    work->notices.cli = &work->cli;
    work->notices.progress = &work->progress;
    work->report.struct_size = sizeof work->report;
    work->options.struct_size = sizeof work->options;
    work->options.parents = work->parents.items;
    work->options.parent_count = work->parents.count;
    work->options.progress = progress_step;
    work->options.progress_context = &work->progress;
    work->options.notice = notices_take;
    work->options.notice_context = &work->notices;
    int status = find_other(work);
    if (status < 0)
        status = diff(work);
    notices_free(&work->notices);
    free(work->other);
    return status;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct work work = {.exit_code = false};
    int status;
    const struct cli_option options[] = {
        {"data", 0, CLI_FLAG, &work.options.data, NULL,
         "read what the layers cannot tell, and list sectors\nthat differ only"},
        {"below", 0, CLI_TEXT, &work.below_text, "LAYER",
         "with one disk: compare with this layer, by number (1\nis the parent) or path"},
        {"exit-code", 0, CLI_FLAG, &work.exit_code, NULL, "end with 1 when there are differences"},
        {"parent", 0, CLI_LIST, &work.parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
    };
    if (cli_parse(&work.cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = prepare_and_diff(&work);
    free(work.parents.items);
    return status;
}

const struct command command_diff = {
    .name = "diff",
    .synopsis = "[--data] [--exit-code] [--parent PATH]... A B\n"
                "[--data] [--exit-code] [--below LAYER] [--parent PATH]... A",
    .summary = "lists the ranges in which two disks read differently",
    .details = "Lists offset and length of the ranges in which A and B, each read through its\n"
               "chain, may differ: every byte that differs lies in one of them. Layers that both\n"
               "have are not read, nor is any other data, unless --data is given. With one disk:\n"
               "what A holds beyond its parent, or beyond the layer that --below names. Behind\n"
               "the end of the smaller disk all is different.",
    .statuses = "0 done, whether they differ or not; with --exit-code 1 when they do",
    .run = run,
};
