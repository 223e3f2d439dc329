/*
 * A VHDX: fixed, dynamic, or a child of a parent. See target.h. Blocks lie in the file in the order in which they are
 * placed. Nothing refers to the disk before it has its name, so BAT and sector bitmaps are written plainly, once each;
 * the log has only the change that makes the disk a whole one (image/create.c). In a child a block is (MS-VHDX 2.5.1.1)
 *
 *      all absent -> NOT_PRESENT | all zeros -> ZERO | all here -> FULLY_PRESENT | some -> PARTIALLY_PRESENT and its
 * bits
 */
/* SPDX-License-Identifier: MIT */
#include "build/target.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "format/bat.h"
#include "format/bitmap.h"

#include <string.h>

#define WINDOW_ENTRIES 8192u
#define NONE UINT64_MAX

struct to_vhdx {
    struct vx_target target;
    struct vx_image *image;      /* NULL behind finish */
    struct vx_geometry geometry; /* of the room that the disk has */
    bool is_child;
    uint64_t begin, next; /* of the payload: where it begins, where the next block goes */
    uint8_t *bat;         /* a window, from entry `first` on */
    uint64_t first;
    bool changed;
    /* the block that was touched last */
    uint64_t block, block_offset; /* NONE: no block; 0: it has no place */
    bool here, absent;            /* some of it is */
    /* of a child: the bitmap of the chunk that the block is in */
    uint8_t *bits;
    bool bits_needed;
};

/* ---- the BAT ---- */

static vhdx_status flush_bat(struct to_vhdx *to, vhdx_error *err)
{
    if (!to->changed)
        return VHDX_OK;
    to->changed = false;
    uint64_t count = vx_min(WINDOW_ENTRIES, to->geometry.entry_count - to->first);
    return vx_file_write(to->target.file, to->bat, (size_t)count * VX_BAT_ENTRY_SIZE,
                         to->image->bat.file_offset + to->first * VX_BAT_ENTRY_SIZE, err);
}

/* Indices come in ascending order, so a window is new when it is entered. */
static vhdx_status put_entry(struct to_vhdx *to, uint64_t index, uint8_t state, uint64_t file_offset, vhdx_error *err)
{
    const struct vx_bat_entry entry = {.state = state, .file_offset = file_offset};
    if (index - index % WINDOW_ENTRIES != to->first) {
        VX_TRY(flush_bat(to, err));
        to->first = index - index % WINDOW_ENTRIES;
        memset(to->bat, 0, (size_t)WINDOW_ENTRIES * VX_BAT_ENTRY_SIZE);
    }
    vx_put64(to->bat + (index - to->first) * VX_BAT_ENTRY_SIZE, vx_bat_entry_encode(&entry));
    to->changed = true;
    return VHDX_OK;
}

static uint64_t take_space(struct to_vhdx *to, uint64_t length)
{
    uint64_t offset = to->next;
    to->next += length;
    return offset;
}

/* ---- blocks ---- */

static vhdx_status close_child_block(struct to_vhdx *to, uint8_t *state, vhdx_error *err)
{
    (void)err;
    if (!to->here) {
        *state = VX_PAYLOAD_NOT_PRESENT;
    } else if (to->absent) {
        *state = VX_PAYLOAD_PARTIALLY_PRESENT;
        to->bits_needed = true;
        if (to->block_offset == 0)
            to->block_offset = take_space(to, to->geometry.block_size);
    } else {
        *state = to->block_offset ? VX_PAYLOAD_FULLY_PRESENT : VX_PAYLOAD_ZERO;
    }
    if (*state != VX_PAYLOAD_PARTIALLY_PRESENT)
        memset(to->bits + vx_geometry_bitmap_offset(&to->geometry, to->block), 0,
               vx_geometry_bitmap_length(&to->geometry));
    return VHDX_OK;
}

static vhdx_status close_block(struct to_vhdx *to, vhdx_error *err)
{
    uint8_t state = to->block_offset ? VX_PAYLOAD_FULLY_PRESENT : VX_PAYLOAD_NOT_PRESENT;
    if (to->block == NONE)
        return VHDX_OK;
    if (to->is_child)
        VX_TRY(close_child_block(to, &state, err));
    if (state != VX_PAYLOAD_NOT_PRESENT)
        VX_TRY(put_entry(to, vx_geometry_payload_index(&to->geometry, to->block), state, to->block_offset, err));
    return VHDX_OK;
}

