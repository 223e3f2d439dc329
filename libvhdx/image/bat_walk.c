/*
 * Walking a BAT. See bat_walk.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/bat_walk.h"

#include "base/alloc.h"

#include <string.h>

#define WINDOW (UINT32_C(256) * 1024)
#define CAPACITY (WINDOW / VX_BAT_ENTRY_SIZE)

struct vx_bat_source vx_bat_source_of(struct vx_exam *exam)
{
    uint64_t size;
    struct vx_bat_source source = {exam->view, &exam->geometry, exam->bat.file_offset, exam->survey->file_size};
    if (vx_file_size(exam->view, &size, NULL) == VHDX_OK)
        source.file_size = vx_max(source.file_size, size);
    return source;
}

vhdx_status vx_bat_walk_begin(const struct vx_bat_source *source, uint64_t end, struct vx_bat_walk *walk,
                              vhdx_error *err)
{
    *walk = (struct vx_bat_walk){.source = *source, .end = end};
    walk->bytes = vx_alloc(WINDOW, 1);
    return walk->bytes ? VHDX_OK : vx_fail_memory(err, "a window of the BAT");
}

vhdx_status vx_bat_walk_open(struct vx_exam *exam, uint64_t end, struct vx_bat_walk *walk, vhdx_error *err)
{
    const struct vx_bat_source source = vx_bat_source_of(exam);
    return vx_bat_walk_begin(&source, end, walk, err);
}

void vx_bat_walk_close(struct vx_bat_walk *walk)
{
    vx_free(walk->bytes);
    walk->bytes = NULL;
}

/* From a window boundary on, the window in which the file's next data is. */
static uint64_t skip_hole(const struct vx_bat_walk *walk, uint64_t index)
{
    uint64_t data, length, place = walk->source.offset + index * VX_BAT_ENTRY_SIZE;
    vx_file_next_data(walk->source.file, place, &data, &length);
    if (length == 0)
        return walk->end;
    uint64_t there = (data - walk->source.offset) / VX_BAT_ENTRY_SIZE;
    return vx_min(walk->end, vx_max(index, there - there % CAPACITY));
}

static vhdx_status blank_nonsense(struct vx_bat_walk *walk, vhdx_error *err)
{
    const struct vx_bat_world world = {walk->source.geometry, walk->source.file_size};
    for (uint64_t at = 0; at < walk->count; at += VX_BAT_PAGE_ENTRIES) {
        struct vx_bat_page_look look;
        uint64_t page = (walk->first + at) / VX_BAT_PAGE_ENTRIES;
        uint8_t *bytes = walk->bytes + at * VX_BAT_ENTRY_SIZE;
        if (!vx_bat_page_is_nonsense(&world, page, bytes, &look))
            continue;
        memset(bytes, 0, vx_bat_page_entries(world.geometry, page) * VX_BAT_ENTRY_SIZE); /* padding stays */
        if (walk->nonsense)
            VX_TRY(walk->nonsense(walk->context, page, &look, err));
    }
    return VHDX_OK;
}

static vhdx_status load(struct vx_bat_walk *walk, vhdx_error *err)
{
    uint64_t first = walk->index - walk->index % CAPACITY;
    uint64_t count = vx_min(CAPACITY, walk->end - first);
    size_t got;
    walk->count = 0;
    VX_TRY(vx_file_read_some(walk->source.file, walk->bytes, (size_t)count * VX_BAT_ENTRY_SIZE,
                             walk->source.offset + first * VX_BAT_ENTRY_SIZE, &got, err));
    walk->first = first;
    walk->count = (uint32_t)count;
    memset(walk->bytes + got, 0, WINDOW - got); /* a page is judged as a whole */
    VX_TRY(blank_nonsense(walk, err));
    walk->is_zero = vx_is_zero(walk->bytes, (size_t)count * VX_BAT_ENTRY_SIZE);
    return VHDX_OK;
}

/* The next entry of the window that is not zero; false: there is none. */
static bool find_in_window(struct vx_bat_walk *walk)
{
    uint64_t stop = walk->first + walk->count;
    if (walk->is_zero)
        walk->index = stop;
    for (; walk->index < stop; walk->index++) {
        walk->raw = vx_get64(walk->bytes + (walk->index - walk->first) * VX_BAT_ENTRY_SIZE);
        if (walk->raw != 0)
            return true;
    }
    return false;
}

vhdx_status vx_bat_walk_next(struct vx_bat_walk *walk, vhdx_error *err)
{
    while (walk->index < walk->end) {
        if (walk->count == 0 || walk->index < walk->first || walk->index - walk->first >= walk->count) {
            /* asked only behind zeros: some hosts must look at every page to tell where data ends */
            if (walk->is_zero && walk->index % CAPACITY == 0)
                walk->index = skip_hole(walk, walk->index);
            if (walk->index >= walk->end)
                break;
            VX_TRY(load(walk, err));
        }
        if (find_in_window(walk))
            return VHDX_OK;
    }
    walk->index = walk->end;
    return VHDX_OK;
}
