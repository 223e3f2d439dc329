/*
 * Changing the leaf of a live chain, block by block. What is written where, and in which order, is L1 and L3 of live.h;
 * entries and bits themselves are image/payload.c's.
 */
/* SPDX-License-Identifier: MIT */
#include "live/live.h"

#include "format/bitmap.h"
#include "image/journal.h"
#include "image/payload.h"
#include "image/space.h"
#include "live/live_parts.h"

#include <string.h>

/* How far zeros are looked for at once. */
#define LOOK_AHEAD (256 * VX_MIB)

/* A part of one block, whole sectors. */
struct part {
    uint64_t block;
    uint64_t in_block, length;
    uint64_t block_length; /* of the block: what of it is on the disk */
    const uint8_t *bytes;  /* NULL: zeros */
    struct vx_bat_entry entry;
};

static struct part part_at(const struct vx_live *live, uint64_t virtual_offset, uint64_t limit, const uint8_t *bytes)
{
    const struct vx_geometry *geometry = &live->leaf->geometry;
    struct part part = {.block = virtual_offset / geometry->block_size,
                        .in_block = virtual_offset % geometry->block_size,
                        .bytes = bytes};
    part.block_length = vx_min(geometry->block_size, geometry->virtual_size - part.block * geometry->block_size);
    part.length = vx_min(limit, part.block_length - part.in_block);
    return part;
}

static bool is_whole(const struct part *part)
{
    return part->length == part->block_length;
}

static vhdx_status put_part(struct vx_live *live, const struct part *part, uint64_t place, vhdx_error *err)
{
    struct vx_file *file = live->leaf->file;
    if (part->bytes)
        return vx_file_write(file, part->bytes, (size_t)part->length, place + part->in_block, err);
    return vx_file_zero(file, place + part->in_block, part->length, err);
}

/* ---- entries and bits ---- */

/* A block's change must fit into the commit that is pending. */
static vhdx_status make_room(struct vx_live *live, vhdx_error *err)
{
    if (vx_journal_room(live->leaf->journal) >= vx_payload_pages_per_block(live->leaf))
        return VHDX_OK;
    return vx_live_commit(live, err);
}

static void begin_change(struct vx_live *live)
{
    vx_gate_enter_alone(&live->gate);
    live->generation++;
    live->pending = true;
}

static void end_change(struct vx_live *live)
{
    vx_gate_leave_alone(&live->gate);
}

static vhdx_status set_entry(struct vx_live *live, const struct part *part, uint8_t state, uint64_t place,
                             vhdx_error *err)
{
    const struct vx_bat_entry entry = {.state = state, .file_offset = place};
    return vx_payload_set_entry(live->leaf, part->block, &entry, err);
}

static vhdx_status set_bits(struct vx_live *live, const struct part *part, uint64_t bits_offset, vhdx_error *err)
{
    uint32_t sector_size = live->leaf->geometry.logical_sector_size;
    return vx_payload_fill_bits(live->leaf, bits_offset, part->in_block / sector_size, part->length / sector_size, true,
                                err);
}

/* The entry comes last: until then the bits mean nothing. */
static vhdx_status show_new_part(struct vx_live *live, const struct part *part, uint64_t place, vhdx_error *err)
{
    uint64_t bits_offset;
    VX_TRY(vx_payload_bitmap(live->leaf, part->block, &bits_offset, err));
    VX_TRY(vx_payload_fill_bits(live->leaf, bits_offset, 0, live->leaf->geometry.sectors_per_block, false, err));
    VX_TRY(set_bits(live, part, bits_offset, err));
    return set_entry(live, part, VX_PAYLOAD_PARTIALLY_PRESENT, place, err);
}

static vhdx_status show_more(struct vx_live *live, const struct part *part, uint64_t bits_offset, vhdx_error *err)
{
    uint64_t sectors = part->block_length / live->leaf->geometry.logical_sector_size;
    bool full;
    VX_TRY(set_bits(live, part, bits_offset, err));
    VX_TRY(vx_payload_bits_full(live->leaf, bits_offset, sectors, &full, err));
    return full ? set_entry(live, part, VX_PAYLOAD_FULLY_PRESENT, part->entry.file_offset, err) : VHDX_OK;
}

