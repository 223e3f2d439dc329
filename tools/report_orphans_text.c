/*
 * 'vhdx orphans' for people. See report_orphans.h. Families with problems come first and in full, the most dangerous
 * at the top: the tree, what was found, what to do. Of those in which all is well one line is enough. Names are
 * hostile, and a command that was wrapped can no longer be copied; prose is wrapped at 80 columns, commands never are.
 */
/* SPDX-License-Identifier: MIT */
#include "report_orphans.h"

#include "advice.h"
#include "families.h"
#include "report.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { STATUS_WIDTH = 17 };

struct page {
    FILE *out;
    const vhdx_orphans *orphans;
    const size_t *order; /* of the families */
    bool colour, verbose;
};

/* ---- words and colours ---- */

static const char *colour_of(vhdx_disk_status status)
{
    switch (status) {
    case VHDX_DISK_STATUS_IN_USE_BY_VM:
    case VHDX_DISK_STATUS_CHECKPOINT:
    case VHDX_DISK_STATUS_VHD_SET:
    case VHDX_DISK_STATUS_LOCKED:
        return "\x1b[32m";
    case VHDX_DISK_STATUS_STANDALONE:
        return "\x1b[36m";
    case VHDX_DISK_STATUS_ORPHAN:
    case VHDX_DISK_STATUS_DUPLICATE:
    case VHDX_DISK_STATUS_PARENT_MOVED:
        return "\x1b[33m";
    default:
        return "\x1b[31m";
    }
}

static void begin_colour(const struct page *page, const char *colour)
{
    if (page->colour)
        fputs(colour, page->out);
}

static void end_colour(const struct page *page)
{
    if (page->colour)
        fputs("\x1b[0m", page->out);
}

static const char *base_name(const char *path)
{
    const char *name = path;
    for (const char *c = path; *c; c++)
        if (*c == '/' || *c == '\\')
            name = c + 1;
    return *name ? name : path;
}

/* Length of a word as text_put() writes it, roughly: enough to wrap by. */
static size_t width_of(const char *text, size_t length)
{
    size_t width = 0;
    for (size_t i = 0; i < length; i++)
        width += ((unsigned char)text[i] & 0xC0U) != 0x80;
    return width;
}

