/*
 * A set of file ranges. See ranges.h. An array and one sort: sets are built once and then asked in order.
 */
/* SPDX-License-Identifier: MIT */
#include "base/ranges.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <stdlib.h>

static uint64_t range_end(const struct vx_range *range)
{
    return range->offset + range->length; /* vx_ranges_add() saw to it that this does not wrap around */
}

static bool make_room(struct vx_ranges *ranges)
{
    struct vx_range *items = vx_room_for(ranges->items, ranges->count, &ranges->room, sizeof *items);
    if (items)
        ranges->items = items;
    return items != NULL;
}

bool vx_ranges_add(struct vx_ranges *ranges, const struct vx_range *range)
{
    struct vx_range added = *range;
    added.length = vx_min(added.length, UINT64_MAX - added.offset);
    if (added.length == 0)
        return true;
    if (!make_room(ranges))
        return false;
    ranges->items[ranges->count++] = added;
    return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_ranges(const void *left, const void *right)
{
    const struct vx_range *a = (const struct vx_range *)left;
    const struct vx_range *b = (const struct vx_range *)right;
    int order = compare_numbers(a->offset, b->offset);
    if (order == 0)
        order = compare_numbers(a->owner_kind, b->owner_kind);
    if (order == 0)
        order = compare_numbers(a->owner_index, b->owner_index);
    return order;
}

void vx_ranges_sort(struct vx_ranges *ranges)
{
    if (ranges->count > 1)
        qsort(ranges->items, ranges->count, sizeof ranges->items[0], compare_ranges);
}

void vx_ranges_clear(struct vx_ranges *ranges)
{
    vx_free(ranges->items);
    *ranges = (struct vx_ranges){0};
}

/* Whichever of the two reaches farther, the earlier one when they end together. */
static const struct vx_range *farther(const struct vx_range *a, const struct vx_range *b)
{
    return !a || range_end(b) > range_end(a) ? b : a;
}

bool vx_ranges_next_overlap(const struct vx_ranges *ranges, struct vx_overlap *overlap)
{
    /* Between calls `first` is the range that reaches farthest among those before `second`. */
    const struct vx_range *reach = overlap->second ? farther(overlap->first, overlap->second) : NULL;
    for (size_t i = overlap->next; i < ranges->count; i++) {
        const struct vx_range *range = &ranges->items[i];
        if (reach && range->offset < range_end(reach)) {
            uint64_t end = vx_min(range_end(reach), range_end(range));
            *overlap = (struct vx_overlap){reach, range, range->offset, end - range->offset, i + 1};
            return true;
        }
        reach = farther(reach, range);
    }
    overlap->next = ranges->count;
    return false;
}

bool vx_ranges_next_gap(const struct vx_ranges *ranges, uint64_t end, struct vx_gap *gap)
{
    uint64_t position = gap->offset + gap->length;
    size_t i = gap->next;
    for (; i < ranges->count && ranges->items[i].offset <= position; i++)
        position = vx_max(position, range_end(&ranges->items[i]));
    uint64_t stop = i < ranges->count ? vx_min(ranges->items[i].offset, end) : end;
    if (position >= stop)
        return false;
    *gap = (struct vx_gap){position, stop - position, i};
    return true;
}
