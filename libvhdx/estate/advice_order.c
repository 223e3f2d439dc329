/*
 * Advice. See advice_order.h for its invariants. One family after the other: first what is dangerous, then what is
 * broken, then what is about.
 *
 * A step is typed as it is, after all the steps before it. So relinking comes before copying through
 * the chain, a leaf is moved before the disk it hangs on, and a disk stays as long as anything that stays hangs on it.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/advice_order.h"

#include "base/alloc.h"
#include "estate/adviser.h"

#include <string.h>

static const char *sentence_of(const struct vx_disk *disk)
{
    switch (disk->pub.status) {
    case VHDX_DISK_STATUS_IN_USE_BY_VM:
        return "Keep: a machine uses it, or a disk that needs it.";
    case VHDX_DISK_STATUS_ACTIVE_NOT_LEAF:
        return "Do not start the machine that names it: other disks need it unchanged.";
    case VHDX_DISK_STATUS_CHECKPOINT:
        return "Keep: a checkpoint needs it; merging past it gives the checkpoint up.";
    case VHDX_DISK_STATUS_VHD_SET:
        return "Keep: it belongs to a VHD set, whose disks are never merged one by one.";
    case VHDX_DISK_STATUS_ORPHAN:
        return disk->pub.role == VHDX_DISK_ROLE_LEAF ? "Keep its content until it is known to be a leftover."
                                                     : "Keep as long as any disk hangs on it.";
    case VHDX_DISK_STATUS_STANDALONE:
        return "Keep, or find out whose it is: nothing that was found names it.";
    case VHDX_DISK_STATUS_PARENT_MISSING:
        return "Search wider for its parent.";
    case VHDX_DISK_STATUS_PARENT_MOVED:
        return "Point it at its parent's new place.";
    case VHDX_DISK_STATUS_LINKAGE_MISMATCH:
    case VHDX_DISK_STATUS_PARENT_MODIFIED:
        return "Do not merge it.";
    case VHDX_DISK_STATUS_DUPLICATE:
        return "Keep until it is known which copy is the right one.";
    case VHDX_DISK_STATUS_CYCLE:
        return "Touch nothing in this chain.";
    case VHDX_DISK_STATUS_UNREADABLE:
        return "Find out what it is; repair it first if it is a disk.";
    case VHDX_DISK_STATUS_LOCKED:
        return "Leave it alone: another program has it in use.";
    }
    return "Keep.";
}

/* One pass over the steps counts what each disk gets, another hands it out: a family may have many of both. */
static bool give_advice(struct vx_adviser *a)
{
    const vhdx_found_family *family = a->family;
    size_t given = family->file_count;
    for (size_t i = 0; i < family->file_count; i++)
        a->estate->disks[family->files[i]].pub.advice_count = 1;
    for (size_t i = 0; i < a->steps.count; i++)
        if (a->steps.items[i].file != VHDX_NONE) {
            a->estate->disks[a->steps.items[i].file].pub.advice_count++;
            given++;
        }
    const char **texts = vx_arena_take(&a->estate->arena, given, sizeof *texts);
    if (!texts)
        return false;
    for (size_t i = 0, next = 0; i < family->file_count; i++) {
        struct vx_disk *disk = &a->estate->disks[family->files[i]];
        disk->advice = texts + next;
        disk->pub.advice = disk->advice;
        next += disk->pub.advice_count;
        bool aside = vx_disk_is_quarantined(disk) && !disk->is_needed;
        disk->advice[0] =
            aside ? "It was put aside; keep it until everything has run for a while without it." : sentence_of(disk);
        disk->pub.advice_count = 1;
    }
    for (size_t i = 0; i < a->steps.count; i++)
        if (a->steps.items[i].file != VHDX_NONE) {
            struct vx_disk *disk = &a->estate->disks[a->steps.items[i].file];
            disk->advice[disk->pub.advice_count++] = a->steps.items[i].text;
        }
    return true;
}

static bool finish_family(struct vx_adviser *a)
{
    vhdx_found_family *family = a->family;
    vhdx_found_step *steps = vx_arena_take(&a->estate->arena, a->steps.count, sizeof *steps);
    const char **blockers = vx_arena_take(&a->estate->arena, a->blockers.count + 1, sizeof *blockers);
    if (!steps || !blockers)
        return false;
    if (a->steps.count)
        memcpy(steps, a->steps.items, a->steps.count * sizeof *steps);
    memcpy(blockers, a->blockers.items, a->blockers.count * sizeof *blockers);
    family->steps = steps;
    family->step_count = a->steps.count;
    family->blockers = blockers;
    family->blocker_count = a->blockers.count;
    if (a->blockers.left)
        blockers[family->blocker_count++] = vx_advice_say(a, "and %zu more of the kind", a->blockers.left);
    return give_advice(a);
}

/* Commands name files by their paths on the host that searched them. */
static void note_hosts(struct vx_adviser *a)
{
    unsigned source = 0;
    for (size_t i = 0; i < a->family->file_count; i++) {
        const struct vx_disk *disk = vx_advice_disk(a, a->family->files[i]);
        if (disk->source == 0 || disk->source == source || !a->estate->reports)
            continue;
        source = disk->source;
        vx_advice_step(
            a, VHDX_STEP_NOTE, VHDX_NONE,
            "%s lies on the host that wrote %s: what concerns it is to be typed there. It was not tried, because "
            "the files are on another host.",
            disk->pub.path, a->estate->reports[source - 1]);
    }
}

static void drop_lonely_notes(struct vx_adviser *a, size_t notes)
{
    if (a->steps.count == notes)
        a->steps.count = 0;
}

static bool advise_family(struct vx_adviser *a, vhdx_found_family *family)
{
    a->family = family;
    a->steps.count = 0;
    vx_gate_judge(a);
    note_hosts(a);
    size_t notes = a->steps.count;
    for (size_t i = 0; i < family->file_count; i++)
        vx_advise_disk(a, family->files[i]);
    vx_advise_leftovers(a);
    vx_advise_runs(a);
    drop_lonely_notes(a, notes);
    return finish_family(a);
}

vhdx_status vx_advise_families(struct vx_estate *estate, vhdx_error *err)
{
    struct vx_adviser a = {.estate = estate, .err = err};
    a.moves = vx_alloc(estate->disk_count, sizeof *a.moves);
    bool ok = a.moves != NULL;
    if (ok)
        vx_gate_gather(&a);
    for (size_t i = 0; i < estate->family_count && ok && a.status == VHDX_OK; i++)
        ok = advise_family(&a, &estate->families[i]);
    vx_free(a.moves);
    vx_free(a.steps.items);
    if (a.status != VHDX_OK)
        return a.status;
    return ok && !estate->no_memory ? VHDX_OK : vx_fail_memory(err, "the advice");
}
