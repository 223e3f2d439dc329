/*
 * vhdx compact: gives back the space of zeros and of what the guest's file systems do not use. What is found, and every
 * refusal, is the library's; here it becomes a report. A volume of which only zeros count needs its
 * reason in the report, or the disk seems to be as small as it can be.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "estimate.h"
#include "exit.h"
#include "notices.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct wish {
    bool dry_run, zeros_only, punch, force, estimate;
    const char *undo;
    struct cli_list parents;
    struct cli_size window;
};

struct volume {
    uint64_t offset, length, free_bytes;
    bool known;
    char file_system[16], name[64], reason[400], advice[200];
};

struct work {
    const struct cli *cli;
    const struct wish *wish;
    struct progress progress;
    struct notices notices;
    struct volume *volumes;
    size_t volume_count;
    vhdx_compact_report report;
};

static void put(char *to, size_t room, const char *text)
{
    snprintf(to, room, "%s", text);
}

/* Without memory the volume is missing in the report, no more. */
static void take_volume(void *context, const vhdx_volume *found)
{
    struct work *work = context;
    struct volume *volumes = realloc(work->volumes, (work->volume_count + 1) * sizeof *volumes);
    if (!volumes)
        return;
    work->volumes = volumes;
    struct volume *volume = &volumes[work->volume_count++];
    *volume = (struct volume){found->offset, found->length, found->free_bytes, found->known, "", "", "", ""};
    put(volume->file_system, sizeof volume->file_system, found->file_system);
    put(volume->name, sizeof volume->name, found->name);
    put(volume->reason, sizeof volume->reason, found->reason);
    put(volume->advice, sizeof volume->advice, found->advice);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void print_volume(const struct volume *volume)
{
    char size[REPORT_SIZE_ROOM], unused[REPORT_SIZE_ROOM], text[800];
    report_size_short(volume->length, size);
    report_size_short(volume->free_bytes, unused);
    if (volume->known)
        snprintf(text, sizeof text, "%s%s%s, %s: %s are not in use", volume->file_system, volume->name[0] ? " in " : "",
                 volume->name, size, unused);
    else
        snprintf(text, sizeof text, "%s%s%s, %s: only zeros count, %s%s%s",
                 volume->file_system[0] ? volume->file_system : "not recognized", volume->name[0] ? " in " : "",
                 volume->name, size, volume->reason, volume->advice[0] ? "; " : "", volume->advice);
    printf("  volume:               ");
    text_put_wrapped_line(stdout, text, 24);
    putchar('\n');
}

static void count_row(const char *label, uint64_t count)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, count);
    if (count > 0)
        report_row(stdout, 2, label, text);
}

