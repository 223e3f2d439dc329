/*
 * Runs of layers that serve nothing but the layer above them, and how they become one. No configuration names such a
 * layer and one disk only was made on it, so a merge changes what no machine and no checkpoint reads. A disk with
 * anything unusual about it (MERGE_FORBIDDEN) is left alone.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/adviser.h"

#include "base/limits.h"
#include "base/path.h"

#include <string.h>

#define MERGE_FORBIDDEN                                                                                                \
    (VHDX_DISK_FLAG_SAVED_STATE | VHDX_DISK_FLAG_MERGE_PENDING | VHDX_DISK_FLAG_REPLICATED |                           \
     VHDX_DISK_FLAG_CLUSTERED | VHDX_DISK_FLAG_SET_MEMBER | VHDX_DISK_FLAG_TRUNCATED | VHDX_DISK_FLAG_SECTOR_DIFFERS | \
     VHDX_DISK_FLAG_IN_USE | VHDX_DISK_FLAG_BROKEN_BELOW | VHDX_DISK_FLAG_MERGE_BEGUN | VHDX_DISK_FLAG_QUARANTINED |   \
     VHDX_DISK_FLAG_NAMED_ALIKE)

static bool may_take_part(const struct vx_disk *disk)
{
    bool used = disk->pub.status == VHDX_DISK_STATUS_IN_USE_BY_VM || disk->pub.status == VHDX_DISK_STATUS_CHECKPOINT;
    return used && disk->is_vhdx && !(disk->pub.flags & MERGE_FORBIDDEN) && disk->pub.twin == VHDX_NONE &&
           !disk->is_suspect && !disk->is_namesake;
}

/* No configuration names it, and one disk only was made on it: what it holds may move, as long as that disk reads the
 * same. */
static bool is_passed_through(const struct vx_disk *disk)
{
    return may_take_part(disk) && disk->pub.reference_count == 0 && disk->pub.child_count == 1;
}

/* Layers one above the other that are only passed through, and the disk above them. */
struct run {
    size_t bottom, top, above;
    size_t count;   /* from bottom to top */
    uint64_t bytes; /* of those above the bottom, up to the top */
};

static bool find_run(const struct vx_adviser *a, size_t number, struct run *run)
{
    const struct vx_disk *disk = vx_advice_disk(a, number);
    bool begins = disk->pub.parent == VHDX_NONE || !is_passed_through(vx_advice_disk(a, disk->pub.parent));
    if (!begins || !is_passed_through(disk))
        return false;
    *run = (struct run){.bottom = number, .top = number, .count = 1, .above = disk->pub.children[0]};
    while (is_passed_through(vx_advice_disk(a, run->above))) {
        run->top = run->above;
        run->bytes += vx_advice_disk(a, run->top)->pub.allocated;
        run->above = vx_advice_disk(a, run->top)->pub.children[0];
        run->count++;
    }
    return true;
}

/* The disk above is the one that a machine without checkpoints writes to: then it goes down too, and the machine is
 * told. */
static bool ends_in_machine(const struct vx_adviser *a, const struct run *run)
{
    const struct vx_disk *leaf = vx_advice_disk(a, run->above), *bottom = vx_advice_disk(a, run->bottom);
    if (!may_take_part(leaf) || leaf->pub.reference_count != 1 || leaf->pub.child_count > 0 ||
        ((leaf->pub.flags | bottom->pub.flags) & VHDX_DISK_FLAG_CHECKPOINT_NAMED))
        return false;
    const vhdx_machine_info *info = vx_advice_info(a, &leaf->pub.references[0]);
    return info->has_checkpoint_count && info->checkpoint_count == 0 && !info->checkpoint;
}

/* A merge writes the new parent into the disk above, which it finds only in the directories of the layers. */
static bool is_beside(const struct vx_adviser *a, const struct run *run)
{
    const struct vx_disk *above = vx_advice_disk(a, run->above);
    size_t length = vx_tail_directory(above->absolute);
    for (size_t at = run->top; at != VHDX_NONE; at = vx_advice_disk(a, at)->pub.parent) {
        const struct vx_disk *disk = vx_advice_disk(a, at);
        if (vx_tail_directory(disk->absolute) == length && strncmp(disk->absolute, above->absolute, length) == 0)
            return true;
        if (at == run->bottom)
            return false;
    }
    return false;
}

/* A merge opens the chain down to its base, and no chain of more layers than these. */
static bool can_be_opened(const struct vx_adviser *a, size_t top)
{
    size_t count = 0;
    for (size_t at = top; at != VHDX_NONE && count <= VX_CHAIN_MAX; at = vx_advice_disk(a, at)->pub.parent)
        count++;
    return count <= VX_CHAIN_MAX;
}

/* Whether the merge would go through now; else that is told, and nothing proposed. */
static bool would_merge(struct vx_adviser *a, size_t bottom, size_t top)
{
    if (vx_would_work(a, VX_TRIAL_MERGE, top, vx_advice_disk(a, bottom)->pub.path))
        return true;
    vx_advice_step(a, VHDX_STEP_NOTE, top,
                   "The disks from %s up to %s could be made one, but not as things are now: %s.",
                   vx_advice_disk(a, bottom)->pub.path, vx_advice_disk(a, top)->pub.path, vx_advice_why(a));
    return false;
}

