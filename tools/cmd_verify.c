/*
 * vhdx verify: checks disks, each with all that is wrong with it. What is checked is the library's; here are options,
 * the report, the exit status. With several files the status is the sum of their bits, as fsck does
 * it, and one file that cannot be opened is no reason not to look at the next.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "closing.h"
#include "exit.h"
#include "findings.h"
#include "next.h"
#include "notices.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

struct verify {
    struct cli cli;
    vhdx_verify_options options;
    struct progress progress;
    struct notices notices;
    struct json json;
    bool chain, data, quick;
    const char *manifest;
    struct cli_list parents;
    vhdx_error failure; /* the first; status VHDX_OK: none */
    bool printed;       /* something of an earlier file stands on standard output */
};

static bool wants_repair(const vhdx_report *report, size_t file)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, file, i)) != NULL; i++)
        if (finding->repair != VHDX_REPAIR_NONE && finding->severity != VHDX_SEVERITY_INFO)
            return true;
    return false;
}

/* The command to type next; nothing can be damaged by it. */
static void print_next(const vhdx_report *report, size_t file)
{
    const vhdx_file_report *facts = vhdx_report_file(report, file);
    if (!wants_repair(report, file)) {
        if (facts->errors > 0) {
            putchar('\n');
            next_salvage(facts->path);
        }
        return;
    }
    fputs("\nNext: vhdx repair --dry-run ", stdout);
    text_put_word(stdout, facts->path);
    fputs("\n      (writes nothing; shows what can be mended and what is lost)\n", stdout);
}

/* What a repair gave up no check finds any more: the map beside the disk remembers. For free(); NULL: there is
 * none. */
static char *map_beside(const char *path)
{
    static const char suffix[] = ".vhdx-map", mark[] = "# Mapfile. Created by vhdx\n";
    const vhdx_host *host = vhdx_native_host();
    size_t length = strlen(path);
    char *map = malloc(length + sizeof suffix), start[sizeof mark - 1];
    vhdx_io io;
    if (!map)
        return NULL;
    memcpy(map, path, length);
    memcpy(map + length, suffix, sizeof suffix);
    if (host->open(host->context, map, VHDX_OPEN_PEEK, &io, NULL) == VHDX_OK) {
        bool ours =
            io.ops->read(io.file, start, sizeof start, 0, NULL) == VHDX_OK && memcmp(start, mark, sizeof start) == 0;
        io.ops->close(io.file);
        if (ours)
            return map;
    }
    free(map);
    return NULL;
}

static void print_given_up(const char *path)
{
    char *map = map_beside(path);
    if (map) {
        fputs("\nA repair with --salvage gave up content of this disk: the ranges are in\n", stdout);
        text_put(stdout, map);
        fputs(".\nRemove that file once the file systems inside have been checked.\n", stdout);
    }
    free(map);
}

/* `closing`: of the file that was named; NULL: one of its ancestors. */
static int report_file(struct verify *verify, const vhdx_report *report, size_t file, const struct closing *closing)
{
    const vhdx_file_report *facts = vhdx_report_file(report, file);
    if (verify->cli.json) {
        char *map = map_beside(facts->path);
        json_object_begin(&verify->json, NULL);
        findings_json(&verify->json, report, file);
        json_text(&verify->json, "map", map);
        free(map);
        if (closing)
            closing_json(&verify->json, closing, true);
        else
            closing_json_none(&verify->json);
        json_object_end(&verify->json);
    } else if (!verify->cli.quiet || facts->verdict != VHDX_VERDICT_CLEAN) {
        if (verify->printed)
            putchar('\n');
        findings_print(stdout, report, file, &verify->cli);
        print_next(report, file);
        print_given_up(facts->path);
        verify->printed = true;
    }
    return facts->verdict == VHDX_VERDICT_ERRORS ? EXIT_LEFT : EXIT_DONE;
}

/* The file and, with --chain, its ancestors; then what all of it means for the disk. */
static int report_files(struct verify *verify, const char *path, const vhdx_report *report)
{
    const vhdx_open_options open = {
        .struct_size = sizeof open, .parents = verify->parents.items, .parent_count = verify->parents.count};
    struct closing closing;
    int status = EXIT_DONE;
    closing_of(&closing, path, &open, report, verify->chain);
    for (size_t i = 0; i < vhdx_report_file_count(report); i++)
        status |= report_file(verify, report, i, i == 0 ? &closing : NULL);
    if (!verify->cli.json && (!verify->cli.quiet || status != EXIT_DONE))
        closing_print(stdout, &closing);
    return status;
}

