/*
 * Files of NTFS through their maps, in two views. See proof_ntfs_parts.h.
 */
/* SPDX-License-Identifier: MIT */
#include "guest/proof_ntfs_parts.h"

#include "base/checked.h"

bool vx_ntfs_find_place(const struct vx_ntfs_map *map, uint64_t cluster, uint64_t at, uint64_t *place, uint64_t *here)
{
    for (uint32_t i = 0; i < map->count; i++) {
        const struct vx_ntfs_run *run = &map->runs[i];
        uint64_t begin = run->first * cluster, length = run->count * cluster;
        if (at < begin || at - begin >= length)
            continue;
        *place = run->cluster * cluster + (at - begin);
        *here = length - (at - begin);
        return !run->hole;
    }
    return false;
}

bool vx_ntfs_read(const struct vx_ntfs_look *look, bool below, const struct vx_ntfs_map *map, uint64_t at, void *buf,
                  size_t length)
{
    uint8_t *out = buf;
    uint64_t place, here;
    while (length > 0) {
        if (!vx_ntfs_find_place(map, look->whole.boot.cluster_size, at, &place, &here))
            return false;
        here = vx_min(here, length);
        if (!vx_volume_get(look->volume, below, place, out, (size_t)here))
            return false;
        at += here;
        out += here;
        length -= (size_t)here;
    }
    return true;
}

enum vx_ntfs_held vx_ntfs_who(const struct vx_ntfs_look *look, const struct vx_ntfs_map *map, uint64_t at,
                              uint64_t length)
{
    bool child, any = false, all = true;
    uint64_t place, run, here;
    while (length > 0) {
        if (!vx_ntfs_find_place(map, look->whole.boot.cluster_size, at, &place, &run) ||
            !vx_volume_who(look->volume, place, vx_min(run, length), &child, &here))
            return VX_NTFS_HELD_UNKNOWN;
        any = any || child;
        all = all && child;
        at += here;
        length -= here;
    }
    return all && any ? VX_NTFS_HELD_ALL : any ? VX_NTFS_HELD_PART : VX_NTFS_HELD_NONE;
}
