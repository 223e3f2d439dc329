/*
 * vhdx export: the virtual disk as a raw file, or as a stream on standard output. The file is the library's work (it
 * leaves holes); the stream is written here. A report on standard output would end up in the disk.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "assume.h"
#include "exit.h"
#include "export_state.h"
#include "notices.h"
#include "platform.h"
#include "progress.h"
#include "report.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    ZEROS_LENGTH = 65536,
    RANGES_MAX = 1 << 20, /* kept for the report; the map has all */
    RANGES_SHOWN = 20,
};

struct request {
    const char *output, *bad_ranges, *map;
    struct cli_list parents, assumed;
    struct assume assume;
    bool salvage, go_on;
    struct cli_output may;
};

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
    snprintf(err->advice_text, sizeof err->advice_text, "%s", not_whole);
    err->advice = VHDX_ADVICE_TEXT;
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
    const vhdx_info *leaf = vhdx_chain_layer(chain, 0);
    if (cli->json) {
        struct json json;
        json_document_begin(&json, stdout);
        json_text(&json, "path", leaf->path);
        json_text(&json, "output", output);
        json_number(&json, "virtual_size", leaf->virtual_size);
        json_document_end(&json);
    } else if (!cli->quiet) {
        FILE *out = strcmp(output, "-") == 0 ? stderr : stdout; /* nothing but the disk belongs on that stream */
        char size[REPORT_SIZE_ROOM];
        if (out == stderr && !cli->verbose)
            return;
        report_size(leaf->virtual_size, size);
        text_put(out, output);
        fprintf(out, ": %s written\n", size);
    }
}

static bool is_device(const char *path)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_file_facts facts = {0};
    vhdx_io io;
    if (host->open(host->context, path, VHDX_OPEN_PEEK, &io, NULL) != VHDX_OK)
        return false;
    bool known = io.ops->facts(io.file, &facts, NULL) == VHDX_OK;
    io.ops->close(io.file);
    return known && (facts.attributes & VHDX_FILE_IS_BLOCK_DEVICE);
}

static unsigned percent_done(const struct export_state *state)
{
    return state->virtual_size ? (unsigned)((double)state->done / (double)state->virtual_size * 100.0) : 100;
}

/* One export on its way. */
struct exporting {
    const struct cli *cli;
    const struct request *request;
    vhdx_chain *chain;
    struct export_state state;
    char map[VHDX_PATH_ROOM];
    bool resumable; /* a file: what is there when it is cut off stays */
};

/* Where an export that was cut off has come to; else the error is printed. */
static bool find_state(struct exporting *export)
{
    struct export_state before;
    vhdx_error err;
    if (export_state_read(export->map, &before, &err) != VHDX_OK) {
        cli_fail(export->cli, &err);
        return false;
    }
    if (!export_state_fits(&before, &export->state)) {
        stream_failed(&err, VHDX_ARG, 0);
        snprintf(err.path, sizeof err.path, "%s", export->map);
        snprintf(err.message, sizeof err.message, "it is of another disk, or of an older state of this one");
        snprintf(err.advice_text, sizeof err.advice_text, "export from the beginning, with --overwrite");
        cli_fail(export->cli, &err);
        return false;
    }
    export->state.done = before.done;
    if (!export->cli->quiet)
        fprintf(stderr, "vhdx: continuing at %u %%\n", percent_done(&export->state));
    return true;
}

/* What is there is kept, and how far it goes. Else the file is removed: nobody could tell later what it is. */
static void keep_state(struct exporting *export, vhdx_error *err)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_error why;
    char text[sizeof err->advice_text], raw[VHDX_PATH_ROOM + 8], child[VHDX_PATH_ROOM + 8];
    if (export->state.done > 0 && export_state_write(export->map, &export->state, &why) == VHDX_OK) {
        vhdx_quote(export->request->output, VHDX_SHELL_HERE, raw, sizeof raw);
        vhdx_quote(export->cli->files[0], VHDX_SHELL_HERE, child, sizeof child);
        bool advised = err->status != VHDX_CANCELLED && err->advice_text[0];
        int length =
            snprintf(text, sizeof text, "%.200s%s%u %% are there; 'vhdx export --continue -o %s %s' goes on",
                     advised ? err->advice_text : "", advised ? "; " : "", percent_done(&export->state), raw, child);
        if ((size_t)length >= sizeof text) /* half a name is another one */
            snprintf(text, sizeof text, "%u %% are there; the same command with --continue goes on",
                     percent_done(&export->state));
        snprintf(err->advice_text, sizeof err->advice_text, "%s", text);
        err->advice = VHDX_ADVICE_TEXT;
        return;
    }
    if (export->state.done > 0)
        host->remove(host->context, export->request->output, NULL);
    progress_advise(err, "the unfinished file was removed; run the same command again");
}

