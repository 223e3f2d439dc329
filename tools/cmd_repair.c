/*
 * vhdx repair: corrects what verify finds. Which writes are made, in which order, and what they cost, is the library's;
 * here options become one call, and plan and outcome become a report. What was lost is told also
 * when quiet is all that the caller wants, by the exit status and in the map.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "advice.h"
#include "assume.h"
#include "exit.h"
#include "findings.h"
#include "machines.h"
#include "next.h"
#include "notices.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_SHOWN = 3 };

/* One line of the plan: writes side by side for one reason. */
struct planned {
    uint64_t offset, length;
    bool resize, salvage;
    const char *id, *gives, *costs; /* static storage of the library */
    vhdx_advice advice;
};

struct repair {
    struct cli cli;
    vhdx_repair_options options;
    struct progress progress;
    struct notices notices;
    struct cli_list parents, configs, assumed;
    vhdx_machines *machines; /* whose configurations name the disk */
    struct planned *plan;
    size_t count, room;
    bool no_memory;
    char *map; /* made here */
};

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static bool joins(const struct planned *last, const vhdx_repair_write *write)
{
    return !last->resize && write->bytes && last->offset + last->length == write->offset &&
           strcmp(last->id, write->id) == 0 && strcmp(last->gives, write->gives) == 0;
}

static void take_write(void *context, const vhdx_repair_write *write)
{
    struct repair *repair = context;
    if (repair->count > 0 && joins(&repair->plan[repair->count - 1], write)) {
        repair->plan[repair->count - 1].length += write->length;
        return;
    }
    if (repair->count == repair->room) {
        size_t room = repair->room ? repair->room * 2 : 32;
        struct planned *plan = realloc(repair->plan, room * sizeof *plan);
        if (!plan) {
            repair->no_memory = true;
            return;
        }
        repair->plan = plan;
        repair->room = room;
    }
    repair->plan[repair->count++] = (struct planned){.offset = write->offset,
                                                     .length = write->length,
                                                     .resize = !write->bytes,
                                                     .salvage = write->salvage,
                                                     .id = write->id,
                                                     .gives = write->gives,
                                                     .costs = write->costs,
                                                     .advice = write->advice};
}

static void print_place(const struct planned *planned)
{
    char size[REPORT_SIZE_ROOM];
    report_size_short(planned->length, size);
    if (planned->resize)
        printf("  the file's length becomes 0x%" PRIx64 "\n", planned->offset);
    else
        printf("  0x%012" PRIx64 "  %s\n", planned->offset, size);
}

/* What is given up, and in brackets what is to be done about it; NULL = nothing. */
static const char *costs_of(const struct planned *planned, char text[ADVICE_ROOM])
{
    char room[ADVICE_ROOM];
    if (!planned->costs || planned->advice == VHDX_ADVICE_NONE)
        return planned->costs;
    snprintf(text, ADVICE_ROOM, "%s (%s)", planned->costs, advice_alone(planned->advice, room));
    return text;
}

static void print_reason(const struct planned *planned)
{
    char room[ADVICE_ROOM];
    printf("      %s\n      restores: ", planned->id);
    text_put_wrapped(stdout, planned->gives, 16);
    if (planned->costs) {
        printf("\n      loses: ");
        text_put_wrapped(stdout, costs_of(planned, room), 13);
    }
    putchar('\n');
}

/* How many lines from `first` on have one reason. */
static size_t group_size(const struct repair *repair, size_t first)
{
    const struct planned *head = &repair->plan[first];
    size_t count = 1;
    while (first + count < repair->count) {
        const struct planned *next = &repair->plan[first + count];
        bool same_cost =
            head->costs && next->costs ? strcmp(head->costs, next->costs) == 0 : head->costs == next->costs;
        if (!same_cost || strcmp(head->id, next->id) != 0 || strcmp(head->gives, next->gives) != 0)
            break;
        count++;
    }
    return count;
}

static void print_plan(const struct repair *repair)
{
    if (repair->count == 0) {
        printf("\nNothing would be written.\n");
        return;
    }
    printf("\nA repair would write:\n");
    for (size_t first = 0, count; first < repair->count; first += count) {
        count = group_size(repair, first);
        size_t shown = repair->cli.verbose || count <= PLACES_SHOWN + 1 ? count : PLACES_SHOWN;
        for (size_t i = 0; i < shown; i++)
            print_place(&repair->plan[first + i]);
        if (shown < count)
            printf("  and %zu more places; '-v' shows them\n", count - shown);
        print_reason(&repair->plan[first]);
    }
    printf("\nNothing was changed.\n");
}

