/*
 * Classification. See classify.h. First who is named, then who is needed (every ancestor of what is named), then of each disk the one word that
 * matters most. The order of the words is that of the danger: what cannot be read or is somebody's comes before what is broken, that
 * before what is merely in use, and only what nobody needs is an orphan.
 *
 * Easy to get wrong: "nobody names it" is a statement about what was searched. A disk that a configuration names by its name alone, in another
 * folder, is not called in use, but it is kept.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/classify.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"
#include "io/path.h"
#include "orphans/access.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INFO VHDX_SEVERITY_INFO
#define WARNING VHDX_SEVERITY_WARNING
#define ERROR VHDX_SEVERITY_ERROR

struct judge {
    struct vx_estate *estate;
    const struct vx_name_index *names;
};

static bool is_quarantined(const struct vx_disk *disk)
{
    return (disk->pub.flags & VHDX_FOUND_QUARANTINED) != 0;
}

static const char *name_of(const struct vx_disk *disk)
{
    return vx_tail_name(disk->pub.path);
}

/* What was put aside is told of, but is no problem any more. */
static vhdx_severity severity_for(const struct vx_disk *disk, vhdx_severity severity)
{
    return is_quarantined(disk) && !disk->is_needed ? INFO : severity;
}

#define NOTE(j, disk, id, severity, ...)                                                                               \
    vx_note((j)->estate, &(disk)->notes, "ORPHANS-" id, severity_for(disk, severity), __VA_ARGS__)

/* ---- who is named ---- */

static uint32_t flags_of_machine(const vhdx_config_info *info)
{
    uint32_t flags = 0;
    flags |= info->saved_state == VHDX_SAVED_STATE_PRESENT ? VHDX_FOUND_SAVED_STATE : 0u;
    flags |= info->merge_pending ? VHDX_FOUND_MERGE_PENDING : 0u;
    flags |= info->replicated ? VHDX_FOUND_REPLICATED : 0u;
    flags |= info->clustered ? VHDX_FOUND_CLUSTERED : 0u;
    return flags;
}

static bool refer(struct judge *j, size_t machine, size_t medium, size_t number)
{
    struct vx_disk *disk = &j->estate->disks[number];
    const vhdx_config_info *info = j->estate->machines[machine].pub.info;
    struct vx_reference *reference = vx_arena_take(&j->estate->arena, 1, sizeof *reference);
    if (!reference)
        return false;
    reference->pub = (vhdx_found_reference){machine, medium};
    reference->next = disk->references;
    disk->references = reference;
    disk->pub.reference_count++;
    disk->inherited |= flags_of_machine(info);
    if (info->checkpoint)
        disk->named_by_checkpoint = true;
    else
        disk->named_by_machine = true;
    return true;
}

static void note_tie(struct judge *j, struct vx_machine *machine, const char *path, const struct vx_hit_list *found)
{
    vx_note(j->estate, &machine->notes, "ORPHANS-NAME-TIE", ERROR,
            "the path %s fits %zu files equally well: %s and %s%s; --map tells which is meant", path, found->count,
            j->estate->disks[found->disks[0]].pub.path, j->estate->disks[found->disks[1]].pub.path,
            found->count > 2 ? " and others" : "");
    for (size_t i = 0; i < found->count; i++) {
        struct vx_disk *disk = &j->estate->disks[found->disks[i]];
        NOTE(j, disk, "NAME-TIE", ERROR, "%s names %s, which may be this file or another one; both are taken to be in use",
             machine->pub.path, path);
    }
}

/* Any of those that are named alike may be the one; each is kept, and told once, however many machines name it. */
static void note_not_found(struct judge *j, struct vx_machine *machine, const char *path,
                           const struct vx_hit_list *alike)
{
    vhdx_severity severity = machine->is_extra ? INFO : ERROR;
    if (alike->count == 0)
        vx_note(j->estate, &machine->notes, "ORPHANS-DISK-NOT-FOUND", severity, "the disk %s was not found", path);
    else
        vx_note(j->estate, &machine->notes, "ORPHANS-DISK-NOT-FOUND", severity,
                "the disk %s was not found; %s%s the same name in another folder", path,
                j->estate->disks[alike->disks[0]].pub.path, alike->count > 1 ? " and others have" : " has");
    for (size_t i = 0; i < alike->count; i++) {
        struct vx_disk *disk = &j->estate->disks[alike->disks[i]];
        if (disk->named_alike)
            continue;
        disk->named_alike = true;
        NOTE(j, disk, "NAMED-ALIKE", WARNING,
             "%s names %s: the same name in another folder. That proves nothing, but the file is kept", machine->pub.path,
             path);
    }
}

static bool is_medium_of_disks(const vhdx_config_disk *medium)
{
    return !vx_name_equal(medium->type, "ISO") && !vx_name_equal(medium->type, "VFD");
}

