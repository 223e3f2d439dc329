/*
 * The page of 'vhdx orphans --html'. Problems come first and open, what is in order is folded. Nothing is decided here:
 * order, statuses, steps and sums are the library's. Every name in the records is a stranger's, so
 * each goes through text_put_html(), and numbers are the only thing that is written directly.
 */
/* SPDX-License-Identifier: MIT */
#include "report_html.h"

#include "advice.h"
#include "families.h"
#include "html_graph.h"
#include "html_page.h"
#include "report.h"
#include "report_orphans.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_COUNT = VHDX_DISK_STATUS_LOCKED + 1 };

struct page {
    FILE *out;
    const vhdx_orphans *orphans;
    const vhdx_found_totals *totals;
    uint64_t largest; /* bytes of the largest disk, what the bars are drawn to */
    uint64_t bytes[STATUS_COUNT];
    size_t files[STATUS_COUNT];
};

/* How a status looks: five classes of page.css, and a shape for those who do not see the colours. */
enum look { LOOK_GOOD, LOOK_CALM, LOOK_QUIET, LOOK_WARN, LOOK_BAD };

static const struct {
    const char *class, *shape;
} looks[] = {
    [LOOK_GOOD] = {"good", "<circle class=\"good\" cx=\"9\" cy=\"9\" r=\"7\"/>"},
    [LOOK_CALM] = {"calm", "<circle class=\"calm\" cx=\"9\" cy=\"9\" r=\"7\"/>"},
    [LOOK_QUIET] = {"quiet", "<rect class=\"quiet\" x=\"3\" y=\"3\" width=\"12\" height=\"12\" rx=\"2\"/>"},
    [LOOK_WARN] = {"warn", "<path class=\"warn\" d=\"M9 1 17 9 9 17 1 9Z\"/>"},
    [LOOK_BAD] = {"bad", "<path class=\"bad\" d=\"M9 1 17 16H1Z\"/>"},
};

static enum look look_of(vhdx_disk_status status)
{
    switch (status) {
    case VHDX_DISK_STATUS_IN_USE_BY_VM:
        return LOOK_GOOD;
    case VHDX_DISK_STATUS_CHECKPOINT:
    case VHDX_DISK_STATUS_VHD_SET:
        return LOOK_CALM;
    case VHDX_DISK_STATUS_STANDALONE:
        return LOOK_QUIET;
    case VHDX_DISK_STATUS_ORPHAN:
    case VHDX_DISK_STATUS_PARENT_MOVED:
    case VHDX_DISK_STATUS_DUPLICATE:
    case VHDX_DISK_STATUS_LOCKED:
        return LOOK_WARN;
    case VHDX_DISK_STATUS_ACTIVE_NOT_LEAF:
    case VHDX_DISK_STATUS_PARENT_MISSING:
    case VHDX_DISK_STATUS_LINKAGE_MISMATCH:
    case VHDX_DISK_STATUS_PARENT_MODIFIED:
    case VHDX_DISK_STATUS_CYCLE:
    case VHDX_DISK_STATUS_UNREADABLE:
        break;
    }
    return LOOK_BAD;
}

static void put(const struct page *p, const char *markup)
{
    fputs(markup, p->out);
}

static void put_text(const struct page *p, const char *text)
{
    text_put_html(p->out, text ? text : "");
}

/* `open` and `close` are markup, the text between is not. */
static void put_in(const struct page *p, const char *open, const char *text, const char *close)
{
    put(p, open);
    put_text(p, text);
    put(p, close);
}

static void put_size(const struct page *p, uint64_t bytes)
{
    char text[REPORT_SIZE_ROOM];
    report_size_short(bytes, text);
    put_text(p, text);
}

static void put_guid(const struct page *p, const vhdx_guid *guid)
{
    char text[37];
    vhdx_guid_format(guid, text);
    put_in(p, "<span class=\"mono\">", text, "</span>");
}

/* Both kinds of separators: names in configurations are Windows paths, whatever this host is. */
static const char *last_part(const char *path)
{
    const char *name = path;
    for (const char *at = path; *at; at++) {
        if ((*at == '/' || *at == '\\') && at[1])
            name = at + 1;
    }
    return name;
}