static void plan_json(struct json *json, const struct repair *repair)
{
    json_array_begin(json, "plan");
    for (size_t i = 0; i < repair->count; i++) {
        const struct planned *planned = &repair->plan[i];
        char room[ADVICE_ROOM];
        json_object_begin(json, NULL);
        json_text(json, "write", planned->resize ? "size" : "bytes");
        json_number(json, "offset", planned->offset);
        json_number(json, "length", planned->length);
        json_text(json, "id", planned->id);
        json_bool(json, "salvage", planned->salvage);
        json_text(json, "gives_back", planned->gives);
        json_text(json, "gives_up", costs_of(planned, room));
        json_object_end(json);
    }
    json_array_end(json);
}

/* ---- the outcome ------------------------------------------------------------------------------------------------- */

struct tally {
    uint64_t corrected, left, salvageable;
};

static struct tally count_findings(const vhdx_report *report)
{
    struct tally tally = {0};
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++) {
        bool matters = finding->severity != VHDX_SEVERITY_INFO;
        tally.corrected += finding->corrected;
        tally.left += matters && !finding->corrected;
        tally.salvageable += matters && !finding->corrected && finding->repair == VHDX_REPAIR_SALVAGE;
    }
    return tally;
}

static const char *map_of(const struct repair *repair, const vhdx_report *report)
{
    return vhdx_report_file(report, 0)->lost_count > 0 && !repair->options.dry_run ? repair->options.map : NULL;
}

static void print_command(const char *label, const char *command, const char *path)
{
    printf("%svhdx %s ", label, command);
    text_put_word(stdout, path);
    putchar('\n');
}

static void print_next(const struct repair *repair, const vhdx_report *report, const struct tally *tally)
{
    const vhdx_file_report *facts = vhdx_report_file(report, 0);
    if (repair->options.dry_run && repair->count > 0)
        print_command("Next: ", repair->options.salvage ? "repair --salvage" : "repair", facts->path);
    else if (tally->salvageable > 0 && !repair->options.salvage)
        print_command("Next: ", "repair --salvage --dry-run", facts->path);
    else if (facts->errors > 0 && facts->verdict == VHDX_VERDICT_ERRORS)
        next_salvage(facts->path);
    if (facts->undo)
        print_command("To take it back: ", "undo", facts->undo);
}

/* What the disk has to do without from now on, where a script and a hasty reader look first and last. */
static bool gave_up(const struct repair *repair, const vhdx_report *report)
{
    const vhdx_file_report *facts = vhdx_report_file(report, 0);
    return repair->options.salvage && !repair->options.dry_run && facts->lost_count > 0 &&
           facts->verdict == VHDX_VERDICT_CORRECTED;
}

static void print_given_up(const vhdx_report *report)
{
    const vhdx_file_report *facts = vhdx_report_file(report, 0);
    char lost_text[REPORT_SIZE_ROOM], doubt_text[REPORT_SIZE_ROOM];
    uint64_t lost = 0, doubt = 0;
    for (size_t i = 0; i < facts->lost_count; i++) {
        const vhdx_lost_range *range = vhdx_report_lost(report, 0, i);
        *(range->doubtful ? &doubt : &lost) += range->length;
    }
    report_size_short(lost, lost_text);
    report_size_short(doubt, doubt_text);
    printf("\nThe disk opens again. ");
    if (lost > 0)
        printf("%s of its content are gone and read as zeros%s", lost_text, doubt > 0 ? "; " : "");
    if (doubt > 0)
        printf("%s are in doubt", doubt_text);
    printf(" (list above).\nCheck the file systems inside before you use it: chkdsk, e2fsck.\n");
}

static void print_outcome(const struct repair *repair, const vhdx_report *report)
{
    struct tally tally = count_findings(report);
    const char *map = map_of(repair, report);
    findings_print(stdout, report, 0, &repair->cli);
    if (repair->options.dry_run)
        print_plan(repair);
    else if (tally.corrected + tally.left > 0)
        printf("\n%" PRIu64 " corrected, %" PRIu64 " left.\n", tally.corrected, tally.left);
    else
        printf("\nNothing was to be done.\n");
    if (map) {
        printf("The lost ranges are in ");
        text_put(stdout, map);
        printf(", a map that ddrescue reads.\n");
    }
    print_next(repair, report, &tally);
    notices_print_next(&repair->notices, repair->options.dry_run ? "After that repair:" : "Now:");
    if (gave_up(repair, report))
        print_given_up(report);
}

