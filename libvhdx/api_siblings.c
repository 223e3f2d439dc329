/*
 * Siblings in other places. See api_siblings.h. What could not be read there may be another child
 * too; only where the search proves that it is no differencing disk is it left out.
 */
/* SPDX-License-Identifier: MIT */
#include "api_siblings.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "io/io.h"
#include "orphans/orphans.h"

struct vx_siblings {
    struct vx_estate *estate;
    struct vx_far_disk *items;
    struct vx_far_disks disks;
};

static void take_disk(struct vx_siblings *siblings, const struct vx_disk *disk)
{
    bool unknown = !disk->is_sound && (disk->is_vhdx || disk->host_failed);
    if (vx_disk_is_quarantined(disk) || (!unknown && (!vx_disk_is_differencing(disk) || vx_disk_is_vhd(disk))))
        return;
    siblings->items[siblings->disks.count++] = (struct vx_far_disk){
        .path = disk->source ? disk->absolute : disk->pub.path,
        .is_elsewhere = disk->source != 0,
        .is_obscure = unknown && !disk->locked,
        .is_busy = unknown && disk->locked,
        .has_identity = disk->has_identity,
        .data_write_guid = disk->pub.data_write_guid,
        .file_write_guid = disk->pub.file_write_guid,
        .has_linkage = disk->pub.names.has_linkage,
        .linkage = disk->pub.names.linkage,
        .has_linkage2 = disk->pub.names.has_linkage2 && !vx_guid_is_zero(&disk->pub.names.linkage2),
        .linkage2 = disk->pub.names.linkage2,
    };
}

static vhdx_status search(struct vx_siblings *siblings, const struct vx_siblings_wish *wish, const char **roots,
                          const char **reports, vhdx_error *err)
{
    const vhdx_host *host = vx_host_or_native(wish->host);
    vhdx_orphans_options orphans = {.struct_size = sizeof orphans, .host = wish->host, .reports = reports};
    size_t root_count = 0;
    for (size_t i = 0; i < wish->count; i++) {
        vhdx_entry_type type;
        vhdx_file_facts facts;
        VX_TRY(vx_host_look(host, wish->places[i], &type, &facts, err));
        if (type == VHDX_ENTRY_DIRECTORY)
            roots[root_count++] = wish->places[i];
        else
            reports[orphans.report_count++] = wish->places[i];
    }
    VX_TRY(vx_orphans_scan(roots, root_count, &orphans, NULL, &siblings->estate, err));
    siblings->items = vx_alloc(siblings->estate->disk_count, sizeof *siblings->items);
    if (!siblings->items)
        return vx_fail_memory(err, "the disks in other places");
    for (size_t i = 0; i < siblings->estate->disk_count; i++)
        take_disk(siblings, &siblings->estate->disks[i]);
    siblings->disks.items = siblings->items;
    return VHDX_OK;
}

vhdx_status vx_siblings_find(const struct vx_siblings_wish *wish, struct vx_siblings **out, vhdx_error *err)
{
    *out = NULL;
    if (wish->count == 0)
        return VHDX_OK;
    struct vx_siblings *siblings = vx_alloc(1, sizeof *siblings);
    const char **roots = vx_alloc(wish->count, sizeof *roots);
    const char **reports = vx_alloc(wish->count, sizeof *reports);
    vhdx_status status = siblings && roots && reports ? search(siblings, wish, roots, reports, err)
                                                      : vx_fail_memory(err, "the disks in other places");
    vx_free(roots);
    vx_free(reports);
    if (status == VHDX_OK)
        *out = siblings;
    else
        vx_siblings_free(siblings);
    return status;
}

const struct vx_far_disks *vx_siblings_disks(const struct vx_siblings *siblings)
{
    return siblings ? &siblings->disks : NULL;
}

void vx_siblings_free(struct vx_siblings *siblings)
{
    if (!siblings)
        return;
    if (siblings->estate)
        vx_estate_free(siblings->estate);
    vx_free(siblings->items);
    vx_free(siblings);
}
