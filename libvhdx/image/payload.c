/*
 * BAT entries and sector bitmap bits of one block, through the journal. See payload.h. Which state follows which is the
 * merge's to decide.
 */
/* SPDX-License-Identifier: MIT */
#include "image/payload.h"

#include "format/bitmap.h"
#include "image/bat_window.h"
#include "image/journal.h"
#include "image/space.h"

static vhdx_status set_bat_entry(struct vx_image *image, uint64_t bat_index, const struct vx_bat_entry *entry,
                                 vhdx_error *err)
{
    uint64_t offset = vx_bat_entry_offset(image, bat_index);
    uint8_t *page;
    VX_TRY(vx_journal_page(image->journal, vx_round_down(offset, VX_PAGE), &page, err));
    vx_put64(page + offset % VX_PAGE, vx_bat_entry_encode(entry));
    vx_bat_window_put(image->bat_window, bat_index, entry);
    return VHDX_OK;
}

vhdx_status vx_payload_entry(struct vx_image *image, uint64_t payload_block, struct vx_bat_entry *entry,
                             vhdx_error *err)
{
    return vx_bat_window_get(image->bat_window, vx_geometry_payload_index(&image->geometry, payload_block), entry, err);
}

vhdx_status vx_payload_set_entry(struct vx_image *image, uint64_t payload_block, const struct vx_bat_entry *entry,
                                 vhdx_error *err)
{
    return set_bat_entry(image, vx_geometry_payload_index(&image->geometry, payload_block), entry, err);
}

uint32_t vx_payload_pages_per_block(const struct vx_image *image)
{
    if (!image->geometry.has_parent)
        return 1;
    return 2 + vx_geometry_bitmap_length(&image->geometry) / VX_PAGE + 1;
}

vhdx_status vx_payload_bitmap(struct vx_image *image, uint64_t payload_block, uint64_t *bits_offset, vhdx_error *err)
{
    uint64_t chunk = payload_block / image->geometry.chunk_ratio;
    uint64_t bat_index = vx_geometry_bitmap_index(&image->geometry, chunk);
    struct vx_bat_entry entry;
    VX_TRY(vx_bat_window_get(image->bat_window, bat_index, &entry, err));
    if (entry.state != VX_BITMAP_PRESENT) {
        bool fresh;
        entry = (struct vx_bat_entry){.state = VX_BITMAP_PRESENT};
        VX_TRY(vx_space_take(image->space, VX_BITMAP_BLOCK_SIZE, &entry.file_offset, &fresh, err));
        VX_TRY(vx_space_materialize(image->space, err));
        if (!fresh)
            VX_TRY(vx_file_zero(image->file, entry.file_offset, VX_BITMAP_BLOCK_SIZE, err));
        VX_TRY(set_bat_entry(image, bat_index, &entry, err));
    }
    *bits_offset = entry.file_offset + vx_geometry_bitmap_offset(&image->geometry, payload_block);
    return VHDX_OK;
}

vhdx_status vx_payload_fill_bits(struct vx_image *image, uint64_t bits_offset, uint64_t first, uint64_t count,
                                 bool value, vhdx_error *err)
{
    while (count > 0) {
        uint64_t byte = bits_offset + first / 8;
        uint64_t page_offset = vx_round_down(byte, VX_PAGE);
        uint64_t bit_in_page = (byte - page_offset) * 8 + first % 8;
        uint64_t here = vx_min(count, VX_PAGE * 8 - bit_in_page);
        uint8_t *page;
        VX_TRY(vx_journal_page(image->journal, page_offset, &page, err));
        vx_bitmap_fill(page, bit_in_page, here, value);
        first += here;
        count -= here;
    }
    return VHDX_OK;
}

vhdx_status vx_payload_bits_full(struct vx_image *image, uint64_t bits_offset, uint64_t count, bool *full,
                                 vhdx_error *err)
{
    uint8_t bytes[VX_PAGE];
    *full = true;
    for (uint64_t done = 0; done < count && *full;) {
        uint64_t here = vx_min(count - done, sizeof bytes * 8);
        bool value;
        VX_TRY(vx_image_read_metadata(image, bytes, (size_t)vx_ceil_div(here, 8), bits_offset + done / 8, err));
        *full = vx_bitmap_run(bytes, 0, here, &value) == here && value;
        done += here;
    }
    return VHDX_OK;
}

vhdx_status vx_payload_drop_bitmap(struct vx_image *image, uint64_t chunk, vhdx_error *err)
{
    const struct vx_bat_entry absent = {.state = VX_BITMAP_NOT_PRESENT};
    uint64_t bat_index = vx_geometry_bitmap_index(&image->geometry, chunk);
    struct vx_bat_entry entry;
    VX_TRY(vx_bat_window_get(image->bat_window, bat_index, &entry, err));
    if (entry.state == VX_BITMAP_NOT_PRESENT)
        return VHDX_OK;
    if (entry.state == VX_BITMAP_PRESENT)
        VX_TRY(vx_space_release(image->space, entry.file_offset, VX_BITMAP_BLOCK_SIZE, err));
    return set_bat_entry(image, bat_index, &absent, err);
}

vhdx_status vx_payload_place_bitmap(struct vx_image *image, uint64_t chunk, uint64_t file_offset, vhdx_error *err)
{
    const struct vx_bat_entry moved = {.state = VX_BITMAP_PRESENT, .file_offset = file_offset};
    uint64_t bat_index = vx_geometry_bitmap_index(&image->geometry, chunk);
    struct vx_bat_entry entry;
    VX_TRY(vx_bat_window_get(image->bat_window, bat_index, &entry, err));
    VX_TRY(vx_space_release(image->space, entry.file_offset, VX_BITMAP_BLOCK_SIZE, err));
    return set_bat_entry(image, bat_index, &moved, err);
}
