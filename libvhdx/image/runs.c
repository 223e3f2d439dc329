/*
 * Runs of one image. See runs.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/runs.h"

#include "base/alloc.h"
#include "format/bitmap.h"

#include <inttypes.h>

#define BITS_WINDOW VX_PAGE

vhdx_status vx_run_reader_open(struct vx_image *image, uint32_t window, struct vx_run_reader *reader, vhdx_error *err)
{
    *reader = (struct vx_run_reader){.image = image};
    if (vx_image_is_plain(image))
        return VHDX_OK;
    if (image->vhd)
        return vx_vhd_runs_open(image->vhd, window, &reader->vhd, err);
    VX_TRY(vx_bat_window_open(image, window, &reader->bat, err));
    reader->bits = vx_alloc(BITS_WINDOW, 1);
    if (!reader->bits) {
        vx_run_reader_close(reader);
        return vx_fail_memory(err, "a window of a sector bitmap");
    }
    return VHDX_OK;
}

void vx_run_reader_close(struct vx_run_reader *reader)
{
    vx_bat_window_close(&reader->bat);
    vx_vhd_runs_close(&reader->vhd);
    vx_free(reader->bits);
    reader->bits = NULL;
}

void vx_run_reader_forget(struct vx_run_reader *reader)
{
    reader->bat.count = 0;
    reader->bits_length = 0;
}

static vhdx_status fail_entry(const struct vx_run_reader *reader, uint64_t bat_index, const char *what, uint8_t state,
                              vhdx_error *err)
{
    struct vx_image *image = reader->image;
    return vx_fail(err, VHDX_CORRUPT,
                   vx_at_index(vx_image_path(image), "BAT entry", vx_bat_entry_offset(image, bat_index), bat_index),
                   "%s (state %u)", what, state);
}

/* Where the bits of a PARTIALLY_PRESENT block are. */
static vhdx_status find_bits(struct vx_run_reader *reader, uint64_t payload_block, uint64_t *offset, vhdx_error *err)
{
    const struct vx_geometry *geometry = &reader->image->geometry;
    uint64_t bat_index = vx_geometry_bitmap_index(geometry, payload_block / geometry->chunk_ratio);
    struct vx_bat_entry entry;
    VX_TRY(vx_bat_window_get(&reader->bat, bat_index, &entry, err));
    if (entry.state != VX_BITMAP_PRESENT || entry.file_offset == 0)
        return fail_entry(reader, bat_index, "a block is partially present, but its sector bitmap is not there",
                          entry.state, err);
    *offset = entry.file_offset + vx_geometry_bitmap_offset(geometry, payload_block);
    return VHDX_OK;
}

/* The window of bits that holds byte `offset` of the file: whole pages, so that it serves neighbouring blocks too. */
static vhdx_status load_bits(struct vx_run_reader *reader, uint64_t offset, vhdx_error *err)
{
    if (reader->bits_length > 0 && offset >= reader->bits_offset && offset - reader->bits_offset < reader->bits_length)
        return VHDX_OK;
    uint64_t start = vx_round_down(offset, BITS_WINDOW);
    reader->bits_length = 0;
    VX_TRY(vx_image_read_metadata(reader->image, reader->bits, BITS_WINDOW, start, err));
    reader->bits_offset = start;
    reader->bits_length = BITS_WINDOW;
    return VHDX_OK;
}

/* Sectors from `first` on that share one bit, up to `limit`; looks at one window only, which is as good as a split
 * run. */
static vhdx_status bit_run(struct vx_run_reader *reader, uint64_t bits_offset, uint64_t first, uint64_t limit,
                           uint64_t *count, bool *present, vhdx_error *err)
{
    uint64_t byte = bits_offset + first / 8;
    VX_TRY(load_bits(reader, byte, err));
    uint64_t in_window = byte - reader->bits_offset;
    uint64_t bit = in_window * 8 + first % 8;
    uint64_t here = vx_min(limit, (uint64_t)reader->bits_length * 8 - bit);
    *count = vx_bitmap_run(reader->bits, bit, here, present);
    return VHDX_OK;
}

static vhdx_status partial_run(struct vx_run_reader *reader, uint64_t payload_block, uint64_t in_block, uint64_t length,
                               const struct vx_bat_entry *entry, struct vx_run *run, vhdx_error *err)
{
    uint32_t sector_size = reader->image->geometry.logical_sector_size;
    uint64_t bits_offset = 0, count = 0;
    bool present = false;
    uint64_t first = in_block / sector_size;
    uint64_t limit = vx_ceil_div(in_block + length, sector_size) - first;
    VX_TRY(find_bits(reader, payload_block, &bits_offset, err));
    VX_TRY(bit_run(reader, bits_offset, first, limit, &count, &present, err));
    run->length = vx_min(length, (first + count) * sector_size - in_block);
    run->kind = present ? VX_RUN_DATA : VX_RUN_TRANSPARENT;
    run->file_offset = present ? entry->file_offset + in_block : 0;
    return VHDX_OK;
}