static vhdx_status close_chunk(struct to_vhdx *to, vhdx_error *err)
{
    if (!to->bits_needed)
        return VHDX_OK;
    uint64_t chunk = to->block / to->geometry.chunk_ratio, offset = take_space(to, VX_BITMAP_BLOCK_SIZE);
    VX_TRY(vx_file_write(to->target.file, to->bits, (size_t)VX_BITMAP_BLOCK_SIZE, offset, err));
    VX_TRY(put_entry(to, vx_geometry_bitmap_index(&to->geometry, chunk), VX_BITMAP_PRESENT, offset, err));
    memset(to->bits, 0, (size_t)VX_BITMAP_BLOCK_SIZE);
    to->bits_needed = false;
    return VHDX_OK;
}

static vhdx_status enter_block(struct to_vhdx *to, uint64_t block, vhdx_error *err)
{
    if (block == to->block)
        return VHDX_OK;
    VX_TRY(close_block(to, err));
    if (to->block != NONE && block / to->geometry.chunk_ratio != to->block / to->geometry.chunk_ratio)
        VX_TRY(close_chunk(to, err));
    to->block = block;
    to->block_offset = 0;
    to->here = to->absent = false;
    return VHDX_OK;
}

/* Sectors that are cut in the middle are here: who says "absent" speaks of whole ones. */
static void mark_here(struct to_vhdx *to, uint64_t in_block, uint64_t length)
{
    uint32_t sector = to->geometry.logical_sector_size;
    uint64_t first = in_block / sector, end = vx_ceil_div(in_block + length, sector);
    to->here = true;
    if (to->is_child)
        vx_bitmap_fill(to->bits + vx_geometry_bitmap_offset(&to->geometry, to->block), first, end - first, true);
}

static vhdx_status vhdx_place(struct vx_target *target, uint64_t virtual_offset, uint64_t length, uint64_t *file_offset,
                              uint64_t *together, vhdx_error *err)
{
    struct to_vhdx *to = (struct to_vhdx *)target;
    uint64_t block_size = to->geometry.block_size, in_block = virtual_offset % block_size;
    if (target->spec->fixed) {
        *file_offset = to->begin + virtual_offset;
        *together = length;
        return VHDX_OK;
    }
    VX_TRY(enter_block(to, virtual_offset / block_size, err));
    if (to->block_offset == 0)
        to->block_offset = take_space(to, block_size);
    *together = vx_min(length, block_size - in_block);
    *file_offset = to->block_offset + in_block;
    mark_here(to, in_block, *together);
    return VHDX_OK;
}

/* Where there is no parent, zeros are what is not there. */
static vhdx_status vhdx_zeros(struct vx_target *target, uint64_t virtual_offset, uint64_t length, vhdx_error *err)
{
    struct to_vhdx *to = (struct to_vhdx *)target;
    while (to->is_child && length > 0) {
        uint64_t in_block = virtual_offset % to->geometry.block_size;
        uint64_t here = vx_min(length, to->geometry.block_size - in_block);
        VX_TRY(enter_block(to, virtual_offset / to->geometry.block_size, err));
        mark_here(to, in_block, here);
        virtual_offset += here;
        length -= here;
    }
    return VHDX_OK;
}

/* Blocks that are absent as a whole are passed over. */
static vhdx_status vhdx_absent(struct vx_target *target, uint64_t virtual_offset, uint64_t length, vhdx_error *err)
{
    struct to_vhdx *to = (struct to_vhdx *)target;
    uint64_t block_size = to->geometry.block_size, end = virtual_offset + length;
    if (!to->is_child)
        return VHDX_OK;
    if (virtual_offset % target->spec->create.logical_sector_size || length % target->spec->create.logical_sector_size)
        return vx_fail(err, VHDX_ARG, vx_at_file(target->spec->path),
                       "what is left to the parent must be whole sectors of %u bytes",
                       target->spec->create.logical_sector_size);
    if (virtual_offset % block_size) {
        VX_TRY(enter_block(to, virtual_offset / block_size, err));
        to->absent = true;
    }
    if (end % block_size && (end / block_size != virtual_offset / block_size || virtual_offset % block_size == 0)) {
        VX_TRY(enter_block(to, end / block_size, err));
        to->absent = true;
    }
    return VHDX_OK;
}

/* ---- the end ---- */

