/*
 * What the guest's file systems do not use, as a map of the virtual disk: a bit for each unit of it, of which a payload
 * block has a whole number. Bounded: 8 MiB for a disk of 64 TiB.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_COMPACT_COMPACT_FREE_H
#define VX_COMPACT_COMPACT_FREE_H

#include "chain/chain.h"

struct vx_free_map {
    uint8_t *bits;  /* NULL: nothing is free */
    uint64_t unit;  /* bytes */
    uint64_t bytes; /* that are free */
};

/* Whether the unit at that place of the virtual disk is wholly free. */
static inline bool vx_free_map_has(const struct vx_free_map *map, uint64_t virtual_offset)
{
    uint64_t index = map->bits ? virtual_offset / map->unit : 0;
    return map->bits && map->bits[index / 8] >> (index % 8) & 1;
}

/* Asks the file systems inside of the disk, read through its chain, and tells of each volume. */
vhdx_status vx_free_map_fill(struct vx_free_map *map, struct vx_chain *chain, vhdx_volume_fn volume, void *context,
                             vhdx_error *err);
void vx_free_map_clear(struct vx_free_map *map);

#endif
