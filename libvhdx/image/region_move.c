/*
 * Moving regions. See region_move.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/region_move.h"

#include "base/alloc.h"
#include "image/bat_window.h"
#include "image/journal.h"
#include "image/space.h"

/* Puts the encoded table into both copies, page by page where they differ. */
static vhdx_status journal_tables(struct vx_image *image, const uint8_t *table, uint8_t *buf, vhdx_error *err)
{
    static const uint64_t places[2] = {VX_REGION_TABLE1_OFFSET, VX_REGION_TABLE2_OFFSET};
    for (size_t i = 0; i < 2; i++) {
        VX_TRY(vx_file_read(image->file, buf, VX_REGION_TABLE_SIZE, places[i], err));
        for (uint32_t at = 0; at < VX_REGION_TABLE_SIZE; at += VX_PAGE) {
            uint8_t *page;
            if (memcmp(buf + at, table + at, VX_PAGE) == 0)
                continue;
            VX_TRY(vx_journal_page(image->journal, places[i] + at, &page, err));
            memcpy(page, table + at, VX_PAGE);
        }
    }
    return VHDX_OK;
}

static struct vx_region *find_region(struct vx_image *image, uint64_t offset)
{
    for (uint32_t i = 0; i < image->regions->count; i++)
        if (image->regions->entries[i].file_offset == offset)
            return &image->regions->entries[i];
    return NULL;
}

static void take_place(struct vx_image *image, uint64_t from_offset, const struct vx_region *to)
{
    if (image->bat.file_offset == from_offset) {
        image->bat = *to;
        image->bat_window->count = 0;
    }
    if (image->metadata.file_offset == from_offset)
        image->metadata = *to;
}

vhdx_status vx_region_switch(struct vx_image *image, uint64_t from_offset, const struct vx_region *to, vhdx_error *err)
{
    struct vx_region *region = find_region(image, from_offset);
    uint8_t *buf = vx_alloc(2, VX_REGION_TABLE_SIZE);
    if (!region || !buf) {
        vx_free(buf);
        return region ? vx_fail_memory(err, "a region table")
                      : vx_fail(err, VHDX_STATE, vx_at(vx_image_path(image), "region", from_offset),
                                "no region begins here");
    }
    const struct vx_region old = *region;
    *region = *to;
    vx_region_table_encode(image->regions, buf + VX_REGION_TABLE_SIZE);
    vhdx_status status = journal_tables(image, buf + VX_REGION_TABLE_SIZE, buf, err);
    if (status == VHDX_OK)
        status = vx_space_release(image->space, old.file_offset, old.length, err);
    if (status == VHDX_OK)
        status = vx_image_commit(image, err);
    if (status == VHDX_OK)
        take_place(image, from_offset, to);
    vx_free(buf);
    return status;
}

#define PIECE ((size_t)(256 * VX_KIB))

/* What reads as zeros is made so without reading or writing it. */
static vhdx_status copy_bytes(struct vx_image *image, uint64_t from, uint64_t to, uint64_t length, uint8_t *buf,
                              vhdx_error *err)
{
    for (uint64_t at = 0; at < length;) {
        size_t here = (size_t)vx_min(PIECE, length - at);
        uint64_t data, data_length;
        vx_file_next_data(image->file, from + at, &data, &data_length);
        if (data_length == 0 || data >= from + length)
            return vx_file_zero(image->file, to + at, length - at, err);
        if (data - from >= at + here) {
            uint64_t hole = vx_round_down(data - from, VX_PAGE) - at;
            VX_TRY(vx_file_zero(image->file, to + at, hole, err));
            at += hole;
            continue;
        }
        VX_TRY(vx_file_read(image->file, buf, here, from + at, err));
        VX_TRY(vx_file_write(image->file, buf, here, to + at, err));
        at += here;
    }
    return VHDX_OK;
}

vhdx_status vx_region_move(struct vx_image *image, uint64_t from_offset, uint64_t to_offset, vhdx_error *err)
{
    const struct vx_region *region = find_region(image, from_offset);
    uint8_t *buf = vx_alloc(PIECE, 1);
    if (!buf)
        return vx_fail_memory(err, "a buffer");
    vhdx_status status = VHDX_OK;
    if (region)
        status = copy_bytes(image, from_offset, to_offset, region->length, buf, err);
    vx_free(buf);
    VX_TRY(status);
    struct vx_region moved = region ? *region : (struct vx_region){0};
    moved.file_offset = to_offset;
    return vx_region_switch(image, from_offset, &moved, err);
}
