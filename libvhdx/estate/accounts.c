/*
 * Accounts of machines on disks. See accounts.h. An entry says that a machine was given the disk,
 * not that it uses it. So it overrides nothing that configurations say, and counts only where they are silent.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/accounts.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

bool vx_account_is_listed(const vhdx_guid *ids, size_t count, const vhdx_guid *id)
{
    for (size_t i = 0; i < count; i++)
        if (vx_guid_equal(&ids[i], id))
            return true;
    return false;
}

/* Which account a machine runs as: machines with an id, sorted by it. */
struct owners {
    struct owner {
        const vhdx_guid *id;
        size_t machine;
    } * items;
    size_t count;
};

static const vhdx_guid *id_of(const struct vx_machine *machine)
{
    const vhdx_machine_info *info = machine->pub.info;
    if (info->has_machine_id)
        return &info->machine_id;
    return info->has_id && !info->checkpoint ? &info->id : NULL;
}

static int owner_order(const void *a, const void *b)
{
    const struct owner *first = a, *second = b;
    int order = memcmp(first->id, second->id, sizeof *first->id);
    return order ? order : first->machine < second->machine ? -1 : first->machine > second->machine;
}

static bool owners_open(const struct vx_estate *estate, struct owners *owners)
{
    owners->count = 0;
    owners->items = vx_alloc(estate->machine_count, sizeof *owners->items);
    if (!owners->items)
        return false;
    for (size_t i = 0; i < estate->machine_count; i++)
        if (estate->machines[i].pub.info->format != VHDX_CONFIG_VHDS && id_of(&estate->machines[i]))
            owners->items[owners->count++] = (struct owner){id_of(&estate->machines[i]), i};
    if (owners->count > 1)
        qsort(owners->items, owners->count, sizeof *owners->items, owner_order);
    return true;
}

static size_t machine_of(const struct owners *owners, const vhdx_guid *id)
{
    size_t low = 0, high = owners->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(owners->items[middle].id, id, sizeof *id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < owners->count && vx_guid_equal(owners->items[low].id, id) ? owners->items[low].machine : VHDX_NONE;
}

static bool lacks(const struct vx_disk *disk, const vhdx_guid *id)
{
    bool listed =
        disk->pub.access == VHDX_ACCESS_SOME && vx_account_is_listed(disk->pub.accounts, disk->pub.account_count, id);
    return disk->pub.access != VHDX_ACCESS_UNKNOWN && disk->pub.access != VHDX_ACCESS_ALL && !listed;
}

/* A machine opens every layer of its disks itself. */
static void check_layers(struct vx_estate *estate, size_t number, size_t leaf)
{
    const struct vx_machine *machine = &estate->machines[number];
    size_t at = leaf;
    for (size_t i = 0; at != VHDX_NONE && i < VX_CHAIN_MAX; i++, at = estate->disks[at].pub.parent) {
        struct vx_disk *disk = &estate->disks[at];
        if (disk->denied_to || !lacks(disk, id_of(machine)))
            continue;
        disk->denied_to = number + 1;
        disk->pub.flags |= VHDX_DISK_FLAG_ACCESS_MISSING;
        vx_estate_note(estate, &disk->notes, VX_REMARK_ACCESS_MISSING, VHDX_SEVERITY_WARNING,
                       "the account of the machine %s, which needs it, may not open it: the machine will not start",
                       vx_machine_name(machine));
    }
}

static void check_machine(struct vx_estate *estate, size_t number)
{
    const struct vx_machine *machine = &estate->machines[number];
    if (machine->pub.info->checkpoint || machine->pub.info->format == VHDX_CONFIG_VHDS || !id_of(machine))
        return;
    for (size_t i = 0; i < machine->pub.info->drive_count; i++)
        if (machine->files[i] != VHDX_NONE)
            check_layers(estate, number, machine->files[i]);
}

/* Nothing that was found uses the disk: then its accounts are the only word on whose it is. */
static void tell_owners(struct vx_estate *estate, const struct owners *owners, struct vx_disk *disk)
{
    size_t known = 0;
    for (size_t i = 0; i < disk->pub.account_count; i++) {
        char id[VX_GUID_TEXT];
        size_t machine = machine_of(owners, &disk->pub.accounts[i]);
        vx_guid_format(&disk->pub.accounts[i], id);
        known += machine != VHDX_NONE;
        if (machine != VHDX_NONE)
            vx_estate_note(estate, &disk->notes, VX_REMARK_OWNER, VHDX_SEVERITY_INFO,
                           "the account of the machine %s may open it: it was a disk of this machine",
                           vx_machine_name(&estate->machines[machine]));
        else
            vx_estate_note(estate, &disk->notes, VX_REMARK_FOREIGN, VHDX_SEVERITY_INFO,
                           "it belonged to a machine with the id %s, of which no configuration was found", id);
    }
    if (known > 0 || vx_disk_is_quarantined(disk))
        return;
    disk->pub.flags |= VHDX_DISK_FLAG_FOREIGN;
    if (!estate->totals.complete_asked)
        disk->is_needed = true; /* by a machine of another host, for all that is known */
}

bool vx_accounts_judge(struct vx_estate *estate)
{
    struct owners owners;
    if (!owners_open(estate, &owners))
        return false;
    for (size_t i = 0; i < estate->machine_count; i++)
        check_machine(estate, i);
    for (size_t i = 0; i < estate->disk_count; i++)
        if (estate->disks[i].pub.account_count > 0 && !vx_disk_is_used(&estate->disks[i]))
            tell_owners(estate, &owners, &estate->disks[i]);
    vx_free(owners.items);
    return true;
}
