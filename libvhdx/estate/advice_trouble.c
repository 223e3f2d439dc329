/*
 * What to do about a disk whose status is trouble: its parent missing, moved or changed, bytes that cannot be read, two
 * files of one identity, a machine that would write below other disks. Nothing here moves or removes a file.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/adviser.h"

#include "base/path.h"

#include <inttypes.h>
#include <string.h>

/* What the newer disk holds beyond the one that the machine names; its content is saved first, whichever is wanted in
 * the end. */
static void tell_difference(struct vx_adviser *a, size_t newest)
{
    const struct vx_disk *disk = vx_advice_disk(a, newest);
    bool plain = vx_disk_is_differencing(disk) && !vx_disk_is_vhd(disk) && !disk->locked && !disk->truncated &&
                 !disk->parent_second && !disk->in_cycle && vx_can_be_typed(a, disk) &&
                 !(disk->pub.flags & (VHDX_DISK_FLAG_BROKEN_BELOW | VHDX_DISK_FLAG_SECTOR_DIFFERS));
    if (disk->pub.comparison == VHDX_COMPARISON_EQUAL) {
        vx_advice_step(a, VHDX_STEP_NOTE, newest,
                       "%s holds nothing that is not below it already: both states are the same.", disk->pub.path);
        return;
    }
    if (disk->pub.comparison == VHDX_COMPARISON_DIFFERS)
        vx_advice_step(a, VHDX_STEP_NOTE, newest, "%s differs from what the machine names in %" PRIu64 " bytes.",
                       disk->pub.path, disk->pub.differing_bytes);
    else if (!a->estate->totals.data_compared)
        vx_advice_step(a, VHDX_STEP_NOTE, newest, "With --data a search says in how many bytes %s differs from it.",
                       disk->pub.path);
    if (!plain || disk->in_set)
        return;
    vx_advice_step_look(a, VX_TRIAL_CHAIN, newest);
    vx_advice_step_copy(a, newest);
}

static void advise_active(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    size_t newest = VHDX_NONE;
    if (disk->is_template) {
        vx_advice_step(
            a, VHDX_STEP_NOTE, number,
            "Never start the machine that names %s while clones of other machines hang on it: it would write to "
            "it, and all of them would be lost. Make the file read-only, or remove the disk from that machine.",
            disk->pub.path);
        return;
    }
    for (size_t i = 0; i < disk->pub.child_count; i++) {
        size_t child = disk->pub.children[i];
        bool newer =
            newest == VHDX_NONE || vx_advice_disk(a, child)->pub.modified > vx_advice_disk(a, newest)->pub.modified;
        if (newer && !vx_disk_is_quarantined(vx_advice_disk(a, child)))
            newest = child;
    }
    vx_advice_step(
        a, VHDX_STEP_NOTE, number,
        "Do not start the machine: it would write to %s, and every disk that hangs on it would be lost. What the "
        "machine sees now is the state of %s; what was written later is in the disks on it, the newest of which is %s.",
        disk->pub.path, disk->pub.path, newest != VHDX_NONE ? vx_advice_disk(a, newest)->pub.path : "not known");
    if (newest == VHDX_NONE)
        return;
    tell_difference(a, newest);
    vx_advice_step(a, VHDX_STEP_NOTE, number,
                   "If %s is the wanted state, point the machine at it:", vx_advice_disk(a, newest)->pub.path);
    for (size_t i = 0; i < disk->pub.reference_count; i++)
        if (!vx_advice_info(a, &disk->pub.references[i])->checkpoint) {
            vx_advice_step_set_drive(a, &disk->pub.references[i], newest);
            vx_advice_step_grant(a, vx_advice_info(a, &disk->pub.references[i]), vx_advice_host_path(a, newest),
                                 newest);
            return;
        }
}

