/*
 * The public doors of the search for orphans: arguments are checked once, then one call goes down; and the words that
 * records are told in. See vhdx.h for what each function promises.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include "api_trial.h"
#include "base/alloc.h"
#include "base/options.h"
#include "orphans/orphans.h"

#include <string.h>

struct vhdx_orphans {
    struct vx_estate *estate;
};

vhdx_status vhdx_orphans_scan(const char *const *roots, size_t root_count, const vhdx_orphans_options *given,
                              vhdx_orphans **orphans, vhdx_error *err)
{
    vhdx_orphans_options options;
    vx_clear(err);
    if (!orphans)
        return vx_refuse_argument(err, "vhdx_orphans_scan: a place for the handle is needed");
    VX_TRY(vx_take_options(&options, sizeof options, given, err));
    if (root_count == 0 && options.report_count == 0)
        return vx_refuse_argument(err, "vhdx_orphans_scan: there is nothing to search");
    if (!vx_all_named(roots, root_count) || !vx_all_named(options.configs, options.config_count) ||
        !vx_all_named(options.maps, options.map_count) || !vx_all_named(options.reports, options.report_count))
        return vx_refuse_argument(err, "vhdx_orphans_scan: a name is missing");
    vhdx_orphans *handle = vx_alloc(1, sizeof *handle);
    if (!handle)
        return vx_fail_memory(err, "the search");
    struct vx_trials trials = {.options = &options};
    const struct vx_trier trier = {vx_trial_ask, &trials};
    vhdx_status status = vx_orphans_scan(roots, root_count, &options, &trier, &handle->estate, err);
    if (status == VHDX_OK)
        *orphans = handle;
    else
        vx_free(handle);
    return status;
}

void vhdx_orphans_free(vhdx_orphans *orphans)
{
    if (orphans)
        vx_estate_free(orphans->estate);
    vx_free(orphans);
}

const vhdx_found_totals *vhdx_orphans_totals(const vhdx_orphans *orphans)
{
    return &orphans->estate->totals;
}

const vhdx_found_file *vhdx_orphans_file(const vhdx_orphans *orphans, size_t number)
{
    return number < orphans->estate->disk_count ? &orphans->estate->disks[number].pub : NULL;
}

const vhdx_found_config *vhdx_orphans_config(const vhdx_orphans *orphans, size_t number)
{
    return number < orphans->estate->machine_count ? &orphans->estate->machines[number].pub : NULL;
}

const vhdx_found_side *vhdx_orphans_side(const vhdx_orphans *orphans, size_t number)
{
    return number < orphans->estate->side_count ? &orphans->estate->sides[number].pub : NULL;
}

const vhdx_found_chain *vhdx_orphans_chain(const vhdx_orphans *orphans, size_t number)
{
    return number < orphans->estate->chain_count ? &orphans->estate->chains[number] : NULL;
}

const vhdx_found_family *vhdx_orphans_family(const vhdx_orphans *orphans, size_t number)
{
    return number < orphans->estate->family_count ? &orphans->estate->families[number] : NULL;
}

const vhdx_found_place *vhdx_orphans_place(const vhdx_orphans *orphans, size_t number)
{
    return number < orphans->estate->place_count ? &orphans->estate->places[number] : NULL;
}
