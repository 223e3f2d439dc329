/*
 * VHD sets. See vhd_sets.h.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/vhd_sets.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"
#include "base/path.h"
#include "estate/names.h"

#include <string.h>

static size_t directory_length(const char *path, bool windows)
{
    return (size_t)(vx_path_name(path, windows) - path);
}

static bool is_beside(const struct vx_machine *set, const struct vx_disk *disk, bool windows)
{
    size_t length = directory_length(set->absolute, windows);
    return set->source == disk->source && directory_length(disk->absolute, windows) == length &&
           strncmp(set->absolute, disk->absolute, length) == 0;
}

static bool is_member(const struct vx_machine *set, const struct vx_disk *disk, bool windows)
{
    const char *set_name = vx_path_name(set->absolute, windows), *name = vx_path_name(disk->absolute, windows);
    for (size_t i = 0; i < set->pub.info->drive_count; i++)
        if (vx_name_equal(vx_tail_name(set->pub.drives[i].path), name))
            return true;
    if (!vx_path_has_extension(name, ".avhdx", windows))
        return false;
    if (set->pub.info->drive_count == 0)
        return true; /* a set that says nothing may own each of them */
    return vx_name_equal_part(set_name, vx_path_family_length(set_name, windows), name,
                              vx_path_family_length(name, windows));
}

void vx_set_take(struct vx_estate *estate, const struct vx_machine *set)
{
    for (size_t i = 0; i < estate->disk_count; i++) {
        struct vx_disk *disk = &estate->disks[i];
        bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
        if (is_beside(set, disk, windows) && is_member(set, disk, windows))
            disk->in_set = true;
    }
}

static void set_ancestors(struct vx_estate *estate, size_t number)
{
    for (size_t at = estate->disks[number].pub.parent; at != VHDX_NONE && !estate->disks[at].in_set;
         at = estate->disks[at].pub.parent)
        estate->disks[at].in_set = true;
}

bool vx_sets_spread(struct vx_estate *estate)
{
    size_t *queue = vx_alloc(estate->disk_count, sizeof *queue);
    size_t count = 0;
    for (size_t i = 0; i < estate->disk_count; i++)
        if (estate->disks[i].in_set)
            set_ancestors(estate, i);
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