/* The files of its own host first; then those of others, when reports are judged together. */
static bool find_medium(struct judge *j, const struct vx_machine *machine, const char *path, struct vx_hits *hits)
{
    bool ok = vx_names_find(j->estate, j->names, path, machine->source, false, hits);
    if (!ok || hits->found.count > 0)
        return ok;
    vx_hits_free(hits);
    return vx_names_find(j->estate, j->names, path, machine->source, true, hits);
}

static bool take_medium(struct judge *j, size_t number, size_t medium)
{
    struct vx_machine *machine = &j->estate->machines[number];
    const vhdx_config_disk *disk = &machine->pub.disks[medium];
    struct vx_hits hits;
    machine->files[medium] = VHDX_NONE;
    if (!is_medium_of_disks(disk) || !disk->path || !disk->path[0])
        return true;
    bool ok = find_medium(j, machine, disk->path, &hits);
    for (size_t i = 0; i < hits.found.count && ok; i++)
        ok = refer(j, number, medium, hits.found.disks[i]);
    if (hits.found.count > 0)
        machine->files[medium] = hits.found.disks[0];
    if (hits.found.count > 1)
        note_tie(j, machine, disk->path, &hits.found);
    if (ok && hits.found.count == 0)
        note_not_found(j, machine, disk->path, &hits.alike);
    vx_hits_free(&hits);
    return ok;
}

static void note_reading(struct judge *j, struct vx_machine *machine)
{
    const vhdx_config_info *info = machine->pub.info;
    const char *reason = info->reasons.count ? info->reasons.items[0] : "it cannot be read";
    if (machine->pub.readable)
        return;
    vx_note(j->estate, &machine->notes, "ORPHANS-CONFIG-UNREADABLE", ERROR,
            "this configuration was not read whole, so which disks it needs is not known: %s", reason);
}

/* ---- VHD sets ---- */

static size_t directory_length(const char *path, bool windows)
{
    return (size_t)(vx_path_name(path, windows) - path);
}

static bool beside(const struct vx_machine *set, const struct vx_disk *disk, bool windows)
{
    size_t length = directory_length(set->absolute, windows);
    return set->source == disk->source && directory_length(disk->absolute, windows) == length &&
           strncmp(set->absolute, disk->absolute, length) == 0;
}

/* "disk" of "disk_<GUID>.avhdx" and of "disk.vhds": the name that a set and its members share. */
static size_t family_length(const char *name, bool windows)
{
    size_t stem = (size_t)(vx_path_extension(name, windows) - name);
    vhdx_guid guid;
    if (stem > 37 && name[stem - 37] == '_' && vx_guid_parse(name + stem - 36, 36, &guid))
        return stem - 37;
    return stem;
}

static bool is_member(const struct vx_machine *set, const struct vx_disk *disk, bool windows)
{
    const char *set_name = vx_path_name(set->absolute, windows), *name = vx_path_name(disk->absolute, windows);
    for (size_t i = 0; i < set->pub.info->disk_count; i++)
        if (vx_name_equal(vx_tail_name(set->pub.disks[i].path), name))
            return true;
    if (!vx_path_has_extension(name, ".avhdx", windows))
        return false;
    if (set->pub.info->disk_count == 0)
        return true; /* a set that says nothing may own each of them */
    return vx_name_equal_part(set_name, family_length(set_name, windows), name, family_length(name, windows));
}

static void take_set(struct judge *j, size_t number)
{
    struct vx_estate *estate = j->estate;
    const struct vx_machine *set = &estate->machines[number];
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
        if (beside(set, disk, windows) && is_member(set, disk, windows))
            disk->in_set = true;
    }
}

static bool take_machine(struct judge *j, size_t number)
{
    struct vx_machine *machine = &j->estate->machines[number];
    bool ok = true;
    machine->files = vx_arena_take(&j->estate->arena, machine->pub.info->disk_count, sizeof *machine->files);
    machine->pub.files = machine->files;
    if (!machine->files)
        return false;
    if (machine->pub.info->format == VHDX_CONFIG_VHDS) {
        for (size_t i = 0; i < machine->pub.info->disk_count; i++)
            machine->files[i] = VHDX_NONE;
        take_set(j, number);
        return true;
    }
    note_reading(j, machine);
    for (size_t i = 0; i < machine->pub.info->disk_count && ok; i++)
        ok = take_medium(j, number, i);
    return ok;
}

/* ---- checkpoints that ought to be there ---- */

static size_t checkpoints_of(const struct vx_estate *estate, const struct vx_machine *machine)
{
    size_t count = 0;
    for (size_t i = 0; i < estate->machine_count; i++) {
        const vhdx_config_info *info = estate->machines[i].pub.info;
        count += info->checkpoint && info->has_machine_id &&
                 vx_guid_equal(&info->machine_id, &machine->pub.info->machine_id);
    }
    return count;
}

