/*
 * vhdx resize: another size for the virtual disk, in place. Which sizes are possible, and what becomes of the partition
 * table, is the library's to say; here options become one call and the outcome a report.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "machines.h"
#include "notices.h"
#include "report.h"
#include "text.h"

#include <stdlib.h>

struct work {
    struct cli cli;
    vhdx_resize_options options;
    vhdx_resize_report report;
    struct cli_size size;
    struct cli_list parents, siblings, configs;
    struct progress progress;
    struct notices notices;
    vhdx_machines *machines;
};

static const char *gpt_name(vhdx_gpt_change change)
{
    switch (change) {
    case VHDX_GPT_RIGHT:
        return "right";
    case VHDX_GPT_PUT_RIGHT:
        return "put-right";
    case VHDX_GPT_KEPT:
        return "kept";
    case VHDX_GPT_LEFT:
        return "left";
    default:
        return "none";
    }
}

static const char *gpt_words(const struct work *work)
{
    switch (work->report.gpt) {
    case VHDX_GPT_RIGHT:
        return "right for this size";
    case VHDX_GPT_PUT_RIGHT:
        return work->options.dry_run ? "would be put right (GPT, both copies)" : "put right (GPT, both copies)";
    case VHDX_GPT_KEPT:
        return "left as it is, as asked for (--keep-gpt)";
    case VHDX_GPT_LEFT:
        return "left as it is: damaged, or its copies differ";
    default:
        return "none that depends on the size";
    }
}

static void print_json(const struct work *work)
{
    const vhdx_resize_report *report = &work->report;
    struct json json;
    json_document_begin(&json, stdout);
    json_text(&json, "path", work->cli.files[0]);
    json_bool(&json, "dry_run", work->options.dry_run);
    json_bool(&json, "changed", report->changed);
    json_number(&json, "file_size_before", report->file_size_before);
    json_number(&json, "file_size_after", report->file_size_after);
    json_number(&json, "virtual_size_before", report->virtual_size_before);
    json_number(&json, "virtual_size", report->virtual_size);
    json_text(&json, "gpt", gpt_name(report->gpt));
    json_text(&json, "undo", report->changed && !work->options.dry_run ? work->options.undo : NULL);
    machines_json(&json, work->machines, (const char *const *)work->cli.files);
    notices_json(&json, &work->notices);
    json_document_end(&json);
}

static void change_row(const char *label, uint64_t before, uint64_t after)
{
    char from[REPORT_SIZE_ROOM], to[REPORT_SIZE_ROOM], text[2 * REPORT_SIZE_ROOM + 8];
    report_size_short(before, from);
    report_size(after, to);
    if (before == after)
        snprintf(text, sizeof text, "%s, as before", to);
    else
        snprintf(text, sizeof text, "%s -> %s", from, to);
    report_row(stdout, 2, label, text);
}

static void print_done(const struct work *work)
{
    const vhdx_resize_report *report = &work->report;
    bool dry = work->options.dry_run;
    if (!report->changed) {
        text_put(stdout, work->cli.files[0]);
        puts(" has this size already; nothing was changed.");
        return;
    }
    fputs(dry ? "Would resize " : "Resized ", stdout);
    text_put(stdout, work->cli.files[0]);
    putchar('\n');
    change_row("virtual size", report->virtual_size_before, report->virtual_size);
    change_row("file size", report->file_size_before, report->file_size_after);
    report_row(stdout, 2, "partition table", gpt_words(work));
    if (dry) {
        puts("Nothing was changed.");
    } else if (work->options.undo) {
        printf("To take it back: vhdx undo ");
        text_put_word(stdout, work->options.undo);
        putchar('\n');
    }
    notices_print_next(&work->notices, dry ? "Afterwards:" : "Now:");
}

/* A dry run refuses what the run would. */
static vhdx_status call(struct work *work, vhdx_error *err)
{
    vhdx_status status = vhdx_resize(work->cli.files[0], &work->options, &work->report, err);
    if (status == VHDX_OK && work->options.dry_run && work->report.changed)
        status = cli_may_change(work->cli.files[0], err);
    if (status == VHDX_OK && work->options.dry_run && work->options.undo)
        status = cli_may_make(work->options.undo, err);
    return status;
}

