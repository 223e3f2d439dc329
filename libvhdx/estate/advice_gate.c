/*
 * The completeness gate (A2 of advice_order.h): what speaks against moving a family's files aside, and what more
 * against removing any. Something that could not be read or searched speaks against all families.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/adviser.h"

#include "base/utf.h"
#include "base/path.h"

#include <string.h>

static void block(struct vx_blockers *blockers, const char *sentence)
{
    if (blockers->count < VX_BLOCKERS_SHOWN)
        blockers->items[blockers->count++] = sentence;
    else
        blockers->left++;
}

/*
 * A link to nowhere is harmless unless it is called like a configuration or a disk that was not found elsewhere:
 * Windows registered machines by such links once, and the volume that it leads to may not be mounted.
 */
static bool hides_something(const struct vx_estate *estate, const char *path)
{
    bool windows = estate->windows;
    const char *name = vx_path_name(path, windows);
    bool config = vx_path_has_extension(path, ".xml", windows) || vx_path_has_extension(path, ".vmcx", windows) ||
                  vx_path_has_extension(path, ".exp", windows);
    if (!config && !vx_path_is_disk_name(path, windows))
        return false;
    for (size_t i = 0; config && i < estate->machine_count; i++)
        if (vx_name_equal(vx_tail_name(estate->machines[i].absolute), name))
            return false;
    for (size_t i = 0; !config && i < estate->disk_count; i++)
        if (vx_name_equal(vx_tail_name(estate->disks[i].absolute), name))
            return false;
    return true;
}

void vx_gate_gather(struct vx_adviser *a)
{
    struct vx_estate *estate = a->estate;
    for (size_t i = 0; i < estate->machine_count; i++) {
        const struct vx_machine *machine = &estate->machines[i];
        if (machine->pub.info->format != VHDX_CONFIG_VHDS && !machine->pub.readable)
            block(&a->global, vx_advice_say(a, "the configuration %s was not read whole", machine->pub.path));
        if (machine->misses_machines)
            block(&a->global,
                  vx_advice_say(a, "%s lists machines whose configurations were not found", machine->pub.path));
        for (const struct vx_note *note = machine->notes.first; note; note = note->next)
            if (note->number == VX_REMARK_CHECKPOINTS_MISSING)
                block(&a->global, vx_advice_say(a, "configurations of checkpoints of %s are missing",
                                                machine->pub.info->name ? machine->pub.info->name : machine->pub.path));
    }
    for (size_t i = 0; i < estate->place_count; i++) {
        const vhdx_found_place *place = &estate->places[i];
        if (!place->searched && !place->nowhere)
            block(&a->global, vx_advice_say(a, "%s was not searched", place->path));
        else if (place->nowhere && hides_something(estate, place->path))
            block(&a->global, vx_advice_say(a, "%s is a link to a file that is not here", place->path));
    }
    for (size_t i = 0; i < estate->disk_count; i++) {
        const struct vx_disk *disk = &estate->disks[i];
        if (!disk->is_sound && (disk->is_vhdx || disk->host_failed || vx_disk_is_vhd(disk)) && disk->trouble)
            block(&a->global, vx_advice_say(a, "%s cannot be read: it may need any other disk", disk->pub.path));
    }
}

static void gather_family(struct vx_adviser *a)
{
    for (size_t i = 0; i < a->family->file_count; i++) {
        const struct vx_disk *disk = vx_advice_disk(a, a->family->files[i]);
        if (vx_disk_is_quarantined(disk))
            continue;
        if (vx_is_doubtful_copy(disk))
            block(&a->blockers,
                  vx_advice_say(a, "%s is a copy, and whether its bytes are the same is not known", disk->pub.path));
        if (disk->locked)
            block(&a->blockers, vx_advice_say(a, "%s is in use", disk->pub.path));
        if (disk->pub.status == VHDX_DISK_STATUS_ACTIVE_NOT_LEAF && !disk->is_template)
            block(&a->blockers,
                  vx_advice_say(a, "which of the disks on %s is wanted must be decided first", disk->pub.path));
        if (disk->parent_second)
            block(&a->blockers,
                  vx_advice_say(a, "a merge of %s was begun, and is to be finished first", disk->pub.path));
        else if (disk->in_cycle || disk->pub.suspect != VHDX_NONE || !disk->is_sound || disk->truncated)
            block(&a->blockers, vx_advice_say(a, "%s is damaged, or its parent is in doubt", disk->pub.path));
        if (disk->in_set)
            block(&a->blockers, vx_advice_say(a, "%s belongs to a VHD set", disk->pub.path));
        if (disk->pub.flags & VHDX_DISK_FLAG_OTHER_USE)
            block(&a->blockers, vx_advice_say(a, "%s is of a kind that no machine names", disk->pub.path));
    }
}

/* A disk that a machine needs and that was not found may be any of those here under another name: that speaks against
 * removing, not against moving aside. */
static void gather_missed(struct vx_adviser *a)
{
    for (size_t i = 0; i < a->estate->machine_count; i++) {
        const struct vx_machine *machine = &a->estate->machines[i];
        bool misses = false;
        for (const struct vx_note *note = machine->notes.first; note && !machine->is_extra; note = note->next)
            misses = misses || note->number == VX_REMARK_DISK_NOT_FOUND;
        if (misses)
            block(&a->blockers, vx_advice_say(a, "disks that %s names were not found",
                                              machine->pub.info->name ? machine->pub.info->name : machine->pub.path));
    }
}

void vx_gate_judge(struct vx_adviser *a)
{
    a->blockers = a->global;
    gather_family(a);
    a->may_move = a->blockers.count == 0;
    if (!a->estate->totals.complete_asked)
        block(&a->blockers, "it was not stated that everything was searched (--complete)");
    if (!a->estate->totals.data_compared)
        block(&a->blockers, "contents were not compared (--data)");
    gather_missed(a);
    a->family->may_delete = a->blockers.count == 0;
}
