/*
 * Shrinking. See shrink.h. Easy to get wrong: a child's BAT has the entries of whole chunks, and the sector bitmap of
 * the last chunk stays, whereas those of later chunks go.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/shrink.h"

#include "edit/grow.h"
#include "image/bat_window.h"
#include "image/payload.h"
#include "image/space.h"
#include "image/writing.h"

#define RELEASED_AT_ONCE 4096u /* places that are remembered before they count as free */

/* What the entry owns of the file on the old disk, and not on the new one; 0 = nothing. */
static uint64_t freed_length(const struct vx_geometry *old, const struct vx_geometry *new, uint64_t bat_index,
                             const struct vx_bat_entry *entry)
{
    uint64_t which;
    if (vx_geometry_is_payload(old, bat_index, &which))
        return which >= new->payload_count &&which < old->payload_count &&vx_bat_payload_owns_space(entry)
                   ? old->block_size
                   : 0;
    return old->has_parent && which >= new->chunk_count && entry->state == VX_BITMAP_PRESENT ? VX_BITMAP_BLOCK_SIZE : 0;
}

/* What is done with the places of blocks that the new disk no longer has. */
typedef vhdx_status (*freed_fn)(void *context, uint64_t offset, uint64_t length, vhdx_error *err);

static vhdx_status visit_entries(struct vx_bat_window *window, const struct vx_geometry *old,
                                 const struct vx_geometry *new, freed_fn visit, void *context, vhdx_error *err)
{
    uint64_t index = vx_geometry_payload_index(new, new->payload_count - 1) + 1;
    for (; index < old->entry_count; index++) {
        struct vx_bat_entry entry;
        VX_TRY(vx_bat_window_next_set(window, index, old->entry_count, &index, err));
        if (index >= old->entry_count)
            break;
        VX_TRY(vx_bat_window_get(window, index, &entry, err));
        uint64_t length = freed_length(old, new, index, &entry);
        if (length > 0)
            VX_TRY(visit(context, entry.file_offset, length, err));
    }
    return VHDX_OK;
}

static vhdx_status visit_freed(struct vx_image *image, const struct vx_geometry *old, const struct vx_geometry *new,
                               freed_fn visit, void *context, vhdx_error *err)
{
    struct vx_bat_window window;
    VX_TRY(vx_bat_window_open(image, VX_BAT_WINDOW_LARGE, &window, err));
    window.entries = old->entry_count;
    vhdx_status status = visit_entries(&window, old, new, visit, context, err);
    vx_bat_window_close(&window);
    return status;
}

struct releasing {
    struct vx_space *space;
    uint64_t count;
};

static vhdx_status release(void *context, uint64_t offset, uint64_t length, vhdx_error *err)
{
    struct releasing *releasing = context;
    VX_TRY(vx_space_release(releasing->space, offset, length, err));
    if (++releasing->count % RELEASED_AT_ONCE == 0)
        vx_space_committed(releasing->space);
    return VHDX_OK;
}

vhdx_status vx_shrink_release(struct vx_image *image, struct vx_space *space, const struct vx_geometry *old,
                              const struct vx_geometry *new, vhdx_error *err)
{
    struct releasing releasing = {.space = space};
    vhdx_status status = visit_freed(image, old, new, release, &releasing, err);
    vx_space_committed(space);
    return status;
}

struct clearing {
    struct vx_file *file;
    uint64_t end; /* what lies behind is cut off */
};

static vhdx_status clear(void *context, uint64_t offset, uint64_t length, vhdx_error *err)
{
    const struct clearing *clearing = context;
    return offset < clearing->end ? vx_file_zero(clearing->file, offset, vx_min(length, clearing->end - offset), err)
                                  : VHDX_OK;
}

/* Content without an owner looks as if its entry had been lost. */
static vhdx_status clear_freed(struct vx_image *image, const struct vx_geometry *old, vhdx_error *err)
{
    struct clearing clearing = {.file = image->file};
    VX_TRY(vx_file_size(image->file, &clearing.end, err));
    clearing.end = vx_min(clearing.end, vx_space_end(image->space));
    return visit_freed(image, old, &image->geometry, clear, &clearing, err);
}

/* Who makes the disk larger again, and does not look, would find what was there. */
static vhdx_status clear_tail(struct vx_image *image, vhdx_error *err)
{
    const struct vx_geometry *geometry = &image->geometry;
    uint64_t in_block = geometry->virtual_size % geometry->block_size, file_size;
    struct vx_bat_entry entry;
    if (in_block == 0)
        return VHDX_OK;
    VX_TRY(vx_payload_entry(image, geometry->payload_count - 1, &entry, err));
    if (entry.state != VX_PAYLOAD_FULLY_PRESENT && entry.state != VX_PAYLOAD_PARTIALLY_PRESENT)
        return VHDX_OK;
    VX_TRY(vx_file_size(image->file, &file_size, err));
    uint64_t end = vx_min(entry.file_offset + geometry->block_size, file_size);
    if (entry.file_offset + in_block >= end)
        return VHDX_OK;
    return vx_file_zero(image->file, entry.file_offset + in_block, end - entry.file_offset - in_block, err);
}

vhdx_status vx_shrink(struct vx_image *image, uint64_t virtual_size, vhdx_error *err)
{
    const struct vx_geometry old = image->geometry;
    VX_TRY(vx_publish_size(image, virtual_size, err));
    VX_TRY(vx_shrink_release(image, image->space, &old, &image->geometry, err));
    VX_TRY(clear_freed(image, &old, err));
    VX_TRY(vx_clear_padding(image, err));
    return clear_tail(image, err);
}
