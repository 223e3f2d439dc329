/*
 * Findings as text and as JSON. See findings.h. Messages may contain text from a disk: they go through text.h. The
 * names in the JSON are a contract with scripts: they are added to, never changed.
 */
/* SPDX-License-Identifier: MIT */
#include "findings.h"

#include "advice.h"
#include "report.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 9, MEMBERS_SHOWN = 3, RANGES_SHOWN = 8, LOST_COLUMN = 48, LOST_ROOM = 512 };

/* ---- text ------------------------------------------------------------------------------------------------------- */

/* Characters up to the next space; what is longer than a line is left long. */
static size_t word_length(const char *text)
{
    return strcspn(text, " \n");
}

/* How many columns the bytes take, near enough: one for each character. */
static int columns_of(const char *text, size_t length)
{
    int columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

/* The line behind the line end at *text, as it is; the rest is left. Returns its columns. */
static int put_command(FILE *out, const char **text)
{
    size_t length = strcspn(++*text, "\n");
    char *line = malloc(length + 1);
    int columns = columns_of(*text, length);
    if (line) {
        memcpy(line, *text, length);
        line[length] = 0;
        text_put(out, line);
        free(line);
    }
    *text += length;
    return columns;
}

/* Writes the words from column `at` on, breaking lines before the last column. Lines that begin with a space are
 * commands: they stay whole. */
static void put_wrapped(FILE *out, const char *text, int at, int indent)
{
    bool first = true;
    int last = text_columns(out) - 1;
    while (*text) {
        if (text[0] == '\n' && text[1] == ' ') {
            fprintf(out, "\n%*s", indent, "");
            at = indent + put_command(out, &text);
            continue;
        }
        size_t length = word_length(text);
        int columns = columns_of(text, length);
        if (!first && at + 1 + columns > last) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        char word[256];
        while (length > 0) {
            size_t here = length < sizeof word ? length : sizeof word - 1;
            memcpy(word, text, here);
            word[here] = 0;
            text_put(out, word);
            text += here;
            length -= here;
        }
        at += columns;
        first = false;
        while (*text == ' ' || (*text == '\n' && text[1] != ' '))
            text++;
    }
    fputc('\n', out);
}

/* `colour` NULL: none. The label's width does not change by it. */
static void put_labelled(FILE *out, const char *label, const char *text, const char *colour)
{
    fprintf(out, "%s%s%s%*s", colour ? colour : "", label, colour ? "\x1b[0m" : "", INDENT - (int)strlen(label), "");
    put_wrapped(out, text, INDENT, INDENT);
}

static const char *severity_text(vhdx_severity severity)
{
    return severity == VHDX_SEVERITY_ERROR ? "error" : severity == VHDX_SEVERITY_WARNING ? "warning" : "note";
}

static const char *severity_colour(vhdx_severity severity)
{
    return severity == VHDX_SEVERITY_ERROR ? "\x1b[1;31m" : severity == VHDX_SEVERITY_WARNING ? "\x1b[33m" : NULL;
}

/* "in the BAT entry 17 at 0x300088", as far as it is known. */
static void put_place(FILE *out, const vhdx_finding *finding)
{
    fprintf(out, "%*s%s", INDENT, "", finding->id);
    if (finding->offset != VHDX_NOWHERE)
        fprintf(out, ", %s at 0x%" PRIx64, finding->structure, finding->offset);
    if (finding->corrected)
        fputs(" (corrected)", out);
    fputc('\n', out);
}

static size_t group_size(const vhdx_report *report, size_t file, size_t first)
{
    const vhdx_finding *head = vhdx_report_finding(report, file, first), *next;
    size_t count = 1;
    while ((next = vhdx_report_finding(report, file, first + count)) != NULL && next->number == head->number &&
           next->severity == head->severity)
        count++;
    return count;
}

static void print_group(FILE *out, const vhdx_report *report, size_t file, size_t first, size_t count, bool all,
                        bool colour)
{
    size_t shown = all || count <= MEMBERS_SHOWN + 1 ? count : MEMBERS_SHOWN;
    const vhdx_finding *head = vhdx_report_finding(report, file, first);
    for (size_t i = 0; i < shown; i++) {
        const vhdx_finding *finding = vhdx_report_finding(report, file, first + i);
        put_labelled(out, i == 0 ? severity_text(finding->severity) : "", finding->message,
                     colour && i == 0 ? severity_colour(finding->severity) : NULL);
        put_place(out, finding);
    }
    if (shown < count)
        fprintf(out, "%*sand %zu more of this kind; '-v' shows them\n", INDENT, "", count - shown);
    char room[ADVICE_ROOM];
    const char *advice = advice_of_finding(head, room);
    if (advice[0] && !head->corrected) {
        fprintf(out, "%*s-> ", INDENT, "");
        put_wrapped(out, advice, INDENT + 3, INDENT + 3);
    }
}

static void print_lost(FILE *out, const vhdx_report *report, size_t file, bool all)
{
    const vhdx_file_report *facts = vhdx_report_file(report, file);
    char size[REPORT_SIZE_ROOM], text[LOST_ROOM];
    if (facts->lost_count == 0)
        return;
    report_size(facts->lost_bytes, size);
    fprintf(out, "\nOf the virtual disk, %s lost or in doubt:\n", size);
    size_t shown = all || facts->lost_count <= RANGES_SHOWN + 1 ? facts->lost_count : RANGES_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        const vhdx_lost_range *range = vhdx_report_lost(report, file, i);
        report_size_short(range->length, size);
        fprintf(out, "  0x%012" PRIx64 " to 0x%012" PRIx64 "  %10s  ", range->offset, range->offset + range->length,
                size);
        snprintf(text, sizeof text, "%s: %s", range->doubtful ? "in doubt" : "lost", range->reason);
        put_wrapped(out, text, LOST_COLUMN, LOST_COLUMN);
    }
    if (shown < facts->lost_count)
        fprintf(out, "  and %zu more ranges; '-v' shows them\n", facts->lost_count - shown);
}