/* ---- the head --------------------------------------------------------------------------------------------------- */

static void count_statuses(struct page *p)
{
    const vhdx_found_file *file;
    for (size_t i = 0; (file = vhdx_orphans_file(p->orphans, i)) != NULL; i++) {
        if ((unsigned)file->status < STATUS_COUNT) {
            p->bytes[file->status] += file->allocated;
            p->files[file->status]++;
        }
        if (file->allocated > p->largest)
            p->largest = file->allocated;
    }
}

static void put_head(const struct page *p)
{
    put(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action "
           "'none'; ");
    fprintf(p->out, "style-src '%s'; script-src '%s'\">\n", html_style_hash, html_script_hash);
    put(p, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<title>Which of these files can go?</title>\n<style>");
    put(p, html_style);
    put(p, "</style>\n</head>\n<body>\n");
}

static void put_count_tile(const struct page *p, const char *class, size_t count, const char *one, const char *many)
{
    fprintf(p->out, "<div class=\"tile %s\"><b>%zu</b>%s</div>\n", class, count, count == 1 ? one : many);
}

static void put_size_tile(const struct page *p, uint64_t bytes, const char *label)
{
    put(p, "<div class=\"tile\"><b>");
    put_size(p, bytes);
    put_in(p, "</b>", label, "</div>\n");
}

static void put_tiles(const struct page *p)
{
    const vhdx_found_totals *t = p->totals;
    put(p, "<div class=\"tiles\">\n");
    put_count_tile(p, t->problem_count ? "bad" : "good", t->problem_count, "problem", "problems");
    put_count_tile(p, "", t->file_count, "disk", "disks");
    put_count_tile(p, "", t->config_count, "configuration", "configurations");
    put_size_tile(p, t->bytes, "taken by disks");
    put_size_tile(p, t->reclaimable, "would come back when all steps are taken");
    put(p, "</div>\n");
}

/* All disks' bytes as one bar, cut by status. */
static void put_share(const struct page *p)
{
    uint64_t total = 0;
    for (unsigned s = 1; s < STATUS_COUNT; s++)
        total += p->bytes[s];
    put(p, "<svg class=\"share\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
           "<rect class=\"rail\" width=\"1000\" height=\"10\"/>");
    double at = 0;
    for (unsigned s = 1; s < STATUS_COUNT && total; s++) {
        double width = 1000.0 * (double)p->bytes[s] / (double)total;
        if (p->bytes[s])
            fprintf(p->out, "<rect class=\"%s\" x=\"%.2f\" width=\"%.2f\" height=\"10\"/>",
                    looks[look_of((vhdx_disk_status)s)].class, at, width > 1.5 ? width - 1 : width);
        at += width;
    }
    put(p, "</svg>\n<ul class=\"legend\">");
    for (unsigned s = 1; s < STATUS_COUNT; s++) {
        if (!p->files[s])
            continue;
        fprintf(p->out, "<li><svg viewBox=\"0 0 18 18\" aria-hidden=\"true\">%s</svg>%zu ",
                looks[look_of((vhdx_disk_status)s)].shape, p->files[s]);
        put_in(p, "", vhdx_disk_status_name((vhdx_disk_status)s), " <span class=\"dim\">");
        put_size(p, p->bytes[s]);
        put(p, "</span></li>");
    }
    put(p, "</ul>\n");
}

static void put_filter(const struct page *p)
{
    put(p, "<div class=\"filter\"><input id=\"search\" type=\"search\" placeholder=\"Search for a disk, a machine, an "
           "id\" "
           "aria-label=\"Search\">");
    for (unsigned s = 1; s < STATUS_COUNT; s++) {
        if (!p->files[s])
            continue;
        const char *name = vhdx_disk_status_name((vhdx_disk_status)s);
        fprintf(p->out, "<button type=\"button\" aria-pressed=\"false\" data-s=\"%s\">%s</button>", name, name);
    }
    put(p, "</div>\n<p class=\"nothing\">Nothing fits.</p>\n");
}

static void put_header(const struct page *p)
{
    put(p, "<header>\n<h1>Which of these files can go?</h1>\n<p class=\"dim\">");
    size_t searched = 0;
    const vhdx_found_place *place;
    for (size_t i = 0; (place = vhdx_orphans_place(p->orphans, i)) != NULL; i++) {
        if (!place->searched)
            continue;
        put(p, searched++ ? ", " : "Searched: ");
        put_in(p, "<span class=\"mono path\">", place->path, "</span>");
    }
    fprintf(p->out, ". What lies elsewhere is not known here. 'vhdx orphans' %s only reads.</p>\n", vhdx_version());
    put_tiles(p);
    put_share(p);
    put(p, "</header>\n");
}

/* ---- one disk --------------------------------------------------------------------------------------------------- */

static void put_lanes(const struct page *p, const struct graph_row *row, const char *shape)
{
    put(p, "<span class=\"g\" aria-hidden=\"true\">");
    for (unsigned i = 0; i < row->lane_count; i++) {
        unsigned lane = row->lanes[i];
        const char *doubtful = lane & GRAPH_DOUBTFUL ? " d" : "";
        if (lane & GRAPH_NODE)
            fprintf(p->out, "<i class=\"%s%s%s\"><svg viewBox=\"0 0 18 18\">%s</svg></i>",
                    lane & GRAPH_FROM_ABOVE ? "t" : "", lane & GRAPH_TO_BELOW ? " b" : "", doubtful, shape);
        else if (lane & GRAPH_BRANCHES)
            fprintf(p->out, "<i class=\"e%s%s\"></i>", lane & GRAPH_PASSES ? " c" : "", doubtful);
        else
            put(p, lane & GRAPH_PASSES ? "<i class=\"v\"></i>" : "<i></i>");
    }
    put(p, "</span>");
}

/* The bar is drawn to the scale of the largest disk on the page. */
static void put_bar(const struct page *p, const vhdx_found_file *file)
{
    double width = p->largest ? 1000.0 * (double)file->allocated / (double)p->largest : 0;
    fprintf(p->out,
            "<div class=\"size\"><svg viewBox=\"0 0 1000 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
            "<rect class=\"rail\" width=\"1000\" height=\"8\"/><rect class=\"%s\" width=\"%.1f\" height=\"8\"/></svg>",
            looks[look_of(file->status)].class, width < 4 ? 4 : width);
    put_size(p, file->allocated);
    if (file->virtual_size) {
        put(p, " <span class=\"dim\">of ");
        put_size(p, file->virtual_size);
        put(p, "</span>");
    }
    put(p, "</div>");
}

static const char *controller_name(vhdx_controller controller)
{
    switch (controller) {
    case VHDX_CONTROLLER_IDE:
        return "IDE";
    case VHDX_CONTROLLER_SCSI:
        return "SCSI";
    case VHDX_CONTROLLER_FLOPPY:
        return "floppy";
    case VHDX_CONTROLLER_OTHER:
        return "other";
    case VHDX_CONTROLLER_NONE:
        break;
    }
    return "";
}

static const char *machine_name(const vhdx_found_config *config)
{
    return config->info->name && config->info->name[0] ? config->info->name : last_part(config->path);
}

static void put_place_on_controller(const struct page *p, const vhdx_drive *disk)
{
    if (disk->controller != VHDX_CONTROLLER_NONE)
        fprintf(p->out, "%s %" PRIu32 ":%" PRIu32, controller_name(disk->controller), disk->controller_number,
                disk->location);
}

static void put_references(const struct page *p, const vhdx_found_file *file)
{
    for (size_t i = 0; i < file->reference_count; i++) {
        const vhdx_found_reference *r = &file->references[i];
        const vhdx_found_config *config = vhdx_orphans_config(p->orphans, r->config);
        if (!config)
            continue;
        fprintf(p->out, "<a class=\"flag vm\" href=\"#c%zu\">", r->config);
        put_in(p, config->info->checkpoint ? "checkpoint " : "", machine_name(config), "");
        if (r->disk < config->info->drive_count) {
            put(p, " &middot; ");
            put_place_on_controller(p, &config->drives[r->disk]);
        }
        put(p, "</a>");
    }
}

static void put_flags(const struct page *p, uint32_t flags)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        const char *name = flags & UINT32_C(1) << bit ? vhdx_disk_flag_name(UINT32_C(1) << bit) : NULL;
        if (name)
            put_in(p, "<span class=\"flag\">", name, "</span>");
    }
}

