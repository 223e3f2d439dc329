/*
 * Classification. See classify.h. First which disks are named, then which are needed (every ancestor of a named one),
 * then for each disk the one word that matters most. The order of the words is that of the danger: what cannot be read
 * or is held by another program comes before what is broken, that before what is merely in use, and only what is not
 * needed is an orphan.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/classify.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/path.h"
#include "estate/accounts.h"
#include "estate/disk_findings.h"
#include "estate/needs.h"
#include "estate/references.h"
#include "estate/sides.h"

/* ---- copies ---- */

/* Of a ring of twins: which of them is the one that is used, if that can be told. */
static void judge_copies(struct vx_estate *estate, size_t first)
{
    size_t used = 0, with_children = 0, live = 0, at = first;
    do {
        const struct vx_disk *disk = &estate->disks[at];
        used += vx_disk_is_used(disk);
        with_children += vx_disk_live_children(estate, disk) > 0;
        live += !vx_disk_is_quarantined(disk);
        at = disk->pub.twin;
    } while (at != first);
    do {
        struct vx_disk *disk = &estate->disks[at];
        bool kept = used > 0 ? vx_disk_is_used(disk) : with_children == 1 && vx_disk_live_children(estate, disk) > 0;
        bool alone = used == 0 && live == 1 && !vx_disk_is_quarantined(disk);
        disk->is_copy = !kept && !alone;
        disk->copies_judged = true;
        at = disk->pub.twin;
    } while (at != first);
}

/* ---- what is broken below ---- */

enum { CHAIN_UNKNOWN, CHAIN_SOUND, CHAIN_BROKEN };

static bool breaks_here(const struct vx_disk *disk)
{
    return !disk->is_sound || disk->in_cycle || disk->truncated || disk->parent_second ||
           (vx_disk_is_differencing(disk) && disk->pub.parent == VHDX_NONE);
}

/* Walks down to where it is known, and back up; each disk is walked over twice at most. */
static void judge_chain(struct vx_estate *estate, size_t number)
{
    size_t at = number;
    int state = CHAIN_UNKNOWN;
    while (state == CHAIN_UNKNOWN) {
        const struct vx_disk *disk = &estate->disks[at];
        if (disk->chain_state != CHAIN_UNKNOWN)
            state = disk->chain_state == CHAIN_BROKEN || breaks_here(disk) ? CHAIN_BROKEN : CHAIN_SOUND;
        else if (breaks_here(disk))
            state = CHAIN_BROKEN;
        else if (disk->pub.parent == VHDX_NONE)
            state = CHAIN_SOUND;
        else
            at = disk->pub.parent;
    }
    size_t end = at;
    for (at = number; at != end; at = estate->disks[at].pub.parent)
        estate->disks[at].chain_state = state;
    if (estate->disks[end].chain_state == CHAIN_UNKNOWN)
        estate->disks[end].chain_state = CHAIN_SOUND; /* what is broken in the disk itself is told by its status */
}

/* ---- the one word ---- */

static vhdx_disk_role role_of(const struct vx_estate *estate, const struct vx_disk *disk)
{
    bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
    bool has_parent =
        disk->pub.kind == VHDX_DISK_KIND_DIFFERENCING || disk->pub.kind == VHDX_DISK_KIND_VHD_DIFFERENCING;
    if (!disk->is_sound && disk->pub.kind == VHDX_DISK_KIND_UNKNOWN)
        has_parent = vx_path_has_extension(disk->absolute, ".avhdx", windows) ||
                     vx_path_has_extension(disk->absolute, ".avhd", windows);
    if (!has_parent)
        return VHDX_DISK_ROLE_BASE;
    return vx_disk_live_children(estate, disk) > 0 ? VHDX_DISK_ROLE_INTERMEDIATE : VHDX_DISK_ROLE_LEAF;
}

/* The same disk by its virtual disk id: then it was written to; else it is another one under the same name. */
static bool is_modified_parent(const struct vx_disk *child, const struct vx_disk *suspect)
{
    return suspect->is_sound && !vx_guid_is_zero(&child->pub.virtual_disk_id) &&
           vx_guid_equal(&child->pub.virtual_disk_id, &suspect->pub.virtual_disk_id);
}

static vhdx_disk_status status_of_link(const struct vx_estate *estate, const struct vx_disk *disk)
{
    if (!vx_disk_is_differencing(disk))
        return 0;
    if (disk->pub.parent != VHDX_NONE)
        return disk->parent_elsewhere ? VHDX_DISK_STATUS_PARENT_MOVED : 0;
    if (disk->pub.suspect == VHDX_NONE || disk->suspect_unreadable)
        return VHDX_DISK_STATUS_PARENT_MISSING;
    return is_modified_parent(disk, &estate->disks[disk->pub.suspect]) ? VHDX_DISK_STATUS_PARENT_MODIFIED
                                                                       : VHDX_DISK_STATUS_LINKAGE_MISMATCH;
}

