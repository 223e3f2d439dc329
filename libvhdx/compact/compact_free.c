/*
 * The map of what is free. See compact_free.h. File systems are read through the chain, as the guest reads them; a read
 * that fails makes a volume one of which nothing is known, unless the map is being filled already.
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact_free.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "chain/layered.h"
#include "guest/free_space.h"

#include <string.h>

#define UNITS_MAX (UINT64_C(1) << 26)
#define UNIT_MIN 4096u

struct filling {
    struct vx_chain *chain;
    struct vx_cursor *cursor;
    struct vx_free_map *map;
    uint64_t size;
};

static bool read_disk(void *context, void *buf, size_t length, uint64_t virtual_offset)
{
    const struct filling *filling = context;
    uint8_t *out = buf;
    while (length > 0) {
        struct vx_piece piece;
        if (vx_cursor_at(filling->cursor, virtual_offset, length, &piece, NULL) != VHDX_OK || piece.length == 0)
            return false;
        size_t here = (size_t)vx_min(piece.length, length), got;
        if (piece.kind != VX_RUN_DATA)
            memset(out, 0, here);
        else if (vx_file_read_some(filling->chain->layers[piece.layer]->view, out, here, piece.file_offset, &got,
                                   NULL) != VHDX_OK)
            return false;
        out += here;
        virtual_offset += here;
        length -= here;
    }
    return true;
}

/* Whole units only; the last one of the disk is whole when the range reaches the disk's end. */
static bool mark_free(void *context, uint64_t virtual_offset, uint64_t length)
{
    struct filling *filling = context;
    struct vx_free_map *map = filling->map;
    uint64_t end = virtual_offset + length;
    uint64_t stop = end >= filling->size ? vx_ceil_div(filling->size, map->unit) : end / map->unit;
    map->bytes += length;
    for (uint64_t i = vx_ceil_div(virtual_offset, map->unit); i < stop;) {
        if (i % 8 == 0 && stop - i >= 8) {
            memset(map->bits + i / 8, 0xFF, (size_t)((stop - i) / 8));
            i += vx_round_down(stop - i, 8);
        } else {
            map->bits[i / 8] |= (uint8_t)(1u << (i % 8));
            i++;
        }
    }
    return true;
}

vhdx_status vx_free_map_fill(struct vx_free_map *map, struct vx_chain *chain, vhdx_volume_fn volume, void *context,
                             vhdx_error *err)
{
    const struct vx_geometry *geometry = &vx_chain_leaf(chain)->geometry;
    struct filling filling = {.chain = chain, .map = map, .size = geometry->virtual_size};
    const struct vx_content_source source = {&filling, read_disk, filling.size, geometry->logical_sector_size};
    const struct vx_free_listener listener = {&filling, mark_free, volume, context};
    for (map->unit = UNIT_MIN; filling.size / map->unit >= UNITS_MAX;)
        map->unit *= 2;
    map->bits = vx_alloc((size_t)(filling.size / map->unit / 8 + 1), 1);
    if (!map->bits)
        return vx_fail_memory(err, "the map of free space");
    VX_TRY(vx_cursor_open(chain, 0, chain->count, false, &filling.cursor, err));
    vhdx_status status = vx_free_space_find(&source, &listener, err);
    vx_cursor_close(filling.cursor);
    return status;
}

void vx_free_map_clear(struct vx_free_map *map)
{
    vx_free(map->bits);
    *map = (struct vx_free_map){0};
}
