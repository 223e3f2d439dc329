/*
 * vhdx hash: one number for what a disk reads as. Several files are hashed one after the other; one that fails does
 * not keep the others from being hashed, but the exit status tells.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "platform.h"
#include "progress.h"
#include "report.h"
#include "text.h"

#include <stdlib.h>

struct result {
    char hash[33];
    uint64_t virtual_size;
};

static void hex_of(const uint8_t hash[16], char text[33])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)hash[i]);
}

static vhdx_status hash_chain(const struct cli *cli, vhdx_chain *chain, struct result *result, vhdx_error *err)
{
    struct progress progress;
    uint8_t hash[16];
    progress_begin(&progress, cli);
    const vhdx_stream_options stream = {
        .struct_size = sizeof stream, .progress = progress_step, .progress_context = &progress};
    vhdx_status status = vhdx_chain_hash(chain, hash, &stream, err);
    progress_clear(&progress);
    if (status != VHDX_OK) {
        progress_advise(err, "nothing was changed; run the same command again");
        return status;
    }
    hex_of(hash, result->hash);
    result->virtual_size = vhdx_chain_layer_info(chain, 0)->virtual_size;
    return VHDX_OK;
}

static int hash_file(const struct cli *cli, const struct cli_list *parents, const char *path, struct result *result)
{
    const vhdx_open_options open = {
        .struct_size = sizeof open, .parents = parents->items, .parent_count = parents->count};
    vhdx_error err;
    vhdx_chain *chain;
    if (vhdx_chain_open(path, &open, &chain, &err) != VHDX_OK)
        return cli_error(&err);
    vhdx_status status = hash_chain(cli, chain, result, &err);
    vhdx_chain_free(chain);
    return status == VHDX_OK ? EXIT_DONE : cli_error(&err);
}

static void print_result(const char *path, const struct result *result, struct json *json)
{
    if (!json) {
        printf("%s  ", result->hash);
        text_put(stdout, path);
        putchar('\n');
        return;
    }
    json_object_begin(json, NULL);
    json_text(json, "path", path);
    json_text(json, "xxh3_128", result->hash);
    json_number(json, "virtual_size", result->virtual_size);
    json_object_end(json);
}

/* One file gives one object, several give an array of those that could be hashed. */
static int hash_files(const struct cli *cli, const struct cli_list *parents)
{
    struct json document;
    struct json *json = cli->json ? &document : NULL;
    bool array = json && cli->file_count > 1;
    int worst = EXIT_DONE;
    json_begin(&document, stdout);
    if (array)
        json_array_begin(json, NULL);
    for (size_t i = 0; i < cli->file_count; i++) {
        struct result result;
        int status = hash_file(cli, parents, cli->files[i], &result);
        if (status == EXIT_DONE)
            print_result(cli->files[i], &result, json);
        else if (status > worst)
            worst = status;
        if (status != EXIT_DONE && platform_interrupted())
            break;
    }
    if (array)
        json_array_end(json);
    if (array || (json && worst == EXIT_DONE))
        json_end(json);
    return worst;
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
        status = cli_files(&cli, 1, SIZE_MAX) ? hash_files(&cli, &parents) : EXIT_USAGE;
    free(parents.items);
    return status;
}

const struct command command_hash = {
    .name = "hash",
    .synopsis = "[--parent PATH]... CHILD...",
    .summary = "XXH3-128 of what a disk reads as, through its chain",
    .details = "Prints 32 hexadecimal digits (XXH3-128, canonical form) and the name of each\n"
               "CHILD. Disks that read the same have the same hash, whatever their layout.",
    .run = run,
};