static vhdx_status write_chain(struct exporting *export, vhdx_error *err)
{
    struct progress progress;
    vhdx_stream_options stream = {.struct_size = sizeof stream,
                                  .progress = progress_step,
                                  .progress_context = &progress,
                                  .begin = export->state.done,
                                  .end = &export->state.done,
                                  .keep_unfinished = export->resumable};
    bool to_stdout = strcmp(export->request->output, "-") == 0;
    progress_begin(&progress, export->cli);
    vhdx_status status = to_stdout ? export_stream(export->chain, &stream, err)
                                   : vhdx_chain_export(export->chain, export->request->output, &stream, err);
    progress_clear(&progress);
    if (status != VHDX_OK && to_stdout)
        progress_advise(err, not_whole);
    else if (status != VHDX_OK && export->resumable)
        keep_state(export, err);
    return status;
}

static int export_chain(struct exporting *export)
{
    const vhdx_host *host = vhdx_native_host();
    const struct request *request = export->request;
    vhdx_error err;
    export->state = export_state_of(export->chain);
    export->resumable = strcmp(request->output, "-") != 0 && !is_device(request->output);
    snprintf(export->map, sizeof export->map, "%s%s", request->map ? request->map : request->output,
             request->map ? "" : ".map");
    if (request->go_on && !find_state(export))
        return EXIT_FAILED;
    if (write_chain(export, &err) != VHDX_OK)
        return cli_fail(export->cli, &err);
    if (request->go_on)
        host->remove(host->context, export->map, NULL);
    report_done(export->cli, export->chain, request->output);
    return EXIT_DONE;
}

/* ---- salvage ---- */

struct salvage {
    const struct cli *cli;
    struct notices notices;
    vhdx_salvage_range *ranges;
    size_t count, room;
    bool too_many; /* for the memory there is; the map has them all */
};

static void take_range(void *context, const vhdx_salvage_range *range)
{
    struct salvage *salvage = context;
    if (salvage->count == salvage->room) {
        size_t room = salvage->room ? salvage->room * 2 : 64;
        vhdx_salvage_range *ranges =
            room > RANGES_MAX ? NULL : realloc(salvage->ranges, room * sizeof *salvage->ranges);
        if (!ranges) {
            salvage->too_many = true;
            return;
        }
        salvage->ranges = ranges;
        salvage->room = room;
    }
    salvage->ranges[salvage->count++] = *range;
}

static const char *kind_name(vhdx_salvage_kind kind)
{
    switch (kind) {
    case VHDX_SALVAGE_GOOD:
        return "good";
    case VHDX_SALVAGE_DOUBTFUL:
        return "doubtful";
    case VHDX_SALVAGE_MISSING:
        return "missing";
    case VHDX_SALVAGE_PIECE:
        return "piece";
    case VHDX_SALVAGE_LOST:
        break;
    }
    return "lost";
}

static void salvage_json(const struct salvage *salvage, const struct request *request,
                         const vhdx_salvage_report *report)
{
    struct json json;
    json_document_begin(&json, stdout);
    json_text(&json, "path", salvage->cli->files[0]);
    json_text(&json, "output", report->virtual_size > 0 ? request->output : NULL);
    json_text(&json, "map", report->map);
    json_text(&json, "pieces", report->pieces[0] ? report->pieces : NULL);
    json_number(&json, "virtual_size", report->virtual_size);
    json_number(&json, "good", report->bytes_good);
    json_number(&json, "doubtful", report->bytes_doubtful);
    json_number(&json, "lost", report->bytes_lost);
    json_number(&json, "missing", report->bytes_missing);
    json_bool(&json, "parent_missing", report->parent_missing);
    json_bool(&json, "ranges_complete", !salvage->too_many);
    json_array_begin(&json, "ranges");
    for (size_t i = 0; i < salvage->count; i++) {
        const vhdx_salvage_range *range = &salvage->ranges[i];
        json_row_begin(&json, NULL);
        json_text(&json, "kind", kind_name(range->kind));
        json_number(&json, "offset", range->offset);
        json_number(&json, "length", range->length);
        if (range->kind == VHDX_SALVAGE_PIECE)
            json_number(&json, "file_offset", range->file_offset);
        json_text(&json, "reason", range->reason);
        json_object_end(&json);
    }
    json_array_end(&json);
    notices_json(&json, &salvage->notices);
    json_document_end(&json);
}