static void put_findings(const struct page *p, const vhdx_remark *findings, size_t count)
{
    static const char *const classes[] = {
        [VHDX_SEVERITY_INFO] = "i", [VHDX_SEVERITY_WARNING] = "w", [VHDX_SEVERITY_ERROR] = "e"};
    if (!count)
        return;
    put(p, "<ul class=\"says\">");
    for (size_t i = 0; i < count; i++) {
        fprintf(p->out, "<li class=\"%s\" title=\"%s\">", classes[findings[i].severity], findings[i].id);
        char *whole = advice_with_remark(&findings[i]);
        put_in(p, "", whole ? whole : findings[i].message, "</li>");
        free(whole);
    }
    put(p, "</ul>");
}

static void put_name(const struct page *p, const vhdx_found_file *file)
{
    const char *name = last_part(file->path);
    put_in(p, "<span class=\"name\">", name, "</span>");
    enum look look = look_of(file->status);
    fprintf(p->out, "<span class=\"pill %s\">", looks[look].class);
    put_in(p, "", vhdx_disk_status_name(file->status), "</span>");
    fprintf(p->out, "<span class=\"flag\">%s</span>", vhdx_disk_role_name(file->role));
    put_flags(p, file->flags);
    put_references(p, file);
    put_in(p, "<div class=\"where\">", file->path, "");
    for (size_t i = 0; i < file->other_name_count; i++)
        put_in(p, "<br>also ", file->other_names[i], "");
    put(p, "</div>");
}

