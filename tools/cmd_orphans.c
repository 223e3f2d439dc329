/*
 * vhdx orphans: what all these files are, what belongs to what, what is safe to do. The library searches and judges;
 * here options become one call and records become a report. The exit status speaks of problems, not
 * of what was printed.
 */
/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "exit.h"
#include "platform.h"
#include "progress.h"
#include "report_html.h"
#include "report_orphans.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct wish {
    struct cli_list configs, maps;
    const char *jobs, *html;
    bool one_file_system, data, complete, lines, from_json;
};

/* ---- progress ---- */

static bool tell(void *context, const vhdx_orphans_progress *now)
{
    struct progress *progress = context;
    if (platform_interrupted())
        return false;
    if (now->commands_tried)
        progress_say(progress, "try  %" PRIu64 " commands", now->commands_tried);
    else if (now->bytes_total)
        progress_say(progress, "compare  %" PRIu64 " of %" PRIu64 " MiB", now->bytes_compared >> 20,
                     now->bytes_total >> 20);
    else
        progress_say(progress, "search  %" PRIu64 " files, %" PRIu64 " disks, %" PRIu64 " configurations",
                     now->files_seen, now->disks_found, now->configs_found);
    return true;
}

/* ---- the call ---- */

static bool is_directory(const char *path)
{
    const vhdx_host *host = vhdx_native_host();
    vhdx_entry_type type;
    vhdx_file_facts facts;
    return host->look(host->context, path, &type, &facts, NULL) == VHDX_OK && type == VHDX_ENTRY_DIRECTORY;
}

/* With --from-json, names of files are reports; directories are searched as ever. */
static void sort_names(const struct cli *cli, const struct wish *wish, const char **roots, const char **reports,
                       vhdx_orphans_options *options, size_t *root_count)
{
    for (size_t i = 0; i < cli->file_count; i++)
        if (wish->from_json && !is_directory(cli->files[i]))
            reports[options->report_count++] = cli->files[i];
        else
            roots[(*root_count)++] = cli->files[i];
    options->reports = reports;
}

/* `failure` is of the page, or NULL: the search is not lost for that. */
static void print(const struct cli *cli, const struct wish *wish, const vhdx_orphans *orphans,
                  const vhdx_error *failure)
{
    if (wish->lines)
        report_orphans_lines(stdout, orphans);
    else if (cli->json)
        report_orphans_json(stdout, orphans, failure);
    else if (!cli->quiet)
        report_orphans_text(stdout, orphans, cli_shows_colour(cli, stdout), cli->verbose);
}

/* ---- the page ---- */

/* A page may be written over a page of yesterday, and over nothing else: the name of a disk is typed in its place too
 * easily. */
static bool is_page_or_empty(const char *path, bool *exists)
{
    static const char first[] = "<!DOCTYPE html>";
    char bytes[sizeof first - 1] = {0};
    const vhdx_host *host = vhdx_native_host();
    vhdx_io io;
    uint64_t size = 0;
    *exists = host->open(host->context, path, VHDX_OPEN_PEEK, &io, NULL) == VHDX_OK;
    if (!*exists)
        return true;
    bool page = io.ops->size(io.file, &size, NULL) == VHDX_OK;
    if (page && size > 0)
        page = size >= sizeof bytes && io.ops->read(io.file, bytes, sizeof bytes, 0, NULL) == VHDX_OK &&
               memcmp(bytes, first, sizeof bytes) == 0;
    io.ops->close(io.file);
    return page;
}