static void print_report(const struct work *work)
{
    const vhdx_compact_report *report = &work->report;
    bool dry = work->wish->dry_run;
    if (work->cli->quiet)
        return;
    uint64_t given = report->file_size_before - report->file_size_after;
    printf(dry ? "Would compact " : given || report->bytes_moved ? "Compacted " : "As small as it can be: ");
    text_put(stdout, work->cli->files[0]);
    putchar('\n');
    for (size_t i = 0; i < work->volume_count; i++)
        print_volume(&work->volumes[i]);
    count_row("blocks of zeros", report->blocks_zero);
    count_row("blocks not in use", report->blocks_unused);
    report_size_row(stdout, 2, dry ? "to move" : "moved", dry ? report->bytes_to_move : report->bytes_moved);
    report_size_row(stdout, 2, "file before", report->file_size_before);
    report_size_row(stdout, 2, "file afterwards", report->file_size_after);
    if (report->bytes_punched)
        report_size_row(stdout, 2, "holes punched", report->bytes_punched);
    report_size_row(stdout, 2, dry ? "would come back" : "given back", given);
    if (dry) {
        printf("Nothing was changed.\n");
    } else if (work->wish->undo && given) {
        printf("To take it back: vhdx undo ");
        text_put_word(stdout, work->wish->undo);
        putchar('\n');
    }
    notices_print_next(&work->notices, "Now, in Hyper-V:");
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void volumes_json(struct json *json, const struct work *work)
{
    json_array_begin(json, "volumes");
    for (size_t i = 0; i < work->volume_count; i++) {
        const struct volume *volume = &work->volumes[i];
        json_object_begin(json, NULL);
        json_number(json, "offset", volume->offset);
        json_number(json, "length", volume->length);
        json_text(json, "file_system", volume->file_system[0] ? volume->file_system : NULL);
        json_text(json, "name", volume->name[0] ? volume->name : NULL);
        json_bool(json, "known", volume->known);
        if (volume->known)
            json_number(json, "free_bytes", volume->free_bytes);
        else
            json_null(json, "free_bytes");
        json_text(json, "reason", volume->reason[0] ? volume->reason : NULL);
        json_text(json, "advice", volume->advice[0] ? volume->advice : NULL);
        json_object_end(json);
    }
    json_array_end(json);
}

static void print_json(const struct work *work)
{
    const vhdx_compact_report *report = &work->report;
    struct json json;
    json_document_begin(&json, stdout);
    json_text(&json, "path", work->cli->files[0]);
    json_bool(&json, "dry_run", work->wish->dry_run);
    json_number(&json, "virtual_size", report->virtual_size);
    json_number(&json, "file_size_before", report->file_size_before);
    json_number(&json, "file_size_after", report->file_size_after);
    json_number(&json, "blocks_zero", report->blocks_zero);
    json_number(&json, "blocks_unused", report->blocks_unused);
    json_number(&json, "blocks_to_move", report->blocks_to_move);
    json_number(&json, "bytes_to_move", report->bytes_to_move);
    json_number(&json, "bytes_moved", report->bytes_moved);
    json_number(&json, "bytes_shared", report->bytes_shared);
    json_number(&json, "bytes_punched", report->bytes_punched);
    json_number(&json, "free_bytes", report->free_bytes);
    json_bool(&json, "zeros_only", report->zeros_only);
    json_text(&json, "undo", work->wish->undo);
    volumes_json(&json, work);
    notices_json(&json, &work->notices);
    json_document_end(&json);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static vhdx_status call(struct work *work, vhdx_error *err)
{
    const struct wish *wish = work->wish;
    const char *disk = work->cli->files[0];
    const vhdx_compact_options options = {.struct_size = sizeof options,
                                          .parents = wish->parents.items,
                                          .parent_count = wish->parents.count,
                                          .zeros_only = wish->zeros_only,
                                          .punch = wish->punch,
                                          .force = wish->force,
                                          .window_bytes = wish->window.bytes,
                                          .undo = wish->undo,
                                          .volume = take_volume,
                                          .volume_context = work,
                                          .progress = progress_step,
                                          .progress_context = &work->progress,
                                          .notice = notices_take,
                                          .notice_context = &work->notices};
    if (!wish->dry_run)
        return vhdx_compact(disk, &options, &work->report, err);
    vhdx_status status = vhdx_compact_plan(disk, &options, &work->report, err);
    if (status == VHDX_OK)
        status = cli_may_change(disk, err);
    return status == VHDX_OK && wish->undo ? cli_may_make(wish->undo, err) : status;
}

static int compact(const struct cli *cli, const struct wish *wish)
{
    struct work work = {.cli = cli, .wish = wish};
    vhdx_error err;
    work.report.struct_size = sizeof work.report;
    work.notices.cli = cli;
    work.notices.progress = &work.progress;
    progress_begin(&work.progress, cli);
    vhdx_status status = call(&work, &err);
    progress_clear(&work.progress);
    if (status == VHDX_OK && cli->json)
        print_json(&work);
    else if (status == VHDX_OK)
        print_report(&work);
    else
        progress_advise(&err, "the disk reads as before; run the same command again to go on");
    notices_free(&work.notices);
    free(work.volumes);
    return status == VHDX_OK ? EXIT_DONE : cli_fail(cli, &err);
}

static int checked_estimate(const struct cli *cli, const struct wish *wish)
{
    const char *other = wish->undo            ? "--undo"
                        : wish->punch         ? "--punch"
                        : wish->force         ? "--force"
                        : wish->parents.count ? "--parent"
                        : wish->window.given  ? "--window"
                                              : NULL;
    if (other)
        return cli_usage_error(cli->command, "--estimate changes nothing: it does not go with %s", other);
    return cli_files(cli, 1, SIZE_MAX) ? estimate(cli, wish->zeros_only) : EXIT_USAGE;
}

static int checked(const struct cli *cli, const struct wish *wish)
{
    if (wish->estimate)
        return checked_estimate(cli, wish);
    if (!cli_files(cli, 1, 1))
        return EXIT_USAGE;
    if (wish->window.given && wish->window.bytes == 0)
        return cli_usage_error(cli->command, "--window: a window has at least one byte");
    return compact(cli, wish);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct wish wish = {0};
    int status;
    const struct cli_option options[] = {
        {"dry-run", 0, CLI_FLAG, &wish.dry_run, NULL, "print what would come back and change nothing"},
        {"zeros-only", 0, CLI_FLAG, &wish.zeros_only, NULL,
         "give back what reads as zeros only; do not ask what\nthe guest's file systems use"},
        {"punch", 0, CLI_FLAG, &wish.punch, NULL,
         "also punch holes where zeros are inside of the file,\non hosts where sparse files do no harm"},
        {"undo", 0, CLI_TEXT, &wish.undo, "FILE",
         "save what is overwritten or cut off to FILE first, so\nthat 'vhdx undo FILE' takes it back"},
        {"parent", 0, CLI_LIST, &wish.parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
        {"estimate", 0, CLI_FLAG, &wish.estimate, NULL,
         "print what would come back of each disk below DIR, in\none table, and change nothing"},
        {"force", 0, CLI_FLAG, &wish.force, NULL,
         "go by file systems although other disks are children\nof DISK; they stay linked to it"},
        {"window", 0, CLI_SIZE, &wish.window, "N", "bytes to move between two commits (default 64M)"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = checked(&cli, &wish);
    free(wish.parents.items);
    return status;
}

const struct command command_compact = {
    .name = "compact",
    .synopsis = "[--dry-run] [--zeros-only] [--punch] [--undo FILE] DISK\n"
                "--estimate [--zeros-only] DIR...",
    .summary = "gives back the space of what a disk does not use",
    .details = "Makes the file of a dynamic or differencing disk as short as it can be, in\n"
               "place: blocks that read as zeros leave it, and so do blocks that the guest's\n"
               "file systems do not use; those from its end move into the holes, and it is cut.\n"
               "File systems that were not unmounted cleanly, or that are not known, give back\n"
               "zeros only; the report says why. At every instant the disk reads as before in\n"
               "all that its file systems use. The same command goes on with a run that was cut\n"
               "off.",
    .examples = "vhdx compact --dry-run disk.vhdx\n"
                "vhdx compact --estimate .\n"
                "vhdx compact disk.vhdx\n"
                "vhdx compact --undo disk.undo disk.vhdx",
    .run = run,
};
