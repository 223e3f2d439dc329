/*
 * vhdx info: the facts of a disk, or of every layer of a chain. Reads headers and metadata only. A disk whose log
 * cannot be replayed, or whose parent is lost, is shown all the same: that is when people ask.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "report.h"

#include <stdlib.h>

static void print_image(const struct cli *cli, const vhdx_info *info)
{
    if (!cli->json) {
        report_info_text(stdout, info, 0);
        return;
    }
    struct json json;
    json_begin(&json, stdout);
    json_object_begin(&json, NULL);
    report_info_json(&json, info);
    json_object_end(&json);
    json_end(&json);
}

static void print_chain_text(const vhdx_chain *chain)
{
    size_t count = vhdx_chain_layer_count(chain);
    for (size_t i = 0; i < count; i++) {
        const char *part = count == 1 ? "the only one" : i == 0 ? "leaf" : i + 1 == count ? "base" : "between";
        printf("%slayer %zu (%s)\n", i ? "\n" : "", i, part);
        report_info_text(stdout, vhdx_chain_layer_info(chain, i), 2);
    }
}

static void print_chain_json(const vhdx_chain *chain)
{
    struct json json;
    json_begin(&json, stdout);
    json_object_begin(&json, NULL);
    report_info_json(&json, vhdx_chain_layer_info(chain, 0));
    json_array_begin(&json, "chain");
    for (size_t i = 0; i < vhdx_chain_layer_count(chain); i++) {
        json_object_begin(&json, NULL);
        report_info_json(&json, vhdx_chain_layer_info(chain, i));
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    json_end(&json);
}

static int show_image(const struct cli *cli, const vhdx_open_options *options)
{
    vhdx_error err;
    vhdx_image *image;
    if (vhdx_image_open(cli->files[0], options, &image, &err) != VHDX_OK)
        return cli_error(&err);
    print_image(cli, vhdx_image_info(image));
    vhdx_image_free(image);
    return EXIT_DONE;
}

static int show_chain(const struct cli *cli, const vhdx_open_options *options)
{
    vhdx_error err;
    vhdx_chain *chain;
    if (vhdx_chain_open(cli->files[0], options, &chain, &err) != VHDX_OK)
        return cli_error(&err);
    if (cli->json)
        print_chain_json(chain);
    else
        print_chain_text(chain);
    vhdx_chain_free(chain);
    return EXIT_DONE;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct cli_list parents = {0};
    bool chain = false;
    int status;
    const struct cli_option options[] = {
        {"chain", 0, CLI_FLAG, &chain, NULL, "show every layer, from FILE down to the base"},
        {"parent", 0, CLI_LIST, &parents, "PATH",
         "with --chain: a file or directory in which to look\nfor ancestors first; may be given more than once"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status)) {
        const vhdx_open_options open = {
            .struct_size = sizeof open, .parents = parents.items, .parent_count = parents.count, .inspect_only = true};
        status = !cli_files(&cli, 1, 1) ? EXIT_USAGE : chain ? show_chain(&cli, &open) : show_image(&cli, &open);
    }
    free(parents.items);
    return status;
}

const struct command command_info = {
    .name = "info",
    .synopsis = "[--chain [--parent PATH]...] FILE",
    .summary = "kind, sizes, ids, log state, creator and parent of a disk",
    .details = "Shows the facts of the disk FILE; with --chain those of all its ancestors too.\n"
               "Nothing is written, not even to replay a log. A disk with a corrupt log or a\n"
               "missing parent is shown all the same (without --chain).",
    .run = run,
};
