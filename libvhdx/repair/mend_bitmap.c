/*
 * A sector bitmap that is gone, while blocks of its chunk are partially present: which of their sectors they hold is
 * told by their content. A sector that is not zero was written; one of zeros counts as never written and comes from the
 * parent. So all of these blocks are doubtful, and are named as such.
 *
 * Easy to get wrong: a block that is gone as well has no content to tell anything. It holds all its sectors then, or
 * the parent's old ones would come back.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend_bat.h"

#include "base/alloc.h"
#include "format/bitmap.h"

#define PIECE (64 * VX_KIB)
static const struct vx_loss doubtful = {"its sector bitmap is lost; sectors that are not zero count as written", true,
                                        false};
static const struct vx_loss lost = {"it is lost together with its sector bitmap", false, false};

static const struct vx_reason reason = {VX_FIND_BITMAP_MISSING, true,
                                        "the chunk has a sector bitmap, made from what its blocks hold",
                                        "sectors of zeros that had been written"};

/* Sets the bits of sectors in `buf` that are not zero. */
static void set_bits(const struct vx_bat_mending *b, const uint8_t *buf, uint64_t in_block, size_t length,
                     uint8_t *bits)
{
    uint32_t sector_size = b->geometry.logical_sector_size;
    for (size_t at = 0; at < length; at += sector_size)
        if (!vx_is_zero(buf + at, sector_size))
            vx_bitmap_fill(bits, (in_block + at) / sector_size, 1, true);
}

static vhdx_status bits_of_content(struct vx_bat_mending *b, uint64_t file_offset, uint8_t *buf, uint8_t *bits,
                                   vhdx_error *err)
{
    for (uint64_t at = 0; at < b->geometry.block_size;) {
        uint64_t data, data_length;
        vx_file_next_data(b->m->plan->sketch, file_offset + at, &data, &data_length);
        if (data_length == 0 || data >= file_offset + b->geometry.block_size)
            return VHDX_OK;
        at = vx_max(at, vx_round_down(data - file_offset, PIECE));
        size_t got;
        VX_TRY(vx_file_read_some(b->m->plan->sketch, buf, PIECE, file_offset + at, &got, err));
        set_bits(b, buf, at, PIECE, bits);
        at += PIECE;
    }
    return VHDX_OK;
}

/* The bits of one block, and what they are worth. */
static vhdx_status mend_block(struct vx_bat_mending *b, uint64_t block, const struct vx_bat_entry *entry,
                              uint64_t bitmap, uint8_t *buf, vhdx_error *err)
{
    uint32_t length = vx_geometry_bitmap_length(&b->geometry);
    bool is_there = entry->file_offset >= VX_HEADER_SECTION_SIZE && entry->file_offset < b->file_size;
    uint8_t *bits = vx_alloc(length, 1);
    if (!bits)
        return vx_fail_memory(err, "a sector bitmap");
    vhdx_status status = VHDX_OK;
    if (is_there)
        status = bits_of_content(b, entry->file_offset, buf, bits, err);
    else
        vx_bitmap_fill(bits, 0, b->geometry.sectors_per_block, true);
    if (status == VHDX_OK)
        status = vx_mend_bat_lose(b, block, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size,
                                  is_there ? &doubtful : &lost, err);
    if (status == VHDX_OK)
        status = vx_plan_put(b->m->plan, bits, length, bitmap + vx_geometry_bitmap_offset(&b->geometry, block), &reason,
                             err);
    vx_free(bits);
    return status;
}

/* `known`: so many bytes of the bitmap are there. */
static vhdx_status mend_blocks(struct vx_bat_mending *b, uint64_t chunk, uint64_t bitmap, uint64_t known, uint8_t *buf,
                               vhdx_error *err)
{
    uint64_t first = chunk * b->geometry.chunk_ratio;
    uint64_t end = vx_min(first + b->geometry.chunk_ratio, b->geometry.payload_count);
    for (uint64_t block = first; block < end; block++) {
        struct vx_bat_entry entry;
        if (vx_geometry_bitmap_offset(&b->geometry, block) + vx_geometry_bitmap_length(&b->geometry) <= known)
            continue;
        VX_TRY(vx_bat_window_get(&b->bitmaps, vx_geometry_payload_index(&b->geometry, block), &entry, err));
        if (entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)
            VX_TRY(mend_block(b, block, &entry, bitmap, buf, err));
    }
    return VHDX_OK;
}

