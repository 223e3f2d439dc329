/*
 * vhdx info: the facts of disks, or of every layer of a chain. Reads headers and metadata only. A disk whose log
 * cannot be replayed, or whose parent is lost, is shown all the same: that is when people ask. Of a
 * broken chain, the layers that are there must be shown too, or nobody sees what is missing.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "closing.h"
#include "exit.h"
#include "report.h"
#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REPEAT_ROOM (16 * VHDX_PATH_ROOM)

enum { CONTENT_COLUMN = 24, CONTENT_GAP = CONTENT_COLUMN - 8 };

struct showing {
    const struct cli *cli;
    const vhdx_open_options *options;
    struct json *json; /* inside the object of the file; NULL: text */
    bool chain_begun;
    bool reclaimable;   /* asked for */
    bool several;       /* each file has an object of its own */
    vhdx_error failure; /* the first; status VHDX_OK: none */
};

static void begin_chain_json(struct showing *showing)
{
    if (!showing->chain_begun)
        json_array_begin(showing->json, "chain");
    showing->chain_begun = true;
}

/* The command that goes on with the merge; "" where there is none, or a path is not known or has no room. */
static void repeat_of(const vhdx_merge_trace *trace, char text[REPEAT_ROOM])
{
    char child[REPEAT_ROOM / 4], target[REPEAT_ROOM / 4];
    bool begun = trace->state == VHDX_MERGE_STATE_BEGUN || trace->state == VHDX_MERGE_STATE_BEGUN_INTO;
    vhdx_quote(trace->child, VHDX_SHELL_HERE, child, sizeof child);
    vhdx_quote(trace->target, VHDX_SHELL_HERE, target, sizeof target);
    text[0] = '\0';
    if (begun && trace->child[0] && *child && (*target || !trace->into_target))
        snprintf(text, REPEAT_ROOM, "vhdx merge%s%s%s%s %s", trace->delete_merged ? " --delete" : "",
                 trace->reclaim ? " --reclaim" : "", trace->into_target ? " --into " : "",
                 trace->into_target ? target : "", child);
}

static void merge_json(struct json *json, const vhdx_merge_trace *trace)
{
    static const char *const states[] = {"none", "begun", "begun-into", "done"};
    char repeat[REPEAT_ROOM];
    json_object_begin(json, "merge");
    json_text(json, "state", states[trace->state]);
    json_text(json, "child", trace->child[0] ? trace->child : NULL);
    json_text(json, "target", trace->target);
    if (trace->percent == UINT32_MAX)
        json_null(json, "percent");
    else
        json_number(json, "percent", trace->percent);
    repeat_of(trace, repeat);
    json_text(json, "repeat", repeat[0] ? repeat : NULL);
    json_object_end(json);
}

/* One row, and under it the command that goes on. */
static void merge_text(const vhdx_merge_trace *trace, int indent)
{
    char text[2 * VHDX_PATH_ROOM + 200], percent[32] = "", repeat[REPEAT_ROOM];
    if (trace->percent != UINT32_MAX)
        snprintf(percent, sizeof percent, " at %u %%", (unsigned)trace->percent);
    if (trace->state == VHDX_MERGE_STATE_DONE)
        snprintf(text, sizeof text, "already merged into %s", trace->target);
    else
        snprintf(text, sizeof text,
                 "a merge of %s into %s stopped half way%s; repeat:", trace->child[0] ? trace->child : "a child",
                 trace->state == VHDX_MERGE_STATE_BEGUN_INTO ? "this disk" : trace->target, percent);
    report_row(stdout, indent, "merge", text);
    repeat_of(trace, repeat);
    if (repeat[0]) {
        printf("%*s", indent + 22, "");
        text_put(stdout, repeat);
        putchar('\n');
    }
}

/* What a merge has left in the disk. Of a disk that cannot be looked at again nothing is said. */
static void show_merge(const struct showing *showing, const char *path, int indent)
{
    vhdx_merge_trace trace = {.struct_size = sizeof trace};
    bool found =
        vhdx_merge_look(path, showing->options, &trace, NULL) == VHDX_OK && trace.state != VHDX_MERGE_STATE_NONE;
    if (showing->json && found)
        merge_json(showing->json, &trace);
    else if (showing->json)
        json_null(showing->json, "merge");
    else if (found)
        merge_text(&trace, indent);
}

/* What the disk holds, through its chain. */
static void show_content(const struct showing *showing, const char *path, int indent)
{
    struct closing closing;
    char text[sizeof closing.content.text + 200];
    vhdx_open_options options = *showing->options;
    options.notice = NULL; /* it was told when the layers were shown */
    closing_look(&closing, path, &options);
    if (showing->json) {
        closing_json(showing->json, &closing, false);
        return;
    }
    closing_content_text(&closing, text, sizeof text);
    printf("%*scontent:%*s", indent, "", CONTENT_GAP - indent, "");
    text_put_wrapped_line(stdout, text, CONTENT_COLUMN);
    putchar('\n');
}

/* What compaction would give back. Of a disk that cannot be compacted nothing is said. */
static void show_reclaimable(const struct showing *showing, const char *path, int indent)
{
    const vhdx_compact_options options = {.struct_size = sizeof options,
                                          .parents = showing->options->parents,
                                          .parent_count = showing->options->parent_count};
    vhdx_compact_report report = {.struct_size = sizeof report};
    if (!showing->reclaimable)
        return;
    bool known = vhdx_compact_plan(path, &options, &report, NULL) == VHDX_OK;
    uint64_t bytes = known ? report.file_size_before - report.file_size_after : 0;
    if (showing->json && known)
        json_number(showing->json, "reclaimable", bytes);
    else if (showing->json)
        json_null(showing->json, "reclaimable");
    else if (known)
        report_size_row(stdout, indent, "compaction gives", bytes);
}

