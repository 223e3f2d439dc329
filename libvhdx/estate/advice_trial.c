/*
 * Advice is tried before it is given (trial.h): a command that would be refused is not proposed. Each command is
 * tried once, at the time of the report, and the files of other hosts never.
 *
 * A step is typed after all the steps before it. What a relink among these will have put right
 * counts as right, so a chain is tried, and proposed, with the parents that were found.
 */
/* SPDX-License-Identifier: MIT */
#include "base/notice.h"
#include "estate/adviser.h"

#include "base/limits.h"

#include <string.h>

/* A repair is planned here only where that cannot take long: verify says what to do about the others. */
#define REPAIR_TRIED_MAX (UINT64_C(1) << 30)

/* The parents' files of those layers that do not find them. */
static size_t list_unreached(const struct vx_adviser *a, size_t number, size_t layers[VX_CHAIN_MAX])
{
    size_t count = 0, steps = 0;
    for (size_t at = number; steps < VX_CHAIN_MAX; steps++) {
        const struct vx_disk *disk = vx_advice_disk(a, at);
        if (disk->pub.parent == VHDX_NONE)
            break;
        if (disk->parent_unreached)
            layers[count++] = disk->pub.parent;
        at = disk->pub.parent;
    }
    return count;
}

bool vx_would_work(struct vx_adviser *a, enum vx_trial_kind kind, size_t number, const char *other)
{
    const char *parents[VX_CHAIN_MAX];
    size_t layers[VX_CHAIN_MAX];
    const struct vx_trier *trier = &a->estate->trier;
    const struct vx_disk *disk = vx_advice_disk(a, number);
    if (!trier->call || disk->source != 0 || a->status != VHDX_OK)
        return true;
    struct vx_trial trial = {.kind = kind, .disk = disk->pub.path, .other = other, .parents = parents};
    if (kind == VX_TRIAL_CHAIN || kind == VX_TRIAL_COPY || kind == VX_TRIAL_MERGE)
        trial.parent_count = list_unreached(a, number, layers);
    for (size_t i = 0; i < trial.parent_count; i++)
        parents[i] = vx_advice_disk(a, layers[i])->pub.path;
    vhdx_status status = trier->call(trier->context, &trial, &a->why);
    if (vx_ends_all(status)) {
        a->status = status;
        if (a->err)
            *a->err = a->why;
    }
    return status == VHDX_OK;
}

const char *vx_advice_parents(struct vx_adviser *a, size_t number)
{
    size_t layers[VX_CHAIN_MAX], count = list_unreached(a, number, layers);
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = vx_advice_say(a, "%s --parent %s", text, vx_advice_path(a, layers[i]));
    return text;
}

const char *vx_advice_why(struct vx_adviser *a)
{
    return vx_advice_say(a, "%.300s%s%.500s", a->why.path, a->why.path[0] ? ": " : "", a->why.message);
}

static bool is_short_work(const struct vx_adviser *a, size_t number)
{
    return vx_advice_disk(a, number)->pub.allocated <= REPAIR_TRIED_MAX;
}

void vx_advice_step_look(struct vx_adviser *a, enum vx_trial_kind kind, size_t number)
{
    bool repairs = kind == VX_TRIAL_REPAIR || kind == VX_TRIAL_SALVAGE;
    if ((repairs && !is_short_work(a, number)) || !vx_would_work(a, kind, number, NULL))
        return;
    const char *path = vx_advice_path(a, number);
    switch (kind) {
    case VX_TRIAL_INFO:
        vx_advice_step(a, VHDX_STEP_LOOK, number, "vhdx info %s", path);
        break;
    case VX_TRIAL_VERIFY:
        vx_advice_step(a, VHDX_STEP_LOOK, number, "vhdx verify %s", path);
        break;
    case VX_TRIAL_CHAIN:
        vx_advice_step(a, VHDX_STEP_LOOK, number, "vhdx info --chain%s %s", vx_advice_parents(a, number), path);
        break;
    case VX_TRIAL_MERGE:
        vx_advice_step(a, VHDX_STEP_LOOK, number, "vhdx merge --dry-run%s %s", vx_advice_parents(a, number), path);
        break;
    case VX_TRIAL_REPAIR:
        vx_advice_step(a, VHDX_STEP_LOOK, number, "vhdx repair --dry-run %s", path);
        break;
    case VX_TRIAL_SALVAGE:
        vx_advice_step(a, VHDX_STEP_LOOK, number, "vhdx repair --salvage --dry-run %s", path);
        break;
    case VX_TRIAL_COPY:
    case VX_TRIAL_RELINK:
        break;
    }
}

bool vx_advice_step_copy(struct vx_adviser *a, size_t number)
{
    const char *name = vx_advice_new_name(a, vx_advice_disk(a, number));
    if (!vx_would_work(a, VX_TRIAL_COPY, number, name)) {
        vx_advice_step(a, VHDX_STEP_NOTE, number, "A copy of what %s holds cannot be made now: %s.",
                       vx_advice_disk(a, number)->pub.path, vx_advice_why(a));
        return false;
    }
    vx_advice_step(a, VHDX_STEP_COPY, number, "vhdx merge%s -o %s %s", vx_advice_parents(a, number),
                   vx_advice_quoted(a, name, vx_advice_is_windows(a, vx_advice_disk(a, number))),
                   vx_advice_path(a, number));
    return true;
}
