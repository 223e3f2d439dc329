/*
 * Families in order. See families.h. Decides nothing about disks: it only weighs the library's words.
 */
/* SPDX-License-Identifier: MIT */
#include "families.h"

#include <stdlib.h>
#include <string.h>

/* From what destroys data when somebody goes on as usual, down to what only takes space. */
static unsigned danger_of_file(const vhdx_found_file *file)
{
    bool errors = false;
    for (size_t i = 0; i < file->remark_count; i++)
        errors = errors || file->remarks[i].severity == VHDX_SEVERITY_ERROR;
    if (!errors)
        return 0;
    switch (file->status) {
    case VHDX_DISK_STATUS_ACTIVE_NOT_LEAF:
        return 10;
    case VHDX_DISK_STATUS_PARENT_MODIFIED:
    case VHDX_DISK_STATUS_LINKAGE_MISMATCH:
        return 9;
    case VHDX_DISK_STATUS_CYCLE:
        return 8;
    case VHDX_DISK_STATUS_UNREADABLE:
        return file->is_vhdx ? 8 : 3;
    case VHDX_DISK_STATUS_PARENT_MISSING:
        return 6;
    case VHDX_DISK_STATUS_PARENT_MOVED:
        return 5;
    case VHDX_DISK_STATUS_DUPLICATE:
        return 2;
    case VHDX_DISK_STATUS_ORPHAN:
        return 1;
    default:
        return 7; /* in use, and yet cut off, or with a merge that was begun */
    }
}

static unsigned danger_of(const vhdx_orphans *orphans, const vhdx_found_family *family)
{
    unsigned most = 0;
    for (size_t i = 0; i < family->file_count; i++) {
        unsigned danger = danger_of_file(vhdx_orphans_file(orphans, family->files[i]));
        most = danger > most ? danger : most;
    }
    return most;
}

static bool is_used(const vhdx_found_file *file)
{
    return file->reference_count > 0 || file->status == VHDX_DISK_STATUS_IN_USE_BY_VM ||
           file->status == VHDX_DISK_STATUS_CHECKPOINT || file->status == VHDX_DISK_STATUS_VHD_SET ||
           file->status == VHDX_DISK_STATUS_LOCKED;
}

enum family_group family_group(const vhdx_orphans *orphans, const vhdx_found_family *family)
{
    if (family->problem_count > 0)
        return FAMILY_TROUBLED;
    for (size_t i = 0; i < family->file_count; i++)
        if (is_used(vhdx_orphans_file(orphans, family->files[i])))
            return FAMILY_USED;
    return FAMILY_UNNAMED;
}

size_t families_unnamed(const vhdx_orphans *orphans)
{
    const vhdx_found_family *family;
    size_t count = 0;
    for (size_t i = 0; (family = vhdx_orphans_family(orphans, i)) != NULL; i++)
        count += family_group(orphans, family) == FAMILY_UNNAMED;
    return count;
}

struct weighed {
    unsigned danger;
    size_t family;
};

static int order_of(const void *a, const void *b)
{
    const struct weighed *first = a, *second = b;
    if (first->danger != second->danger)
        return first->danger > second->danger ? -1 : 1;
    return first->family < second->family ? -1 : first->family > second->family;
}

size_t *families_in_order(const vhdx_orphans *orphans)
{
    size_t count = vhdx_orphans_totals(orphans)->family_count;
    struct weighed *weighed = calloc(count + 1, sizeof *weighed);
    size_t *order = calloc(count + 1, sizeof *order);
    for (size_t i = 0; weighed && order && i < count; i++)
        weighed[i] = (struct weighed){danger_of(orphans, vhdx_orphans_family(orphans, i)), i};
    if (weighed && order && count > 1)
        qsort(weighed, count, sizeof *weighed, order_of);
    for (size_t i = 0; weighed && order && i < count; i++)
        order[i] = weighed[i].family;
    if (!weighed) {
        free(order);
        order = NULL;
    }
    free(weighed);
    return order;
}

static bool is_among(const vhdx_found_config *config, const vhdx_found_config *const *machines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (machines[i] == config)
            return true;
    return false;
}

size_t family_machines(const vhdx_orphans *orphans, const vhdx_found_family *family,
                       const vhdx_found_config *machines[FAMILY_MACHINES_SHOWN])
{
    size_t count = 0;
    for (size_t i = 0; i < family->file_count; i++) {
        const vhdx_found_file *file = vhdx_orphans_file(orphans, family->files[i]);
        for (size_t j = 0; j < file->reference_count && count < FAMILY_MACHINES_SHOWN; j++) {
            const vhdx_found_config *config = vhdx_orphans_config(orphans, file->references[j].config);
            if (!config->info->checkpoint && !is_among(config, machines, count))
                machines[count++] = config;
        }
    }
    return count;
}