static void put_disk(const struct page *p, const struct graph_row *row)
{
    const vhdx_found_file *file = vhdx_orphans_file(p->orphans, row->file);
    fprintf(p->out, "<div class=\"row\" id=\"f%zu\" data-s=\"%s\">", row->file, vhdx_disk_status_name(file->status));
    put_lanes(p, row, looks[look_of(file->status)].shape);
    put(p, "<div class=\"what\">");
    put_name(p, file);
    put_findings(p, file->remarks, file->remark_count);
    put(p, "</div>");
    put_bar(p, file);
    put(p, "</div>\n");
}

static void put_missing(const struct page *p, const struct graph_row *row)
{
    const vhdx_found_file *child = vhdx_orphans_file(p->orphans, row->file);
    const vhdx_parent_names *names = &child->names;
    const char *name = names->absolute_win32_path ? names->absolute_win32_path
                       : names->relative_path     ? names->relative_path
                                                  : names->volume_path;
    put(p, "<div class=\"row ghost\">");
    put_lanes(p, row, "<circle class=\"hollow\" cx=\"9\" cy=\"9\" r=\"7\"/>");
    put_in(p, "<div class=\"what\"><span class=\"name\">", name ? last_part(name) : "a disk without a name",
           "</span><span class=\"pill bad\">not found</span><div class=\"where\">");
    put_text(p, name);
    if (names->has_linkage) {
        put(p, name ? " &middot; id " : "id ");
        put_guid(p, &names->linkage);
    }
    put(p, "</div></div><div class=\"size\"></div></div>\n");
}

/* ---- one family ------------------------------------------------------------------------------------------------- */

static bool is_command(vhdx_step_kind kind)
{
    return kind != VHDX_STEP_NOTE;
}