/* ---- a write ---- */

/* Whether the leaf has all sectors of the part already. */
static vhdx_status are_set(struct vx_live *live, const struct part *part, uint64_t bits_offset, bool *set,
                           vhdx_error *err)
{
    uint8_t bytes[VX_PAGE];
    uint32_t sector_size = live->leaf->geometry.logical_sector_size;
    uint64_t first = part->in_block / sector_size;
    uint64_t end = first + part->length / sector_size;
    *set = true;
    while (first < end && *set) {
        uint64_t skip = first % 8;
        uint64_t here = vx_min(end - first, sizeof bytes * 8 - skip);
        bool value;
        VX_TRY(vx_image_read_metadata(live->leaf, bytes, (size_t)vx_ceil_div(skip + here, 8), bits_offset + first / 8,
                                      err));
        *set = vx_bitmap_run(bytes, skip, here, &value) == here && value;
        first += here;
    }
    return VHDX_OK;
}

static vhdx_status write_partial(struct vx_live *live, const struct part *part, vhdx_error *err)
{
    uint64_t bits_offset;
    bool set;
    VX_TRY(vx_payload_bitmap(live->leaf, part->block, &bits_offset, err)); /* it is there: nothing changes */
    VX_TRY(are_set(live, part, bits_offset, &set, err));
    VX_TRY(put_part(live, part, part->entry.file_offset, err)); /* L1 */
    if (set)
        return VHDX_OK;
    begin_change(live);
    vhdx_status status = show_more(live, part, bits_offset, err);
    end_change(live);
    return status;
}

/* What of the block's new place is not written must read as zeros, and the last block's space behind the disk's end
 * too. */
static vhdx_status zero_around(struct vx_live *live, const struct part *part, uint64_t place, vhdx_error *err)
{
    struct vx_file *file = live->leaf->file;
    uint64_t end = part->in_block + part->length;
    VX_TRY(vx_file_zero(file, place, part->in_block, err));
    return vx_file_zero(file, place + end, live->leaf->geometry.block_size - end, err);
}

/* L1: no committed entry leads to the place. */
static vhdx_status fill_place(struct vx_live *live, const struct part *part, uint64_t place, bool whole, bool fresh,
                              vhdx_error *err)
{
    VX_TRY(vx_space_materialize(live->leaf->space, err));
    if (whole && !fresh)
        VX_TRY(zero_around(live, part, place, err));
    return put_part(live, part, place, err);
}

static vhdx_status write_new(struct vx_live *live, const struct part *part, vhdx_error *err)
{
    struct vx_image *leaf = live->leaf;
    bool partial = leaf->geometry.has_parent && part->entry.state == VX_PAYLOAD_NOT_PRESENT && !is_whole(part);
    bool anchored = vx_bat_payload_owns_space(&part->entry) && part->entry.file_offset != 0;
    uint64_t place = part->entry.file_offset;
    bool fresh = false;
    if (!anchored)
        VX_TRY(vx_space_take(leaf->space, leaf->geometry.block_size, &place, &fresh, err));
    vhdx_status status = fill_place(live, part, place, !partial, fresh, err);
    if (status == VHDX_OK) {
        begin_change(live);
        status = partial ? show_new_part(live, part, place, err)
                         : set_entry(live, part, VX_PAYLOAD_FULLY_PRESENT, place, err);
        end_change(live);
    }
    if (status != VHDX_OK && !anchored) /* L4 */
        (void)vx_space_release(leaf->space, place, leaf->geometry.block_size, NULL);
    return status;
}