/* Prose, wrapped; the first line begins where the cursor is, at column `at`. */
static void wrap(const struct page *page, const char *text, size_t indent, size_t at)
{
    char word[512];
    size_t last = (size_t)text_columns(page->out) - 1;
    while (*text) {
        size_t length = strcspn(text, " ");
        size_t width = width_of(text, length);
        if (at > indent && at + 1 + width > last) {
            fprintf(page->out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', page->out);
            at++;
        }
        for (size_t done = 0; done < length;) {
            size_t piece = length - done < sizeof word - 1 ? length - done : sizeof word - 1;
            memcpy(word, text + done, piece);
            word[piece] = '\0';
            text_put(page->out, word);
            done += piece;
        }
        at += width;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', page->out);
}

static void plural(FILE *out, uint64_t count, const char *one, const char *many)
{
    fprintf(out, "%llu %s", (unsigned long long)count, count == 1 ? one : many);
}

/* ---- a family as a tree ---- */

static void print_findings(const struct page *page, const vhdx_remark *findings, size_t count, size_t indent)
{
    for (size_t i = 0; i < count; i++) {
        if (findings[i].severity == VHDX_SEVERITY_INFO && !page->verbose)
            continue;
        fprintf(page->out, "%*s", (int)indent, "");
        if (findings[i].severity == VHDX_SEVERITY_ERROR)
            begin_colour(page, "\x1b[1m");
        char *whole = advice_with_remark(&findings[i]);
        wrap(page, whole ? whole : findings[i].message, indent, indent);
        free(whole);
        end_colour(page);
    }
}

/* "IDE 0:1 of web" for each configuration that names the disk. */
static void print_owners(const struct page *page, const vhdx_found_file *file, size_t indent)
{
    for (size_t i = 0; i < file->reference_count; i++) {
        const vhdx_found_config *config = vhdx_orphans_config(page->orphans, file->references[i].config);
        fprintf(page->out, "%*s%s ", (int)indent, "", config->info->checkpoint ? "checkpoint" : "machine");
        text_put(page->out, report_machine_name(config));
        fputc('\n', page->out);
    }
}

/* What was paid for is said: that bytes differ is a finding anyway. */
static void print_comparison(const struct page *page, const vhdx_found_file *file, size_t indent)
{
    char size[REPORT_SIZE_ROOM];
    if (file->comparison != VHDX_COMPARISON_EQUAL || page->verbose)
        return;
    report_size_short(file->allocated, size);
    if (file->twin != VHDX_NONE)
        fprintf(page->out, "%*scompared: all bytes are equal (%s)\n", (int)indent, "", size);
    else
        fprintf(page->out, "%*scompared: all that it holds is below it too (%s)\n", (int)indent, "", size);
}

static void print_disk(const struct page *page, size_t number, size_t depth)
{
    char size[REPORT_SIZE_ROOM];
    const vhdx_found_file *file = vhdx_orphans_file(page->orphans, number);
    size_t shown = depth < 12 ? depth : 12;
    size_t indent = STATUS_WIDTH + 2 + 3 * shown;
    begin_colour(page, colour_of(file->status));
    fprintf(page->out, "  %-*s", STATUS_WIDTH, vhdx_disk_status_name(file->status));
    end_colour(page);
    if (depth > 0)
        fprintf(page->out, "%*s`- ", (int)(3 * (shown - 1)), "");
    text_put(page->out, base_name(file->path));
    report_size_short(file->allocated, size);
    fprintf(page->out, "  (%s%s)\n", size, file->flags & VHDX_DISK_FLAG_QUARANTINED ? ", put aside" : "");
    print_owners(page, file, indent);
    print_findings(page, file->remarks, file->remark_count, indent);
    print_comparison(page, file, indent);
}

/* Depth of each member by its place in the tree: parents are before their children in a family. */
static void print_tree(const struct page *page, const vhdx_found_family *family)
{
    /* depth first, with a stack of what is still to be printed: a family may be as deep as it is large */
    struct place {
        size_t file, depth;
    } *stack = calloc(family->file_count + 1, sizeof *stack);
    size_t count = 0;
    for (size_t i = 0; stack && i < family->file_count; i++) {
        const vhdx_found_file *root = vhdx_orphans_file(page->orphans, family->files[i]);
        bool is_root = root->parent == VHDX_NONE || root->status == VHDX_DISK_STATUS_CYCLE;
        if (!is_root)
            continue;
        stack[count++] = (struct place){family->files[i], 0};
        while (count > 0) {
            struct place at = stack[--count];
            const vhdx_found_file *file = vhdx_orphans_file(page->orphans, at.file);
            print_disk(page, at.file, at.depth);
            for (size_t j = file->child_count; j-- > 0;)
                if (vhdx_orphans_file(page->orphans, file->children[j])->status != VHDX_DISK_STATUS_CYCLE)
                    stack[count++] = (struct place){file->children[j], at.depth + 1};
        }
    }
    if (!stack)
        for (size_t i = 0; i < family->file_count; i++)
            print_disk(page, family->files[i], 0);
    free(stack);
}

static void print_steps(const struct page *page, const vhdx_found_family *family)
{
    if (family->step_count == 0)
        return;
    fputs("\n  What to do\n", page->out);
    for (size_t i = 0; i < family->step_count; i++) {
        const vhdx_found_step *step = &family->steps[i];
        if (step->kind == VHDX_STEP_NOTE) {
            fputs("    ", page->out);
            wrap(page, step->text, 4, 4);
            continue;
        }
        fputs(step->kind == VHDX_STEP_HYPERV ? "      PS> " : "      $ ", page->out);
        text_put(page->out, step->text);
        fputc('\n', page->out);
    }
}

static void print_directory(const struct page *page, const char *path)
{
    size_t length = (size_t)(base_name(path) - path);
    char *directory = length > 0 ? malloc(length + 1) : NULL;
    if (!directory) {
        fputc('.', page->out);
        return;
    }
    memcpy(directory, path, length);
    directory[length] = '\0';
    text_put(page->out, directory);
    free(directory);
}

/* "web, mail: disk.vhdx": people look for their machines. */
static void print_head(const struct page *page, const vhdx_found_family *family)
{
    const vhdx_found_config *machines[FAMILY_MACHINES_SHOWN];
    size_t count = family_machines(page->orphans, family, machines);
    for (size_t i = 0; i < count; i++) {
        text_put(page->out, report_machine_name(machines[i]));
        fputs(i + 1 < count ? ", " : ": ", page->out);
    }
    text_put(page->out, family->name);
}

static void print_family(const struct page *page, const vhdx_found_family *family)
{
    char size[REPORT_SIZE_ROOM];
    begin_colour(page, "\x1b[1m");
    print_head(page, family);
    end_colour(page);
    report_size_short(family->bytes, size);
    fprintf(page->out, "  (");
    plural(page->out, family->file_count, "disk", "disks");
    fprintf(page->out, ", %s)\n  in ", size);
    print_directory(page, vhdx_orphans_file(page->orphans, family->files[0])->path);
    fputc('\n', page->out);
    print_tree(page, family);
    print_steps(page, family);
    if (family->reclaimable > 0) {
        report_size_short(family->reclaimable, size);
        fprintf(page->out, "    %s would come back.\n", size);
    }
    fputc('\n', page->out);
}

/* ---- what is well ---- */

static void print_sound_line(const struct page *page, const vhdx_found_family *family)
{
    char size[REPORT_SIZE_ROOM];
    const vhdx_found_file *top = vhdx_orphans_file(page->orphans, family->files[family->file_count - 1]);
    begin_colour(page, colour_of(top->status));
    fprintf(page->out, "  %-*s", STATUS_WIDTH, vhdx_disk_status_name(top->status));
    end_colour(page);
    print_head(page, family);
    report_size_short(family->bytes, size);
    fprintf(page->out, "  (");
    if (family->file_count > 1) {
        plural(page->out, family->file_count, "disk", "disks");
        fputs(", ", page->out);
    }
    fprintf(page->out, "%s)\n", size);
}

static bool is_told_in_full(const struct page *page, const vhdx_found_family *family)
{
    return family->problem_count > 0 || family->step_count > 0 || page->verbose;
}

static const vhdx_found_family *family_at(const struct page *page, size_t place)
{
    return vhdx_orphans_family(page->orphans, page->order ? page->order[place] : place);
}

/* Those of one group, a line each. */
static size_t print_group(const struct page *page, enum family_group group, const char *title)
{
    size_t count = vhdx_orphans_totals(page->orphans)->family_count, printed = 0;
    for (size_t i = 0; i < count; i++) {
        const vhdx_found_family *family = family_at(page, i);
        if (is_told_in_full(page, family) || family_group(page->orphans, family) != group)
            continue;
        if (printed++ == 0)
            fputs(title, page->out);
        print_sound_line(page, family);
    }
    return printed;
}

/* That no machine names a disk is a statement about what was searched, and no praise. */
static void print_unnamed(const struct page *page)
{
    if (print_group(page, FAMILY_UNNAMED, "Named by no machine (complete disks)\n") == 0)
        return;
    fputs("  ", page->out);
    if (vhdx_orphans_totals(page->orphans)->config_count == 0)
        wrap(page,
             "No configuration was found: whether a machine uses these disks is not known. --config DIR says where "
             "configurations are.",
             2, 2);
    else
        wrap(page, "Each may be a template, a disk of another host, or what a machine that was deleted has left.", 2,
             2);
    fputc('\n', page->out);
}

static void print_families(const struct page *page)
{
    size_t count = vhdx_orphans_totals(page->orphans)->family_count;
    for (size_t i = 0; i < count; i++)
        if (is_told_in_full(page, family_at(page, i)))
            print_family(page, family_at(page, i));
    print_unnamed(page);
    if (print_group(page, FAMILY_USED, "Nothing is wrong with\n") > 0)
        fputc('\n', page->out);
}

/* ---- configurations, other files, places ---- */

static bool has_news(const struct page *page, const vhdx_remark *findings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (findings[i].severity != VHDX_SEVERITY_INFO || page->verbose)
            return true;
    return false;
}

static void print_config(const struct page *page, const vhdx_found_config *config)
{
    text_put(page->out, report_machine_name(config));
    fprintf(page->out, "%s\n  ", config->info->checkpoint ? "  (checkpoint)" : "");
    text_put(page->out, config->path);
    fputc('\n', page->out);
    for (size_t i = 0; i < config->info->drive_count; i++) {
        fputs("    ", page->out);
        text_put(page->out, config->drives[i].path);
        fputc('\n', page->out);
    }
    print_findings(page, config->remarks, config->remark_count, 4);
    fputc('\n', page->out);
}

static void print_configs(const struct page *page)
{
    const vhdx_found_config *config;
    bool headed = false;
    for (size_t i = 0; (config = vhdx_orphans_config(page->orphans, i)) != NULL; i++) {
        if (!has_news(page, config->remarks, config->remark_count) && !page->verbose)
            continue;
        if (!headed)
            fputs("Configurations\n\n", page->out);
        headed = true;
        print_config(page, config);
    }
}

static void print_sides(const struct page *page)
{
    const vhdx_found_side *side;
    for (size_t i = 0; (side = vhdx_orphans_side(page->orphans, i)) != NULL; i++) {
        if (!has_news(page, side->remarks, side->remark_count))
            continue;
        text_put(page->out, side->path);
        fprintf(page->out, "  (%s)\n", vhdx_side_kind_name(side->kind));
        print_findings(page, side->remarks, side->remark_count, 4);
        fputc('\n', page->out);
    }
}

enum { NOWHERES_SHOWN = 8 };

/* One of the three kinds of places, under its title; of links to nowhere a system's directory may have thousands. */
static void print_places(const struct page *page, const char *title, bool searched, bool nowhere)
{
    const vhdx_found_place *place;
    size_t count = 0;
    for (size_t i = 0; (place = vhdx_orphans_place(page->orphans, i)) != NULL; i++) {
        if (place->searched != searched || place->nowhere != nowhere)
            continue;
        if (count++ == 0)
            fputs(title, page->out);
        if (nowhere && count > NOWHERES_SHOWN && !page->verbose)
            continue;
        fputs("  ", page->out);
        text_put(page->out, place->path);
        if (place->reason && !nowhere) {
            fputs(": ", page->out);
            text_put(page->out, place->reason);
        }
        fputc('\n', page->out);
    }
    if (nowhere && count > NOWHERES_SHOWN && !page->verbose)
        fprintf(page->out, "  and %zu more\n", count - NOWHERES_SHOWN);
}

static void print_nothing_found(const struct page *page)
{
    const vhdx_found_place *place;
    fputs("No virtual disk was found", page->out);
    for (size_t i = 0, told = 0; (place = vhdx_orphans_place(page->orphans, i)) != NULL; i++) {
        if (!place->searched)
            continue;
        fputs(told++ == 0 ? " below " : ", ", page->out);
        text_put(page->out, place->path);
    }
    fputs(". Is the volume mounted?\n", page->out);
}

static void print_verdict(const struct page *page)
{
    const vhdx_found_totals *totals = vhdx_orphans_totals(page->orphans);
    size_t unnamed = families_unnamed(page->orphans);
    if (totals->problem_count > 0)
        plural(page->out, totals->problem_count, "problem", "problems");
    else if (totals->config_count == 0)
        fputs("no problem found, but whose the disks are is not known", page->out);
    else if (unnamed == 0)
        fputs("everything belongs together", page->out);
    else
        fprintf(page->out, "no problem found; %zu %s named by no machine", unnamed, unnamed == 1 ? "is" : "are");
}

static void print_totals(const struct page *page)
{
    char size[REPORT_SIZE_ROOM];
    const vhdx_found_totals *totals = vhdx_orphans_totals(page->orphans);
    if (totals->file_count == 0)
        print_nothing_found(page);
    plural(page->out, totals->file_count, "disk", "disks");
    report_size_short(totals->bytes, size);
    fprintf(page->out, " (%s), ", size);
    plural(page->out, totals->config_count, "configuration", "configurations");
    if (totals->file_count > 0 || totals->problem_count > 0) {
        fputs(": ", page->out);
        print_verdict(page);
    }
    fputs(".\n", page->out);
    if (totals->reclaimable > 0) {
        report_size_short(totals->reclaimable, size);
        fprintf(page->out, "%s would come back if all steps were taken.\n", size);
    }
}

void report_orphans_text(FILE *out, const vhdx_orphans *orphans, bool colour, bool verbose)
{
    size_t *order = families_in_order(orphans);
    struct page page = {out, orphans, order, colour, verbose};
    print_families(&page);
    free(order);
    print_configs(&page);
    print_sides(&page);
    print_totals(&page);
    fputc('\n', out);
    print_places(&page, "Searched\n", true, false);
    print_places(&page, "Not searched\n", false, false);
    print_places(&page, "Links that lead to nothing\n", false, true);
    wrap(&page,
         "Other volumes, shares and hosts were not searched. What no configuration names here may be named there: "
         "'orphan' "
         "is meant of what was searched.",
         0, 0);
}
