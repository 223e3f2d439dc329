/*
 * Reading the BAT in windows. See bat_window.h. What an entry means is format/bat.h; writing is payload.c.
 */
/* SPDX-License-Identifier: MIT */
#include "image/bat_window.h"

#include "base/alloc.h"

#include <string.h>

uint64_t vx_bat_entry_offset(const struct vx_image *image, uint64_t bat_index)
{
    return image->bat.file_offset + bat_index * VX_BAT_ENTRY_SIZE;
}

vhdx_status vx_bat_window_open(struct vx_image *image, uint32_t size, struct vx_bat_window *window, vhdx_error *err)
{
    *window = (struct vx_bat_window){.image = image, .capacity = size / VX_BAT_ENTRY_SIZE};
    window->bytes = vx_alloc(size, 1);
    return window->bytes ? VHDX_OK : vx_fail_memory(err, "a window of the BAT");
}

void vx_bat_window_close(struct vx_bat_window *window)
{
    vx_free(window->bytes);
    window->bytes = NULL;
}

static bool holds(const struct vx_bat_window *window, uint64_t bat_index)
{
    return bat_index >= window->first && bat_index - window->first < window->count;
}

static uint64_t entries_of(const struct vx_bat_window *window)
{
    return window->entries ? window->entries : window->image->geometry.entry_count;
}

static vhdx_status load(struct vx_bat_window *window, uint64_t bat_index, vhdx_error *err)
{
    uint64_t first = bat_index - bat_index % window->capacity;
    uint64_t count = vx_min(window->capacity, entries_of(window) - first);
    window->count = 0;
    VX_TRY(vx_image_read_metadata(window->image, window->bytes, (size_t)count * VX_BAT_ENTRY_SIZE,
                                  vx_bat_entry_offset(window->image, first), err));
    window->first = first;
    window->count = (uint32_t)count;
    return VHDX_OK;
}

static uint8_t *entry_bytes(const struct vx_bat_window *window, uint64_t bat_index)
{
    return window->bytes + (bat_index - window->first) * VX_BAT_ENTRY_SIZE;
}

vhdx_status vx_bat_window_get(struct vx_bat_window *window, uint64_t bat_index, struct vx_bat_entry *entry,
                              vhdx_error *err)
{
    if (!holds(window, bat_index))
        VX_TRY(load(window, bat_index, err));
    *entry = vx_bat_entry_decode(vx_get64(entry_bytes(window, bat_index)));
    return VHDX_OK;
}

void vx_bat_window_put(struct vx_bat_window *window, uint64_t bat_index, const struct vx_bat_entry *entry)
{
    if (holds(window, bat_index))
        vx_put64(entry_bytes(window, bat_index), vx_bat_entry_encode(entry));
}

/* From a window boundary on: where the file's next data is, as a BAT index (rounded down to a window). */
static uint64_t skip_hole(struct vx_bat_window *window, uint64_t bat_index)
{
    struct vx_image *image = window->image;
    uint64_t data, length;
    if (image->journal)
        return bat_index; /* pending pages are not in the file yet */
    vx_file_next_data(image->view, vx_bat_entry_offset(image, bat_index), &data, &length);
    if (length == 0)
        return entries_of(window);
    uint64_t index = (data - image->bat.file_offset) / VX_BAT_ENTRY_SIZE;
    return vx_max(bat_index, index - index % window->capacity);
}

vhdx_status vx_bat_window_next_set(struct vx_bat_window *window, uint64_t bat_index, uint64_t end, uint64_t *next,
                                   vhdx_error *err)
{
    while (bat_index < end) {
        if (!holds(window, bat_index))
            VX_TRY(load(window, bat_index, err));
        uint64_t stop = vx_min(end, window->first + window->count);
        if (!vx_is_zero(entry_bytes(window, bat_index), (size_t)(stop - bat_index) * VX_BAT_ENTRY_SIZE)) {
            while (vx_get64(entry_bytes(window, bat_index)) == 0)
                bat_index++;
            *next = bat_index;
            return VHDX_OK;
        }
        bat_index = stop < end ? skip_hole(window, stop) : stop;
    }
    *next = end;
    return VHDX_OK;
}