static void put_steps(const struct page *p, const vhdx_found_family *family)
{
    if (!family->step_count && !family->blocker_count)
        return;
    put(p, "<div class=\"steps\">");
    if (family->step_count)
        put(p, "<h4>What to do, in this order</h4><ol>");
    for (size_t i = 0; i < family->step_count; i++) {
        const vhdx_found_step *step = &family->steps[i];
        if (is_command(step->kind)) {
            fprintf(p->out, "<li><button class=\"copy\" type=\"button\">copy</button><span class=\"by\">%s</span>",
                    report_step_title(step->kind));
            put(p, "<pre>");
            text_put_html_lines(p->out, step->text);
            put(p, "</pre></li>\n");
        } else {
            put_in(p, "<li>", step->text, "</li>\n");
        }
    }
    if (family->step_count)
        put(p, "</ol>");
    if (family->blocker_count && !family->may_delete) {
        put(p, "<div class=\"no\"><b>Nothing of this is proposed for deletion:</b><ul class=\"says\">");
        for (size_t i = 0; i < family->blocker_count; i++)
            put_in(p, "<li class=\"w\">", family->blockers[i], "</li>");
        put(p, "</ul></div>");
    }
    put(p, "</div>\n");
}

static void put_family_summary(const struct page *p, const vhdx_found_family *family)
{
    bool bad = family->problem_count > 0;
    fprintf(p->out, "<details class=\"family %s\"%s><summary>", bad ? "broken" : "sound", bad ? " open" : "");
    put(p, "<h3>");
    const vhdx_found_config *machines[FAMILY_MACHINES_SHOWN];
    size_t count = family_machines(p->orphans, family, machines);
    for (size_t i = 0; i < count; i++)
        put_in(p, "", machine_name(machines[i]), i + 1 < count ? ", " : ": ");
    put_in(p, "", family->name, "</h3>");
    if (bad)
        fprintf(p->out, "<span class=\"bad\">%zu problem%s</span>", family->problem_count,
                family->problem_count == 1 ? "" : "s");
    fprintf(p->out, "<span class=\"dim\">%zu disk%s &middot; ", family->file_count, family->file_count == 1 ? "" : "s");
    put_size(p, family->bytes);
    if (family->reclaimable) {
        put(p, " &middot; ");
        put_size(p, family->reclaimable);
        put(p, " would come back");
    }
    put(p, "</span></summary><div class=\"body\">\n");
}

static bool put_family(const struct page *p, const vhdx_found_family *family)
{
    struct graph_row *rows;
    size_t count;
    if (!graph_rows(p->orphans, family, &rows, &count))
        return false;
    put_family_summary(p, family);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].missing)
            put_missing(p, &rows[i]);
        else
            put_disk(p, &rows[i]);
    }
    free(rows);
    put_steps(p, family);
    put(p, "</div></details>\n");
    return true;
}

static bool put_families(const struct page *p, const size_t *order, enum family_group group, const char *title)
{
    size_t count = 0;
    for (size_t i = 0; i < p->totals->family_count; i++) {
        const vhdx_found_family *family = vhdx_orphans_family(p->orphans, order[i]);
        if (family_group(p->orphans, family) != group)
            continue;
        if (count++ == 0)
            put(p, title);
        if (!put_family(p, family))
            return false;
    }
    return true;
}

static bool put_all_families(const struct page *p)
{
    size_t *order = families_in_order(p->orphans);
    const char *unnamed = p->totals->config_count == 0
                              ? "<h2>Named by no machine</h2>\n<p class=\"dim\">No configuration was found: whether a "
                                "machine uses these disks is not known.</p>\n"
                              : "<h2>Named by no machine</h2>\n<p class=\"dim\">A template, a disk of another host, or "
                                "what a machine that was deleted has left.</p>\n";
    bool whole = order && put_families(p, order, FAMILY_TROUBLED, "<h2>To be looked at</h2>\n") &&
                 put_families(p, order, FAMILY_UNNAMED, unnamed) &&
                 put_families(p, order, FAMILY_USED, "<h2>In order</h2>\n");
    free(order);
    return whole;
}

/* ---- what is around the disks --------------------------------------------------------------------------------- */

static void put_config_disks(const struct page *p, const vhdx_found_config *config)
{
    put(p, "<ul class=\"plain\">");
    for (size_t i = 0; i < config->info->drive_count; i++) {
        const vhdx_drive *disk = &config->drives[i];
        put(p, "<li>");
        put_place_on_controller(p, disk);
        put(p, " ");
        if (config->files[i] != VHDX_NONE)
            fprintf(p->out, "<a href=\"#f%zu\">", config->files[i]);
        put_in(p, "<span class=\"path\">", disk->path, "</span>");
        put(p, config->files[i] != VHDX_NONE ? "</a></li>" : " <span class=\"dim\">not found here</span></li>");
    }
    put(p, "</ul>");
}