static vhdx_status write_part(struct vx_live *live, struct part *part, vhdx_error *err)
{
    VX_TRY(make_room(live, err));
    VX_TRY(vx_payload_entry(live->leaf, part->block, &part->entry, err));
    switch (part->entry.state) {
    case VX_PAYLOAD_FULLY_PRESENT:
        return put_part(live, part, part->entry.file_offset, err);
    case VX_PAYLOAD_PARTIALLY_PRESENT:
        return write_partial(live, part, err);
    default:
        return write_new(live, part, err);
    }
}

/* Whole sectors. */
static vhdx_status write_sectors(struct vx_live *live, const uint8_t *bytes, uint64_t length, uint64_t virtual_offset,
                                 vhdx_error *err)
{
    for (uint64_t done = 0; done < length;) {
        struct part part = part_at(live, virtual_offset + done, length - done, bytes ? bytes + done : NULL);
        VX_TRY(write_part(live, &part, err));
        done += part.length;
    }
    return VHDX_OK;
}

/* A part of a sector: the rest of it is as it reads now. */
static vhdx_status write_into_sector(struct vx_live *live, const uint8_t *bytes, uint64_t length,
                                     uint64_t virtual_offset, vhdx_error *err)
{
    uint32_t sector_size = live->leaf->geometry.logical_sector_size;
    uint64_t start = vx_round_down(virtual_offset, sector_size);
    uint8_t *into = live->sector + (virtual_offset - start);
    VX_TRY(vx_live_read(live, live->sector, sector_size, start, err));
    if (bytes)
        memcpy(into, bytes, (size_t)length);
    else
        memset(into, 0, (size_t)length);
    return write_sectors(live, live->sector, sector_size, start, err);
}

static vhdx_status write_range(struct vx_live *live, const uint8_t *bytes, uint64_t length, uint64_t virtual_offset,
                               vhdx_error *err)
{
    uint32_t sector_size = live->leaf->geometry.logical_sector_size;
    while (length > 0) {
        uint64_t in_sector = virtual_offset % sector_size;
        bool whole = in_sector == 0 && length >= sector_size;
        uint64_t here = whole ? vx_round_down(length, sector_size) : vx_min(length, sector_size - in_sector);
        VX_TRY(whole ? write_sectors(live, bytes, here, virtual_offset, err)
                     : write_into_sector(live, bytes, here, virtual_offset, err));
        bytes = bytes ? bytes + here : NULL;
        virtual_offset += here;
        length -= here;
    }
    return VHDX_OK;
}

/* ---- zeros ---- */

static bool reads_zero(const struct vx_live *live, const struct vx_bat_entry *entry)
{
    return entry->state != VX_PAYLOAD_FULLY_PRESENT && entry->state != VX_PAYLOAD_PARTIALLY_PRESENT &&
           (entry->state != VX_PAYLOAD_NOT_PRESENT || !live->leaf->geometry.has_parent);
}

/* The block says zeros, and its place is free once that is durable (L3). The entry comes first: a place that is not
 * released, for want of memory, is lost until the disk is opened again; one that an entry still leads to must not be.
 */
static vhdx_status drop_block(struct vx_live *live, const struct part *part, vhdx_error *err)
{
    struct vx_image *leaf = live->leaf;
    uint8_t state = leaf->geometry.has_parent ? VX_PAYLOAD_ZERO : VX_PAYLOAD_NOT_PRESENT;
    bool owns = vx_bat_payload_owns_space(&part->entry) && part->entry.file_offset != 0;
    const struct vx_range place = {.offset = part->entry.file_offset, .length = leaf->geometry.block_size};
    begin_change(live);
    vhdx_status status = set_entry(live, part, state, 0, err);
    if (status == VHDX_OK && owns && vx_space_release(leaf->space, place.offset, place.length, NULL) == VHDX_OK)
        (void)vx_ranges_add(&live->dropped, &place);
    end_change(live);
    return status;
}

static vhdx_status zero_part(struct vx_live *live, struct part *part, bool keep_space, vhdx_error *err)
{
    VX_TRY(make_room(live, err));
    VX_TRY(vx_payload_entry(live->leaf, part->block, &part->entry, err));
    if (reads_zero(live, &part->entry))
        return VHDX_OK;
    return is_whole(part) && !keep_space ? drop_block(live, part, err) : write_part(live, part, err);
}