static vhdx_status end_fixed(struct to_vhdx *to, uint64_t virtual_size, vhdx_error *err)
{
    uint64_t count = vx_ceil_div(virtual_size, to->geometry.block_size);
    for (uint64_t i = 0; i < count; i++)
        VX_TRY(put_entry(to, vx_geometry_payload_index(&to->geometry, i), VX_PAYLOAD_FULLY_PRESENT,
                         to->begin + i * to->geometry.block_size, err));
    to->next = to->begin + count * to->geometry.block_size;
    return VHDX_OK;
}

/* The values that were not known, or not true yet, when the file was begun; in one log entry. */
static vhdx_status put_values(struct to_vhdx *to, uint64_t virtual_size, vhdx_error *err)
{
    uint8_t parameters_bytes[8], size_bytes[8];
    struct vx_file_parameters parameters = to->image->items.parameters;
    if (to->target.spec->fixed)
        parameters.flags |= VX_PARAMETER_LEAVE_BLOCK_ALLOCATED;
    if (virtual_size == to->image->items.virtual_size && parameters.flags == to->image->items.parameters.flags)
        return VHDX_OK;
    vx_file_parameters_encode(&parameters, parameters_bytes);
    vx_put64(size_bytes, virtual_size);
    const struct vx_item_change changes[] = {
        {vx_guid_file_parameters, VX_ITEM_IS_REQUIRED, parameters_bytes, sizeof parameters_bytes},
        {vx_guid_virtual_disk_size, VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK, size_bytes, sizeof size_bytes}};
    VX_TRY(vx_image_begin_write(to->image, NULL, err));
    return vx_items_change(to->image, changes, 2, err);
}

static vhdx_status vhdx_finish(struct vx_target *target, uint64_t virtual_size, vhdx_error *err)
{
    struct to_vhdx *to = (struct to_vhdx *)target;
    struct vx_image *image = to->image;
    if (target->spec->fixed)
        VX_TRY(end_fixed(to, virtual_size, err));
    VX_TRY(close_block(to, err));
    VX_TRY(close_chunk(to, err));
    VX_TRY(flush_bat(to, err));
    VX_TRY(vx_file_grow(target->file, to->next, err));
    VX_TRY(vx_file_flush(target->file, err));
    VX_TRY(put_values(to, virtual_size, err));
    to->image = NULL;
    target->file = NULL;
    return vx_create_complete(image, err);
}

static void vhdx_close(struct vx_target *target)
{
    struct to_vhdx *to = (struct to_vhdx *)target;
    vx_image_close(to->image);
    vx_free(to->bat);
    vx_free(to->bits);
    vx_free(to);
}

static const struct vx_target_ops vhdx_ops = {vhdx_place, vhdx_zeros, vhdx_absent, vhdx_finish, vhdx_close};

/* A fixed disk becomes one at its end: its blocks need no place before. */
static vhdx_status begin(struct to_vhdx *to, const char *unfinished, vhdx_error *err)
{
    struct vx_create_spec create = to->target.spec->create;
    create.virtual_size = to->target.spec->room;
    create.fixed = false;
    to->bat = vx_alloc(WINDOW_ENTRIES, VX_BAT_ENTRY_SIZE);
    if (to->is_child)
        to->bits = vx_alloc((size_t)VX_BITMAP_BLOCK_SIZE, 1);
    if (!to->bat || (to->is_child && !to->bits))
        return vx_fail_memory(err, "a new disk");
    VX_TRY(vx_create_at(to->target.spec->host, unfinished, &create, &to->image, err));
    to->target.file = to->image->file;
    to->geometry = to->image->geometry;
    VX_TRY(vx_file_size(to->target.file, &to->begin, err));
    to->next = to->begin;
    return VHDX_OK;
}

vhdx_status vx_target_vhdx(const struct vx_build_spec *spec, const char *unfinished, struct vx_target **target,
                           vhdx_error *err)
{
    struct to_vhdx *to = vx_alloc(1, sizeof *to);
    if (!to)
        return vx_fail_memory(err, "a new disk");
    to->target = (struct vx_target){.ops = &vhdx_ops, .spec = spec};
    to->is_child = spec->create.locator != NULL;
    to->block = NONE;
    vhdx_status status = begin(to, unfinished, err);
    if (status == VHDX_OK)
        *target = &to->target;
    else
        vhdx_close(&to->target);
    return status;
}