/* A vhdx_layer_fn. */
static void show_layer(void *context, size_t layer, const vhdx_info *info)
{
    struct showing *showing = context;
    if (!showing->json) {
        const char *part = layer == 0 ? (info->parent ? "leaf" : "the only one") : info->parent ? "between" : "base";
        printf("%slayer %zu (%s)\n", layer ? "\n" : "", layer, part);
        report_info_text(stdout, info, 2);
        show_merge(showing, info->path, 2);
        if (layer == 0)
            show_content(showing, info->path, 2);
        show_reclaimable(showing, info->path, 2);
        return;
    }
    if (layer == 0) {
        report_info_json(showing->json, info);
        show_merge(showing, info->path, 0);
        show_content(showing, info->path, 0);
        show_reclaimable(showing, info->path, 0);
    }
    begin_chain_json(showing);
    json_object_begin(showing->json, NULL);
    report_info_json(showing->json, info);
    show_merge(showing, info->path, 0);
    show_reclaimable(showing, info->path, 0);
    json_object_end(showing->json);
}

static vhdx_status show_chain(struct showing *showing, const char *path, const vhdx_open_options *options,
                              vhdx_error *err)
{
    vhdx_status status = vhdx_chain_list(path, options, show_layer, showing, err);
    if (showing->chain_begun)
        json_array_end(showing->json);
    return status;
}

static vhdx_status show_image(struct showing *showing, const char *path, const vhdx_open_options *options,
                              vhdx_error *err)
{
    vhdx_image *image;
    vhdx_status status = vhdx_image_open(path, options, &image, err);
    if (status != VHDX_OK)
        return status;
    if (showing->json)
        report_info_json(showing->json, vhdx_image_info(image));
    else
        report_info_text(stdout, vhdx_image_info(image), 0);
    vhdx_image_free(image);
    show_merge(showing, path, 0);
    show_content(showing, path, 0);
    show_reclaimable(showing, path, 0);
    return VHDX_OK;
}

/* One of several files in a document: what is known of it, and the error where it ends. */
static int show_file(struct showing *showing, const char *path, const vhdx_open_options *options, bool chain)
{
    vhdx_error err;
    showing->chain_begun = false;
    vhdx_status status = chain ? show_chain(showing, path, options, &err) : show_image(showing, path, options, &err);
    if (status == VHDX_OK)
        return EXIT_DONE;
    vhdx_error advised = cli_advised(showing->cli, &err);
    if (showing->failure.status == VHDX_OK)
        showing->failure = advised;
    if (showing->several && !showing->chain_begun)
        json_text(showing->json, "path", path);
    if (showing->several)
        json_error(showing->json, &advised);
    return cli_error(showing->cli, &err);
}

/* One file gives one object, several an array of such objects. */
static int show_files(const struct cli *cli, const vhdx_open_options *options, bool chain, bool reclaimable)
{
    struct json json;
    bool array = cli->json && cli->file_count > 1;
    struct showing showing = {.cli = cli, .options = options, .json = cli->json ? &json : NULL, .several = array};
    showing.reclaimable = reclaimable;
    int worst = EXIT_DONE;
    if (cli->json)
        json_document_begin(&json, stdout);
    if (array)
        json_array_begin(&json, "files");
    for (size_t i = 0; i < cli->file_count; i++) {
        if (array)
            json_object_begin(&json, NULL);
        else if (!cli->json && i > 0)
            putchar('\n');
        int status = show_file(&showing, cli->files[i], options, chain);
        worst = status > worst ? status : worst;
        if (array)
            json_object_end(&json);
    }
    if (array)
        json_array_end(&json);
    if (cli->json && showing.failure.status != VHDX_OK)
        json_error(&json, &showing.failure);
    if (cli->json)
        json_document_end(&json);
    return worst;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct cli_list parents = {0};
    bool chain = false, reclaimable = false;
    int status;
    const struct cli_option options[] = {
        {"chain", 0, CLI_FLAG, &chain, NULL, "show every layer, from FILE down to the base"},
        {"reclaimable", 0, CLI_FLAG, &reclaimable, NULL,
         "also say what 'vhdx compact' would give back; reads\ncontent for that"},
        {"parent", 0, CLI_LIST, &parents, "PATH",
         "with --chain: a file or directory in which to look\nfor ancestors first; may be given more than once"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status)) {
        const vhdx_open_options open = {.struct_size = sizeof open,
                                        .parents = parents.items,
                                        .parent_count = parents.count,
                                        .inspect_only = true,
                                        .notice = cli_notice};
        status = cli_files(&cli, 1, SIZE_MAX) ? show_files(&cli, &open, chain, reclaimable) : EXIT_USAGE;
    }
    free(parents.items);
    return status;
}

const struct command command_info = {
    .name = "info",
    .synopsis = "[--chain [--parent PATH]...] [--reclaimable] FILE...",
    .summary = "shows kind, sizes, ids, log state, creator and parent of a disk",
    .details = "Shows the facts of each disk FILE; with --chain those of all its ancestors too,\n"
               "as far as they are found. Nothing is written, not even to replay a log. A disk\n"
               "with a corrupt log or a missing parent is shown all the same.",
    .run = run,
};