static void put_config(const struct page *p, size_t number, const vhdx_found_config *config)
{
    const vhdx_machine_info *info = config->info;
    fprintf(p->out, "<tr id=\"c%zu\"><td>", number);
    put_in(p, "<b>", machine_name(config), "</b>");
    if (info->checkpoint)
        put(p, " <span class=\"flag\">checkpoint</span>");
    if (info->saved_state == VHDX_SAVED_STATE_PRESENT)
        put(p, " <span class=\"flag\">saved-state</span>");
    if (info->merge_pending)
        put(p, " <span class=\"flag\">merge-pending</span>");
    if (!config->readable)
        put(p, " <span class=\"pill bad\">not read whole</span>");
    put_in(p, "<div class=\"where\">", info->id_text, "</div>");
    put_in(p, "<div class=\"where\">", config->path, "</div>");
    put_findings(p, config->remarks, config->remark_count);
    put(p, "</td><td>");
    put_config_disks(p, config);
    put(p, "</td></tr>\n");
}

static void put_configs(const struct page *p)
{
    const vhdx_found_config *config;
    for (size_t i = 0; (config = vhdx_orphans_config(p->orphans, i)) != NULL; i++) {
        if (i == 0)
            put(p, "<h2>Machines and checkpoints</h2>\n<table><thead><tr><th>configuration</th><th>disks that it "
                   "names</th></tr>"
                   "</thead><tbody>\n");
        put_config(p, i, config);
    }
    if (p->totals->config_count)
        put(p, "</tbody></table>\n");
}

static void put_sides(const struct page *p)
{
    const vhdx_found_side *side;
    for (size_t i = 0; (side = vhdx_orphans_side(p->orphans, i)) != NULL; i++) {
        if (i == 0)
            put(p, "<h2>Other files of machines and "
                   "disks</h2>\n<table><thead><tr><th>file</th><th>kind</th><th>size</th></tr>"
                   "</thead><tbody>\n");
        put_in(p, "<tr><td>", side->path, "");
        put_findings(p, side->remarks, side->remark_count);
        put_in(p, "</td><td>", vhdx_side_kind_name(side->kind), "</td><td>");
        put_size(p, side->file_size);
        put(p, "</td></tr>\n");
    }
    if (p->totals->side_count)
        put(p, "</tbody></table>\n");
}

static void put_places(const struct page *p, const char *title, bool nowhere)
{
    const vhdx_found_place *place;
    size_t count = 0;
    for (size_t i = 0; (place = vhdx_orphans_place(p->orphans, i)) != NULL; i++) {
        if (place->searched || place->nowhere != nowhere)
            continue;
        if (count++ == 0)
            put_in(p, "<h2>", title, "</h2>\n<table><thead><tr><th>place</th><th>why</th></tr></thead><tbody>\n");
        put_in(p, "<tr><td>", place->path, "</td><td>");
        put_in(p, "", place->reason, "</td></tr>\n");
    }
    if (count)
        put(p, "</tbody></table>\n");
}

bool report_html(FILE *out, const vhdx_orphans *orphans)
{
    struct page p = {.out = out, .orphans = orphans, .totals = vhdx_orphans_totals(orphans)};
    count_statuses(&p);
    put_head(&p);
    put_header(&p);
    put(&p, "<main>\n");
    put_filter(&p);
    if (!put_all_families(&p))
        return false;
    put_places(&p, "Not searched", false);
    put_places(&p, "Links that lead to nothing", true);
    put_configs(&p);
    put_sides(&p);
    put(&p, "</main>\n<footer>Made by libvhdx. The bars are drawn to the scale of the largest disk. A dashed line "
            "leads to a parent "
            "that is in doubt or was not found.</footer>\n<script>");
    put(&p, html_script);
    put(&p, "</script>\n</body>\n</html>\n");
    return true;
}