vhdx_status vx_mend_bad_bits(struct vx_bat_mending *b, uint64_t block, const struct vx_bat_entry *entry,
                             vhdx_error *err)
{
    VX_TRY(vx_mend_bat_look_at_bitmap(b, block / b->geometry.chunk_ratio, err));
    if (!b->chunk_readable ||
        !vx_patient_bad(&b->m->plan->bad, b->chunk_bits + vx_geometry_bitmap_offset(&b->geometry, block),
                        vx_geometry_bitmap_length(&b->geometry), NULL))
        return VHDX_OK;
    uint8_t *buf = vx_alloc(PIECE, 1);
    if (!buf)
        return vx_fail_memory(err, "a piece of a block");
    vhdx_status status = mend_block(b, block, entry, b->chunk_bits, buf, err);
    vx_free(buf);
    return status;
}

static const struct vx_loss doubtful_bits = {"the entry of its sector bitmap was wrong", true, false};

/* The entry says that there is no bitmap, but leads to something that nobody owns: blocks need it, so it is that. */
static vhdx_status take_it_at_its_place(struct vx_bat_mending *b, uint64_t chunk, bool *taken, vhdx_error *err)
{
    static const struct vx_reason there = {VX_FIND_BITMAP_MISSING, true,
                                           "the sector bitmap lies where its entry remembers it",
                                           "the certainty that it is the right one"};
    uint64_t index = vx_geometry_bitmap_index(&b->geometry, chunk), first = chunk * b->geometry.chunk_ratio;
    struct vx_bat_entry entry;
    VX_TRY(vx_bat_window_get(&b->bitmaps, index, &entry, err));
    *taken = false;
    if (!(vx_bat_bitmap_rules(&entry, true) & VX_BAT_STRAY_OFFSET))
        return VHDX_OK;
    VX_TRY(vx_leads_open(b->m->exam, &b->leads, err));
    VX_TRY(vx_lead_truth(&b->leads, index, &entry, taken, err));
    if (!*taken)
        return VHDX_OK;
    VX_TRY(vx_mend_bat_put(b, index, &entry, &there, err));
    b->chunk = UINT64_MAX;
    for (uint64_t i = 0; i < b->geometry.chunk_ratio && first + i < b->geometry.payload_count; i++) {
        VX_TRY(vx_bat_window_get(&b->bitmaps, vx_geometry_payload_index(&b->geometry, first + i), &entry, err));
        if (entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)
            VX_TRY(vx_mend_bat_lose(b, first + i, VX_PAYLOAD_FULLY_PRESENT, 0, b->geometry.block_size, &doubtful_bits,
                                    err));
    }
    return VHDX_OK;
}

vhdx_status vx_mend_lost_bitmap(struct vx_bat_mending *b, uint64_t chunk, vhdx_error *err)
{
    uint64_t index = vx_geometry_bitmap_index(&b->geometry, chunk), known = 0;
    struct vx_bat_entry entry;
    VX_TRY(vx_mend_bat_look_at_bitmap(b, chunk, err));
    if (b->chunk_readable)
        return VHDX_OK;
    bool taken;
    VX_TRY(take_it_at_its_place(b, chunk, &taken, err));
    if (taken)
        return VHDX_OK;
    VX_TRY(vx_bat_window_get(&b->bitmaps, index, &entry, err));
    if (entry.state == VX_BITMAP_PRESENT && entry.file_offset >= VX_HEADER_SECTION_SIZE &&
        entry.file_offset < b->file_size) { /* the file ends inside of it */
        known = b->file_size - entry.file_offset;
        VX_TRY(vx_plan_resize(b->m->plan, vx_max(b->m->plan->new_size, entry.file_offset + VX_BITMAP_BLOCK_SIZE),
                              &reason, err));
    } else {
        VX_TRY(vx_mend_bat_take_space(b, VX_BITMAP_BLOCK_SIZE, &reason, &entry.file_offset, err));
        entry.state = VX_BITMAP_PRESENT;
        entry.reserved = 0;
    }
    uint8_t *buf = vx_alloc(PIECE, 1);
    if (!buf)
        return vx_fail_memory(err, "a piece of a block");
    vhdx_status status = mend_blocks(b, chunk, entry.file_offset, known, buf, err);
    vx_free(buf);
    b->chunk = UINT64_MAX;
    return status == VHDX_OK ? vx_mend_bat_put(b, index, &entry, &reason, err) : status;
}
