/*
 * Findings of disks. See disk_findings.h.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/disk_findings.h"

#include "base/guid.h"
#include "base/size_text.h"
#include "base/path.h"
#include "estate/names.h"

#define INFO VHDX_SEVERITY_INFO
#define WARNING VHDX_SEVERITY_WARNING
#define ERROR VHDX_SEVERITY_ERROR

static const char *name_of(const struct vx_disk *disk)
{
    return vx_tail_name(disk->pub.path);
}

static const struct vx_machine *first_machine(const struct vx_estate *estate, const struct vx_disk *disk)
{
    const struct vx_machine *found = NULL;
    for (const struct vx_reference *r = disk->references; r; r = r->next) {
        const struct vx_machine *machine = &estate->machines[r->pub.config];
        if (!found || (found->pub.info->checkpoint && !machine->pub.info->checkpoint))
            found = machine;
    }
    return found;
}

static const char *parent_text(const struct vx_disk *disk)
{
    const vhdx_parent_names *names = &disk->pub.names;
    return names->absolute_win32_path ? names->absolute_win32_path
           : names->relative_path     ? names->relative_path
           : names->volume_path       ? names->volume_path
                                      : "(no path)";
}

static void tell_missing(struct vx_estate *estate, struct vx_disk *disk)
{
    char id[VX_GUID_TEXT];
    vx_guid_format(disk->pub.names.has_linkage ? &disk->pub.names.linkage : &disk->pub.names.linkage2, id);
    if (disk->suspect_unreadable && disk->pub.suspect != VHDX_NONE)
        vx_estate_note_disk(estate, disk, VX_REMARK_PARENT_MISSING, ERROR,
                            "no readable file is its parent %s (id %s); %s lies where it should be, and cannot be read",
                            parent_text(disk), id, estate->disks[disk->pub.suspect].pub.path);
    else
        vx_estate_note_disk(estate, disk, VX_REMARK_PARENT_MISSING, ERROR,
                            "its parent %s (id %s) was not found in what was searched", parent_text(disk), id);
}

static void tell_more_suspects(struct vx_estate *estate, struct vx_disk *disk)
{
    if (disk->suspect_count > 1)
        vx_estate_note_disk(estate, disk, VX_REMARK_PARENT_TIE, WARNING,
                            "what it says of its parent's place fits %zu files: %s, %s%s. All of them are kept",
                            disk->suspect_count, estate->disks[disk->suspects[0]].pub.path,
                            estate->disks[disk->suspects[1]].pub.path, disk->suspect_count > 2 ? " and others" : "");
}

static void tell_mismatch(struct vx_estate *estate, struct vx_disk *disk)
{
    const struct vx_disk *suspect = &estate->disks[disk->pub.suspect];
    char wanted[VX_GUID_TEXT], found[VX_GUID_TEXT];
    vx_guid_format(&disk->pub.names.linkage, wanted);
    vx_guid_format(&suspect->pub.data_write_guid, found);
    if (disk->pub.status == VHDX_DISK_STATUS_PARENT_MODIFIED)
        vx_estate_note_disk(estate, disk, VX_REMARK_PARENT_MODIFIED, ERROR,
                            "its parent %s was written to after this disk was made: it needs id %s, found %s. %s",
                            suspect->pub.path, wanted, found,
                            suspect->pub.virtual_size > disk->pub.virtual_size
                                ? "The parent is larger: it may only have been expanded"
                                : "It may have been started, mounted or compacted, or a merge into it was cut off");
    else
        vx_estate_note_disk(estate, disk, VX_REMARK_LINKAGE_MISMATCH, ERROR,
                            "another disk lies where its parent should be: %s has id %s, and it needs %s",
                            suspect->pub.path, found, wanted);
}

static void tell_duplicate(struct vx_estate *estate, struct vx_disk *disk)
{
    const struct vx_disk *twin = &estate->disks[disk->pub.twin];
    if (disk->is_copy)
        vx_estate_note_disk(estate, disk, VX_REMARK_DUPLICATE, ERROR,
                            "%s has the same identity: one is a copy of the other", twin->pub.path);
    else
        vx_estate_note_disk(estate, disk, VX_REMARK_HAS_COPY, INFO,
                            "%s has the same identity; this one is the one that is used", twin->pub.path);
}

/* One problem is told once: where it is, not again at each disk that has a part in it. */
static void tell_orphan(struct vx_estate *estate, struct vx_disk *disk)
{
    if (vx_disk_live_children(estate, disk) > 0)
        vx_estate_note_disk(estate, disk, VX_REMARK_ORPHAN, INFO, "it serves only disks that no configuration names");
    else if (disk->is_suspect)
        vx_estate_note_disk(
            estate, disk, VX_REMARK_ORPHAN, INFO,
            "no configuration names this disk, but one that is in doubt may have been made on it: see there");
    else
        vx_estate_note_disk(
            estate, disk, VX_REMARK_ORPHAN, ERROR,
            "no configuration that was found names this disk. It is either a leftover, or the newest state of "
            "a machine whose configuration has lost it");
}

