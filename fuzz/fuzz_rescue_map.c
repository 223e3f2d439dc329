/*
 * ddrescue's map: whatever is read has ranges in order without gaps, says the same when it is written and read again,
 * and answers questions as a look at each range says.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "io/rescue_map.h"

#include <stdlib.h>
#include <string.h>

static void demand_order(const struct vx_rescue_map *map)
{
    uint64_t at = 0;
    FUZZ_DEMAND(map->count > 0);
    for (size_t i = 0; i < map->count; i++) {
        const struct vx_rescue_range *range = &map->ranges[i];
        FUZZ_DEMAND(range->offset == at && range->length > 0 && range->length <= UINT64_MAX - at);
        FUZZ_DEMAND(i == 0 || map->ranges[i - 1].status != range->status);
        FUZZ_DEMAND(strchr("?*/-+", range->status));
        at += range->length;
    }
}

static void demand_answers(const struct vx_rescue_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct vx_rescue_range *range = &map->ranges[i];
        uint64_t bad = 0, length = 0;
        bool found = vx_rescue_map_next_bad(map, range->offset, range->offset + range->length, &bad, &length);
        FUZZ_DEMAND(found == (range->status != VX_RESCUE_GOOD));
        if (found)
            FUZZ_DEMAND(bad == range->offset && length == range->length);
    }
}

static void demand_round_trip(const struct vx_rescue_map *map)
{
    struct vx_rescue_map again;
    size_t line, length, room = 512 + map->count * VX_RESCUE_LINE_ROOM;
    char *text = malloc(room);
    FUZZ_DEMAND(text);
    length = vx_rescue_map_begin_text("again", text, room);
    for (size_t i = 0; i < map->count; i++)
        length += vx_rescue_map_range_text(&map->ranges[i], text + length);
    FUZZ_DEMAND(vx_rescue_map_parse(vx_bytes_of(text, length), &again, &line) == VHDX_OK);
    FUZZ_DEMAND(again.count == map->count);
    for (size_t i = 0; i < map->count; i++)
        FUZZ_DEMAND(again.ranges[i].length == map->ranges[i].length && again.ranges[i].status == map->ranges[i].status);
    vx_rescue_map_clear(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vx_rescue_map map;
    size_t line;
    if (vx_rescue_map_parse(vx_bytes_of(data, size), &map, &line) != VHDX_OK)
        return 0;
    demand_order(&map);
    demand_answers(&map);
    demand_round_trip(&map);
    vx_rescue_map_clear(&map);
    return 0;
}