static vhdx_status page_failed(vhdx_error *err, const char *path, vhdx_status status, const char *message,
                               const char *advice)
{
    *err = (vhdx_error){
        .status = status, .system_code = status == VHDX_IO ? errno : 0, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    snprintf(err->path, sizeof err->path, "%s", path);
    snprintf(err->message, sizeof err->message, "%s", message);
    snprintf(err->advice_text, sizeof err->advice_text, "%s", advice);
    err->advice = VHDX_ADVICE_TEXT;
    return status;
}

static int check_page(const struct cli *cli, const char *path)
{
    bool exists;
    vhdx_error err;
    if (is_page_or_empty(path, &exists))
        return EXIT_DONE;
    page_failed(&err, path, VHDX_EXISTS, "the file exists and is no page of this command",
                "choose another name for --html");
    return cli_fail(cli, &err);
}

static vhdx_status write_page(const char *path, const vhdx_orphans *orphans, vhdx_error *err)
{
    FILE *page = platform_create(path);
    if (!page)
        return page_failed(err, path, VHDX_IO, "the page cannot be written", "choose another place for --html");
    bool whole = report_html(page, orphans);
    whole = !ferror(page) && whole;
    if (fclose(page) == 0 && whole)
        return VHDX_OK;
    return page_failed(err, path, VHDX_IO, "the page was not written whole", "see that the volume has room");
}

static int search(const struct cli *cli, const struct wish *wish, unsigned jobs, const char **roots,
                  const char **reports)
{
    struct progress progress;
    vhdx_orphans_options options = {.struct_size = sizeof options,
                                    .configs = wish->configs.items,
                                    .config_count = wish->configs.count,
                                    .maps = wish->maps.items,
                                    .map_count = wish->maps.count,
                                    .jobs = jobs,
                                    .one_file_system = wish->one_file_system,
                                    .data = wish->data,
                                    .complete = wish->complete,
                                    .progress = tell,
                                    .progress_context = &progress};
    vhdx_orphans *orphans;
    vhdx_error err;
    size_t root_count = 0;
    progress_begin(&progress, cli);
    sort_names(cli, wish, roots, reports, &options, &root_count);
    vhdx_status status = vhdx_orphans_scan(roots, root_count, &options, &orphans, &err);
    progress_clear(&progress);
    if (status != VHDX_OK) {
        progress_advise(&err, "nothing was changed; run the same command again");
        return cli_fail(cli, &err);
    }
    bool failed = wish->html && write_page(wish->html, orphans, &err) != VHDX_OK;
    print(cli, wish, orphans, failed ? &err : NULL);
    int result = failed ? cli_error(cli, &err) : EXIT_DONE;
    const vhdx_found_totals *totals = vhdx_orphans_totals(orphans);
    if (result == EXIT_DONE && (totals->problem_count || totals->file_count == 0)) /* an empty mount point, perhaps */
        result = EXIT_LEFT;
    vhdx_orphans_free(orphans);
    return result;
}

static bool take_jobs(const struct cli *cli, const char *text, unsigned *jobs)
{
    char *end = NULL;
    unsigned long count = text ? strtoul(text, &end, 10) : 0;
    *jobs = (unsigned)count;
    if (!text || (text[0] >= '1' && text[0] <= '9' && *end == '\0' && count <= 256))
        return true;
    cli_usage_error(cli->command, "--jobs: '%s' is no number from 1 to 256", text);
    return false;
}

static bool maps_make_sense(const struct cli *cli, const struct wish *wish)
{
    for (size_t i = 0; i < wish->maps.count; i++) {
        const char *equals = strchr(wish->maps.items[i], '=');
        if (equals && equals != wish->maps.items[i] && equals[1])
            continue;
        cli_usage_error(cli->command, "--map: '%s' is not of the form FROM=TO", wish->maps.items[i]);
        return false;
    }
    return true;
}

static int run_with(const struct cli *cli, const struct wish *wish)
{
    unsigned jobs;
    if (!cli_files(cli, 1, SIZE_MAX) || !take_jobs(cli, wish->jobs, &jobs) || !maps_make_sense(cli, wish))
        return EXIT_USAGE;
    if (wish->html && check_page(cli, wish->html) != EXIT_DONE)
        return EXIT_FAILED;
    const char **roots = calloc(cli->file_count, sizeof *roots), **reports = calloc(cli->file_count, sizeof *reports);
    int status = EXIT_FAILED;
    if (roots && reports)
        status = search(cli, wish, jobs, roots, reports);
    free(roots);
    free(reports);
    return status;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cli cli;
    struct wish wish = {0};
    int status;
    const struct cli_option options[] = {
        {"config", 0, CLI_LIST, &wish.configs, "DIR",
         "where VM configurations are, when not below the DIRs;\nmay be given more than once"},
        {"map", 0, CLI_LIST, &wish.maps, "FROM=TO",
         "where a path of the Hyper-V host is here, for example\n'D:\\VMs=/mnt/d/VMs'; may be given more than once"},
        {"data", 0, CLI_FLAG, &wish.data, NULL, "read copies and unreferenced disks and compare their\nbytes"},
        {"complete", 0, CLI_FLAG, &wish.complete, NULL,
         "no disk, no configuration and no host is left out:\nonly then may advice say that a file can go"},
        {"from-json", 0, CLI_FLAG, &wish.from_json, NULL,
         "the files named are reports (--json) of this command,\nof other hosts perhaps: judge them together"},
        {"html", 0, CLI_TEXT, &wish.html, "FILE", "write the report as one HTML page too"},
        {"jobs", 0, CLI_TEXT, &wish.jobs, "N", "threads (default: 32, or one for each processor)"},
        {"one-file-system", 0, CLI_FLAG, &wish.one_file_system, NULL, "do not go into other mounted file systems"},
        {"json-lines", 0, CLI_FLAG, &wish.lines, NULL, "one JSON object a line instead of one document"},
    };
    if (cli_parse(&cli, self, options, sizeof options / sizeof options[0], argc, argv, &status))
        status = run_with(&cli, &wish);
    free(wish.configs.items);
    free(wish.maps.items);
    return status;
}

const struct command command_orphans = {
    .name = "orphans",
    .synopsis = "[OPTION...] DIR...\n[OPTION...] --from-json REPORT...",
    .summary = "says what all these files are, and what is safe to do",
    .operand = "directory",
    .statuses = "0 all belongs together; 4 problems",
    .details = "Finds every virtual disk and every VM configuration below the DIRs, builds the\n"
               "chains by identity and not by name, and says of each disk what it is, why, and\n"
               "what to type next. Only reads. Exit status 0: everything found belongs\n"
               "together; 4: something is orphaned, broken or unreadable, or no disk was found.",
    .run = run,
};