static void check_checkpoints(struct judge *j)
{
    for (size_t i = 0; i < j->estate->machine_count; i++) {
        struct vx_machine *machine = &j->estate->machines[i];
        const vhdx_config_info *info = machine->pub.info;
        if (info->checkpoint || !info->has_checkpoint_count || info->checkpoint_count == 0 || !info->has_machine_id)
            continue;
        size_t found = checkpoints_of(j->estate, machine);
        if (found < info->checkpoint_count)
            vx_note(j->estate, &machine->notes, "ORPHANS-CHECKPOINTS-MISSING", WARNING,
                    "the machine has %" PRIu64 " checkpoints, but configurations of %zu were found",
                    info->checkpoint_count, found);
    }
}

/* ---- who is needed ---- */

/* Marks the ancestors; ends where everything is marked already, so that all walks together are short. */
static void need_ancestors(struct vx_estate *estate, size_t number)
{
    const struct vx_disk *leaf = &estate->disks[number];
    bool machine = leaf->named_by_machine, checkpoint = leaf->named_by_checkpoint;
    uint32_t inherited = leaf->inherited;
    for (size_t at = leaf->pub.parent; at != VHDX_NONE; at = estate->disks[at].pub.parent) {
        struct vx_disk *disk = &estate->disks[at];
        bool known = (disk->needed_by_machine || !machine) && (disk->needed_by_checkpoint || !checkpoint) &&
                     (disk->inherited & inherited) == inherited;
        if (known)
            return;
        disk->needed_by_machine |= machine;
        disk->needed_by_checkpoint |= checkpoint;
        disk->inherited |= inherited;
    }
}

static void serve_ancestors(struct vx_estate *estate, size_t number)
{
    for (size_t at = estate->disks[number].pub.parent; at != VHDX_NONE && !estate->disks[at].serves_others;
         at = estate->disks[at].pub.parent)
        estate->disks[at].serves_others = true;
}

static void set_ancestors(struct vx_estate *estate, size_t number)
{
    for (size_t at = estate->disks[number].pub.parent; at != VHDX_NONE && !estate->disks[at].in_set;
         at = estate->disks[at].pub.parent)
        estate->disks[at].in_set = true;
}

/* Files that people keep without any machine that names them. */
static bool is_of_other_use(const struct vx_disk *disk, bool windows)
{
    static const char *const names[] = {"ext4.vhdx", "swap.vhdx", "docker_data.vhdx", "sandbox.vhdx",
                                        "RW.vhdx",   "RO.vhdx",   "Merge.vhdx"};
    static const char *const beginnings[] = {"UVHD-", "Profile_", "ODFC_"};
    const char *name = vx_path_name(disk->absolute, windows);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (vx_name_equal(name, names[i]))
            return true;
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (strlen(name) > strlen(beginnings[i]) &&
            vx_name_equal_part(name, strlen(beginnings[i]), beginnings[i], strlen(beginnings[i])))
            return true;
    for (const char *part = disk->absolute; *part;) {
        size_t length = strcspn(part, "\\/");
        if (vx_name_equal_part(part, length, "WindowsImageBackup", strlen("WindowsImageBackup")))
            return true;
        part += length;
        part += *part != '\0';
    }
    return false;
}

static bool is_recovery(const struct vx_disk *disk, bool windows)
{
    static const char ending[] = "-AutoRecovery";
    const char *name = vx_path_name(disk->absolute, windows);
    size_t stem = (size_t)(vx_path_extension(name, windows) - name), length = sizeof ending - 1;
    return stem > length && vx_name_equal_part(name + stem - length, length, ending, length);
}

static void mark_by_name(struct vx_estate *estate, struct vx_disk *disk)
{
    bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
    if (is_of_other_use(disk, windows))
        disk->pub.flags |= VHDX_FOUND_OTHER_USE;
    if (is_recovery(disk, windows))
        disk->pub.flags |= VHDX_FOUND_RECOVERY;
}

/* What hangs on a member of a set belongs to it too, to any depth. */
static bool spread_sets(struct vx_estate *estate)
{
    size_t *queue = vx_alloc(estate->disk_count, sizeof *queue);
    size_t count = 0;
    for (size_t i = 0; queue && i < estate->disk_count; i++)
        if (estate->disks[i].in_set)
            queue[count++] = i;
    for (size_t at = 0; queue && at < count; at++) {
        const struct vx_disk *disk = &estate->disks[queue[at]];
        for (size_t i = 0; i < disk->pub.child_count; i++) {
            struct vx_disk *child = &estate->disks[disk->pub.children[i]];
            if (child->in_set)
                continue;
            child->in_set = true;
            queue[count++] = disk->pub.children[i];
        }
    }
    vx_free(queue);
    return queue != NULL;
}