static void put_count(FILE *out, bool *any, uint64_t count, const char *what)
{
    if (count == 0)
        return;
    fprintf(out, "%s%" PRIu64 " %s%s", *any ? ", " : "", count, what, count == 1 ? "" : "s");
    *any = true;
}

/* One word for the whole file, whatever was found: what it is good for now. NULL: the errors speak for themselves. */
static const char *verdict_word(const vhdx_file_report *facts)
{
    if (facts->verdict == VHDX_VERDICT_CORRECTED)
        return "corrected";
    if (facts->errors > 0)
        return NULL;
    return facts->warnings > 0 ? "usable" : "clean";
}

static void print_heading(FILE *out, const vhdx_file_report *facts, bool all)
{
    bool any = false;
    const char *word = verdict_word(facts);
    text_put(out, facts->path);
    fprintf(out, ": %s", word ? word : "");
    if (word && facts->errors + facts->warnings + facts->infos > 0)
        fputs(", ", out);
    put_count(out, &any, facts->errors, "error");
    put_count(out, &any, facts->warnings, "warning");
    put_count(out, &any, facts->infos, "note");
    const char *them = facts->errors + facts->warnings > 0 ? "notes" : facts->infos == 1 ? "it" : "them";
    if (facts->infos > 0 && !all)
        fprintf(out, " ('-v' shows %s)", them);
    fputc('\n', out);
    if (facts->bytes_missing > 0) {
        char size[REPORT_SIZE_ROOM];
        report_size(facts->bytes_missing, size);
        fprintf(out, "The file was cut: %s are missing at its end.\n", size);
    }
}