static int resize(struct work *work)
{
    vhdx_error err;
    const vhdx_machine_change change = {.struct_size = sizeof change, .touched = 1, .state_unfit = true};
    vhdx_machines_warn(work->machines, &change, notices_take, &work->notices);
    progress_begin(&work->progress, &work->cli);
    vhdx_status status = call(work, &err);
    progress_clear(&work->progress);
    if (status != VHDX_OK) {
        progress_advise(&err, "the disk is whole, with its old size or its new one; run the same command again to go "
                              "on");
        return cli_fail(&work->cli, &err);
    }
    if (work->cli.json)
        print_json(work);
    else if (!work->cli.quiet)
        print_done(work);
    return EXIT_DONE;
}

static bool usable(struct work *work)
{
    if (!cli_files(&work->cli, 1, 1))
        return false;
    if (work->size.given == work->options.to_minimum)
        cli_usage_error(work->cli.command, work->size.given ? "--size and --to-minimum contradict each other"
                                                            : "no size given (--size N or --to-minimum)");
    else if (work->size.given && work->size.bytes == 0)
        cli_usage_error(work->cli.command, "--size: a disk has at least one sector");
    else
        return true;
    return false;
}

static int prepare_and_resize(struct work *work)
{
    const char *disks[] = {work->cli.files[0]};
    work->notices.cli = &work->cli;
    work->notices.progress = &work->progress;
    work->report.struct_size = sizeof work->report;
    work->options.struct_size = sizeof work->options;
    work->options.virtual_size = work->size.bytes;
    work->options.parents = work->parents.items;
    work->options.parent_count = work->parents.count;
    work->options.siblings = work->siblings.items;
    work->options.sibling_count = work->siblings.count;
    work->options.progress = progress_step;
    work->options.progress_context = &work->progress;
    work->options.notice = notices_take;
    work->options.notice_context = &work->notices;
    int status = EXIT_FAILED;
    work->machines = machines_find(&work->cli, disks, 1, &work->configs);
    if (work->machines)
        status = resize(work);
    vhdx_machines_free(work->machines);
    notices_free(&work->notices);
    return status;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct work work = {.size = {0}};
    int status;
    const struct cli_option options[] = {
        {"size", 0, CLI_SIZE, &work.size, "N", "the new size: bytes, or with K, M, G, T"},
        {"to-minimum", 0, CLI_FLAG, &work.options.to_minimum, NULL,
         "as small as the partitions allow: where the last one\nends, with the second copy of a GPT, in whole MiB"},
        {"keep-gpt", 0, CLI_FLAG, &work.options.keep_gpt, NULL,
         "leave the headers of a GUID partition table as they\nare; the guest then finds them wrong"},
        {"dry-run", 0, CLI_FLAG, &work.options.dry_run, NULL, "say what would be done, and change nothing"},
        {"undo", 0, CLI_TEXT, &work.options.undo, "FILE",
         "save what is overwritten or cut off to FILE first;\n'vhdx undo FILE' leads back"},
        {"parent", 0, CLI_LIST, &work.parents, "PATH",
         "a file or directory in which to look for ancestors\nfirst; may be given more than once"},
        {"siblings", 0, CLI_LIST, &work.siblings, "PATH",
         "where else children of the disk may be: a directory,\nwith all below it, or a report of 'vhdx orphans\n"
         "--json'; may be given more than once"},
        {"config", 0, CLI_LIST, &work.configs, "PATH",
         "configuration of a machine that uses DISK, or a\ndirectory; those beside DISK are read too"},
    };
    if (cli_parse(&work.cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = usable(&work) ? prepare_and_resize(&work) : EXIT_USAGE;
    free(work.parents.items);
    free(work.siblings.items);
    free(work.configs.items);
    return status;
}

const struct command command_resize = {
    .name = "resize",
    .synopsis = "[OPTION...] --size N DISK\n[OPTION...] --to-minimum DISK",
    .summary = "makes a disk larger or smaller, in place",
    .details = "Makes the virtual disk larger or smaller. What is gained reads as zeros; where a\n"
               "partition or file system ends beyond the new end it is refused. The headers of a\n"
               "GUID partition table, and nothing else of the content, are put right for the new\n"
               "size. A disk that other disks were made on is refused; a child may be resized. A\n"
               "power cut leaves the old size or the new one; the same command goes on.",
    .run = run,
};