static void advise_moved(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    const struct vx_disk *parent = vx_advice_disk(a, disk->pub.parent);
    size_t named = VHDX_NONE;
    const vhdx_found_reference *reference = vx_advice_owner(a, &named);
    if (disk->in_set || disk->locked || !parent->is_sound || (parent->is_copy && vx_is_doubtful_copy(parent))) {
        vx_advice_step(a, VHDX_STEP_NOTE, number,
                       "%s hangs on %s, but what speaks against writing to it must be settled first.", disk->pub.path,
                       parent->pub.path);
        return;
    }
    if (!vx_advice_is_windows(a, parent) && strchr(vx_path_name(parent->absolute, false), '\\')) {
        vx_advice_step(
            a, VHDX_STEP_NOTE, number,
            "The name of %s has a '\\' in it, which separates folders in every disk's note of its parent: no disk "
            "can name it. Rename it and search again.",
            parent->pub.path);
        return;
    }
    if (!vx_would_work(a, VX_TRIAL_RELINK, number, parent->pub.path)) {
        vx_advice_step(a, VHDX_STEP_NOTE, number, "%s hangs on %s, but cannot be pointed at it now: %s.",
                       disk->pub.path, parent->pub.path, vx_advice_why(a));
        return;
    }
    vx_advice_step(a, VHDX_STEP_RELINK, number, "vhdx relink --parent %s %s", vx_advice_path(a, disk->pub.parent),
                   vx_advice_path(a, number));
    if (reference && named == number)
        vx_advice_step_grant(a, vx_advice_info(a, reference), vx_advice_host_path(a, disk->pub.parent),
                             disk->pub.parent);
}

static void advise_missing(struct vx_adviser *a, size_t number)
{
    vx_advice_step_look(a, VX_TRIAL_INFO, number);
    vx_advice_step(
        a, VHDX_STEP_NOTE, number,
        "Look for the parent on other volumes, on other hosts and in backups, and search these places too: a file "
        "of any name is the parent if its identity is the one above. Until then keep %s: what it holds cannot be "
        "read as a whole without it.",
        vx_advice_disk(a, number)->pub.path);
}

static void advise_mismatch(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    bool modified = disk->pub.status == VHDX_DISK_STATUS_PARENT_MODIFIED;
    vx_advice_step_look(a, VX_TRIAL_INFO, number);
    vx_advice_step_look(a, VX_TRIAL_INFO, disk->pub.suspect);
    if (modified)
        vx_advice_step(
            a, VHDX_STEP_NOTE, number,
            "Do not merge. If a merge of %s was cut off, repeat exactly that merge: its own sectors win. If the "
            "parent was started or mounted, a backup of it from before is the parent. Only on copies of both "
            "files, and only as a last resort, vhdx relink --force accepts the parent as it is now; check the file "
            "system inside afterwards.",
            disk->pub.path);
    else
        vx_advice_step(
            a, VHDX_STEP_NOTE, number,
            "Do not merge. The right parent has another identity than %s: look for it in other places and in "
            "backups, and search these too.",
            vx_advice_disk(a, disk->pub.suspect)->pub.path);
}

static void advise_unreadable(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    if (vx_disk_is_vhd(disk) || !(disk->is_vhdx || disk->host_failed)) {
        vx_advice_step(a, VHDX_STEP_NOTE, number, "%s: %s. Look at where it came from.", disk->pub.path,
                       disk->trouble ? disk->trouble : "it cannot be read");
        return;
    }
    vx_advice_step_look(a, VX_TRIAL_VERIFY, number);
    size_t before = a->steps.count;
    if (disk->is_vhdx && !disk->host_failed)
        vx_advice_step_look(a, VX_TRIAL_REPAIR, number);
    if (disk->is_vhdx && !disk->host_failed && a->steps.count == before)
        vx_advice_step_look(a, VX_TRIAL_SALVAGE, number);
    vx_advice_step(a, VHDX_STEP_NOTE, number, "Until %s can be read, nothing that may belong to it is proposed to go.",
                   disk->pub.path);
}

static void advise_duplicate(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    const struct vx_disk *twin = vx_advice_disk(a, disk->pub.twin);
    if (disk->pub.comparison == VHDX_COMPARISON_NONE)
        vx_advice_step(a, VHDX_STEP_NOTE, number,
                       "%s and %s say that they are the same disk. With --data their bytes are compared.",
                       disk->pub.path, twin->pub.path);
    else if (!vx_is_equal_copy(disk))
        vx_advice_step(a, VHDX_STEP_NOTE, number,
                       "Keep both %s and %s until it is known which of them is the right one.", disk->pub.path,
                       twin->pub.path);
}

/* What the leaf holds, with all below it, as a new disk. */
static void step_convert(struct vx_adviser *a, size_t number)
{
    const char *path = vx_advice_host_path(a, number),
               *name = vx_tail_name(vx_advice_new_name(a, vx_advice_disk(a, number)));
    vx_advice_step(a, VHDX_STEP_HYPERV, number, "Convert-VHD -Path %s -DestinationPath %s",
                   vx_advice_powershell(a, path),
                   vx_advice_powershell(a, vx_advice_say(a, "%.*s%s", (int)vx_tail_directory(path), path, name)));
}

