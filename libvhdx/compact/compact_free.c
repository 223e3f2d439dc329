/*
 * The map of what is free. See compact_free.h.
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact_free.h"

#include "base/alloc.h"

void vx_free_map_clear(struct vx_free_map *map)
{
    vx_free(map->bits);
    *map = (struct vx_free_map){0};
}
