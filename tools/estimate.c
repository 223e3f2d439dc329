/*
 * The estimate for many disks: those that a search finds, each planned as if it were compacted, the largest gain first.
 * Easy to get wrong: a disk that cannot be planned (fixed, in use, damaged) is a row with the reason, not the end of
 * the table.
 */
/* SPDX-License-Identifier: MIT */
#include "estimate.h"

#include "exit.h"
#include "progress.h"
#include "report.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

struct row {
    const char *path;
    uint64_t size;
    vhdx_compact_report report;
    bool planned;
    char reason[sizeof((vhdx_error *)0)->message];
};

struct table {
    const struct cli *cli;
    vhdx_orphans *found;
    struct row *rows;
    size_t count;
    struct progress progress;
};

static bool searching(void *context, const vhdx_orphans_progress *now)
{
    const vhdx_progress step = {VHDX_PHASE_READ, now->files_seen, 0};
    return progress_step(context, &step);
}

static uint64_t gain(const struct row *row)
{
    return row->planned ? row->report.file_size_before - row->report.file_size_after : 0;
}

static int by_gain(const void *a, const void *b)
{
    uint64_t left = gain(a), right = gain(b);
    return left != right ? (left < right) - (left > right)
                         : strcmp(((const struct row *)a)->path, ((const struct row *)b)->path);
}

/* A warning that a volume of some disk gives zeros only would fill the screen: the command for one disk says it. */
static vhdx_status plan_row(struct table *table, struct row *row, bool zeros_only)
{
    const vhdx_compact_options options = {.struct_size = sizeof options,
                                          .zeros_only = zeros_only,
                                          .progress = progress_step,
                                          .progress_context = &table->progress};
    vhdx_error err;
    row->report.struct_size = sizeof row->report;
    vhdx_status status = vhdx_compact_plan(row->path, &options, &row->report, &err);
    row->planned = status == VHDX_OK;
    if (!row->planned)
        snprintf(row->reason, sizeof row->reason, "%s", err.message);
    return status == VHDX_CANCELLED || status == VHDX_NOMEM ? status : VHDX_OK;
}

static bool is_ours(const vhdx_found_file *file)
{
    return file->is_vhdx && file->source == 0;
}

static vhdx_status plan_rows(struct table *table, bool zeros_only)
{
    size_t all = vhdx_orphans_totals(table->found)->file_count;
    table->rows = calloc(all + 1, sizeof *table->rows);
    if (!table->rows)
        return VHDX_NOMEM;
    for (size_t i = 0; i < all; i++) {
        const vhdx_found_file *file = vhdx_orphans_file(table->found, i);
        if (!is_ours(file))
            continue;
        struct row *row = &table->rows[table->count++];
        row->path = file->path;
        row->size = file->file_size;
        vhdx_status status = plan_row(table, row, zeros_only);
        if (status != VHDX_OK)
            return status;
    }
    qsort(table->rows, table->count, sizeof *table->rows, by_gain);
    return VHDX_OK;
}

static void print_table(const struct table *table)
{
    uint64_t size = 0, all = 0;
    char text[REPORT_SIZE_ROOM], given[REPORT_SIZE_ROOM];
    printf("%12s  %12s  disk\n", "file", "comes back");
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        report_size_short(row->size, text);
        report_size_short(gain(row), given);
        printf("%12s  %12s  ", text, row->planned ? given : "-");
        text_put(stdout, row->path);
        if (!row->planned) {
            fputs("\n                            ", stdout);
            text_put_wrapped_line(stdout, row->reason, 28);
        }
        putchar('\n');
        size += row->size;
        all += gain(row);
    }
    report_size_short(size, text);
    report_size_short(all, given);
    printf("%12s  %12s  all of them\n", text, given);
}

static void print_json(const struct table *table)
{
    struct json json;
    uint64_t all = 0;
    json_document_begin(&json, stdout);
    json_array_begin(&json, "disks");
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        json_object_begin(&json, NULL);
        json_text(&json, "path", row->path);
        json_number(&json, "file_size_before", row->size);
        json_number(&json, "file_size_after", row->size - gain(row));
        json_number(&json, "virtual_size", row->report.virtual_size);
        json_bool(&json, "zeros_only", row->report.zeros_only);
        json_text(&json, "error", row->planned ? NULL : row->reason);
        json_object_end(&json);
        all += gain(row);
    }
    json_array_end(&json);
    json_number(&json, "reclaimable", all);
    json_document_end(&json);
}

static int show(struct table *table, vhdx_status status)
{
    vhdx_error err = {.status = status, .offset = VHDX_NOWHERE, .index = VHDX_NOWHERE};
    if (status != VHDX_OK) {
        snprintf(err.message, sizeof err.message, "%s",
                 status == VHDX_CANCELLED ? "the estimate was cancelled" : "out of memory");
        return cli_fail(table->cli, &err);
    }
    if (table->cli->json)
        print_json(table);
    else
        print_table(table);
    return EXIT_DONE;
}

int estimate(const struct cli *cli, bool zeros_only)
{
    struct table table = {.cli = cli};
    vhdx_error err;
    int status;
    progress_begin(&table.progress, cli);
    const vhdx_orphans_options options = {
        .struct_size = sizeof options, .progress = searching, .progress_context = &table.progress};
    if (vhdx_orphans_scan((const char *const *)cli->files, cli->file_count, &options, &table.found, &err) != VHDX_OK) {
        progress_clear(&table.progress);
        return cli_fail(cli, &err);
    }
    vhdx_status planned = plan_rows(&table, zeros_only);
    progress_clear(&table.progress);
    status = show(&table, planned);
    free(table.rows);
    vhdx_orphans_free(table.found);
    return status;
}
