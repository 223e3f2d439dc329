/*
 * Order of the search. See orphans.h.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/orphans.h"

#include "base/alloc.h"
#include "io/io.h"
#include "orphans/compare.h"
#include "orphans/opens.h"
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

static vhdx_status search(struct vx_estate *estate, const char *const *roots, size_t root_count,
                          const vhdx_orphans_options *options, vhdx_error *err)
{
    VX_TRY(take_maps(estate, options, err));
    VX_TRY(vx_orphans_walk(estate, roots, root_count, false, options, err));
    if (options->config_count)
        VX_TRY(vx_orphans_walk(estate, options->configs, options->config_count, true, options, err));
    VX_TRY(name_reports(estate, options, err));
    for (size_t i = 0; i < options->report_count; i++)
        VX_TRY(vx_orphans_read_report(estate, vx_host_or_native(options->host), options->reports[i], (unsigned)i + 1,
                                      err));
    estate->totals.complete_asked = options->complete;
    estate->totals.data_compared = (options->data || root_count == 0) && !estate->reports_without_data;
    VX_TRY(vx_estate_relate(estate, err));
    if (options->data)
        VX_TRY(vx_orphans_compare(estate, options, err));
    vx_compare_carry(estate); /* behind vx_orphans_compare(), which walks the rings of twins */
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
    estate->opens = vx_opens_here;
    if (trier)
        estate->trier = *trier;
    vhdx_status status = search(estate, roots, root_count, options, err);
    estate->host = NULL; /* the result depends on nothing of the caller's */
    estate->opens = NULL;
    estate->trier = (struct vx_trier){0};
    if (status == VHDX_OK)
        *out = estate;
    else
        vx_estate_free(estate);
    return status;
}
