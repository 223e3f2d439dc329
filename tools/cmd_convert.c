/*
 * vhdx convert: a new disk from a VHDX or VHD chain, a raw file, a device, or a stream on standard input. The library
 * builds it; here the options are put together and the stream is read. A stream cannot be looked at
 * twice, so what it is must be seen from its first bytes, without losing them.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "notices.h"
#include "platform.h"
#include "progress.h"
#include "report.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_BUFFER = 1 << 20 };

struct request {
    const char *output, *to, *from;
    struct cli_size size, block_size, sector_size;
    struct cli_list parents;
    bool fixed, dynamic, azure, verify, dry_run, keep_zeros;
    struct cli_output may;
};

/* ---- standard input ---- */

struct stream {
    uint8_t *buf;
    bool recognized;
    bool raw; /* whatever it looks like */
};

static vhdx_status stream_failed(vhdx_error *err, vhdx_status status, const char *what, const char *advice)
{
    *err = (vhdx_error){.status = status, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    snprintf(err->path, sizeof err->path, "standard input");
    snprintf(err->message, sizeof err->message, "%s", what);
    snprintf(err->advice_text, sizeof err->advice_text, "%s", advice);
    err->advice = VHDX_ADVICE_TEXT;
    return status;
}

/* What begins like a file of some format is no raw disk. */
static const char *format_of(const uint8_t *bytes, size_t length)
{
    static const struct {
        const char *signature, *name;
    } known[] = {{"vhdxfile", "a VHDX"}, {"conectix", "a VHD"}, {"QFI\xfb", "a QCOW2 disk"}, {"KDMV", "a VMDK disk"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (length >= strlen(known[i].signature) && memcmp(bytes, known[i].signature, strlen(known[i].signature)) == 0)
            return known[i].name;
    return NULL;
}

static vhdx_status check_beginning(struct stream *stream, size_t length, vhdx_error *err)
{
    char what[80];
    const char *name = stream->recognized || stream->raw ? NULL : format_of(stream->buf, length);
    stream->recognized = true;
    if (!name)
        return VHDX_OK;
    snprintf(what, sizeof what, "it is %s, and only a raw disk can be read as a stream", name);
    return stream_failed(err, VHDX_NOT_VHDX, what, "save it in a file and name that");
}

/* A vhdx_source_fn. */
static vhdx_status read_stream(void *context, vhdx_piece *piece, vhdx_error *err)
{
    struct stream *stream = context;
    errno = 0;
    size_t got = fread(stream->buf, 1, STREAM_BUFFER, stdin);
    if (platform_interrupted())
        return stream_failed(err, VHDX_CANCELLED, "the new disk was cancelled", "");
    if (got < STREAM_BUFFER && ferror(stdin))
        return stream_failed(err, VHDX_IO, strerror(errno ? errno : EIO), "look at the program that writes it");
    *piece = (vhdx_piece){.kind = got ? VHDX_PIECE_DATA : VHDX_PIECE_END, .length = got, .bytes = stream->buf};
    return check_beginning(stream, got, err);
}

static vhdx_status convert_stream(const struct request *request, const vhdx_build_options *options,
                                  vhdx_build_report *report, vhdx_error *err)
{
    struct stream stream = {.buf = malloc(STREAM_BUFFER), .raw = options->source_format == VHDX_FORMAT_RAW};
    if (!stream.buf)
        return stream_failed(err, VHDX_NOMEM, "memory ran out", "");
    vhdx_status status = vhdx_build(request->output, options, read_stream, &stream, report, err);
    free(stream.buf);
    report->source_format = VHDX_FORMAT_RAW;
    return status;
}

/* ---- telling ---- */

static const char *kind_of(const struct request *request, const vhdx_build_report *report)
{
    if (report->format == VHDX_FORMAT_RAW)
        return "fixed";
    return request->fixed || request->azure ? "fixed" : "dynamic";
}

static void report_json(const struct cli *cli, const struct request *request, const vhdx_build_report *report,
                        const struct notices *notices)
{
    struct json json;
    json_document_begin(&json, stdout);
    json_text(&json, "path", cli->files[0]);
    json_text(&json, "output", request->output);
    json_bool(&json, "dry_run", request->dry_run);
    json_text(&json, "source_format", report_format(report->source_format));
    json_text(&json, "image_format", report_format(report->format));
    json_text(&json, "kind", kind_of(request, report));
    json_number(&json, "virtual_size", report->virtual_size);
    json_number(&json, "padded", report->padded);
    json_number(&json, "block_size", report->block_size);
    json_number(&json, "logical_sector_size", report->logical_sector_size);
    json_number(&json, "file_size", report->file_size);
    json_number(&json, "bytes_data", report->bytes_data);
    json_number(&json, "bytes_shared", report->bytes_shared);
    json_number(&json, "bytes_verified", report->bytes_verified);
    notices_json(&json, notices);
    json_document_end(&json);
}

static void report_text(const struct request *request, const vhdx_build_report *report)
{
    char format[32];
    snprintf(format, sizeof format, "%s, %s", report_format(report->format), kind_of(request, report));
    text_put(stdout, request->output);
    printf(":%s\n", request->dry_run ? " would be written" : "");
    report_row(stdout, 2, "from", report_format(report->source_format));
    report_row(stdout, 2, "format", format);
    report_size_row(stdout, 2, "virtual size", report->virtual_size);
    if (report->block_size > 0)
        report_size_row(stdout, 2, "block size", report->block_size);
    report_size_row(stdout, 2, request->dry_run ? "file size, at most" : "file size", report->file_size);
    report_size_row(stdout, 2, request->dry_run ? "data, at most" : "data", report->bytes_data);
    if (report->bytes_shared > 0)
        report_size_row(stdout, 2, "of it shared", report->bytes_shared);
    if (report->bytes_verified > 0)
        report_size_row(stdout, 2, "read back", report->bytes_verified);
}

/* ---- the command ---- */

static bool take_format(const struct cli *cli, const char *option, const char *text, vhdx_format *format)
{
    static const vhdx_format formats[] = {VHDX_FORMAT_VHDX, VHDX_FORMAT_VHD, VHDX_FORMAT_RAW};
    for (size_t i = 0; text && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(text, report_format(formats[i])) == 0) {
            *format = formats[i];
            return true;
        }
    if (!text)
        return true;
    cli_usage_error(cli->command, "%s: '%s' is none of vhdx, vhd and raw", option, text);
    return false;
}

static bool fits(const struct cli *cli, const struct request *request, const vhdx_build_options *options)
{
    uint64_t block = request->block_size.bytes, sector = request->sector_size.bytes;
    if (request->fixed && request->dynamic)
        cli_usage_error(cli->command, "--fixed and --dynamic exclude each other");
    else if (request->azure && (request->dynamic || options->format != VHDX_FORMAT_VHD))
        cli_usage_error(cli->command, "--azure makes fixed VHDs: it goes with neither --dynamic nor another format");
    else if (options->format == VHDX_FORMAT_RAW && (block || sector || request->dynamic || request->fixed))
        cli_usage_error(cli->command, "a raw disk is what it is: no --fixed, --dynamic, --block-size, --sector-size");
    else if (request->block_size.given && (block == 0 || block > 256u << 20 || (block & (block - 1)) != 0))
        cli_usage_error(cli->command, "--block-size: a block has a power of two from 1M to 256M bytes");
    else if (request->sector_size.given && sector != 512 && sector != 4096)
        cli_usage_error(cli->command, "--sector-size: a sector has 512 or 4096 bytes");
    else
        return true;
    return false;
}

/* false: the usage error was printed. */
static bool understand(const struct cli *cli, const struct request *request, vhdx_build_options *options)
{
    *options = (vhdx_build_options){.struct_size = sizeof *options,
                                    .format = request->azure ? VHDX_FORMAT_VHD : VHDX_FORMAT_VHDX,
                                    .virtual_size = request->size.bytes,
                                    .fixed = request->fixed,
                                    .azure = request->azure,
                                    .block_size = (uint32_t)request->block_size.bytes,
                                    .logical_sector_size = (uint32_t)request->sector_size.bytes,
                                    .overwrite = request->may.overwrite,
                                    .keep_zeros = request->keep_zeros,
                                    .verify = request->verify,
                                    .parents = request->parents.items,
                                    .parent_count = request->parents.count};
    if (!cli_files(cli, 1, 1) || !take_format(cli, "-O", request->to, &options->format) ||
        !take_format(cli, "-f", request->from, &options->source_format) || !fits(cli, request, options))
        return false;
    bool stream = strcmp(cli->files[0], "-") == 0;
    if (!request->output)
        cli_usage_error(cli->command, "no output given (-o NEW)");
    else if (strcmp(request->output, "-") == 0)
        cli_usage_error(cli->command, "a disk is no stream: to standard output writes 'vhdx export -o -'");
    else if (stream && request->dry_run)
        cli_usage_error(cli->command, "nobody knows what is in standard input before it is read: no --dry-run");
    else if (stream && (options->source_format == VHDX_FORMAT_VHDX || options->source_format == VHDX_FORMAT_VHD))
        cli_usage_error(cli->command, "standard input carries raw disks only");
    else if (stream && platform_is_terminal(stdin))
        cli_usage_error(cli->command, "standard input is a terminal, which has no disk to give");
    else
        return true;
    return false;
}

static int convert(const struct cli *cli, const struct request *request, vhdx_build_options *options)
{
    struct progress progress;
    struct notices notices = {.cli = cli, .progress = &progress};
    vhdx_build_report report = {.struct_size = sizeof report};
    vhdx_error err;
    const char *source = cli->files[0];
    options->progress = progress_step;
    options->progress_context = &progress;
    options->notice = notices_take;
    options->notice_context = &notices;
    progress_begin(&progress, cli);
    vhdx_status status = strcmp(source, "-") == 0 ? convert_stream(request, options, &report, &err)
                         : request->dry_run       ? vhdx_convert_plan(source, request->output, options, &report, &err)
                                                  : vhdx_convert(source, request->output, options, &report, &err);
    progress_clear(&progress);
    if (status != VHDX_OK)
        progress_advise(&err, "the unfinished file was removed; run the same command again");
    else if (cli->json)
        report_json(cli, request, &report, &notices);
    else if (!cli->quiet)
        report_text(request, &report);
    notices_free(&notices);
    return status == VHDX_OK ? EXIT_DONE : cli_fail(cli, &err);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct request request = {0};
    vhdx_build_options build_options;
    int status;
    const struct cli_option options[] = {
        {NULL, 'O', CLI_TEXT, &request.to, "FORMAT", "vhdx (when not given), vhd or raw"},
        {NULL, 'f', CLI_TEXT, &request.from, "FORMAT",
         "what SOURCE is: vhdx, vhd or raw; when not given its\ncontent says it"},
        {NULL, 'o', CLI_TEXT, &request.output, "NEW", "the disk to make"},
        {"fixed", 0, CLI_FLAG, &request.fixed, NULL, "give all blocks their place in the file now"},
        {"dynamic", 0, CLI_FLAG, &request.dynamic, NULL,
         "give blocks their place as they are written; so it is\nwhen nothing is said"},
        {"block-size", 0, CLI_SIZE, &request.block_size, "N",
         "VHDX: 1M to 256M; VHD: 512K or 2M; when not given\nthe source's, else 32M (fixed 2M) and 2M"},
        {"sector-size", 0, CLI_SIZE, &request.sector_size, "N", "logical sector size of a VHDX, 512 or 4096"},
        {"azure", 0, CLI_FLAG, &request.azure, NULL,
         "a VHD as Azure takes it: fixed, padded to whole MiB,\n20 MiB to 4095 GiB"},
        {"size", 0, CLI_SIZE, &request.size, "N", "make the disk so large: the rest is zeros"},
        {"keep-zeros", 0, CLI_FLAG, &request.keep_zeros, NULL, "give data that is zeros its space all the same"},
        {"verify", 0, CLI_FLAG, &request.verify, NULL, "read NEW back and compare hashes before it gets its\nname"},
        {"dry-run", 0, CLI_FLAG, &request.dry_run, NULL, "say what would be made; write nothing"},
        {"overwrite", 0, CLI_FLAG, &request.may.overwrite, NULL,
         "replace a file with something in it, when NEW is\ncomplete"},
        {"device", 0, CLI_FLAG, &request.may.device, NULL, "write to the block device NEW; what it holds is lost"},
        {"parent", 0, CLI_LIST, &request.parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status)) {
        if (!understand(&cli, &request, &build_options))
            status = EXIT_USAGE;
        else if (!cli_may_write(&cli, request.output, &request.may))
            status = EXIT_FAILED;
        else
            status = convert(&cli, &request, &build_options);
    }
    free(request.parents.items);
    return status;
}

const struct command command_convert = {
    .name = "convert",
    .synopsis = "[-O vhdx|vhd|raw] [-f FORMAT] [--fixed|--dynamic]\n"
                "  [--block-size N] [--sector-size N] [--azure] [--size N]\n"
                "  [--keep-zeros] [--verify] [--dry-run] [--overwrite]\n"
                "  [--device] [--parent PATH]... -o NEW SOURCE",
    .summary = "makes a new disk from a VHDX, a VHD, a raw disk or a stream",
    .operand = "source",
    .details = "Makes the disk NEW from what SOURCE shows: a VHDX or VHD through its chain, a\n"
               "raw file, a block device, or, as -, a raw disk on standard input. Content says\n"
               "what SOURCE is, not its name. Zeros take no space; where the host can, bytes are\n"
               "shared, not copied. SOURCE is not written to. NEW has its name when it is\n"
               "complete and on the medium, and not before.",
    .examples = "vhdx convert --azure -o cloud.vhd disk_2.avhdx\n"
                "vhdx convert --verify -o new.vhdx cloud.vhd\n"
                "vhdx convert -O raw -o disk.raw disk.vhdx",
    .run = run,
};