void findings_print(FILE *out, const vhdx_report *report, size_t file, const struct cli *cli)
{
    bool all = cli->verbose, colour = cli_shows_colour(cli, out);
    const vhdx_file_report *facts = vhdx_report_file(report, file);
    print_heading(out, facts, all);
    for (size_t i = 0; i < facts->finding_count;) {
        size_t count = group_size(report, file, i);
        if (all || vhdx_report_finding(report, file, i)->severity != VHDX_SEVERITY_INFO) {
            fputc('\n', out);
            print_group(out, report, file, i, count, all, colour);
        }
        i += count;
    }
    if (facts->left_out > 0)
        fprintf(out, "\n%*s%" PRIu64 " more findings were left out\n", INDENT, "", facts->left_out);
    print_lost(out, report, file, all);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static const char *verdict_name(vhdx_verdict verdict)
{
    switch (verdict) {
    case VHDX_VERDICT_CLEAN:
        return "clean";
    case VHDX_VERDICT_CORRECTED:
        return "corrected";
    case VHDX_VERDICT_ERRORS:
        break;
    }
    return "errors";
}

static const char *severity_name(vhdx_severity severity)
{
    return severity == VHDX_SEVERITY_ERROR ? "error" : severity == VHDX_SEVERITY_WARNING ? "warning" : "info";
}

static const char *repair_name(vhdx_repair_class repair)
{
    return repair == VHDX_REPAIR_LOSSLESS ? "lossless" : repair == VHDX_REPAIR_SALVAGE ? "salvage" : "none";
}

static void optional_number(struct json *json, const char *key, bool there, uint64_t value)
{
    if (there)
        json_number(json, key, value);
    else
        json_null(json, key);
}

static void finding_json(struct json *json, const vhdx_finding *finding)
{
    json_object_begin(json, NULL);
    char room[ADVICE_ROOM];
    const char *advice = advice_of_finding(finding, room);
    json_text(json, "id", finding->id);
    json_text(json, "severity", severity_name(finding->severity));
    json_text(json, "structure", finding->structure);
    optional_number(json, "offset", finding->offset != VHDX_NOWHERE, finding->offset);
    optional_number(json, "index", finding->index != VHDX_NOWHERE, finding->index);
    json_number(json, "count", finding->count);
    optional_number(json, "found", finding->has_found, finding->found);
    optional_number(json, "expected", finding->has_expected, finding->expected);
    json_text(json, "message", finding->message);
    json_text(json, "advice", advice[0] ? advice : NULL);
    json_bool(json, "repairable", finding->repair != VHDX_REPAIR_NONE);
    json_text(json, "repair", repair_name(finding->repair));
    json_bool(json, "corrected", finding->corrected);
    json_text(json, "spec", finding->spec);
    json_object_end(json);
}

void findings_json(struct json *json, const vhdx_report *report, size_t file)
{
    const vhdx_file_report *facts = vhdx_report_file(report, file);
    json_text(json, "path", facts->path);
    json_text(json, "status", verdict_name(facts->verdict));
    json_number(json, "bytes_missing", facts->bytes_missing);
    json_array_begin(json, "findings");
    for (size_t i = 0; i < facts->finding_count; i++)
        finding_json(json, vhdx_report_finding(report, file, i));
    json_array_end(json);
    json_number(json, "left_out", facts->left_out);
    json_array_begin(json, "lost");
    for (size_t i = 0; i < facts->lost_count; i++) {
        const vhdx_lost_range *range = vhdx_report_lost(report, file, i);
        json_row_begin(json, NULL);
        json_number(json, "offset", range->offset);
        json_number(json, "length", range->length);
        json_text(json, "reason", range->reason);
        json_bool(json, "doubtful", range->doubtful);
        json_object_end(json);
    }
    json_array_end(json);
}

void findings_failure_json(struct json *json, const char *path, const vhdx_error *err)
{
    char room[ADVICE_ROOM];
    const char *advice = advice_of_error(err, room);
    json_text(json, "path", path);
    json_text(json, "status", "unreadable");
    json_number(json, "bytes_missing", 0);
    json_text(json, "reason", err->message);
    json_text(json, "advice", advice[0] ? advice : NULL);
    json_array_begin(json, "findings");
    json_array_end(json);
    json_number(json, "left_out", 0);
    json_array_begin(json, "lost");
    json_array_end(json);
}