static void print_amount(const char *label, uint64_t bytes)
{
    if (bytes > 0)
        report_size_row(stdout, 2, label, bytes);
}

static void print_ranges(const struct salvage *salvage)
{
    size_t shown = salvage->count < RANGES_SHOWN ? salvage->count : RANGES_SHOWN;
    if (shown > 0)
        printf("\n  %-9s %20s %20s  %s\n", "kind", "offset", "length", "why");
    for (size_t i = 0; i < shown; i++) {
        const vhdx_salvage_range *range = &salvage->ranges[i];
        printf("  %-9s %20" PRIu64 " %20" PRIu64 "\n            %s\n", kind_name(range->kind), range->offset,
               range->length, range->reason);
    }
    if (shown < salvage->count || salvage->too_many)
        printf("  more of them are in the map\n");
}

static void salvage_text(const struct salvage *salvage, const vhdx_salvage_report *report)
{
    text_put(stdout, salvage->cli->files[0]);
    printf(":\n");
    if (report->virtual_size > 0)
        report_size_row(stdout, 2, "virtual size", report->virtual_size);
    else
        report_row(stdout, 2, "virtual size", "not known; RAW was not made, there are only pieces");
    print_amount("good", report->bytes_good);
    print_amount("doubtful", report->bytes_doubtful);
    print_amount("lost", report->bytes_lost);
    print_amount("missing", report->bytes_missing);
    print_amount("pieces", report->bytes_pieces);
    report_row(stdout, 2, "map", report->map);
    if (report->pieces[0])
        report_row(stdout, 2, "pieces in", report->pieces);
    print_ranges(salvage);
}

/* 4 when something is lost, missing or doubtful: the work was done, but problems are left. */
static int salvage_status(const vhdx_salvage_report *report)
{
    return report->bytes_good == report->virtual_size && report->bytes_pieces == 0 ? EXIT_DONE : EXIT_LEFT;
}

static int salvage_disk(const struct cli *cli, const struct request *request)
{
    struct progress progress;
    struct salvage salvage = {.cli = cli, .notices = {.cli = cli, .progress = &progress}};
    const vhdx_salvage_options options = {.struct_size = sizeof options,
                                          .parents = request->parents.items,
                                          .parent_count = request->parents.count,
                                          .bad_ranges = request->bad_ranges,
                                          .map = request->map,
                                          .assume_virtual_size = request->assume.virtual_size,
                                          .assume_block_size = request->assume.block_size,
                                          .assume_logical_sector = request->assume.logical_sector,
                                          .range = take_range,
                                          .range_context = &salvage,
                                          .progress = progress_step,
                                          .progress_context = &progress,
                                          .notice = notices_take,
                                          .notice_context = &salvage.notices};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    vhdx_error err;
    progress_begin(&progress, cli);
    vhdx_status status = vhdx_salvage(cli->files[0], request->output, &options, &report, &err);
    progress_clear(&progress);
    if (status != VHDX_OK)
        progress_advise(&err, "the unfinished files were removed; run the same command again");
    else if (cli->json)
        salvage_json(&salvage, request, &report);
    else if (!cli->quiet)
        salvage_text(&salvage, &report);
    notices_free(&salvage.notices);
    free(salvage.ranges);
    return status == VHDX_OK ? salvage_status(&report) : cli_fail(cli, &err);
}

static int export_disk(const struct cli *cli, const struct request *request)
{
    const vhdx_open_options open = {.struct_size = sizeof open,
                                    .parents = request->parents.items,
                                    .parent_count = request->parents.count,
                                    .notice = cli_notice};
    vhdx_error err;
    vhdx_chain *chain;
    if (vhdx_chain_open(cli->files[0], &open, &chain, &err) != VHDX_OK)
        return cli_fail(cli, &err);
    struct exporting export = {.cli = cli, .request = request, .chain = chain};
    int status = export_chain(&export);
    vhdx_chain_free(chain);
    return status;
}