#define SIBLINGS_MAX 256u /* that are asked for their age */
#define MERGED_DEPTH 64   /* layers below a disk that are asked whether they hold it */

/* The newest of the disks that machines use in the same tree: siblings, here. */
static void tell_newer(struct vx_estate *estate, struct vx_disk *disk)
{
    if (disk->pub.parent == VHDX_NONE || disk->pub.modified == 0)
        return;
    const struct vx_disk *parent = &estate->disks[disk->pub.parent];
    for (size_t i = 0; i < parent->pub.child_count && i < SIBLINGS_MAX; i++) {
        const struct vx_disk *sibling = &estate->disks[parent->pub.children[i]];
        if (!vx_disk_is_used(sibling) || sibling->pub.modified == 0)
            continue;
        if (disk->pub.modified > sibling->pub.modified)
            vx_estate_note_disk(estate, disk, VX_REMARK_NEWER, WARNING,
                                "it was written to after %s, which is in use: it may hold the only copy of newer data",
                                name_of(sibling));
        return;
    }
}

static void tell_standalone(struct vx_estate *estate, struct vx_disk *disk)
{
    bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
    if (disk->pub.flags & VHDX_DISK_FLAG_OTHER_USE)
        vx_estate_note_disk(
            estate, disk, VX_REMARK_OTHER_USE, INFO,
            "named or placed like disks that no Hyper-V machine owns (WSL, containers, user profiles, backups)");
    else if (disk->pub.kind != VHDX_DISK_KIND_DIFFERENCING && vx_path_has_extension(disk->absolute, ".avhdx", windows))
        vx_estate_note_disk(
            estate, disk, VX_REMARK_SET_BASE, INFO,
            "a checkpoint file without a parent: perhaps the base of a VHD set whose .vhds file is elsewhere");
    else
        vx_estate_note_disk(
            estate, disk, VX_REMARK_STANDALONE, INFO,
            "complete by itself, and no configuration that was found names it: a template, another host's, a "
            "data disk");
}

static void tell_active(struct vx_estate *estate, struct vx_disk *disk)
{
    const struct vx_machine *machine = first_machine(estate, disk);
    if (disk->is_template) {
        vx_estate_note_disk(
            estate, disk, VX_REMARK_TEMPLATE, WARNING,
            "the machine %s names it, and linked clones of other machines need it unchanged: that machine "
            "must never be started",
            machine ? vx_machine_name(machine) : "that names it");
        return;
    }
    vx_estate_note_disk(
        estate, disk, VX_REMARK_ACTIVE_NOT_LEAF, ERROR,
        "the machine %s would write to it, but %zu disk%s need%s it unchanged: do not start the machine",
        machine ? vx_machine_name(machine) : "that names it", vx_disk_live_children(estate, disk),
        vx_disk_live_children(estate, disk) == 1 ? "" : "s", vx_disk_live_children(estate, disk) == 1 ? "s" : "");
}

static void tell_status(struct vx_estate *estate, struct vx_disk *disk)
{
    switch (disk->pub.status) {
    case VHDX_DISK_STATUS_UNREADABLE:
        vx_estate_note_disk(estate, disk,
                            disk->is_vhdx || disk->host_failed ? VX_REMARK_UNREADABLE : VX_REMARK_NOT_A_DISK, ERROR,
                            "%s", disk->trouble ? disk->trouble : "it cannot be read");
        break;
    case VHDX_DISK_STATUS_LOCKED:
        vx_estate_note_disk(estate, disk, VX_REMARK_LOCKED, disk->is_sound ? INFO : ERROR,
                            "another program has it in use%s", disk->is_sound ? "" : ", so nothing is known about it");
        break;
    case VHDX_DISK_STATUS_CYCLE:
        vx_estate_note_disk(estate, disk, VX_REMARK_CYCLE, ERROR,
                            "following its parents leads back to it: the linkages are damaged or forged");
        break;
    case VHDX_DISK_STATUS_PARENT_MISSING:
        tell_missing(estate, disk);
        break;
    case VHDX_DISK_STATUS_PARENT_MOVED:
        vx_estate_note_disk(estate, disk, VX_REMARK_PARENT_MOVED, ERROR,
                            "its parent is %s, by identity, but it looks for it at %s",
                            estate->disks[disk->pub.parent].pub.path, parent_text(disk));
        break;
    case VHDX_DISK_STATUS_LINKAGE_MISMATCH:
    case VHDX_DISK_STATUS_PARENT_MODIFIED:
        tell_mismatch(estate, disk);
        break;
    case VHDX_DISK_STATUS_ACTIVE_NOT_LEAF:
        tell_active(estate, disk);
        break;
    case VHDX_DISK_STATUS_ORPHAN:
        tell_orphan(estate, disk);
        tell_newer(estate, disk);
        break;
    case VHDX_DISK_STATUS_STANDALONE:
        tell_standalone(estate, disk);
        break;
    case VHDX_DISK_STATUS_VHD_SET:
        vx_estate_note_disk(estate, disk, VX_REMARK_VHD_SET, INFO,
                            "belongs to a VHD set; a set's disks are never merged one by one");
        break;
    case VHDX_DISK_STATUS_IN_USE_BY_VM:
    case VHDX_DISK_STATUS_CHECKPOINT:
    case VHDX_DISK_STATUS_DUPLICATE:
        break;
    }
}