static int verify_file(struct verify *verify, const char *path)
{
    vhdx_error err;
    vhdx_report *report;
    int status = EXIT_DONE;
    progress_begin(&verify->progress, &verify->cli);
    vhdx_status result = vhdx_verify(path, &verify->options, &report, &err);
    progress_clear(&verify->progress);
    if (result != VHDX_OK) {
        if (verify->cli.json) {
            json_object_begin(&verify->json, NULL);
            findings_failure_json(&verify->json, path, &err);
            json_text(&verify->json, "map", NULL);
            closing_json_none(&verify->json);
            json_object_end(&verify->json);
        }
        if (verify->failure.status == VHDX_OK)
            verify->failure = err;
        return cli_error(&verify->cli, &err);
    }
    status = report_files(verify, path, report);
    vhdx_report_free(report);
    return status;
}

static int verify_files(struct verify *verify)
{
    int status = EXIT_DONE;
    if (verify->cli.json) {
        json_document_begin(&verify->json, stdout);
        json_array_begin(&verify->json, "files");
    }
    for (size_t i = 0; i < verify->cli.file_count; i++)
        status |= verify_file(verify, verify->cli.files[i]);
    if (verify->cli.json) {
        json_array_end(&verify->json);
        if (verify->failure.status != VHDX_OK)
            json_error(&verify->json, &verify->failure);
        json_document_end(&verify->json);
    }
    return status;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct verify verify = {.parents = {0}};
    int status;
    const struct cli_option options[] = {
        {"chain", 0, CLI_FLAG, &verify.chain, NULL,
         "check the ancestors too, and how each layer is linked\nto its parent"},
        {"data", 0, CLI_FLAG, &verify.data, NULL, "read every allocated payload block"},
        {"manifest", 0, CLI_TEXT, &verify.manifest, "FILE",
         "with --data: hashes of all blocks; compared with when\nFILE is there, written when it is not"},
        {"quick", 0, CLI_FLAG, &verify.quick, NULL,
         "do not plan repairs: what is said of them is then\nwhat the kind of finding usually allows"},
        {"parent", 0, CLI_LIST, &verify.parents, "PATH",
         "with --chain: a file or directory in which to look\nfor ancestors first; may be given more than once"},
    };
    if (cli_parse(&verify.cli, self, options, sizeof options / sizeof options[0], argc, argv, &status)) {
        verify.cli.judges = true;
        verify.notices = (struct notices){.cli = &verify.cli, .progress = &verify.progress};
        verify.options = (vhdx_verify_options){.struct_size = sizeof verify.options,
                                               .parents = verify.parents.items,
                                               .parent_count = verify.parents.count,
                                               .chain = verify.chain,
                                               .data = verify.data,
                                               .manifest = verify.manifest,
                                               .quick = verify.quick,
                                               .progress = progress_step,
                                               .progress_context = &verify.progress,
                                               .notice = notices_take,
                                               .notice_context = &verify.notices};
        if (!cli_files(&verify.cli, 1, SIZE_MAX))
            status = EXIT_USAGE;
        else if (verify.manifest && !verify.data)
            status = cli_usage_error(self, "--manifest needs --data");
        else if (verify.manifest && verify.cli.file_count > 1)
            status = cli_usage_error(self, "--manifest is for one file");
        else
            status = verify_files(&verify);
        notices_free(&verify.notices);
    }
    free(verify.parents.items);
    return status;
}

const struct command command_verify = {
    .name = "verify",
    .synopsis = "[OPTION...] FILE...",
    .statuses = "0 no errors; 4 errors",
    .summary = "checks every structure of a disk, and of its chain",
    .details = "Checks all structures of each FILE, both copies of everything, and who owns\n"
               "which part of the file; damage of one structure hides no other. Nothing is\n"
               "written, not even to replay a log. Errors come first, then warnings; '-v' shows\n"
               "notes too. The status is 0 when there are no errors, 4 when there are, 8 when a\n"
               "file could not be checked at all, and the sum of these for several files.",
    .run = run,
};