/* RAW, and the map that a salvage writes beside it. */
static bool outputs_are_free(const struct cli *cli, const struct request *request)
{
    char map[2048];
    if (strcmp(request->output, "-") == 0)
        return true;
    if (request->go_on)
        return true;
    if (!cli_may_write(cli, request->output, &request->may))
        return false;
    if (!request->salvage)
        return true;
    int length =
        snprintf(map, sizeof map, "%s%s", request->map ? request->map : request->output, request->map ? "" : ".map");
    return length < 0 || (size_t)length >= sizeof map || cli_may_write(cli, map, &request->may);
}

/* What only a salvage understands. */
static bool usable_salvage(const struct cli *cli, const struct request *request)
{
    bool to_stdout = strcmp(request->output, "-") == 0;
    if (request->salvage && to_stdout)
        cli_usage_error(cli->command, "--salvage writes a map beside the raw file, so standard output will not do");
    else if (!request->salvage && (request->bad_ranges || request->assumed.count > 0))
        cli_usage_error(cli->command, "--bad-ranges and --assume belong to --salvage");
    else if (!request->salvage && request->map && to_stdout)
        cli_usage_error(cli->command, "--map: what goes to standard output cannot be continued");
    else if (request->go_on && (request->salvage || to_stdout))
        cli_usage_error(cli->command, "--continue does not go with %s", to_stdout ? "standard output" : "--salvage");
    else
        return true;
    return false;
}

/* Whether the command line makes sense; else the usage error is printed. */
static bool usable(const struct cli *cli, const struct request *request)
{
    if (!cli_files(cli, 1, 1))
        return false;
    if (!request->output)
        cli_usage_error(cli->command, "no output given (-o RAW, or -o - for standard output)");
    else if (!usable_salvage(cli, request))
        return false;
    else if (strcmp(request->output, "-") != 0)
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
    struct request request = {0};
    int status;
    const struct cli_option options[] = {
        {NULL, 'o', CLI_TEXT, &request.output, "RAW",
         "the raw file or block device to write; \"-\" is\nstandard output"},
        {"overwrite", 0, CLI_FLAG, &request.may.overwrite, NULL,
         "write also where a file with something in it is\nalready"},
        {"device", 0, CLI_FLAG, &request.may.device, NULL, "write to the block device RAW; what it holds is lost"},
        {"parent", 0, CLI_LIST, &request.parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
        {"salvage", 0, CLI_FLAG, &request.salvage, NULL,
         "write what can still be read of damaged disks, and\na map of what is lost beside RAW"},
        {"bad-ranges", 0, CLI_TEXT, &request.bad_ranges, "FILE",
         "ddrescue's map of CHILD: what it does not call good\nis lost (with --salvage)"},
        {"map", 0, CLI_TEXT, &request.map, "FILE",
         "where the map is written, instead of RAW.map: of a\nsalvage, or of an export that was cut off"},
        {"continue", 0, CLI_FLAG, &request.go_on, NULL,
         "go on with an export that was cut off (Ctrl-C, no\nspace, an error), as RAW.map says"},
        {"assume", 0, CLI_LIST, &request.assumed, ASSUME_VALUE, ASSUME_HELP},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status)) {
        if (!usable(&cli, &request) || !assume_parse(cli.command, &request.assumed, &request.assume))
            status = EXIT_USAGE;
        else if (!outputs_are_free(&cli, &request))
            status = EXIT_FAILED;
        else
            status = request.salvage ? salvage_disk(&cli, &request) : export_disk(&cli, &request);
    }
    free(request.parents.items);
    free(request.assumed.items);
    return status;
}

const struct command command_export = {
    .name = "export",
    .synopsis = "-o RAW [--overwrite] [--device] [--map FILE]\n  [--parent PATH]... CHILD\n"
                "--continue -o RAW [--map FILE] [--parent PATH]... CHILD\n"
                "--salvage -o RAW [--bad-ranges FILE] [--map FILE]\n"
                "  [--overwrite] [--device] [--assume WHAT=N]...\n  [--parent PATH]... CHILD",
    .statuses = "0 done; 4 not all is good",
    .summary = "writes the virtual disk, through its chain, as a raw disk",
    .details = "Writes the virtual disk that CHILD shows through its chain as a raw disk. Where\n"
               "the disk reads zeros, the file has holes. No layer is written to. With --salvage\n"
               "damage is no reason to stop: what cannot be read becomes a hole, and the map\n"
               "says which ranges are good, doubtful, lost, or held by a missing parent. What\n"
               "has no place goes to RAW.pieces; without any sign of the disk's size, all of it.\n"
               "An export that is cut off keeps what it has, and --continue goes on with it.",
    .run = run,
};