struct flag_words {
    uint32_t flag;
    enum vx_remark number;
    vhdx_severity severity;
    const char *text;
};

static const struct flag_words flag_words[] = {
    {VHDX_DISK_FLAG_DIRTY_LOG, VX_REMARK_DIRTY_LOG, WARNING,
     "it was not closed cleanly; its log was replayed in memory"},
    {VHDX_DISK_FLAG_TRUNCATED, VX_REMARK_TRUNCATED, ERROR,
     "the file ends before its last block: a copy that was cut off, or a full volume"},
    {VHDX_DISK_FLAG_SIZE_DIFFERS, VX_REMARK_SIZE_DIFFERS, INFO,
     "its virtual size is not the parent's, which is allowed"},
    {VHDX_DISK_FLAG_SECTOR_DIFFERS, VX_REMARK_SECTOR_DIFFERS, ERROR,
     "its logical sector size is not the parent's: the chain cannot be read"},
    {VHDX_DISK_FLAG_SAVED_STATE, VX_REMARK_SAVED_STATE, WARNING,
     "a machine that needs it has a saved state: its guest expects the disk unchanged"},
    {VHDX_DISK_FLAG_MERGE_PENDING, VX_REMARK_MERGE_PENDING, WARNING,
     "Hyper-V itself has a merge to do for a machine that needs it: let it finish, or finish it offline"},
    {VHDX_DISK_FLAG_REPLICATED, VX_REMARK_REPLICATED, INFO,
     "Hyper-V Replica follows it; it must resynchronize after any change"},
    {VHDX_DISK_FLAG_CLUSTERED, VX_REMARK_CLUSTERED, INFO, "its machine is clustered: another node may be running it"},
    {VHDX_DISK_FLAG_RECOVERY, VX_REMARK_RECOVERY, INFO,
     "named like the leftover of a backup; it may hold what was written during the backup"},
    {VHDX_DISK_FLAG_MERGE_BEGUN, VX_REMARK_MERGE_BEGUN, ERROR,
     "a merge into its parent was begun and did not come to its end; the disk still reads as it should"},
    {VHDX_DISK_FLAG_BROKEN_BELOW, VX_REMARK_BROKEN_BELOW, ERROR, "a layer that it needs further down has a problem"},
};

/* The disk that holds all of this one by a merge after which it was kept: its second linkage is its own identity, or,
 * where several layers were merged at once, that of a disk further down. VHDX_NONE: there is none. */
static size_t merged_into(const struct vx_estate *estate, const struct vx_disk *disk)
{
    const vhdx_guid *second = &disk->pub.names.linkage2;
    size_t below = disk->pub.parent;
    if (!disk->pub.names.has_linkage2 || disk->parent_second || below == VHDX_NONE || vx_guid_is_zero(second))
        return VHDX_NONE;
    if (disk->has_identity && vx_guid_equal(second, &disk->pub.data_write_guid))
        return below;
    for (int i = 0; i < MERGED_DEPTH && below != VHDX_NONE; i++) {
        const struct vx_disk *target = &estate->disks[below];
        if (target->has_identity && vx_guid_equal(second, &target->pub.data_write_guid))
            return below;
        below = target->pub.parent;
    }
    return VHDX_NONE;
}

static void tell_merged(struct vx_estate *estate, struct vx_disk *disk)
{
    size_t target = merged_into(estate, disk);
    if (target != VHDX_NONE)
        vx_estate_note_disk(estate, disk, VX_REMARK_MERGED, INFO,
                            "what it holds was merged into %s, and it was kept; it may go when the machine has started "
                            "once from that disk",
                            estate->disks[target].pub.path);
}

