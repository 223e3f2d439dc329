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
    result->virtual_size = vhdx_chain_layer(chain, 0)->virtual_size;
    return VHDX_OK;
}

static vhdx_status hash_file(const struct cli *cli, const struct cli_list *parents, const char *path,
                             struct result *result, vhdx_error *err)
{
    const vhdx_open_options open = {
        .struct_size = sizeof open, .parents = parents->items, .parent_count = parents->count, .notice = cli_notice};
    vhdx_chain *chain;
    vhdx_status status = vhdx_chain_open(path, &open, &chain, err);
    if (status != VHDX_OK)
        return status;
    status = hash_chain(cli, chain, result, err);
    vhdx_chain_free(chain);
    return status;
}

static void result_text(const char *path, const struct result *result)
{
    printf("%s  ", result->hash);
    text_put(stdout, path);
    putchar('\n');
}

static void result_json(struct json *json, const char *path, const struct result *result)
{
    json_text(json, "path", path);
    json_text(json, "xxh3_128", result->hash);
    json_number(json, "virtual_size", result->virtual_size);
}

/* Members of an object: the result, or the error in its place. `failure` is the first of all files. */
static int hash_one(const struct cli *cli, const struct cli_list *parents, const char *path, struct json *json,
                    vhdx_error *failure)
{
    struct result result;
    vhdx_error err;
    if (hash_file(cli, parents, path, &result, &err) == VHDX_OK) {
        if (json)
            result_json(json, path, &result);
        else
            result_text(path, &result);
        return EXIT_DONE;
    }
    vhdx_error advised = cli_advised(cli, &err);
    if (failure->status == VHDX_OK)
        *failure = advised;
    if (json && cli->file_count > 1) {
        json_text(json, "path", path);
        json_error(json, &advised);
    }
    return cli_error(cli, &err);
}

/* One file gives one object, several an array of such objects. */
static int hash_files(const struct cli *cli, const struct cli_list *parents)
{
    struct json document;
    struct json *json = cli->json ? &document : NULL;
    bool array = json && cli->file_count > 1;
    vhdx_error failure = {.status = VHDX_OK};
    int worst = EXIT_DONE;
    if (json)
        json_document_begin(json, stdout);
    if (array)
        json_array_begin(json, "files");
    for (size_t i = 0; i < cli->file_count; i++) {
        if (array)
            json_object_begin(json, NULL);
        int status = hash_one(cli, parents, cli->files[i], json, &failure);
        worst = status > worst ? status : worst;
        if (array)
            json_object_end(json);
        if (status != EXIT_DONE && platform_interrupted())
            break;
    }
    if (array)
        json_array_end(json);
    if (json && failure.status != VHDX_OK)
        json_error(json, &failure);
    if (json)
        json_document_end(json);
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
    .summary = "computes XXH3-128 of what a disk reads as, through its chain",
    .details = "Prints 32 hexadecimal digits (XXH3-128, canonical form) and the name of each\n"
               "CHILD. Disks that read the same have the same hash, whatever their layout.",
    .run = run,
};
