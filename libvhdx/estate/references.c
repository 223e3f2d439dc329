/*
 * References. See references.h.
 *
 * "not named" is a statement about what was searched. A disk that a configuration names by its
 * name alone, in another folder, is not called in use, but it is kept.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/references.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"
#include "estate/names.h"
#include "estate/vhd_sets.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint32_t flags_of_machine(const vhdx_machine_info *info)
{
    uint32_t flags = 0;
    flags |= info->saved_state == VHDX_SAVED_STATE_PRESENT ? VHDX_DISK_FLAG_SAVED_STATE : 0u;
    flags |= info->merge_pending ? VHDX_DISK_FLAG_MERGE_PENDING : 0u;
    flags |= info->replicated ? VHDX_DISK_FLAG_REPLICATED : 0u;
    flags |= info->clustered ? VHDX_DISK_FLAG_CLUSTERED : 0u;
    return flags;
}

static bool refer(struct vx_estate *estate, size_t machine, size_t medium, size_t number)
{
    struct vx_disk *disk = &estate->disks[number];
    const vhdx_machine_info *info = estate->machines[machine].pub.info;
    struct vx_reference *reference = vx_arena_take(&estate->arena, 1, sizeof *reference);
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

static void note_tie(struct vx_estate *estate, struct vx_machine *machine, const char *path,
                     const struct vx_hit_list *found)
{
    vx_estate_note(estate, &machine->notes, VX_REMARK_NAME_TIE, VHDX_SEVERITY_ERROR,
                   "the path %s fits %zu files equally well: %s and %s%s", path, found->count,
                   estate->disks[found->disks[0]].pub.path, estate->disks[found->disks[1]].pub.path,
                   found->count > 2 ? " and others" : "");
    vx_estate_note_advice(&machine->notes, VHDX_ADVICE_NAME_MAPS);
    for (size_t i = 0; i < found->count; i++) {
        struct vx_disk *disk = &estate->disks[found->disks[i]];
        vx_estate_note_disk(estate, disk, VX_REMARK_NAME_TIE, VHDX_SEVERITY_ERROR,
                            "%s names %s, which may be this file or another one; both are taken to be in use",
                            machine->pub.path, path);
    }
}

/* Any of those that are named alike may be the one; each is kept, and told once, however many machines name it. */
static void note_not_found(struct vx_estate *estate, struct vx_machine *machine, const char *path,
                           const struct vx_hit_list *alike)
{
    vhdx_severity severity = machine->is_extra ? VHDX_SEVERITY_INFO : VHDX_SEVERITY_ERROR;
    if (alike->count == 0)
        vx_estate_note(estate, &machine->notes, VX_REMARK_DISK_NOT_FOUND, severity, "the disk %s was not found", path);
    else
        vx_estate_note(estate, &machine->notes, VX_REMARK_DISK_NOT_FOUND, severity,
                       "the disk %s was not found; %s%s the same name in another folder", path,
                       estate->disks[alike->disks[0]].pub.path, alike->count > 1 ? " and others have" : " has");
    for (size_t i = 0; i < alike->count; i++) {
        struct vx_disk *disk = &estate->disks[alike->disks[i]];
        if (disk->named_alike)
            continue;
        disk->named_alike = true;
        vx_estate_note_disk(estate, disk, VX_REMARK_NAMED_ALIKE, VHDX_SEVERITY_WARNING,
                            "%s names %s: the same name in another folder. That proves nothing, but the file is kept",
                            machine->pub.path, path);
    }
}

/* Whether it is missed when it is not found: no other medium and no physical disk is. Each that is found is kept,
 * whatever its type. */
static bool is_medium_of_disks(const vhdx_drive *medium)
{
    return !vx_name_equal(medium->type, "ISO") && !vx_name_equal(medium->type, "VFD") &&
           strncmp(medium->path, "\\\\.\\", 4) != 0;
}

/* The files of its own host first; then those of others, when reports are judged together. */
static bool find_medium(struct vx_estate *estate, const struct vx_machine *machine, const char *path,
                        struct vx_hits *hits)
{
    bool ok = vx_names_find(estate, estate->names, path, machine->source, false, hits);
    if (!ok || hits->found.count > 0)
        return ok;
    vx_hits_free(hits);
    return vx_names_find(estate, estate->names, path, machine->source, true, hits);
}

static bool take_medium(struct vx_estate *estate, size_t number, size_t medium)
{
    struct vx_machine *machine = &estate->machines[number];
    const vhdx_drive *disk = &machine->pub.drives[medium];
    struct vx_hits hits;
    machine->files[medium] = VHDX_NONE;
    if (!disk->path || !disk->path[0])
        return true;
    bool ok = find_medium(estate, machine, disk->path, &hits);
    for (size_t i = 0; i < hits.found.count && ok; i++)
        ok = refer(estate, number, medium, hits.found.disks[i]);
    if (hits.found.count > 0)
        machine->files[medium] = hits.found.disks[0];
    if (hits.found.count > 1)
        note_tie(estate, machine, disk->path, &hits.found);
    if (ok && hits.found.count > 0 && !hits.mapped)
        vx_names_mark_namesakes(estate, disk->path, machine->source);
    if (ok && hits.found.count == 0 && is_medium_of_disks(disk))
        note_not_found(estate, machine, disk->path, &hits.alike);
    vx_hits_free(&hits);
    return ok;
}