static void print_json(const struct repair *repair, const vhdx_report *report)
{
    struct json json;
    json_document_begin(&json, stdout);
    json_array_begin(&json, "files");
    json_object_begin(&json, NULL);
    findings_json(&json, report, 0);
    json_text(&json, "undo", vhdx_report_file(report, 0)->undo);
    json_text(&json, "map", map_of(repair, report));
    if (repair->options.dry_run)
        plan_json(&json, repair);
    json_object_end(&json);
    json_array_end(&json);
    machines_json(&json, repair->machines, (const char *const *)repair->cli.files);
    notices_json(&json, &repair->notices);
    json_document_end(&json);
}

static char *path_with(const char *path, const char *suffix)
{
    size_t length = strlen(path), more = strlen(suffix) + 1;
    char *text = malloc(length + more);
    if (text) {
        memcpy(text, path, length);
        memcpy(text + length, suffix, more);
    }
    return text;
}

/* The undo file that a repair which failed has left, or gone on with; NULL = none. For free(). */
static char *undo_left(const struct repair *repair, const vhdx_error *err)
{
    const vhdx_repair_options *options = &repair->options;
    const vhdx_host *host = vhdx_native_host();
    vhdx_io io;
    if (options->no_undo || options->dry_run || err->status == VHDX_EXISTS)
        return NULL;
    char *path = options->undo ? path_with(options->undo, "") : path_with(repair->cli.files[0], ".vhdx-undo");
    if (path && host->open(host->context, path, VHDX_OPEN_PEEK, &io, NULL) == VHDX_OK) {
        io.ops->close(io.file);
        return path;
    }
    free(path);
    return NULL;
}

/* The document of a repair that failed. */
static void print_failure_json(const struct repair *repair, const vhdx_error *err)
{
    struct json json;
    char *undo = undo_left(repair, err);
    json_document_begin(&json, stdout);
    json_array_begin(&json, "files");
    json_object_begin(&json, NULL);
    findings_failure_json(&json, repair->cli.files[0], err);
    json_text(&json, "undo", undo);
    json_text(&json, "map", NULL);
    json_object_end(&json);
    json_array_end(&json);
    machines_json(&json, repair->machines, (const char *const *)repair->cli.files);
    notices_json(&json, &repair->notices);
    json_error(&json, err);
    json_document_end(&json);
    free(undo);
}

static int exit_status(const struct repair *repair, const vhdx_report *report)
{
    vhdx_verdict verdict = vhdx_report_file(report, 0)->verdict;
    if (verdict == VHDX_VERDICT_ERRORS || gave_up(repair, report) || (repair->options.dry_run && repair->count > 0))
        return EXIT_LEFT;
    return verdict == VHDX_VERDICT_CORRECTED ? EXIT_CORRECTED : EXIT_DONE;
}

/* A dry run refuses what the run would: the disk, and the undo file beside it. */
static vhdx_status check_rights(const struct repair *repair, vhdx_error *err)
{
    const char *undo = repair->options.undo ? repair->options.undo : repair->cli.files[0];
    vhdx_status status = cli_may_change(repair->cli.files[0], err);
    return status != VHDX_OK || repair->options.no_undo ? status : cli_may_make(undo, err);
}

