/*
 * vhdx set: changes one fact about a disk, or some. What that means for children and guests is the library's to say;
 * here options become one call and the outcome a report.
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
    vhdx_set_options options;
    vhdx_set_report report;
    struct cli_size sector;
    struct cli_list siblings, configs;
    struct progress progress;
    struct notices notices;
    vhdx_machines *machines;
};

static bool is_zero(const vhdx_guid *guid)
{
    for (size_t i = 0; i < sizeof guid->bytes; i++)
        if (guid->bytes[i] != 0)
            return false;
    return true;
}

static void guid_or_null(struct json *json, const char *key, const vhdx_guid *guid)
{
    if (is_zero(guid))
        json_null(json, key);
    else
        json_guid(json, key, guid);
}

static void print_json(const struct work *work)
{
    const vhdx_set_report *report = &work->report;
    struct json json;
    json_document_begin(&json, stdout);
    json_text(&json, "path", work->cli.files[0]);
    json_bool(&json, "dry_run", work->options.dry_run);
    json_bool(&json, "changed", report->changed);
    guid_or_null(&json, "virtual_disk_id", &report->virtual_disk_id);
    json_number(&json, "physical_sector_size", report->physical_sector_size);
    json_guid(&json, "data_write_guid", &report->data_write_guid);
    json_guid(&json, "old_data_write_guid", &report->old_data_write_guid);
    json_text(&json, "undo", report->changed && !work->options.dry_run ? work->options.undo : NULL);
    machines_json(&json, work->machines, (const char *const *)work->cli.files);
    notices_json(&json, &work->notices);
    json_document_end(&json);
}

static void print_values(const struct work *work)
{
    const vhdx_set_report *report = &work->report;
    char text[37];
    if (work->options.new_id) {
        vhdx_guid_format(&report->virtual_disk_id, text);
        report_row(stdout, 2, "virtual disk id", is_zero(&report->virtual_disk_id) ? "a new one" : text);
    }
    if (work->sector.given)
        report_size_row(stdout, 2, "physical sectors", report->physical_sector_size);
    if (work->options.creator) {
        printf("  creator:              ");
        text_put(stdout, work->options.creator);
        putchar('\n');
    }
}

static void print_done(const struct work *work)
{
    bool dry = work->options.dry_run;
    if (!work->report.changed) {
        text_put(stdout, work->cli.files[0]);
        puts(" has these values already; nothing was changed.");
        return;
    }
    fputs(dry ? "Would change " : "Changed ", stdout);
    text_put(stdout, work->cli.files[0]);
    putchar('\n');
    print_values(work);
    if (dry) {
        puts("Nothing was changed.");
    } else if (work->options.undo) {
        printf("To take it back: vhdx undo ");
        text_put_word(stdout, work->options.undo);
        putchar('\n');
    }
    notices_print_next(&work->notices, dry ? "After that:" : "What this means:");
}

/* A dry run refuses what the run would. */
static vhdx_status call(struct work *work, vhdx_error *err)
{
    vhdx_status status = vhdx_set(work->cli.files[0], &work->options, &work->report, err);
    if (status == VHDX_OK && work->options.dry_run)
        status = cli_may_change(work->cli.files[0], err);
    if (status == VHDX_OK && work->options.dry_run && work->options.undo)
        status = cli_may_make(work->options.undo, err);
    return status;
}

static int set(struct work *work)
{
    vhdx_error err;
    const vhdx_machine_change change = {.struct_size = sizeof change};
    vhdx_machines_warn(work->machines, &change, notices_take, &work->notices);
    if (call(work, &err) != VHDX_OK)
        return cli_fail(&work->cli, &err);
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
    if (work->sector.given && work->sector.bytes != 512 && work->sector.bytes != 4096)
        cli_usage_error(work->cli.command, "--physical-sector-size: a sector has 512 or 4096 bytes");
    else if (!work->options.new_id && !work->sector.given && !work->options.creator)
        cli_usage_error(work->cli.command, "nothing to change (--new-id, --physical-sector-size N or --creator TEXT)");
    else
        return true;
    return false;
}

static int prepare_and_set(struct work *work)
{
    const char *disks[] = {work->cli.files[0]};
    work->notices.cli = &work->cli;
    work->notices.progress = &work->progress;
    work->report.struct_size = sizeof work->report;
    work->options.struct_size = sizeof work->options;
    work->options.physical_sector_size = (uint32_t)work->sector.bytes;
    work->options.siblings = work->siblings.items;
    work->options.sibling_count = work->siblings.count;
    work->options.notice = notices_take;
    work->options.notice_context = &work->notices;
    int status = EXIT_FAILED;
    work->machines = machines_find(&work->cli, disks, 1, &work->configs);
    if (work->machines)
        status = set(work);
    vhdx_machines_free(work->machines);
    notices_free(&work->notices);
    return status;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct work work = {.sector = {0}};
    int status;
    const struct cli_option options[] = {
        {"new-id", 0, CLI_FLAG, &work.options.new_id, NULL,
         "give the disk a new virtual disk id, for a copy that\nis used beside its original"},
        {"physical-sector-size", 0, CLI_SIZE, &work.sector, "N",
         "what the guest is told of the medium's sectors: 512\nor 4096"},
        {"creator", 0, CLI_TEXT, &work.options.creator, "TEXT", "the name of the program that made the file"},
        {"dry-run", 0, CLI_FLAG, &work.options.dry_run, NULL, "say what would be done, and change nothing"},
        {"undo", 0, CLI_TEXT, &work.options.undo, "FILE", "make an undo file first; 'vhdx undo FILE' leads back"},
        {"siblings", 0, CLI_LIST, &work.siblings, "PATH",
         "where else children of the disk may be: a directory,\nwith all below it, or a report of 'vhdx orphans\n"
         "--json'; may be given more than once"},
        {"force", 0, CLI_FLAG, &work.options.force, NULL,
         "go on although children of the disk no longer fit;\neach is named"},
        {"config", 0, CLI_LIST, &work.configs, "PATH",
         "configuration of a machine that uses DISK, or a\ndirectory; those beside DISK are read too"},
    };
    if (cli_parse(&work.cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = usable(&work) ? prepare_and_set(&work) : EXIT_USAGE;
    free(work.siblings.items);
    free(work.configs.items);
    return status;
}

const struct command command_set = {
    .name = "set",
    .synopsis = "[--new-id] [--physical-sector-size 512|4096] [--creator TEXT]\n [OPTION...] DISK",
    .summary = "changes a fact about a disk: id, physical sector size, creator",
    .details = "Changes what is asked for, at once and so that a power cut leaves the old values\n"
               "or the new ones. The content stays as it is. A guest sees id and sector size, so\n"
               "the disk gets a new identity with them, and children that were made on it no\n"
               "longer fit: with such beside it the change is refused. The layers below a\n"
               "checkpoint keep their own values; those of the topmost layer count.",
    .run = run,
};