static void note_reading(struct vx_estate *estate, struct vx_machine *machine)
{
    const vhdx_machine_info *info = machine->pub.info;
    const char *reason = info->reasons.count ? info->reasons.items[0] : "it cannot be read";
    if (machine->pub.readable)
        return;
    vx_estate_note(estate, &machine->notes, VX_REMARK_CONFIG_UNREADABLE, VHDX_SEVERITY_ERROR,
                   "this configuration was not read whole, so which disks it needs is not known: %s", reason);
}

static bool take_machine(struct vx_estate *estate, size_t number)
{
    struct vx_machine *machine = &estate->machines[number];
    bool ok = true;
    machine->files = vx_arena_take(&estate->arena, machine->pub.info->drive_count, sizeof *machine->files);
    machine->pub.files = machine->files;
    if (!machine->files)
        return false;
    if (machine->pub.info->format == VHDX_CONFIG_VHDS) {
        for (size_t i = 0; i < machine->pub.info->drive_count; i++)
            machine->files[i] = VHDX_NONE;
        vx_set_take(estate, &estate->machines[number]);
        return true;
    }
    note_reading(estate, machine);
    for (size_t i = 0; i < machine->pub.info->drive_count && ok; i++)
        ok = take_medium(estate, number, i);
    return ok;
}

/* ---- checkpoints that ought to be there ---- */

static size_t checkpoints_of(const struct vx_estate *estate, const struct vx_machine *machine)
{
    size_t count = 0;
    for (size_t i = 0; i < estate->machine_count; i++) {
        const vhdx_machine_info *info = estate->machines[i].pub.info;
        count += info->checkpoint && info->has_machine_id &&
                 vx_guid_equal(&info->machine_id, &machine->pub.info->machine_id);
    }
    return count;
}

static void check_checkpoints(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->machine_count; i++) {
        struct vx_machine *machine = &estate->machines[i];
        const vhdx_machine_info *info = machine->pub.info;
        if (info->checkpoint || !info->has_checkpoint_count || info->checkpoint_count == 0 || !info->has_machine_id)
            continue;
        size_t found = checkpoints_of(estate, machine);
        if (found < info->checkpoint_count)
            vx_estate_note(estate, &machine->notes, VX_REMARK_CHECKPOINTS_MISSING, VHDX_SEVERITY_WARNING,
                           "the machine has %" PRIu64 " checkpoints, but configurations of %zu were found",
                           info->checkpoint_count, found);
    }
}

/* ---- machines that a host lists ---- */

struct known_name {
    const char *name; /* of a configuration's file, which is its machine's id */
};

/* A machine may have been upgraded since, from .xml to .vmcx: only what is before the extension counts. */
static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

static int name_order(const void *a, const void *b)
{
    const struct known_name *first = a, *second = b;
    return vx_name_compare_part(first->name, stem_length(first->name), second->name, stem_length(second->name));
}

static bool is_known(const struct known_name *names, size_t count, const char *path)
{
    const char *name = vx_tail_name(path);
    size_t low = 0, high = count, length = stem_length(name);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = vx_name_compare_part(names[middle].name, stem_length(names[middle].name), name, length);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void note_unfound(struct vx_estate *estate, struct vx_machine *list, const char *path)
{
    list->misses_machines = true;
    vx_estate_note(
        estate, &list->notes, VX_REMARK_MACHINE_NOT_FOUND, VHDX_SEVERITY_ERROR,
        "the machine with the configuration %s is registered on this host, and that was not found: which disks it "
        "needs is not known",
        path);
}

/* Each machine on a host's list (data.vmcx) whose configuration was not found may need any disk. */
static bool check_lists(struct vx_estate *estate)
{
    struct known_name *names = vx_alloc(estate->machine_count, sizeof *names);
    size_t count = 0;
    if (!names)
        return false;
    for (size_t i = 0; i < estate->machine_count; i++)
        names[count++].name = vx_tail_name(estate->machines[i].absolute);
    if (count > 1)
        qsort(names, count, sizeof *names, name_order);
    for (size_t i = 0; i < estate->machine_count; i++) {
        const vhdx_texts *listed = &estate->machines[i].pub.info->machines;
        for (size_t j = 0; j < listed->count; j++)
            if (!is_known(names, count, listed->items[j]))
                note_unfound(estate, &estate->machines[i], listed->items[j]);
    }
    vx_free(names);
    return true;
}

/* ---- all of it ---- */

static bool show_references(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        vhdx_found_reference *array = vx_arena_take(&estate->arena, disk->pub.reference_count, sizeof *array);
        size_t at = disk->pub.reference_count;
        if (!array)
            return false;
        for (const struct vx_reference *r = disk->references; r; r = r->next)
            array[--at] = r->pub; /* the list is the wrong way round */
        disk->pub.references = array;
    }
    return true;
}

bool vx_references_take(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->machine_count; i++)
        if (!take_machine(estate, i))
            return false;
    check_checkpoints(estate);
    return check_lists(estate) && show_references(estate);
}
