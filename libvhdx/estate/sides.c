/*
 * Files beside disks. See sides.h.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/sides.h"

#include "estate/names.h"

#include <stdio.h>
#include <string.h>

/* "X.vhdx.rct" and "X.rct" both belong to "X.vhdx". */
static void find_owner(struct vx_estate *estate, struct vx_side *side)
{
    static const char *const endings[] = {"", ".vhdx", ".avhdx", ".vhd"};
    char path[4096];
    const char *dot = strrchr(vx_tail_name(side->absolute), '.');
    size_t stem = dot ? (size_t)(dot - side->absolute) : strlen(side->absolute);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0] && side->pub.file == VHDX_NONE; i++) {
        int length =
            snprintf(path, sizeof path, "%.*s%s", stem < sizeof path ? (int)stem : 0, side->absolute, endings[i]);
        if (length > 0 && (size_t)length < sizeof path)
            side->pub.file = vx_names_at(estate, estate->names, path, side->source);
    }
}

static void judge_side(struct vx_estate *estate, struct vx_side *side)
{
    bool belongs = side->pub.kind == VHDX_SIDE_TRACKING || side->pub.kind == VHDX_SIDE_REPLICA_LOG;
    if (side->pub.kind == VHDX_SIDE_GUEST_STATE)
        vx_estate_note(estate, &side->notes, VX_REMARK_GUEST_STATE, VHDX_SEVERITY_INFO,
                       "firmware settings and virtual TPM of a machine: without it an encrypted guest is lost");
    if (!belongs)
        return;
    find_owner(estate, side);
    if (side->pub.file == VHDX_NONE) {
        vx_estate_note(estate, &side->notes, VX_REMARK_SIDE_WITHOUT_DISK, VHDX_SEVERITY_WARNING,
                       "the disk that it belongs to was not found");
        return;
    }
    struct vx_disk *disk = &estate->disks[side->pub.file];
    if (side->pub.kind == VHDX_SIDE_TRACKING) {
        disk->pub.flags |= VHDX_DISK_FLAG_TRACKED;
        side->next_side = disk->first_side;
        disk->first_side = (size_t)(side - estate->sides);
    } else {
        disk->pub.flags |= VHDX_DISK_FLAG_REPLICATED;
        disk->is_needed = true;
    }
}

void vx_sides_judge(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->side_count; i++)
        judge_side(estate, &estate->sides[i]);
}