static int run_repair(struct repair *repair)
{
    vhdx_report *report;
    vhdx_error err;
    progress_begin(&repair->progress, &repair->cli);
    vhdx_status status = vhdx_repair(repair->cli.files[0], &repair->options, &report, &err);
    progress_clear(&repair->progress);
    if (status == VHDX_OK && repair->options.dry_run && repair->count > 0) {
        status = check_rights(repair, &err);
        if (status != VHDX_OK)
            vhdx_report_free(report);
    }
    if (status != VHDX_OK && repair->cli.json)
        print_failure_json(repair, &err);
    if (status != VHDX_OK)
        return cli_error(&repair->cli, &err);
    if (repair->cli.json)
        print_json(repair, report);
    else if (!repair->cli.quiet)
        print_outcome(repair, report);
    int result = exit_status(repair, report);
    vhdx_report_free(report);
    if (!repair->no_memory)
        return result;
    fprintf(stderr, "vhdx: out of memory; the plan that was shown lacks a part\n");
    return EXIT_FAILED;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static bool usable(struct repair *repair)
{
    const vhdx_repair_options *options = &repair->options;
    if (!cli_files(&repair->cli, 1, 1))
        return false;
    if (options->undo && options->no_undo)
        cli_usage_error(repair->cli.command, "--undo and --no-undo contradict each other");
    else if (options->map && !options->salvage)
        cli_usage_error(repair->cli.command, "--map needs --salvage: nothing is lost without it");
    else if (options->undo && options->map && strcmp(options->undo, options->map) == 0)
        cli_usage_error(repair->cli.command, "--undo and --map name the same file");
    else
        return true;
    return false;
}

static int prepare_and_run(struct repair *repair)
{
    struct assume assume = {0};
    if (!usable(repair) || !assume_parse(repair->cli.command, &repair->assumed, &assume))
        return EXIT_USAGE;
    repair->cli.judges = true;
    repair->options.assume_virtual_size = assume.virtual_size;
    repair->options.assume_block_size = assume.block_size;
    repair->options.assume_logical_sector = assume.logical_sector;
    repair->notices = (struct notices){.cli = &repair->cli, .progress = &repair->progress};
    if (repair->options.salvage && !repair->options.map)
        repair->options.map = repair->map = path_with(repair->cli.files[0], ".vhdx-map");
    repair->options.struct_size = sizeof repair->options;
    repair->options.parents = repair->parents.items;
    repair->options.parent_count = repair->parents.count;
    repair->options.write = take_write;
    repair->options.write_context = repair;
    repair->options.progress = progress_step;
    repair->options.progress_context = &repair->progress;
    repair->options.notice = notices_take;
    repair->options.notice_context = &repair->notices;
    const char *disks[] = {repair->cli.files[0]};
    int status = EXIT_FAILED;
    repair->machines = machines_find(&repair->cli, disks, 1, &repair->configs);
    if (repair->machines) {
        const vhdx_machine_change change = {.struct_size = sizeof change, .touched = 1, .state_unfit = true};
        vhdx_machines_warn(repair->machines, &change, notices_take, &repair->notices);
        status = run_repair(repair);
    }
    vhdx_machines_free(repair->machines);
    notices_free(&repair->notices);
    return status;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct repair repair = {.parents = {0}};
    int status;
    const struct cli_option options[] = {
        {"dry-run", 0, CLI_FLAG, &repair.options.dry_run, NULL, "print each write of the plan and change nothing"},
        {"salvage", 0, CLI_FLAG, &repair.options.salvage, NULL,
         "also make repairs that give up what is lost already,\nand list the lost ranges of the virtual disk"},
        {"undo", 0, CLI_TEXT, &repair.options.undo, "FILE",
         "where the undo file goes; otherwise the disk's name\nwith '.vhdx-undo' appended, beside it"},
        {"no-undo", 0, CLI_FLAG, &repair.options.no_undo, NULL, "make no undo file"},
        {"trim", 0, CLI_FLAG, &repair.options.trim, NULL, "cut off unallocated space at the end of the file"},
        {"bad-ranges", 0, CLI_TEXT, &repair.options.bad_ranges, "MAP",
         "ddrescue's mapfile of the disk's file: what it does\nnot call good is damaged, whatever stands there"},
        {"map", 0, CLI_TEXT, &repair.options.map, "FILE",
         "with --salvage: where the map of lost ranges goes;\notherwise the disk's name with '.vhdx-map' appended"},
        {"parent", 0, CLI_LIST, &repair.parents, "PATH",
         "a file or directory in which to look for the parent;\nmay be given more than once"},
        {"assume", 0, CLI_LIST, &repair.assumed, ASSUME_VALUE, ASSUME_HELP},
        {"config", 0, CLI_LIST, &repair.configs, "PATH",
         "configuration of a machine that uses FILE, or a\ndirectory; those beside FILE are read too"},
    };
    if (cli_parse(&repair.cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = prepare_and_run(&repair);
    free(repair.plan);
    free(repair.map);
    free(repair.parents.items);
    free(repair.configs.items);
    free(repair.assumed.items);
    return status;
}

const struct command command_repair = {
    .name = "repair",
    .synopsis = "[OPTION...] FILE",
    .statuses = "0 nothing to do; 1 all corrected; 4 problems are left, or content was given up",
    .summary = "corrects what verify finds, and can be undone",
    .details = "Plans all writes, saves what they overwrite to an undo file, writes in an order\n"
               "that a power cut cannot hurt, and verifies again. The content of the disk is\n"
               "never written, and nothing is given up without --salvage. The status is 0 when\n"
               "nothing was to be done, 1 when all was corrected and nothing was given up, 4\n"
               "when problems are left (or a dry run shows some) or content was given up, 8\n"
               "when it failed. 'vhdx undo' leads back.",
    .run = run,
};