static void mark_needs(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        mark_by_name(estate, disk);
        if (disk->named_by_machine || disk->named_by_checkpoint)
            need_ancestors(estate, i);
        if (disk->in_set)
            set_ancestors(estate, i);
    }
    if (!spread_sets(estate))
        estate->no_memory = true;
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        bool other = disk->named_by_machine || disk->named_by_checkpoint || disk->in_set ||
                     (disk->pub.flags & VHDX_FOUND_OTHER_USE);
        if (other)
            serve_ancestors(estate, i);
        disk->is_needed |= disk->named_by_machine || disk->named_by_checkpoint || disk->needed_by_machine ||
                           disk->needed_by_checkpoint || disk->named_alike || disk->in_set || disk->locked ||
                           disk->is_suspect || disk->is_namesake;
    }
}

/* ---- copies ---- */

static bool is_used(const struct vx_disk *disk)
{
    return disk->named_by_machine || disk->named_by_checkpoint || disk->needed_by_machine || disk->needed_by_checkpoint;
}

static size_t live_children(const struct vx_estate *estate, const struct vx_disk *disk)
{
    size_t count = 0;
    for (size_t i = 0; i < disk->pub.child_count; i++)
        count += !is_quarantined(&estate->disks[disk->pub.children[i]]);
    return count;
}

