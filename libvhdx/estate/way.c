/*
 * Ways from children to parents. See way.h. Each rule here has its like in chain/resolve.c. What is
 * more generous here than there makes the search call a chain whole that no command opens.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/way.h"

#include "base/utf.h"
#include "base/path.h"
#include "estate/names.h"

#include <string.h>

static bool is_at(const struct vx_estate *estate, const char *place, const struct vx_disk *disk)
{
    bool windows = vx_estate_is_windows(estate, disk->absolute, disk->source);
    for (size_t i = 0; place && i <= disk->pub.other_name_count; i++)
        if (vx_tail_is_same(place, vx_disk_name_at(disk, i), windows))
            return true;
    return false;
}

static bool is_share(const char *path)
{
    bool plain = strncmp(path, "\\\\", 2) == 0 && path[2] != '?' && path[2] != '.';
    return plain || strncmp(path, "\\\\?\\UNC\\", 8) == 0 || strncmp(path, "//", 2) == 0;
}

/* The length of the path without its last `parts` parts and the separators before them. */
static size_t without_parts(const char *path, size_t parts, bool windows)
{
    size_t end = strlen(path);
    for (; parts > 0; parts--) {
        while (end > 0 && !vx_path_is_separator(path[end - 1], windows))
            end--;
        while (end > 0 && vx_path_is_separator(path[end - 1], windows))
            end--;
    }
    return end;
}

/* The whole path without its drive, below a directory above the child: what the drive meant is mounted there. */
static bool is_below_a_directory_above(const struct vx_disk *child, const char *path, const char *place, bool windows)
{
    struct vx_tail tail = vx_tail_compare(path, place, windows);
    if (!tail.whole || !vx_path_is_absolute(path, true) || is_share(path))
        return false;
    size_t left = without_parts(place, tail.parts, windows);
    return strncmp(child->absolute, place, left) == 0 && vx_path_is_separator(child->absolute[left], windows);
}

static bool leads_to_name(const struct vx_estate *estate, const struct vx_disk *child, const char *place)
{
    const vhdx_parent_names *names = &child->pub.names;
    const char *paths[3] = {names->relative_path, names->volume_path, names->absolute_win32_path};
    bool windows = vx_estate_is_windows(estate, child->absolute, child->source);
    for (size_t i = 0; i < 3; i++) {
        if (!paths[i] || !*vx_tail_name(paths[i]))
            continue;
        bool whole = i > 0 && vx_path_is_absolute(paths[i], windows);
        if ((whole && vx_tail_is_same(paths[i], place, windows)) ||
            is_below_a_directory_above(child, paths[i], place, windows))
            return true;
    }
    return false;
}

bool vx_way_leads(struct vx_estate *estate, const struct vx_disk *child, const char *relative,
                  const struct vx_disk *parent)
{
    if (is_at(estate, relative, parent))
        return true;
    for (size_t i = 0; i <= parent->pub.other_name_count; i++)
        if (leads_to_name(estate, child, vx_disk_name_at(parent, i)))
            return true;
    return estate->opens && child->is_vhdx && child->source == 0 &&
           estate->opens(estate->host, child->pub.path, &estate->no_memory);
}

bool vx_way_is_beside(const struct vx_estate *estate, const struct vx_disk *child, const struct vx_disk *parent)
{
    const vhdx_parent_names *names = &child->pub.names;
    const char *paths[3] = {names->relative_path, names->volume_path, names->absolute_win32_path};
    bool windows = vx_estate_is_windows(estate, child->absolute, child->source);
    size_t length = (size_t)(vx_path_name(child->absolute, windows) - child->absolute);
    for (size_t i = 0; i <= parent->pub.other_name_count; i++) {
        const char *place = vx_disk_name_at(parent, i), *name = vx_path_name(place, windows);
        bool beside = child->source == parent->source && (size_t)(name - place) == length &&
                      strncmp(child->absolute, place, length) == 0;
        for (size_t j = 0; beside && j < 3; j++)
            if (paths[j] && vx_name_equal(vx_tail_name(paths[j]), name))
                return true;
    }
    return false;
}
