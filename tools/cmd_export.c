/*
 * vhdx export: the virtual disk as a raw file, or as a stream on standard output. The file is the library's work (it
 * leaves holes); the stream is written here. Easy to get wrong: a report on standard output would end up in the disk.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "platform.h"
#include "progress.h"
#include "report.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ZEROS_LENGTH = 65536 };

static const char not_whole[] = "what the receiver has got is not a whole disk; throw it away";

/* Fills `err`, which may be NULL, and returns `status`. */
static vhdx_status stream_failed(vhdx_error *err, vhdx_status status, int code)
{
    if (!err)
        return status;
    *err = (vhdx_error){.status = status, .system_code = code, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    snprintf(err->path, sizeof err->path, "standard output");
    snprintf(err->message, sizeof err->message, "the disk was not written to its end: %s",
             code ? strerror(code) : "it was asked to stop");
    snprintf(err->advice, sizeof err->advice, "%s", not_whole);
    return status;
}

static vhdx_status write_bytes(const void *buf, size_t length, vhdx_error *err)
{
    errno = 0;
    if (fwrite(buf, 1, length, stdout) == length)
        return VHDX_OK;
    return stream_failed(err, VHDX_IO, errno ? errno : EIO);
}

/* A run of zeros may be terabytes, so the wish to stop is looked at here too. */
static vhdx_status write_zeros(uint64_t length, vhdx_error *err)
{
    static const char zeros[ZEROS_LENGTH];
    vhdx_status status = VHDX_OK;
    while (length && status == VHDX_OK) {
        size_t now = length < ZEROS_LENGTH ? (size_t)length : ZEROS_LENGTH;
        status = platform_interrupted() ? stream_failed(err, VHDX_CANCELLED, 0) : write_bytes(zeros, now, err);
        length -= now;
    }
    return status;
}

/* The vhdx_sink_fn: the disk comes in order, from its first byte to its last. */
static vhdx_status write_to_stdout(void *context, const void *buf, uint64_t length, uint64_t virtual_offset,
                                   vhdx_error *err)
{
    (void)context;
    (void)virtual_offset;
    return buf ? write_bytes(buf, (size_t)length, err) : write_zeros(length, err);
}

static vhdx_status export_stream(vhdx_chain *chain, const vhdx_stream_options *stream, vhdx_error *err)
{
    vhdx_status status = vhdx_chain_stream(chain, write_to_stdout, NULL, stream, err);
    if (status == VHDX_OK && fflush(stdout) != 0)
        status = stream_failed(err, VHDX_IO, errno);
    return status;
}

static void report_done(const struct cli *cli, vhdx_chain *chain, const char *output)
{
    const vhdx_info *leaf = vhdx_chain_layer_info(chain, 0);
    if (cli->json) {
        struct json json;
        json_begin(&json, stdout);
        json_object_begin(&json, NULL);
        json_text(&json, "path", leaf->path);
        json_text(&json, "output", output);
        json_number(&json, "virtual_size", leaf->virtual_size);
        json_object_end(&json);
        json_end(&json);
    } else if (cli->verbose) {
        char size[REPORT_SIZE_ROOM];
        report_size(leaf->virtual_size, size);
        fputs("vhdx: ", stderr);
        text_put(stderr, output);
        fprintf(stderr, ": %s written\n", size);
    }
}

static int export_chain(const struct cli *cli, vhdx_chain *chain, const char *output)
{
    bool to_stdout = strcmp(output, "-") == 0;
    struct progress progress;
    vhdx_error err;
    progress_begin(&progress, cli);
    const vhdx_stream_options stream = {
        .struct_size = sizeof stream, .progress = progress_step, .progress_context = &progress};
    vhdx_status status =
        to_stdout ? export_stream(chain, &stream, &err) : vhdx_chain_export(chain, output, &stream, &err);
    progress_clear(&progress);
    if (status == VHDX_OK) {
        report_done(cli, chain, output);
        return EXIT_DONE;
    }
    progress_advise(&err, to_stdout ? not_whole : "the unfinished file was removed; run the same command again");
    return cli_error(&err);
}

static int export_disk(const struct cli *cli, const struct cli_list *parents, const char *output)
{
    const vhdx_open_options open = {
        .struct_size = sizeof open, .parents = parents->items, .parent_count = parents->count};
    vhdx_error err;
    vhdx_chain *chain;
    if (vhdx_chain_open(cli->files[0], &open, &chain, &err) != VHDX_OK)
        return cli_error(&err);
    int status = export_chain(cli, chain, output);
    vhdx_chain_free(chain);
    return status;
}

/* Whether the command line makes sense; else the usage error is printed. */
static bool usable(const struct cli *cli, const char *output)
{
    if (!cli_files(cli, 1, 1))
        return false;
    if (!output)
        cli_usage_error(cli->command, "no output given (-o RAW, or -o - for standard output)");
    else if (strcmp(output, "-") != 0)
        return true;
    else if (cli->json)
        cli_usage_error(cli->command, "standard output cannot carry the disk and a JSON document");
    else if (platform_is_terminal(stdout))
        cli_usage_error(cli->command, "standard output is a terminal, and a disk is no text: use a pipe or a file");
    else
        return true;
    return false;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct cli_list parents = {0};
    const char *output = NULL;
    int status;
    const struct cli_option options[] = {
        {NULL, 'o', CLI_TEXT, &output, "RAW",
         "the raw file (emptied first) or block device to\nwrite; \"-\" is standard output"},
        {"parent", 0, CLI_LIST, &parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = usable(&cli, output) ? export_disk(&cli, &parents, output) : EXIT_USAGE;
    free(parents.items);
    return status;
}

const struct command command_export = {
    .name = "export",
    .synopsis = "-o RAW [--parent PATH]... CHILD",
    .summary = "the virtual disk, through its chain, as a raw file or stream",
    .details = "Writes the virtual disk that CHILD shows through its chain as a raw disk. Where\n"
               "the disk reads zeros, the file has holes. No layer is written to.",
    .run = run,
};