/* The run inside one block. */
static vhdx_status block_run(struct vx_run_reader *reader, uint64_t virtual_offset, uint64_t limit, struct vx_run *run,
                             vhdx_error *err)
{
    struct vx_image *image = reader->image;
    uint64_t block = virtual_offset / image->geometry.block_size;
    uint64_t in_block = virtual_offset % image->geometry.block_size;
    uint64_t bat_index = vx_geometry_payload_index(&image->geometry, block);
    uint64_t length = vx_min(limit, image->geometry.block_size - in_block);
    struct vx_bat_entry entry;
    VX_TRY(vx_bat_window_get(&reader->bat, bat_index, &entry, err));
    *run = (struct vx_run){.virtual_offset = virtual_offset, .length = length};
    uint32_t rules = vx_bat_payload_rules(&entry, image->geometry.has_parent);
    if (rules & VX_BAT_BAD_STATE)
        return fail_entry(reader, bat_index, "a payload block has a reserved state", entry.state, err);
    if (rules & VX_BAT_STATE_FOR_CHILD)
        return fail_entry(reader, bat_index, "a block is partially present in a disk that has no parent", entry.state,
                          err);
    if (rules & VX_BAT_NO_PLACE)
        return fail_entry(reader, bat_index, "a payload block is present, but has no place in the file", entry.state,
                          err);
    bool has_data = entry.state == VX_PAYLOAD_FULLY_PRESENT || entry.state == VX_PAYLOAD_PARTIALLY_PRESENT;
    if (has_data && entry.file_offset > INT64_MAX) /* so that no place in the block wraps around to the file's start */
        return fail_entry(reader, bat_index, "a payload block lies beyond the end of any file", entry.state, err);
    switch (entry.state) {
    case VX_PAYLOAD_NOT_PRESENT:
        run->kind = VX_RUN_TRANSPARENT;
        return VHDX_OK;
    case VX_PAYLOAD_FULLY_PRESENT:
        run->kind = VX_RUN_DATA;
        run->file_offset = entry.file_offset + in_block;
        return VHDX_OK;
    case VX_PAYLOAD_PARTIALLY_PRESENT:
        return partial_run(reader, block, in_block, length, &entry, run, err);
    default:
        run->kind = VX_RUN_ZERO;
        return VHDX_OK;
    }
}

/* From the block at `virtual_offset` on, where NOT_PRESENT ends: passes over empty BAT without looking at each
 * block. */
static vhdx_status skip_absent(struct vx_run_reader *reader, uint64_t virtual_offset, uint64_t end,
                               uint64_t *absent_end, vhdx_error *err)
{
    const struct vx_geometry *geometry = &reader->image->geometry;
    uint64_t index = vx_geometry_payload_index(geometry, virtual_offset / geometry->block_size);
    uint64_t stop = vx_geometry_payload_index(geometry, (end - 1) / geometry->block_size) + 1;
    uint64_t which;
    VX_TRY(vx_bat_window_next_set(&reader->bat, index, stop, &index, err));
    if (index >= stop)
        *absent_end = end;
    else if (vx_geometry_is_payload(geometry, index, &which))
        *absent_end = vx_min(end, which * geometry->block_size);
    else /* a sector bitmap's entry: the blocks before it are absent, those behind it begin the next chunk */
        *absent_end = vx_min(end, (which + 1) * geometry->chunk_ratio * geometry->block_size);
    return VHDX_OK;
}

static bool continues(const struct vx_run *run, const struct vx_run *next)
{
    return run->kind == next->kind && (run->kind != VX_RUN_DATA || run->file_offset + run->length == next->file_offset);
}

/* A raw disk, or a VHD of fixed size: the file as it is, and its holes are zeros. */
static void plain_run(struct vx_file *file, uint64_t virtual_offset, uint64_t limit, struct vx_run *run)
{
    uint64_t data, length;
    *run = (struct vx_run){VX_RUN_DATA, virtual_offset, limit, virtual_offset};
    vx_file_next_data(file, virtual_offset, &data, &length);
    if (length == 0)
        *run = (struct vx_run){VX_RUN_ZERO, virtual_offset, limit, 0};
    else if (data > virtual_offset)
        *run = (struct vx_run){VX_RUN_ZERO, virtual_offset, vx_min(limit, data - virtual_offset), 0};
    else
        run->length = vx_min(limit, length);
}

vhdx_status vx_run_at(struct vx_run_reader *reader, uint64_t virtual_offset, uint64_t limit, struct vx_run *run,
                      vhdx_error *err)
{
    if (vx_image_is_plain(reader->image)) {
        plain_run(reader->image->file, virtual_offset, limit, run);
        return VHDX_OK;
    }
    if (reader->image->vhd)
        return vx_vhd_run_at(&reader->vhd, virtual_offset, limit, run, err);
    uint64_t end = virtual_offset + limit;
    VX_TRY(block_run(reader, virtual_offset, limit, run, err));
    /* What is wrong further on only ends the run: a reader of that block gets the error, and another layer may hide it.
     */
    for (;;) {
        uint64_t at = run->virtual_offset + run->length;
        struct vx_run next;
        if (run->kind == VX_RUN_TRANSPARENT && at < end && at % reader->image->geometry.block_size == 0 &&
            skip_absent(reader, at, end, &at, NULL) != VHDX_OK)
            return VHDX_OK;
        run->length = at - run->virtual_offset;
        if (at >= end || block_run(reader, at, end - at, &next, NULL) != VHDX_OK || !continues(run, &next))
            return VHDX_OK;
        run->length += next.length;
    }
}