static vhdx_disk_status status_by_use(const struct vx_estate *estate, const struct vx_disk *disk)
{
    bool named = disk->named_by_machine;
    vhdx_disk_status link = status_of_link(estate, disk);
    if (named && vx_disk_live_children(estate, disk) > 0)
        return VHDX_DISK_STATUS_ACTIVE_NOT_LEAF;
    if (link)
        return link;
    if (disk->in_set)
        return VHDX_DISK_STATUS_VHD_SET;
    if (named)
        return VHDX_DISK_STATUS_IN_USE_BY_VM;
    if (disk->named_by_checkpoint || disk->needed_by_checkpoint)
        return VHDX_DISK_STATUS_CHECKPOINT;
    if (disk->needed_by_machine)
        return VHDX_DISK_STATUS_IN_USE_BY_VM;
    bool differs = vx_disk_is_differencing(disk);
    if (disk->serves_others || (disk->pub.flags & VHDX_DISK_FLAG_OTHER_USE) ||
        (!differs && vx_disk_live_children(estate, disk) == 0))
        return VHDX_DISK_STATUS_STANDALONE;
    return VHDX_DISK_STATUS_ORPHAN;
}

static vhdx_disk_status status_of(const struct vx_estate *estate, const struct vx_disk *disk)
{
    if (disk->locked)
        return VHDX_DISK_STATUS_LOCKED;
    if (!disk->is_sound)
        return VHDX_DISK_STATUS_UNREADABLE;
    if (disk->in_cycle)
        return VHDX_DISK_STATUS_CYCLE;
    if (disk->is_copy)
        return VHDX_DISK_STATUS_DUPLICATE;
    return status_by_use(estate, disk);
}

static uint32_t flags_of(const struct vx_estate *estate, const struct vx_disk *disk)
{
    uint32_t flags = disk->pub.flags | disk->inherited;
    flags |= disk->dirty ? VHDX_DISK_FLAG_DIRTY_LOG : 0u;
    flags |= disk->truncated ? VHDX_DISK_FLAG_TRUNCATED : 0u;
    flags |= disk->in_set ? VHDX_DISK_FLAG_SET_MEMBER : 0u;
    flags |= disk->parent_second ? VHDX_DISK_FLAG_MERGE_BEGUN : 0u;
    flags |= disk->locked ? VHDX_DISK_FLAG_IN_USE : 0u;
    flags |= disk->named_alike || (disk->named_less && !vx_disk_is_used(disk)) ? VHDX_DISK_FLAG_NAMED_ALIKE : 0u;
    flags |= disk->chain_state == CHAIN_BROKEN ? VHDX_DISK_FLAG_BROKEN_BELOW : 0u;
    flags |= disk->named_by_checkpoint || disk->needed_by_checkpoint ? VHDX_DISK_FLAG_CHECKPOINT_NAMED : 0u;
    if (disk->pub.parent == VHDX_NONE)
        return flags;
    const struct vx_disk *parent = &estate->disks[disk->pub.parent];
    if (parent->is_sound && parent->pub.virtual_size != disk->pub.virtual_size) /* of VHDs: see note_flags() */
        flags |= VHDX_DISK_FLAG_SIZE_DIFFERS;
    if (parent->is_sound && parent->pub.logical_sector_size != disk->pub.logical_sector_size)
        flags |= VHDX_DISK_FLAG_SECTOR_DIFFERS;
    return flags;
}

/* ---- all of it ---- */

vhdx_status vx_estate_classify(struct vx_estate *estate, vhdx_error *err)
{
    if (!vx_references_take(estate))
        return vx_fail_memory(err, "the configurations");
    vx_sides_judge(estate);
    if (!vx_needs_mark(estate))
        return vx_fail_memory(err, "the disks that are needed");
    for (size_t i = 0; i < estate->disk_count; i++) {
        if (estate->disks[i].pub.twin != VHDX_NONE && !estate->disks[i].copies_judged)
            judge_copies(estate, i);
        judge_chain(estate, i);
    }
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        disk->pub.role = role_of(estate, disk);
        disk->pub.status = status_of(estate, disk);
        disk->pub.flags = flags_of(estate, disk);
        vx_disk_tell(estate, disk);
    }
    if (!vx_accounts_judge(estate))
        estate->no_memory = true;
    return estate->no_memory ? vx_fail_memory(err, "the findings") : VHDX_OK;
}

void vx_classify_compared(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->disk_count; i++)
        vx_disk_tell_compared(estate, &estate->disks[i]);
}