/* What can be done is done by Hyper-V; no command of this library touches a VHD. */
static void advise_vhd(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    switch (disk->pub.status) {
    case VHDX_DISK_STATUS_UNREADABLE:
        advise_unreadable(a, number);
        break;
    case VHDX_DISK_STATUS_ACTIVE_NOT_LEAF:
        advise_active(a, number);
        break;
    case VHDX_DISK_STATUS_PARENT_MOVED:
        vx_advice_step(a, VHDX_STEP_HYPERV, number, "Set-VHD -Path %s -ParentPath %s",
                       vx_advice_powershell(a, vx_advice_host_path(a, number)),
                       vx_advice_powershell(a, vx_advice_host_path(a, disk->pub.parent)));
        break;
    case VHDX_DISK_STATUS_PARENT_MISSING:
    case VHDX_DISK_STATUS_LINKAGE_MISMATCH:
    case VHDX_DISK_STATUS_PARENT_MODIFIED:
        vx_advice_step(
            a, VHDX_STEP_NOTE, number,
            "Look for the parent of %s on other volumes, on other hosts and in backups: the file of whatever name "
            "that has the unique id above. Until then keep it.",
            disk->pub.path);
        break;
    case VHDX_DISK_STATUS_ORPHAN:
        if (disk->pub.role == VHDX_DISK_ROLE_LEAF)
            step_convert(a, number);
        break;
    default:
        break;
    }
    if (disk->denied_to)
        vx_advice_step_grant(a, a->estate->machines[disk->denied_to - 1].pub.info, vx_advice_host_path(a, number),
                             number);
}

/* A disk without children was merged as it is; for others only the person who began the merge knows up to which layer.
 */
static void advise_begun(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number), *target = vx_advice_disk(a, disk->pub.parent);
    const char *path = vx_advice_path(a, number), *into = vx_advice_path(a, disk->pub.parent);
    if (disk->pub.child_count > 0) {
        vx_advice_step(a, VHDX_STEP_NOTE, number,
                       "A merge into %s was begun: type the same command again, with the same CHILD, to finish it.",
                       target->pub.path);
        return;
    }
    if (!vx_would_work(a, VX_TRIAL_MERGE, number, target->pub.path)) {
        vx_advice_step(a, VHDX_STEP_NOTE, number, "The merge of %s that was begun cannot go on now: %s.",
                       disk->pub.path, vx_advice_why(a));
        return;
    }
    vx_advice_step(a, VHDX_STEP_NOTE, number, "Go on with the merge that was begun, with the machine off:");
    vx_advice_step(a, VHDX_STEP_MERGE, number, "vhdx merge%s --into %s %s", vx_advice_parents(a, number), into, path);
}

void vx_advise_disk(struct vx_adviser *a, size_t number)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    if (vx_disk_is_quarantined(disk) && !disk->is_needed)
        return;
    if (vx_disk_is_vhd(disk)) {
        advise_vhd(a, number);
        return;
    }
    switch (disk->pub.status) {
    case VHDX_DISK_STATUS_ACTIVE_NOT_LEAF:
        advise_active(a, number);
        break;
    case VHDX_DISK_STATUS_PARENT_MOVED:
        advise_moved(a, number);
        break;
    case VHDX_DISK_STATUS_PARENT_MISSING:
        advise_missing(a, number);
        break;
    case VHDX_DISK_STATUS_PARENT_MODIFIED:
    case VHDX_DISK_STATUS_LINKAGE_MISMATCH:
        advise_mismatch(a, number);
        break;
    case VHDX_DISK_STATUS_UNREADABLE:
        advise_unreadable(a, number);
        break;
    case VHDX_DISK_STATUS_DUPLICATE:
        advise_duplicate(a, number);
        break;
    case VHDX_DISK_STATUS_CYCLE:
        vx_advice_step(a, VHDX_STEP_NOTE, number,
                       "Keep %s as it is: no tool can say what it holds while its chain is a circle.", disk->pub.path);
        break;
    default:
        break;
    }
    if (disk->parent_second)
        advise_begun(a, number);
    if (disk->denied_to)
        vx_advice_step_grant(a, a->estate->machines[disk->denied_to - 1].pub.info, vx_advice_host_path(a, number),
                             number);
    if (disk->truncated && disk->pub.status != VHDX_DISK_STATUS_UNREADABLE)
        vx_advice_step_look(a, VX_TRIAL_VERIFY, number);
}
