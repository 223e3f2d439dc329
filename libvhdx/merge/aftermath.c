/*
 * The lines after a merge. See aftermath.h.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/aftermath.h"

#include "base/hyperv.h"
#include "base/notice.h"

#include <stdio.h>

/* What else of the layers that were changed means nothing any more. */
static void tell_void(vhdx_notice_fn notice, void *context)
{
    vx_notice(notice, context, VHDX_NOTICE_NEXT,
              "Checkpoints that referred to the merged layers can no longer be applied; remove them in Hyper-V. "
              "A saved state must be discarded.");
    vx_notice(
        notice, context, VHDX_NOTICE_NEXT,
        "Change tracking (.rct and .mrt files beside the touched disks) is no longer valid: move those files away; "
        "the next backup must be a full one. Hyper-V Replica must resynchronize.");
}

/* The machine's configuration names the child, or the new file is to be opened by a machine: in general words, because
 * the machine is not known. */
static void tell_general(const struct vx_aftermath *about, bool moved, vhdx_notice_fn notice, void *context)
{
    struct vx_arena arena = {0};
    const struct vx_hyperv_slot slot = {.controller = VHDX_CONTROLLER_SCSI};
    const char *line = vx_hyperv_set_drive(&arena, &slot, about->target);
    if (moved && line)
        vx_notice(notice, context, VHDX_NOTICE_NEXT,
                  "The machine's configuration still names %s. Give it the merged disk; fill in NAME, the controller "
                  "and the path on the host:\n  %s",
                  about->child, line);
    line = vx_hyperv_grant(&arena, about->target, NULL);
    if (about->new_file && line)
        vx_notice(notice, context, VHDX_NOTICE_NEXT,
                  "A new file lacks the machine's permission (else 0x80070005):\n  %s", line);
    vx_arena_clear(&arena);
}

void vx_tell_aftermath(const struct vx_aftermath *about, vhdx_notice_fn notice, void *context)
{
    if (about->in_place)
        vx_notice(notice, context, VHDX_NOTICE_NEXT,
                  "%s stands alone now and needs no parent; the machine's configuration may stay as it is.",
                  about->target);
    else if (about->has_upper)
        vx_notice(notice, context, VHDX_NOTICE_NEXT,
                  "The layer above now names %s as its parent; the machine's configuration may stay as it is.",
                  about->target);
    if (!about->owner_known)
        tell_general(about, !about->in_place && !about->has_upper, notice, context);
    if (!about->new_file) /* no layer was written to */
        tell_void(notice, context);
    if (about->between)
        vx_notice(
            notice, context, VHDX_NOTICE_NEXT,
            "The layers between the two are valid only as parts of %s now: do not open or copy them on their own, and "
            "put nothing new on them.",
            about->child);
    if (!about->deleted && !about->new_file && !about->in_place)
        vx_notice(notice, context, VHDX_NOTICE_NEXT,
                  "Keep the merged files until the machine has started once from the merged disk; then they may go.");
}
