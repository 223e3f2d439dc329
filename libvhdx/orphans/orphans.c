/*
 * Order of the search. See orphans.h.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/orphans.h"

#include "base/alloc.h"
#include "io/io.h"
#include "estate/advice.h"
#include "estate/classify.h"
#include "orphans/compare.h"
#include "estate/family.h"
#include "estate/graph.h"
#include "orphans/report_read.h"
#include "orphans/scan.h"

#include <string.h>

/* "FROM=TO", with TO made absolute. */
static vhdx_status take_map(struct vx_estate *estate, const vhdx_host *host, const char *text, vhdx_error *err)
{
    enum { ROOM = 4096 };
    char to[ROOM];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "'%s' is no map of the form FROM=TO", text);
    VX_TRY(vx_host_result(host->absolute(host->context, equals + 1, to, ROOM, err), equals + 1, "say its whole path",
                          err));
    struct vx_path_map *map = &estate->maps[estate->map_count];
    map->from = vx_arena_format(&estate->arena, "%.*s", (int)(equals - text), text);
    map->to = vx_arena_text(&estate->arena, to);
    estate->map_count++;
    return map->from && map->to ? VHDX_OK : vx_fail_memory(err, "a map of paths");
}

static vhdx_status take_maps(struct vx_estate *estate, const vhdx_orphans_options *options, vhdx_error *err)
{
    const vhdx_host *host = vx_host_or_native(options->host);
    estate->maps = vx_arena_take(&estate->arena, options->map_count, sizeof *estate->maps);
    if (!estate->maps)
        return vx_fail_memory(err, "a map of paths");
    for (size_t i = 0; i < options->map_count; i++)
        VX_TRY(take_map(estate, host, options->maps[i], err));
    return VHDX_OK;
}

static vhdx_status name_reports(struct vx_estate *estate, const vhdx_orphans_options *options, vhdx_error *err)
{
    const char **names = vx_arena_take(&estate->arena, options->report_count, sizeof *names);
    for (size_t i = 0; names && i < options->report_count; i++) {
        names[i] = vx_arena_text(&estate->arena, options->reports[i]);
        if (!names[i])
            names = NULL;
    }
    estate->reports = names;
    return names ? VHDX_OK : vx_fail_memory(err, "the names of the reports");
}

vhdx_status vx_estate_relate(struct vx_estate *estate, vhdx_error *err)
{
    vx_estate_sort(estate);
    VX_TRY(vx_graph_unify(estate, err));
    estate->names = vx_names_new(estate);
    if (!estate->names)
        return vx_fail_memory(err, "the names of the disks");
    VX_TRY(vx_graph_build(estate, err));
    return vx_classify(estate, err);
}

static bool settle_disks(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->disk_count; i++) {
        vhdx_found_file *pub = &estate->disks[i].pub;
        pub->findings = vx_notes_array(estate, &estate->disks[i].notes);
        pub->finding_count = estate->disks[i].notes.count;
        pub->absolute = estate->disks[i].absolute;
        pub->is_vhdx = estate->disks[i].is_vhdx;
        pub->has_identity = estate->disks[i].has_identity;
        pub->readable = estate->disks[i].is_sound;
        pub->trouble = estate->disks[i].trouble;
        pub->source = estate->disks[i].source;
        estate->totals.bytes += pub->allocated;
    }
    return !estate->no_memory;
}

static size_t count_errors(const struct vx_notes *notes)
{
    size_t count = 0;
    for (const struct vx_note *note = notes->first; note; note = note->next)
        count += note->finding.severity == VHDX_SEVERITY_ERROR;
    return count;
}

static void settle_rest(struct vx_estate *estate)
{
    vhdx_orphans_totals *totals = &estate->totals;
    for (size_t i = 0; i < estate->machine_count; i++) {
        struct vx_machine *machine = &estate->machines[i];
        machine->pub.findings = vx_notes_array(estate, &machine->notes);
        machine->pub.finding_count = machine->notes.count;
        machine->pub.source = machine->source;
        machine->pub.extra = machine->is_extra;
        machine->pub.absolute = machine->absolute;
        totals->problem_count += count_errors(&machine->notes);
    }
    for (size_t i = 0; i < estate->side_count; i++) {
        struct vx_side *side = &estate->sides[i];
        side->pub.findings = vx_notes_array(estate, &side->notes);
        side->pub.finding_count = side->notes.count;
        side->pub.source = side->source;
        side->pub.absolute = side->absolute;
    }
    for (size_t i = 0; i < estate->family_count; i++) {
        totals->problem_count += estate->families[i].problem_count;
        totals->reclaimable += estate->families[i].reclaimable;
    }
    totals->file_count = estate->disk_count;
    totals->config_count = estate->machine_count;
    totals->side_count = estate->side_count;
    totals->chain_count = estate->chain_count;
    totals->family_count = estate->family_count;
    totals->place_count = estate->place_count;
}

vhdx_status vx_estate_advise(struct vx_estate *estate, vhdx_error *err)
{
    vx_classify_compared(estate);
    VX_TRY(vx_families_make(estate, err));
    VX_TRY(vx_advise_families(estate, err));
    if (settle_disks(estate))
        settle_rest(estate);
    return estate->no_memory ? vx_fail_memory(err, "the findings") : VHDX_OK;
}

vhdx_status vx_estate_judge(struct vx_estate *estate, vhdx_error *err)
{
    VX_TRY(vx_estate_relate(estate, err));
    return vx_estate_advise(estate, err);
}

static vhdx_status search(struct vx_estate *estate, const char *const *roots, size_t root_count,
                          const vhdx_orphans_options *options, vhdx_error *err)
{
    VX_TRY(take_maps(estate, options, err));
    VX_TRY(vx_scan(estate, roots, root_count, false, options, err));
    if (options->config_count)
        VX_TRY(vx_scan(estate, options->configs, options->config_count, true, options, err));
    VX_TRY(name_reports(estate, options, err));
    for (size_t i = 0; i < options->report_count; i++)
        VX_TRY(vx_report_read(estate, vx_host_or_native(options->host), options->reports[i], (unsigned)i + 1, err));
    estate->totals.complete_asked = options->complete;
    estate->totals.data_compared = (options->data || root_count == 0) && !estate->reports_without_data;
    VX_TRY(vx_estate_relate(estate, err));
    if (options->data)
        VX_TRY(vx_compare(estate, options, err));
    vx_compare_carry(estate); /* behind vx_compare(), which walks the rings of twins */
    return vx_estate_advise(estate, err);
}

vhdx_status vx_orphans_scan(const char *const *roots, size_t root_count, const vhdx_orphans_options *options,
                            const struct vx_trier *trier, struct vx_estate **out, vhdx_error *err)
{
    struct vx_estate *estate = vx_estate_new();
    if (!estate)
        return vx_fail_memory(err, "the search");
    estate->host = vx_host_or_native(options->host);
    estate->windows = estate->host->windows_paths;
    if (trier)
        estate->trier = *trier;
    vhdx_status status = search(estate, roots, root_count, options, err);
    estate->host = NULL; /* the result depends on nothing of the caller's */
    estate->trier = (struct vx_trier){0};
    if (status == VHDX_OK)
        *out = estate;
    else
        vx_estate_free(estate);
    return status;
}