/* The next place in the range that does not read as zeros anyway, from the beginning of its block on where the range
 * has it; the range's end when there is none. */
static vhdx_status next_content(struct vx_live *live, uint64_t begin, uint64_t end, uint64_t *at, vhdx_error *err)
{
    uint32_t block_size = live->leaf->geometry.block_size;
    while (*at < end) {
        struct vx_piece piece;
        VX_TRY(vx_live_piece(live, *at, vx_min(end - *at, vx_max(LOOK_AHEAD, block_size)), &piece, err));
        if (piece.kind == VX_RUN_DATA) {
            *at = vx_max(begin, vx_round_down(*at, block_size));
            return VHDX_OK;
        }
        *at += piece.length;
    }
    return VHDX_OK;
}

static vhdx_status zero_sectors(struct vx_live *live, uint64_t begin, uint64_t length, bool keep_space, vhdx_error *err)
{
    uint64_t end = begin + length;
    for (uint64_t at = begin;;) {
        VX_TRY(next_content(live, begin, end, &at, err));
        if (at >= end)
            return VHDX_OK;
        struct part part = part_at(live, at, end - at, NULL);
        VX_TRY(zero_part(live, &part, keep_space, err));
        at += part.length;
    }
}

static vhdx_status zero_range(struct vx_live *live, uint64_t virtual_offset, uint64_t length, bool keep_space,
                              vhdx_error *err)
{
    uint32_t sector_size = live->leaf->geometry.logical_sector_size;
    uint64_t head = vx_min(length, (sector_size - virtual_offset % sector_size) % sector_size);
    uint64_t middle = vx_round_down(length - head, sector_size);
    VX_TRY(write_range(live, NULL, head, virtual_offset, err));
    VX_TRY(zero_sectors(live, virtual_offset + head, middle, keep_space, err));
    return write_range(live, NULL, length - head - middle, virtual_offset + head + middle, err);
}

static vhdx_status trim_range(struct vx_live *live, uint64_t begin, uint64_t length, vhdx_error *err)
{
    uint64_t end = begin + length;
    for (uint64_t at = begin;;) {
        VX_TRY(next_content(live, begin, end, &at, err));
        if (at >= end)
            return VHDX_OK;
        struct part part = part_at(live, at, end - at, NULL);
        if (is_whole(&part))
            VX_TRY(zero_part(live, &part, false, err));
        at += part.length;
    }
}

/* ---- the doors ---- */

static vhdx_status take_turn(struct vx_live *live, vhdx_error *err)
{
    if (!live->writable)
        return vx_fail(err, VHDX_STATE, vx_at_file(vx_image_path(live->leaf)), "the disk was not opened for writing");
    vx_lock_take(live->turn);
    vhdx_status status = vx_live_begin(live, err);
    if (status != VHDX_OK)
        vx_lock_give(live->turn);
    return status;
}

vhdx_status vx_live_write(struct vx_live *live, const void *buf, size_t length, uint64_t virtual_offset,
                          vhdx_error *err)
{
    VX_TRY(take_turn(live, err));
    vhdx_status status = write_range(live, buf, length, virtual_offset, err);
    vx_lock_give(live->turn);
    return status;
}

vhdx_status vx_live_zero(struct vx_live *live, uint64_t virtual_offset, uint64_t length, bool keep_space,
                         vhdx_error *err)
{
    VX_TRY(take_turn(live, err));
    vhdx_status status = zero_range(live, virtual_offset, length, keep_space, err);
    vx_lock_give(live->turn);
    return status;
}

vhdx_status vx_live_trim(struct vx_live *live, uint64_t virtual_offset, uint64_t length, vhdx_error *err)
{
    VX_TRY(take_turn(live, err));
    vhdx_status status = trim_range(live, virtual_offset, length, err);
    vx_lock_give(live->turn);
    return status;
}
