/*
 * vhdx undo: puts every byte back as it was before the merge or repair that wrote the undo file. What is checked, and
 * in which order bytes go back, is the library's. An undo that was cut off leaves disks that nobody
 * may use, so its error says to run it again, also when quiet.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "notices.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>

static void print_json(const char *path, const vhdx_undo_report *report, const struct notices *notices)
{
    struct json json;
    json_document_begin(&json, stdout);
    json_text(&json, "undo", path);
    json_number(&json, "files", report->files);
    json_number(&json, "bytes_restored", report->bytes_restored);
    json_bool(&json, "ended", report->ended);
    json_bool(&json, "cut_off", report->cut_off);
    notices_json(&json, notices);
    json_document_end(&json);
}

static void print_done(const char *path, const vhdx_undo_report *report)
{
    char size[REPORT_SIZE_ROOM];
    report_size(report->bytes_restored, size);
    printf("Undone: %" PRIu32 " file%s as before, %s put back from ", report->files, report->files == 1 ? "" : "s",
           size);
    text_put(stdout, path);
    putchar('\n');
}

static int undo(const struct cli *cli, bool force)
{
    struct progress progress;
    struct cli shown = *cli;
    struct notices notices = {.cli = &shown, .progress = &progress};
    vhdx_undo_report report = {.struct_size = sizeof report};
    const vhdx_undo_options options = {.struct_size = sizeof options,
                                       .force = force,
                                       .progress = progress_step,
                                       .progress_context = &progress,
                                       .notice = notices_take,
                                       .notice_context = &notices};
    vhdx_error err;
    shown.judges = true;
    shown.verbose = !cli->quiet; /* which files came back is no detail: there may be copies of them */
    progress_begin(&progress, cli);
    vhdx_status status = vhdx_undo(cli->files[0], &options, &report, &err);
    progress_clear(&progress);
    if (status == VHDX_OK && cli->json)
        print_json(cli->files[0], &report, &notices);
    else if (status == VHDX_OK && !cli->quiet)
        print_done(cli->files[0], &report);
    notices_free(&notices);
    return status == VHDX_OK ? EXIT_DONE : cli_fail(&shown, &err);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    bool force = false;
    int status;
    const struct cli_option options[] = {
        {"force", 0, CLI_FLAG, &force, NULL,
         "accept disks that others have written to since, as\n"
         "long as their content has kept its id, and an undo\n"
         "file that has lost a part"},
    };
    if (!cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        return status;
    return cli_files(&cli, 1, 1) ? undo(&cli, force) : EXIT_USAGE;
}

const struct command command_undo = {
    .name = "undo",
    .synopsis = "[--force] UNDO-FILE",
    .operand = "undo file",
    .summary = "puts every byte back as it was before a merge or repair",
    .details = "Gives back, byte for byte, the files that a merge with '--undo UNDO-FILE', or a\n"
               "repair, has written to, whether it came to its end or not. Refused, before\n"
               "anything is changed, when a disk is not as it was left. Should it be cut off,\n"
               "the disks must not be used until the same command has ended with 0.",
    .run = run,
};
