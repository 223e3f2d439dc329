/*
 * vhdx map: which layer holds which part of the virtual disk, and where. Rows are printed as they are found, because
 * a disk may have millions of them.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>

static void text_row(const vhdx_extent *extent)
{
    printf("%18" PRIu64 " %18" PRIu64 "  %-7s %5zu", extent->virtual_offset, extent->length,
           report_extent_state(extent->state), extent->layer);
    if (extent->state == VHDX_EXTENT_DATA)
        printf(" %18" PRIu64 "\n", extent->file_offset);
    else
        printf(" %18s\n", "-");
}

static void json_extent(struct json *json, const vhdx_chain *chain, const vhdx_extent *extent)
{
    json_row_begin(json, NULL);
    json_number(json, "offset", extent->virtual_offset);
    json_number(json, "length", extent->length);
    json_text(json, "state", report_extent_state(extent->state));
    json_number(json, "layer", extent->layer);
    json_text(json, "path", vhdx_chain_layer(chain, extent->layer)->path);
    if (extent->state == VHDX_EXTENT_DATA)
        json_number(json, "file_offset", extent->file_offset);
    else
        json_null(json, "file_offset");
    json_object_end(json);
}

static void print_layers(const vhdx_chain *chain)
{
    for (size_t i = 0; i < vhdx_chain_layer_count(chain); i++) {
        printf("layer %zu: ", i);
        text_put(stdout, vhdx_chain_layer(chain, i)->path);
        putchar('\n');
    }
    printf("\n%18s %18s  %-7s %5s %18s\n", "offset", "length", "state", "layer", "offset in file");
}

/* `json` NULL: text. */
static vhdx_status print_extents(vhdx_chain *chain, struct json *json, vhdx_error *err)
{
    vhdx_walk *walk;
    vhdx_status status = vhdx_walk_new(chain, 0, &walk, err);
    if (status != VHDX_OK)
        return status;
    for (;;) {
        vhdx_extent extent;
        status = vhdx_walk_next(walk, &extent, err);
        if (status != VHDX_OK || extent.length == 0)
            break;
        if (json)
            json_extent(json, chain, &extent);
        else
            text_row(&extent);
    }
    vhdx_walk_free(walk);
    return status;
}

/* When the walk fails, "error" behind the rows says that they are not all. */
static vhdx_status print_json(const struct cli *cli, vhdx_chain *chain, vhdx_error *err)
{
    const vhdx_info *leaf = vhdx_chain_layer(chain, 0);
    struct json json;
    json_document_begin(&json, stdout);
    json_text(&json, "path", leaf->path);
    json_number(&json, "virtual_size", leaf->virtual_size);
    json_array_begin(&json, "extents");
    vhdx_status status = print_extents(chain, &json, err);
    json_array_end(&json);
    if (status != VHDX_OK) {
        vhdx_error advised = cli_advised(cli, err);
        json_error(&json, &advised);
    }
    json_document_end(&json);
    return status;
}

static int show_map(const struct cli *cli, const struct cli_list *parents)
{
    const vhdx_open_options open = {
        .struct_size = sizeof open, .parents = parents->items, .parent_count = parents->count, .notice = cli_notice};
    vhdx_error err;
    vhdx_chain *chain;
    if (vhdx_chain_open(cli->files[0], &open, &chain, &err) != VHDX_OK)
        return cli_fail(cli, &err);
    vhdx_status status;
    if (cli->json) {
        status = print_json(cli, chain, &err);
    } else {
        print_layers(chain);
        status = print_extents(chain, NULL, &err);
    }
    vhdx_chain_free(chain);
    return status == VHDX_OK ? EXIT_DONE : cli_error(cli, &err);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct cli_list parents = {0};
    int status;
    const struct cli_option options[] = {
        {"parent", 0, CLI_LIST, &parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = cli_files(&cli, 1, 1) ? show_map(&cli, &parents) : EXIT_USAGE;
    free(parents.items);
    return status;
}

const struct command command_map = {
    .name = "map",
    .synopsis = "[--parent PATH]... CHILD",
    .summary = "lists which layer holds which part of the disk, and where",
    .details = "Lists the extents of the virtual disk that CHILD shows through its chain. Layer\n"
               "0 is CHILD. States: data (bytes at an offset in the layer's file), zero (the\n"
               "layer says that it reads as zeros), absent (no layer says anything: zeros).",
    .run = run,
};
