/*
 * A guest's write. See sectors.h. Easy to get wrong: some writers let the file end inside its last block, so that a
 * block that is there may still lack the bytes to be overwritten.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/sectors.h"

#include "image/bat_window.h"
#include "image/payload.h"
#include "image/space.h"
#include "image/writing.h"

/* One block's part of a write. */
struct piece {
    uint64_t block, in_block, length;
    const uint8_t *bytes;
};

static bool holds_data(const struct vx_bat_entry *entry)
{
    return entry->state == VX_PAYLOAD_FULLY_PRESENT || entry->state == VX_PAYLOAD_PARTIALLY_PRESENT;
}

static vhdx_status own_bits(struct vx_image *image, const struct piece *piece, bool fresh_block, vhdx_error *err)
{
    uint32_t sector = image->geometry.logical_sector_size;
    uint64_t bits_offset;
    VX_TRY(vx_payload_bitmap(image, piece->block, &bits_offset, err));
    if (fresh_block)
        VX_TRY(vx_payload_fill_bits(image, bits_offset, 0, image->geometry.sectors_per_block, false, err));
    return vx_payload_fill_bits(image, bits_offset, piece->in_block / sector, piece->length / sector, true, err);
}

/* A place for a block that has none. Where it hides nothing below it (a child's NOT_PRESENT) only the written sectors
 * are its own; else the rest of it reads as zeros, as before. */
static vhdx_status place_block(struct vx_image *image, const struct piece *piece, struct vx_bat_entry *entry,
                               vhdx_error *err)
{
    bool partial = image->geometry.has_parent && entry->state == VX_PAYLOAD_NOT_PRESENT;
    struct vx_bat_entry placed = {.state = partial ? VX_PAYLOAD_PARTIALLY_PRESENT : VX_PAYLOAD_FULLY_PRESENT};
    bool fresh = false;
    if (vx_bat_payload_owns_space(entry)) {
        placed.file_offset = entry->file_offset; /* it reads as zeros until the commit, whatever is there */
    } else {
        VX_TRY(vx_space_take(image->space, image->geometry.block_size, &placed.file_offset, &fresh, err));
        VX_TRY(vx_space_materialize(image->space, err));
    }
    if (!fresh && !partial)
        VX_TRY(vx_file_zero(image->file, placed.file_offset, image->geometry.block_size, err));
    VX_TRY(vx_payload_set_entry(image, piece->block, &placed, err));
    *entry = placed;
    return partial ? own_bits(image, piece, true, err) : VHDX_OK;
}

static vhdx_status write_piece(struct vx_image *image, const struct piece *piece, vhdx_error *err)
{
    struct vx_bat_entry entry;
    VX_TRY(vx_payload_entry(image, piece->block, &entry, err));
    if (!holds_data(&entry))
        VX_TRY(place_block(image, piece, &entry, err));
    else if (entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)
        VX_TRY(own_bits(image, piece, false, err));
    VX_TRY(vx_file_grow(image->file, entry.file_offset + image->geometry.block_size, err));
    return vx_file_write(image->file, piece->bytes, (size_t)piece->length, entry.file_offset + piece->in_block, err);
}

vhdx_status vx_sectors_write(struct vx_image *image, const uint8_t *bytes, uint64_t length, uint64_t virtual_offset,
                             vhdx_error *err)
{
    uint64_t block_size = image->geometry.block_size;
    while (length > 0) {
        struct piece piece = {
            .block = virtual_offset / block_size, .in_block = virtual_offset % block_size, .bytes = bytes};
        piece.length = vx_min(length, block_size - piece.in_block);
        VX_TRY(write_piece(image, &piece, err));
        bytes += piece.length;
        virtual_offset += piece.length;
        length -= piece.length;
    }
    return VHDX_OK;
}

vhdx_status vx_sectors_settle(struct vx_image *image, vhdx_error *err)
{
    VX_TRY(vx_file_flush(image->file, err));
    return vx_image_commit(image, err);
}

vhdx_status vx_sectors_look(struct vx_image *image, uint64_t payload_block, struct vx_sectors_need *need,
                            vhdx_error *err)
{
    struct vx_bat_window window;
    struct vx_bat_entry entry = {0}, bits = {.state = VX_BITMAP_PRESENT};
    const struct vx_geometry *geometry = &image->geometry;
    VX_TRY(vx_bat_window_open(image, VX_BAT_WINDOW_SMALL, &window, err));
    vhdx_status status = vx_bat_window_get(&window, vx_geometry_payload_index(geometry, payload_block), &entry, err);
    if (status == VHDX_OK && geometry->has_parent)
        status = vx_bat_window_get(&window, vx_geometry_bitmap_index(geometry, payload_block / geometry->chunk_ratio),
                                   &bits, err);
    vx_bat_window_close(&window);
    *need = (struct vx_sectors_need){.block = !vx_bat_payload_owns_space(&entry),
                                     .transparent = entry.state == VX_PAYLOAD_NOT_PRESENT,
                                     .no_bitmap = bits.state != VX_BITMAP_PRESENT};
    need->bitmap = geometry->has_parent && need->transparent && need->no_bitmap;
    return status;
}
