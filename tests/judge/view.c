/*
 * What salvage and the strict reader show of a disk. See view.h.
 */
/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <stdlib.h>

#define RAW "/o/raw"

static void add_range(struct ranges *ranges, struct range range)
{
    if (ranges->count == ranges->room) {
        ranges->room = 2 * ranges->room + 16;
        ranges->items = realloc(ranges->items, ranges->room * sizeof *ranges->items);
    }
    ranges->items[ranges->count++] = range;
}

static void take_range(void *context, const vhdx_salvage_range *range)
{
    struct view *view = context;
    struct range copy = {range->offset, range->length, range->file_offset, range->kind};
    add_range(range->kind == VHDX_SALVAGE_PIECE ? &view->pieces : &view->not_good, copy);
}

struct view view_look(const struct store *store)
{
    struct view view = {.store = store_copy(store, 5)};
    const vhdx_salvage_options options = {
        .struct_size = sizeof options, .host = store_host(view.store), .range = take_range, .range_context = &view};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    view.status = vhdx_salvage(JUDGE_LEAF, RAW, &options, &report, &view.err);
    view.raw = store_open(view.store, RAW);
    view.size = view.status == VHDX_OK ? report.virtual_size : 0;
    view.good = view.status == VHDX_OK ? report.bytes_good : 0;
    return view;
}

void view_free(struct view *view)
{
    store_free(view->store);
    free(view->not_good.items);
    free(view->pieces.items);
}

/* The range that holds the offset, NULL when it is none of them. */
static const struct range *range_at(const struct ranges *ranges, uint64_t offset)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges->items[middle].offset + ranges->items[middle].length <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ranges->count && ranges->items[low].offset <= offset ? &ranges->items[low] : NULL;
}

vhdx_salvage_kind view_kind_at(const struct view *view, uint64_t offset)
{
    const struct range *range = range_at(&view->not_good, offset);
    return range ? range->kind : VHDX_SALVAGE_GOOD;
}

unsigned view_trust(vhdx_salvage_kind kind)
{
    return kind == VHDX_SALVAGE_GOOD ? 3 : kind == VHDX_SALVAGE_DOUBTFUL ? 2 : kind == VHDX_SALVAGE_MISSING ? 1 : 0;
}

/* Whether the file offset is in one of the pieces, which come in the order of the file. */
bool view_in_pieces(const struct view *view, uint64_t file_offset)
{
    for (size_t i = 0; i < view->pieces.count; i++)
        if (file_offset >= view->pieces.items[i].file_offset &&
            file_offset < view->pieces.items[i].file_offset + view->pieces.items[i].length)
            return true;
    return false;
}

/* Where what is known of the offset ends. */
uint64_t view_alike_until(const struct ranges *ranges, uint64_t offset)
{
    for (size_t i = 0; i < ranges->count; i++)
        if (ranges->items[i].offset > offset)
            return ranges->items[i].offset;
        else if (ranges->items[i].offset + ranges->items[i].length > offset)
            return ranges->items[i].offset + ranges->items[i].length;
    return UINT64_MAX;
}

/* ---- plain reading ---------------------------------------------------------------------------------------------- */

static vhdx_status sink(void *context, const void *buf, uint64_t length, uint64_t offset, vhdx_error *err)
{
    (void)err;
    if (buf)
        store_write(context, offset, buf, (size_t)length);
    return VHDX_OK;
}

struct reading view_read_plainly(struct store *store)
{
    struct reading reading = {.store = store_new(1)};
    const vhdx_open_options options = {.struct_size = sizeof options, .host = store_host(store)};
    vhdx_chain *chain;
    reading.bytes = store_open(reading.store, RAW);
    reading.status = vhdx_chain_open(JUDGE_LEAF, &options, &chain, NULL);
    if (reading.status != VHDX_OK)
        return reading;
    reading.size = vhdx_chain_layer(chain, 0)->virtual_size;
    reading.status = vhdx_chain_stream(chain, sink, reading.bytes, NULL, NULL);
    vhdx_chain_free(chain);
    return reading;
}