static void step_merge(struct vx_adviser *a, size_t bottom, size_t top)
{
    const char *parents = vx_advice_parents(a, top), *into = vx_advice_path(a, bottom), *from = vx_advice_path(a, top);
    vx_advice_step(a, VHDX_STEP_LOOK, top, "vhdx merge --dry-run%s --into %s %s", parents, into, from);
    vx_advice_step(a, VHDX_STEP_MERGE, top, "vhdx merge%s --into %s %s", parents, into, from);
}

/*
 * The layer of the run, from its bottom up, on which other disks may have been made that no search of this place sees:
 * what is on it has a folder of its own, as linked clones have. VHDX_NONE: there is no such doubt.
 */
static size_t find_shared(const struct vx_adviser *a, const struct run *run)
{
    size_t shared = VHDX_NONE;
    for (size_t at = run->above; at != run->bottom; at = vx_advice_disk(a, at)->pub.parent)
        if (vx_disk_is_clone(a->estate, vx_advice_disk(a, at)))
            shared = vx_advice_disk(a, at)->pub.parent;
    return shared;
}

/* The disk above is named as a disk of its own, not as a checkpoint: it is a linked clone, and well so. */
static bool is_made_as_clone(const struct vx_adviser *a, const struct run *run)
{
    const struct vx_disk *leaf = vx_advice_disk(a, run->above);
    return vx_path_has_extension(leaf->absolute, ".vhdx", vx_advice_is_windows(a, leaf));
}

static void note_shared(struct vx_adviser *a, size_t shared)
{
    if (shared == VHDX_NONE)
        return;
    vx_advice_step(
        a, VHDX_STEP_NOTE, shared,
        "%s may be a golden disk: other clones may have been made on it, on volumes and hosts that were not "
        "searched, and a merge into it makes each of these unreadable ('vhdx merge --siblings' looks for them in "
        "more places). Only if there is none:",
        vx_advice_disk(a, shared)->pub.path);
}

static void advise_to_machine(struct vx_adviser *a, const struct run *run)
{
    size_t leaf = run->above, shared = find_shared(a, run);
    if (shared != VHDX_NONE && is_made_as_clone(a, run) && !a->estate->totals.complete_asked)
        return;
    if (!would_merge(a, run->bottom, leaf))
        return;
    const vhdx_found_reference *reference = &vx_advice_disk(a, leaf)->pub.references[0];
    vx_advice_step(
        a, VHDX_STEP_NOTE, leaf,
        "The machine %s has no checkpoint, and yet runs on %zu disks on top of each other. With the machine off "
        "they can be made one%s",
        vx_machine_name(&a->estate->machines[reference->config]), run->count + 1,
        shared == VHDX_NONE ? ". Look first:" : ", with one doubt.");
    note_shared(a, shared);
    step_merge(a, run->bottom, leaf);
    vx_advice_step_set_drive(a, reference, run->bottom);
    vx_advice_step(
        a, VHDX_STEP_NOTE, leaf,
        "Keep the merged files until the machine has started once. Their change tracking is void: the next backup "
        "must be a full one.");
    a->family->reclaimable += run->bytes + vx_advice_disk(a, leaf)->pub.allocated;
}

/* What is above keeps its name, so no configuration changes; whether it is a checkpoint's does not matter then. */
static void advise_between(struct vx_adviser *a, const struct run *run)
{
    if (!would_merge(a, run->bottom, run->top))
        return;
    vx_advice_step(
        a, VHDX_STEP_NOTE, run->top,
        "No configuration names the %zu disks from %s up to %s, and only %s was made on them: no checkpoint would "
        "be lost if they were one. With every machine that uses it off (look first):",
        run->count, vx_advice_disk(a, run->bottom)->pub.path, vx_advice_disk(a, run->top)->pub.path,
        vx_advice_disk(a, run->above)->pub.path);
    note_shared(a, find_shared(a, run));
    step_merge(a, run->bottom, run->top);
    vx_advice_step(
        a, VHDX_STEP_NOTE, run->top,
        "%s is told its new parent by the merge and reads as before. The merged files that stay are no valid "
        "layers for anything else; search again with --data before they go. Change tracking of the chain is void: "
        "the next backup must be a full one.",
        vx_advice_disk(a, run->above)->pub.path);
    a->family->reclaimable += run->bytes;
}

void vx_advise_runs(struct vx_adviser *a)
{
    struct run run;
    for (size_t i = 0; a->may_move && i < a->family->file_count; i++) {
        if (!find_run(a, a->family->files[i], &run) || !can_be_opened(a, run.above))
            continue;
        if (ends_in_machine(a, &run))
            advise_to_machine(a, &run);
        else if (run.count > 1 && may_take_part(vx_advice_disk(a, run.above)) && is_beside(a, &run))
            advise_between(a, &run);
    }
}