static void tell_flags(struct vx_estate *estate, struct vx_disk *disk)
{
    tell_merged(estate, disk);
    if (disk->named_less && !disk->named_alike && !vx_disk_is_used(disk)) {
        vx_estate_note_disk(
            estate, disk, VX_REMARK_NAMED_ALIKE, WARNING,
            "a machine names a disk of this folder and name; another file fits its path better. That proves "
            "nothing, but the file is kept");
        vx_estate_note_advice(&disk->notes, VHDX_ADVICE_NAME_MAPS);
    }
    if (vx_disk_is_vhd(disk) && (disk->pub.flags & VHDX_DISK_FLAG_SIZE_DIFFERS))
        vx_estate_note_disk(estate, disk, VX_REMARK_VHD_SIZE_DIFFERS, ERROR,
                            "its virtual size is not the parent's, which the VHD format does not allow");
    for (size_t i = 0; i < sizeof flag_words / sizeof flag_words[0]; i++)
        if ((disk->pub.flags & flag_words[i].flag) &&
            !(flag_words[i].flag == VHDX_DISK_FLAG_SIZE_DIFFERS && vx_disk_is_vhd(disk)))
            vx_estate_note_disk(estate, disk, flag_words[i].number, flag_words[i].severity, "%s", flag_words[i].text);
    tell_more_suspects(estate, disk);
    if (vx_disk_is_used(disk) && vx_disk_is_clone(estate, disk))
        vx_estate_note_disk(
            estate, disk, VX_REMARK_LINKED_CLONE, INFO,
            "perhaps a linked clone: other disks may have been made on %s, also in places that were not searched",
            estate->disks[disk->pub.parent].pub.path);
    if (disk->locked && !vx_disk_is_quarantined(disk) && disk->pub.status != VHDX_DISK_STATUS_LOCKED)
        vx_estate_note_disk(estate, disk, VX_REMARK_LOCKED, INFO, "another program has it in use");
    if (disk->pub.twin != VHDX_NONE)
        tell_duplicate(estate, disk);
    if (vx_disk_is_differencing(disk) && vx_disk_live_children(estate, disk) > 1)
        vx_estate_note_disk(estate, disk, VX_REMARK_SIBLINGS, INFO,
                            "%zu disks hang on it: it cannot be merged into by one of them alone",
                            vx_disk_live_children(estate, disk));
}

/* Two machines (not a machine and its checkpoints) that both would write to it. */
static void tell_named_twice(struct vx_estate *estate, struct vx_disk *disk)
{
    const struct vx_machine *first = NULL;
    for (const struct vx_reference *r = disk->references; r; r = r->next) {
        const struct vx_machine *machine = &estate->machines[r->pub.config];
        const vhdx_machine_info *info = machine->pub.info;
        if (info->checkpoint)
            continue;
        bool other = first && first->pub.info->has_machine_id && info->has_machine_id &&
                     !vx_guid_equal(&first->pub.info->machine_id, &info->machine_id);
        if (other) {
            vx_estate_note_disk(estate, disk, VX_REMARK_NAMED_TWICE, WARNING, "two machines name it: %s and %s",
                                vx_machine_name(first), vx_machine_name(machine));
            return;
        }
        first = first ? first : machine;
    }
}

void vx_disk_tell(struct vx_estate *estate, struct vx_disk *disk)
{
    tell_status(estate, disk);
    tell_flags(estate, disk);
    tell_named_twice(estate, disk);
}

void vx_disk_tell_compared(struct vx_estate *estate, struct vx_disk *disk)
{
    bool copy = disk->is_copy;
    char size[VX_SIZE_TEXT];
    if (disk->pub.comparison == VHDX_COMPARISON_EQUAL)
        vx_estate_note_disk(estate, disk, VX_REMARK_REDUNDANT, INFO, "%s",
                            copy ? "byte for byte the same as that file"
                                 : "every sector that it holds equals what lies below it");
    else if (disk->pub.comparison == VHDX_COMPARISON_DIFFERS && copy)
        vx_estate_note_disk(estate, disk, VX_REMARK_DIFFERS, WARNING,
                            "its bytes differ from that file's: which one is right cannot be told");
    else if (disk->pub.comparison == VHDX_COMPARISON_DIFFERS)
        vx_estate_note_disk(estate, disk, VX_REMARK_DIFFERS, WARNING,
                            "%s of what it holds differ from what lies below it",
                            vx_size_text(disk->pub.differing_bytes, size));
    else if (disk->pub.comparison == VHDX_COMPARISON_FAILED)
        vx_estate_note_disk(estate, disk, VX_REMARK_NOT_COMPARED, WARNING, "its content could not be compared: %s",
                            disk->trouble ? disk->trouble : "it cannot be read");
}
