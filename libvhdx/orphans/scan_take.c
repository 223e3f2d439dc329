/*
 * What a walk finds becomes records of the estate. See scan.h. One lock guards the estate.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/scan_parts.h"

#include "base/path.h"
#include "base/utf.h"

#include <string.h>

void vx_walk_fail(struct vx_walk *walk, vhdx_status status)
{
    if (walk->status == VHDX_OK)
        walk->status = status;
    walk->stop = true;
}

void vx_walk_add_place(struct vx_walk *walk, const char *path, bool searched, const char *reason)
{
    vx_lock_take(walk->lock);
    if (!vx_estate_add_place(walk->estate, path, searched, reason))
        vx_walk_fail(walk, VHDX_NOMEM);
    vx_lock_give(walk->lock);
}

void vx_walk_add_nowhere(struct vx_walk *walk, const char *path, const char *reason)
{
    vhdx_found_place place = {.path = path, .reason = reason, .nowhere = true};
    vx_lock_take(walk->lock);
    if (!vx_estate_put_place(walk->estate, &place))
        vx_walk_fail(walk, VHDX_NOMEM);
    vx_lock_give(walk->lock);
}

static bool in_quarantine(const char *path, bool windows)
{
    while (*path) {
        size_t length = 0;
        while (path[length] && !vx_path_is_separator(path[length], windows))
            length++;
        if (path[length] && vx_name_equal_part(path, length, VX_QUARANTINE, strlen(VX_QUARANTINE)))
            return true;
        path += length;
        path += *path != '\0';
    }
    return false;
}

/* In the walker's arena. When both are the same text it is kept once. */
static bool keep_paths(struct vx_walker *walker, const char *path, const char *absolute, const char **kept,
                       const char **kept_absolute)
{
    struct vx_arena *arena = vx_probe_arena(walker->probe);
    *kept = vx_arena_text(arena, path);
    *kept_absolute = strcmp(path, absolute) == 0 ? *kept : vx_arena_text(arena, absolute);
    return *kept && *kept_absolute;
}

static bool take_disk(struct vx_walker *walker, const struct vx_sighting *sighting,
                      const struct vx_sighted_paths *paths, bool by_link)
{
    struct vx_walk *walk = walker->walk;
    const char *path, *absolute;
    if (!keep_paths(walker, paths->path, paths->absolute, &path, &absolute))
        return false;
    vx_lock_take(walk->lock);
    struct vx_disk *disk = vx_estate_add_disk(walk->estate);
    if (disk) {
        *disk = sighting->disk;
        disk->pub.path = path;
        disk->absolute = absolute;
        disk->by_link = by_link;
        if (in_quarantine(absolute, walk->windows))
            disk->pub.flags |= VHDX_DISK_FLAG_QUARANTINED;
        walk->progress.disks_found++;
    }
    vx_lock_give(walk->lock);
    return disk != NULL;
}

static bool take_side(struct vx_walker *walker, const struct vx_sighting *sighting,
                      const struct vx_sighted_paths *paths)
{
    struct vx_walk *walk = walker->walk;
    const char *path, *absolute;
    if (!keep_paths(walker, paths->path, paths->absolute, &path, &absolute))
        return false;
    vx_lock_take(walk->lock);
    struct vx_side *side = vx_estate_add_side(walk->estate);
    if (side) {
        side->pub.path = path;
        side->absolute = absolute;
        side->pub.kind = sighting->side_kind;
        side->pub.file_size = sighting->file_size;
    }
    vx_lock_give(walk->lock);
    return side != NULL;
}

/* What could not be read at all still is a configuration: one of which nothing is known. */
static bool stand_in(struct vx_walker *walker, struct vx_machine *machine, const char *path, const vhdx_error *trouble)
{
    struct vx_arena *arena = vx_probe_arena(walker->probe);
    vhdx_machine_info *info = vx_arena_take(arena, 1, sizeof *info);
    const char **reasons = vx_arena_take(arena, 1, sizeof *reasons);
    if (!info || !reasons)
        return false;
    reasons[0] = vx_arena_text(arena, trouble->message[0] ? trouble->message : "it cannot be read");
    info->path = path;
    info->format = vx_path_has_extension(path, ".xml", walker->walk->windows) ? VHDX_CONFIG_XML : VHDX_CONFIG_VMCX;
    info->reasons = (vhdx_texts){reasons, 1};
    machine->pub.info = info;
    return reasons[0] != NULL;
}

/* On success the machine's configuration, if it has one, belongs to the estate. */
static bool keep_machine(struct vx_walker *walker, struct vx_machine *machine, const struct vx_sighted_paths *paths,
                         const vhdx_error *trouble)
{
    struct vx_walk *walk = walker->walk;
    if (!keep_paths(walker, paths->path, paths->absolute, &machine->pub.path, &machine->absolute) ||
        (!machine->config && !stand_in(walker, machine, machine->pub.path, trouble)))
        return false;
    if (machine->config) {
        machine->pub.info = &machine->config->info;
        machine->pub.drives = machine->config->disks;
        machine->pub.readable = machine->pub.info->complete;
    }
    machine->is_extra = walk->extra;
    vx_lock_take(walk->lock);
    struct vx_machine *kept = vx_estate_add_machine(walk->estate);
    if (kept)
        *kept = *machine;
    walk->progress.configs_found += kept != NULL;
    vx_lock_give(walk->lock);
    return kept != NULL;
}

static bool take_config(struct vx_walker *walker, const struct vx_sighted_paths *paths)
{
    struct vx_machine machine = {0};
    vhdx_error trouble;
    vhdx_status status = vx_config_read(walker->walk->host, paths->path, 0, &machine.config, &trouble);
    if (status == VHDX_NOT_CONFIG || status == VHDX_NOT_FOUND)
        return true;
    if (status != VHDX_NOMEM && keep_machine(walker, &machine, paths, &trouble))
        return true;
    vx_config_free(machine.config);
    return false;
}

bool vx_walker_take(struct vx_walker *walker, const struct vx_sighting *sighting, const struct vx_sighted_paths *paths,
                    bool by_link)
{
    struct vx_walk *walk = walker->walk;
    if (sighting->sight == VX_SIGHT_CONFIG)
        return take_config(walker, paths);
    if (sighting->sight == VX_SIGHT_SIDE && sighting->side_kind == VHDX_SIDE_VHD_SET && !take_config(walker, paths))
        return false;
    if (walk->extra && sighting->sight != VX_SIGHT_BLOCKED)
        return true;
    if (sighting->sight == VX_SIGHT_DISK)
        return take_disk(walker, sighting, paths, by_link);
    if (sighting->sight == VX_SIGHT_SIDE)
        return take_side(walker, sighting, paths);
    if (sighting->sight == VX_SIGHT_BLOCKED)
        vx_walk_add_place(walk, paths->path, false, sighting->reason);
    return true;
}