/* Of a ring of twins: which of them is the one that is used, if that can be told. */
static void judge_copies(struct vx_estate *estate, size_t first)
{
    size_t used = 0, with_children = 0, live = 0, at = first;
    do {
        const struct vx_disk *disk = &estate->disks[at];
        used += is_used(disk);
        with_children += live_children(estate, disk) > 0;
        live += !is_quarantined(disk);
        at = disk->pub.twin;
    } while (at != first);
    do {
        struct vx_disk *disk = &estate->disks[at];
        bool kept = used > 0 ? is_used(disk) : with_children == 1 && live_children(estate, disk) > 0;
        bool alone = used == 0 && live == 1 && !is_quarantined(disk);
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

static vhdx_found_role role_of(const struct vx_estate *estate, const struct vx_disk *disk)
{
    bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
    bool has_parent = disk->pub.kind == VHDX_FOUND_DIFFERENCING || disk->pub.kind == VHDX_FOUND_VHD_DIFFERENCING;
    if (!disk->is_sound && disk->pub.kind == VHDX_FOUND_UNKNOWN)
        has_parent = vx_path_has_extension(disk->absolute, ".avhdx", windows) ||
                     vx_path_has_extension(disk->absolute, ".avhd", windows);
    if (!has_parent)
        return VHDX_ROLE_BASE;
    return live_children(estate, disk) > 0 ? VHDX_ROLE_INTERMEDIATE : VHDX_ROLE_LEAF;
}

/* The same disk by its virtual disk id: then it was written to; else it is another one under the same name. */
static bool is_modified_parent(const struct vx_disk *child, const struct vx_disk *suspect)
{
    return suspect->is_sound && !vx_guid_is_zero(&child->pub.virtual_disk_id) &&
           vx_guid_equal(&child->pub.virtual_disk_id, &suspect->pub.virtual_disk_id);
}

static vhdx_found_status status_of_link(const struct vx_estate *estate, const struct vx_disk *disk)
{
    if (!vx_disk_is_differencing(disk))
        return 0;
    if (disk->pub.parent != VHDX_NONE)
        return disk->parent_elsewhere ? VHDX_FOUND_PARENT_MOVED : 0;
    if (disk->pub.suspect == VHDX_NONE || disk->suspect_unreadable)
        return VHDX_FOUND_PARENT_MISSING;
    return is_modified_parent(disk, &estate->disks[disk->pub.suspect]) ? VHDX_FOUND_PARENT_MODIFIED
                                                                       : VHDX_FOUND_LINKAGE_MISMATCH;
}

static vhdx_found_status status_by_use(const struct vx_estate *estate, const struct vx_disk *disk)
{
    bool named = disk->named_by_machine;
    vhdx_found_status link = status_of_link(estate, disk);
    if (named && live_children(estate, disk) > 0)
        return VHDX_FOUND_ACTIVE_NOT_LEAF;
    if (link)
        return link;
    if (disk->in_set)
        return VHDX_FOUND_VHD_SET;
    if (named)
        return VHDX_FOUND_IN_USE_BY_VM;
    if (disk->named_by_checkpoint || disk->needed_by_checkpoint)
        return VHDX_FOUND_CHECKPOINT;
    if (disk->needed_by_machine)
        return VHDX_FOUND_IN_USE_BY_VM;
    bool differs = vx_disk_is_differencing(disk);
    if (disk->serves_others || (disk->pub.flags & VHDX_FOUND_OTHER_USE) ||
        (!differs && live_children(estate, disk) == 0))
        return VHDX_FOUND_STANDALONE;
    return VHDX_FOUND_ORPHAN;
}

static vhdx_found_status status_of(const struct vx_estate *estate, const struct vx_disk *disk)
{
    if (disk->locked)
        return VHDX_FOUND_LOCKED;
    if (!disk->is_sound)
        return VHDX_FOUND_UNREADABLE;
    if (disk->in_cycle)
        return VHDX_FOUND_CYCLE;
    if (disk->is_copy)
        return VHDX_FOUND_DUPLICATE;
    return status_by_use(estate, disk);
}

static uint32_t flags_of(const struct vx_estate *estate, const struct vx_disk *disk)
{
    uint32_t flags = disk->pub.flags | disk->inherited;
    flags |= disk->dirty ? VHDX_FOUND_DIRTY_LOG : 0u;
    flags |= disk->truncated ? VHDX_FOUND_TRUNCATED : 0u;
    flags |= disk->in_set ? VHDX_FOUND_SET_MEMBER : 0u;
    flags |= disk->parent_second ? VHDX_FOUND_MERGE_BEGUN : 0u;
    flags |= disk->locked ? VHDX_FOUND_IN_USE : 0u;
    flags |= disk->named_alike ? VHDX_FOUND_NAMED_ALIKE : 0u;
    flags |= disk->chain_state == CHAIN_BROKEN ? VHDX_FOUND_BROKEN_BELOW : 0u;
    flags |= disk->named_by_checkpoint || disk->needed_by_checkpoint ? VHDX_FOUND_CHECKPOINT_NAMED : 0u;
    if (disk->pub.parent == VHDX_NONE)
        return flags;
    const struct vx_disk *parent = &estate->disks[disk->pub.parent];
    if (parent->is_sound && parent->pub.virtual_size != disk->pub.virtual_size) /* of VHDs: see note_flags() */
        flags |= VHDX_FOUND_SIZE_DIFFERS;
    if (parent->is_sound && parent->pub.logical_sector_size != disk->pub.logical_sector_size)
        flags |= VHDX_FOUND_SECTOR_DIFFERS;
    return flags;
}

/* ---- what is said about it ---- */

static const char *machine_name(const struct vx_machine *machine)
{
    return machine->pub.info->name && machine->pub.info->name[0] ? machine->pub.info->name : machine->pub.path;
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

static void note_missing(struct judge *j, struct vx_disk *disk)
{
    char id[VX_GUID_TEXT];
    vx_guid_format(disk->pub.names.has_linkage ? &disk->pub.names.linkage : &disk->pub.names.linkage2, id);
    if (disk->suspect_unreadable && disk->pub.suspect != VHDX_NONE)
        NOTE(j, disk, "PARENT-MISSING", ERROR,
             "no readable file is its parent %s (id %s); %s lies where it should be, and cannot be read", parent_text(disk),
             id, j->estate->disks[disk->pub.suspect].pub.path);
    else
        NOTE(j, disk, "PARENT-MISSING", ERROR, "its parent %s (id %s) was not found in what was searched",
             parent_text(disk), id);
}

static void note_more_suspects(struct judge *j, struct vx_disk *disk)
{
    if (disk->suspect_count > 1)
        NOTE(j, disk, "PARENT-TIE", WARNING,
             "what it says of its parent's place fits %zu files: %s, %s%s. All of them are kept", disk->suspect_count,
             j->estate->disks[disk->suspects[0]].pub.path, j->estate->disks[disk->suspects[1]].pub.path,
             disk->suspect_count > 2 ? " and others" : "");
}

static void note_mismatch(struct judge *j, struct vx_disk *disk)
{
    const struct vx_disk *suspect = &j->estate->disks[disk->pub.suspect];
    char wanted[VX_GUID_TEXT], found[VX_GUID_TEXT];
    vx_guid_format(&disk->pub.names.linkage, wanted);
    vx_guid_format(&suspect->pub.data_write_guid, found);
    if (disk->pub.status == VHDX_FOUND_PARENT_MODIFIED)
        NOTE(j, disk, "PARENT-MODIFIED", ERROR,
             "its parent %s was written to after this disk was made: it needs id %s, found %s. %s", suspect->pub.path,
             wanted, found,
             suspect->pub.virtual_size > disk->pub.virtual_size
                 ? "The parent is larger: it may only have been expanded"
                 : "It may have been started, mounted or compacted, or a merge into it was cut off");
    else
        NOTE(j, disk, "LINKAGE-MISMATCH", ERROR,
             "another disk lies where its parent should be: %s has id %s, and it needs %s", suspect->pub.path, found,
             wanted);
}

static void note_duplicate(struct judge *j, struct vx_disk *disk)
{
    const struct vx_disk *twin = &j->estate->disks[disk->pub.twin];
    if (disk->is_copy)
        NOTE(j, disk, "DUPLICATE", ERROR, "%s has the same identity: one is a copy of the other", twin->pub.path);
    else
        NOTE(j, disk, "HAS-COPY", INFO, "%s has the same identity; this one is the one that is used", twin->pub.path);
}

/* One problem is told once: where it is, not again at each disk that has a part in it. */
static void note_orphan(struct judge *j, struct vx_disk *disk)
{
    if (live_children(j->estate, disk) > 0)
        NOTE(j, disk, "ORPHAN", INFO, "it serves only disks that no configuration names");
    else if (disk->is_suspect)
        NOTE(j, disk, "ORPHAN", INFO,
             "no configuration names this disk, but one that is in doubt may have been made on it: see there");
    else
        NOTE(j, disk, "ORPHAN", ERROR,
             "no configuration that was found names this disk. It is either a leftover, or the newest state of a machine "
             "whose configuration has lost it");
}

#define SIBLINGS_MAX 256u /* that are asked for their age */

/* The newest of the disks that machines use in the same tree: siblings, here. */
static void note_newer(struct judge *j, struct vx_disk *disk)
{
    if (disk->pub.parent == VHDX_NONE || disk->pub.modified == 0)
        return;
    const struct vx_disk *parent = &j->estate->disks[disk->pub.parent];
    for (size_t i = 0; i < parent->pub.child_count && i < SIBLINGS_MAX; i++) {
        const struct vx_disk *sibling = &j->estate->disks[parent->pub.children[i]];
        if (!is_used(sibling) || sibling->pub.modified == 0)
            continue;
        if (disk->pub.modified > sibling->pub.modified)
            NOTE(j, disk, "NEWER", WARNING,
                 "it was written to after %s, which is in use: it may hold the only copy of newer data",
                 name_of(sibling));
        return;
    }
}

static void note_standalone(struct judge *j, struct vx_disk *disk)
{
    bool windows = vx_estate_is_windows(j->estate, disk->absolute, disk->source);
    if (disk->pub.flags & VHDX_FOUND_OTHER_USE)
        NOTE(j, disk, "OTHER-USE", INFO,
             "named or placed like disks that no Hyper-V machine owns (WSL, containers, user profiles, backups)");
    else if (disk->pub.kind != VHDX_FOUND_DIFFERENCING && vx_path_has_extension(disk->absolute, ".avhdx", windows))
        NOTE(j, disk, "SET-BASE", INFO,
             "a checkpoint file without a parent: perhaps the base of a VHD set whose .vhds file is elsewhere");
    else
        NOTE(j, disk, "STANDALONE", INFO,
             "complete by itself, and no configuration that was found names it: a template, another host's, a data disk");
}

static void note_active(struct judge *j, struct vx_disk *disk)
{
    const struct vx_machine *machine = first_machine(j->estate, disk);
    NOTE(j, disk, "ACTIVE-NOT-LEAF", ERROR,
         "the machine %s would write to it, but %zu disk%s need%s it unchanged: do not start the machine",
         machine ? machine_name(machine) : "that names it", live_children(j->estate, disk),
         live_children(j->estate, disk) == 1 ? "" : "s", live_children(j->estate, disk) == 1 ? "s" : "");
}

static void note_status(struct judge *j, struct vx_disk *disk)
{
    switch (disk->pub.status) {
    case VHDX_FOUND_UNREADABLE:
        vx_note(j->estate, &disk->notes,
                disk->is_vhdx || disk->host_failed ? "ORPHANS-UNREADABLE" : "ORPHANS-NOT-A-DISK",
                severity_for(disk, ERROR), "%s", disk->trouble ? disk->trouble : "it cannot be read");
        break;
    case VHDX_FOUND_LOCKED:
        NOTE(j, disk, "LOCKED", disk->is_sound ? INFO : ERROR, "somebody has it in use%s",
             disk->is_sound ? "" : ", so nothing is known about it");
        break;
    case VHDX_FOUND_CYCLE:
        NOTE(j, disk, "CYCLE", ERROR, "following its parents leads back to it: the linkages are damaged or forged");
        break;
    case VHDX_FOUND_PARENT_MISSING:
        note_missing(j, disk);
        break;
    case VHDX_FOUND_PARENT_MOVED:
        NOTE(j, disk, "PARENT-MOVED", ERROR, "its parent is %s, by identity, but it looks for it at %s",
             j->estate->disks[disk->pub.parent].pub.path, parent_text(disk));
        break;
    case VHDX_FOUND_LINKAGE_MISMATCH:
    case VHDX_FOUND_PARENT_MODIFIED:
        note_mismatch(j, disk);
        break;
    case VHDX_FOUND_ACTIVE_NOT_LEAF:
        note_active(j, disk);
        break;
    case VHDX_FOUND_ORPHAN:
        note_orphan(j, disk);
        note_newer(j, disk);
        break;
    case VHDX_FOUND_STANDALONE:
        note_standalone(j, disk);
        break;
    case VHDX_FOUND_VHD_SET:
        NOTE(j, disk, "VHD-SET", INFO, "belongs to a VHD set; a set's disks are never merged one by one");
        break;
    case VHDX_FOUND_IN_USE_BY_VM:
    case VHDX_FOUND_CHECKPOINT:
    case VHDX_FOUND_DUPLICATE:
        break;
    }
}

struct flag_words {
    uint32_t flag;
    const char *id;
    vhdx_severity severity;
    const char *text;
};

static const struct flag_words flag_words[] = {
    {VHDX_FOUND_DIRTY_LOG, "ORPHANS-DIRTY-LOG", WARNING, "it was not closed cleanly; its log was replayed in memory"},
    {VHDX_FOUND_TRUNCATED, "ORPHANS-TRUNCATED", ERROR,
     "the file ends before its last block: a copy that was cut off, or a full volume"},
    {VHDX_FOUND_SIZE_DIFFERS, "ORPHANS-SIZE-DIFFERS", INFO, "its virtual size is not the parent's, which is allowed"},
    {VHDX_FOUND_SECTOR_DIFFERS, "ORPHANS-SECTOR-DIFFERS", ERROR,
     "its logical sector size is not the parent's: the chain cannot be read"},
    {VHDX_FOUND_SAVED_STATE, "ORPHANS-SAVED-STATE", WARNING,
     "a machine that needs it has a saved state: its guest expects the disk unchanged"},
    {VHDX_FOUND_MERGE_PENDING, "ORPHANS-MERGE-PENDING", WARNING,
     "Hyper-V itself has a merge to do for a machine that needs it: let it finish, or finish it offline"},
    {VHDX_FOUND_REPLICATED, "ORPHANS-REPLICATED", INFO, "Hyper-V Replica follows it; it must resynchronize after any change"},
    {VHDX_FOUND_CLUSTERED, "ORPHANS-CLUSTERED", INFO, "its machine is clustered: another node may be running it"},
    {VHDX_FOUND_RECOVERY, "ORPHANS-RECOVERY", INFO,
     "named like the leftover of a backup; it may hold what was written during the backup"},
    {VHDX_FOUND_MERGE_BEGUN, "ORPHANS-MERGE-BEGUN", ERROR,
     "a merge into its parent was begun and did not come to its end; the disk still reads as it should"},
    {VHDX_FOUND_BROKEN_BELOW, "ORPHANS-BROKEN-BELOW", ERROR, "a layer that it needs further down has a problem"},
};

static void note_flags(struct judge *j, struct vx_disk *disk)
{
    if (vx_disk_is_vhd(disk) && (disk->pub.flags & VHDX_FOUND_SIZE_DIFFERS))
        NOTE(j, disk, "VHD-SIZE-DIFFERS", ERROR,
             "its virtual size is not the parent's, which the VHD format does not allow");
    for (size_t i = 0; i < sizeof flag_words / sizeof flag_words[0]; i++)
        if ((disk->pub.flags & flag_words[i].flag) &&
            !(flag_words[i].flag == VHDX_FOUND_SIZE_DIFFERS && vx_disk_is_vhd(disk)))
            vx_note(j->estate, &disk->notes, flag_words[i].id, severity_for(disk, flag_words[i].severity), "%s",
                    flag_words[i].text);
    note_more_suspects(j, disk);
    if (disk->locked && !is_quarantined(disk) && disk->pub.status != VHDX_FOUND_LOCKED)
        NOTE(j, disk, "LOCKED", INFO, "somebody has it in use");
    if (disk->pub.twin != VHDX_NONE)
        note_duplicate(j, disk);
    if (vx_disk_is_differencing(disk) && live_children(j->estate, disk) > 1)
        NOTE(j, disk, "SIBLINGS", INFO, "%zu disks hang on it: it cannot be merged into by one of them alone",
             live_children(j->estate, disk));
}

/* Two machines (not a machine and its checkpoints) that both would write to it. */
static void note_owners(struct judge *j, struct vx_disk *disk)
{
    const struct vx_machine *first = NULL;
    for (const struct vx_reference *r = disk->references; r; r = r->next) {
        const struct vx_machine *machine = &j->estate->machines[r->pub.config];
        const vhdx_config_info *info = machine->pub.info;
        if (info->checkpoint)
            continue;
        bool other = first && first->pub.info->has_machine_id && info->has_machine_id &&
                     !vx_guid_equal(&first->pub.info->machine_id, &info->machine_id);
        if (other) {
            NOTE(j, disk, "NAMED-TWICE", WARNING, "two machines name it: %s and %s", machine_name(first),
                 machine_name(machine));
            return;
        }
        first = first ? first : machine;
    }
}

/* ---- files beside disks ---- */

/* "X.vhdx.rct" and "X.rct" both belong to "X.vhdx". */
static void find_owner(struct judge *j, struct vx_side *side)
{
    static const char *const endings[] = {"", ".vhdx", ".avhdx", ".vhd"};
    char path[4096];
    const char *dot = strrchr(vx_tail_name(side->absolute), '.');
    size_t stem = dot ? (size_t)(dot - side->absolute) : strlen(side->absolute);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0] && side->pub.file == VHDX_NONE; i++) {
        int length = snprintf(path, sizeof path, "%.*s%s", stem < sizeof path ? (int)stem : 0, side->absolute, endings[i]);
        if (length > 0 && (size_t)length < sizeof path)
            side->pub.file = vx_names_at(j->estate, j->names, path, side->source);
    }
}

static void judge_side(struct judge *j, struct vx_side *side)
{
    bool belongs = side->pub.kind == VHDX_SIDE_TRACKING || side->pub.kind == VHDX_SIDE_REPLICA_LOG;
    if (side->pub.kind == VHDX_SIDE_GUEST_STATE)
        vx_note(j->estate, &side->notes, "ORPHANS-GUEST-STATE", INFO,
                "firmware settings and virtual TPM of a machine: without it an encrypted guest is lost");
    if (!belongs)
        return;
    find_owner(j, side);
    if (side->pub.file == VHDX_NONE) {
        vx_note(j->estate, &side->notes, "ORPHANS-SIDE-WITHOUT-DISK", WARNING, "the disk that it belongs to was not found");
        return;
    }
    struct vx_disk *disk = &j->estate->disks[side->pub.file];
    if (side->pub.kind == VHDX_SIDE_TRACKING) {
        disk->pub.flags |= VHDX_FOUND_TRACKED;
        side->next_side = disk->first_side;
        disk->first_side = (size_t)(side - j->estate->sides);
    } else {
        disk->pub.flags |= VHDX_FOUND_REPLICATED;
        disk->is_needed = true;
    }
}

/* ---- all of it ---- */

static bool take_references(struct judge *j)
{
    for (size_t i = 0; i < j->estate->disk_count; i++) {
        struct vx_disk *disk = &j->estate->disks[i];
        vhdx_found_reference *array = vx_arena_take(&j->estate->arena, disk->pub.reference_count, sizeof *array);
        size_t at = disk->pub.reference_count;
        if (!array)
            return false;
        for (const struct vx_reference *r = disk->references; r; r = r->next)
            array[--at] = r->pub; /* the list is the wrong way round */
        disk->pub.references = array;
    }
    return true;
}

vhdx_status vx_classify(struct vx_estate *estate, vhdx_error *err)
{
    struct judge j = {estate, estate->names};
    bool ok = true;
    for (size_t i = 0; i < estate->machine_count && ok; i++)
        ok = take_machine(&j, i);
    if (!ok || !take_references(&j))
        return vx_fail_memory(err, "the configurations");
    check_checkpoints(&j);
    for (size_t i = 0; i < estate->side_count; i++)
        judge_side(&j, &estate->sides[i]);
    mark_needs(estate);
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
        note_status(&j, disk);
        note_flags(&j, disk);
        note_owners(&j, disk);
    }
    if (!vx_access_judge(estate))
        estate->no_memory = true;
    return estate->no_memory ? vx_fail_memory(err, "the findings") : VHDX_OK;
}

void vx_classify_compared(struct vx_estate *estate)
{
    struct judge j = {estate, NULL};
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        bool copy = disk->is_copy;
        if (disk->pub.comparison == VHDX_COMPARED_EQUAL)
            NOTE(&j, disk, "REDUNDANT", INFO, "%s",
                 copy ? "byte for byte the same as that file" : "every sector that it holds equals what lies below it");
        else if (disk->pub.comparison == VHDX_COMPARED_DIFFERS && copy)
            NOTE(&j, disk, "DIFFERS", WARNING, "its bytes differ from that file's: which one is right cannot be told");
        else if (disk->pub.comparison == VHDX_COMPARED_DIFFERS)
            NOTE(&j, disk, "DIFFERS", WARNING, "%" PRIu64 " bytes of what it holds differ from what lies below it",
                 disk->pub.differing_bytes);
        else if (disk->pub.comparison == VHDX_COMPARED_FAILED)
            NOTE(&j, disk, "NOT-COMPARED", WARNING, "its content could not be compared: %s",
                 disk->trouble ? disk->trouble : "it cannot be read");
    }
}
