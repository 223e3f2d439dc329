/*
 * Growing and shrinking. See grow.h. Entries behind the last one are padding until the new size is published, so they
 * may be prepared by several commits before that one.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/grow.h"

#include "base/alloc.h"
#include "image/bat_window.h"
#include "image/journal.h"
#include "image/payload.h"
#include "image/region_move.h"
#include "image/space.h"
#include "image/writing.h"

#include <inttypes.h>
#include <string.h>

#define COPY_SIZE ((size_t)(128 * VX_KIB))

static bool geometry_for(const struct vx_image *target, uint64_t virtual_size, struct vx_geometry *geometry)
{
    return vx_geometry_init(geometry, virtual_size, target->geometry.block_size, target->geometry.logical_sector_size,
                            target->geometry.has_parent);
}

uint64_t vx_grow_needs(const struct vx_image *target, uint64_t virtual_size)
{
    struct vx_geometry new;
    if (virtual_size <= target->geometry.virtual_size || !geometry_for(target, virtual_size, &new))
        return 0;
    uint64_t bat = vx_geometry_bat_region_length(&new);
    uint64_t needs = bat > target->bat.length ? bat : 0;
    if (vx_image_is_fixed(target))
        needs += (new.payload_count - target->geometry.payload_count) * new.block_size;
    return needs;
}

/* Copies the BAT to its new place, leaving out what is zero. Nothing refers to that place yet. */
static vhdx_status copy_bat(struct vx_image *target, uint64_t to, uint8_t *buf, size_t room, vhdx_error *err)
{
    uint64_t length = target->geometry.entry_count * VX_BAT_ENTRY_SIZE;
    for (uint64_t at = 0; at < length;) {
        uint64_t data, data_length;
        size_t here = (size_t)vx_min(room, length - at);
        vx_file_next_data(target->file, target->bat.file_offset + at, &data, &data_length);
        if (data_length == 0)
            return VHDX_OK;
        if (data - target->bat.file_offset >= at + here) {
            at = vx_round_down(data - target->bat.file_offset, VX_PAGE);
            continue;
        }
        VX_TRY(vx_file_read(target->file, buf, here, target->bat.file_offset + at, err));
        if (!vx_is_zero(buf, here))
            VX_TRY(vx_file_write(target->file, buf, here, to + at, err));
        at += here;
    }
    return VHDX_OK;
}

static vhdx_status move_bat(struct vx_image *target, uint64_t length, vhdx_error *err)
{
    struct vx_region bat = target->bat;
    bool fresh;
    bat.length = (uint32_t)length; /* at most 513 MiB */
    VX_TRY(vx_space_take(target->space, length, &bat.file_offset, &fresh, err));
    VX_TRY(vx_space_materialize(target->space, err));
    if (!fresh)
        VX_TRY(vx_file_zero(target->file, bat.file_offset, length, err));
    uint8_t *buf = vx_alloc(COPY_SIZE, 1);
    if (!buf)
        return vx_fail_memory(err, "a buffer");
    vhdx_status status = copy_bat(target, bat.file_offset, buf, COPY_SIZE, err);
    vx_free(buf);
    return status == VHDX_OK ? vx_region_switch(target, target->bat.file_offset, &bat, err) : status;
}

/* Entries that are about to become real: ZERO hides a grandparent's data, a fixed disk gets its blocks, a base needs
 * nothing. */
static vhdx_status new_entry(struct vx_image *target, const struct vx_geometry *new, uint64_t bat_index,
                             struct vx_bat_entry *entry, vhdx_error *err)
{
    uint64_t which;
    bool fresh = true;
    *entry = (struct vx_bat_entry){0};
    if (!vx_geometry_is_payload(new, bat_index, &which) || which >= new->payload_count)
        return VHDX_OK;
    if (new->has_parent)
        entry->state = VX_PAYLOAD_ZERO;
    if (!vx_image_is_fixed(target))
        return VHDX_OK;
    entry->state = VX_PAYLOAD_FULLY_PRESENT;
    VX_TRY(vx_space_take(target->space, new->block_size, &entry->file_offset, &fresh, err));
    return fresh ? VHDX_OK : vx_file_zero(target->file, entry->file_offset, new->block_size, err);
}

static vhdx_status put_raw_entry(struct vx_image *target, uint64_t bat_index, const struct vx_bat_entry *entry,
                                 vhdx_error *err)
{
    uint64_t offset = vx_bat_entry_offset(target, bat_index);
    uint64_t raw = vx_bat_entry_encode(entry);
    uint8_t *page;
    VX_TRY(vx_journal_page(target->journal, vx_round_down(offset, VX_PAGE), &page, err));
    vx_put64(page + offset % VX_PAGE, raw);
    return VHDX_OK;
}

/* Where to look next when all from `at` to `to` is to be zero: passes over holes of the host's file. */
static uint64_t skip_hole(struct vx_image *target, uint64_t at, uint64_t to)
{
    uint64_t data, length;
    vx_file_next_data(target->file, vx_bat_entry_offset(target, at), &data, &length);
    uint64_t index = (data - target->bat.file_offset) / VX_BAT_ENTRY_SIZE;
    return length == 0 || index >= to ? to : vx_max(at, index - index % (VX_PAGE / VX_BAT_ENTRY_SIZE));
}

/* Where what means nothing begins: a differencing BAT has the entries of whole chunks, so that it may be before the
 * last entry. */
static uint64_t padding_begin(const struct vx_image *target)
{
    return vx_geometry_payload_index(&target->geometry, target->geometry.payload_count - 1) + 1;
}

static bool is_bitmap_in_use(const struct vx_image *target, uint64_t bat_index)
{
    uint64_t which;
    return bat_index < target->geometry.entry_count && !vx_geometry_is_payload(&target->geometry, bat_index, &which);
}

/*
 * The entries from padding_begin() to `to` of the BAT, where `new` NULL means all zero. Whole pages of zeros that are
 * zero already are left alone, and so are the entries of sector bitmaps that the disk has.
 */
static vhdx_status fill_padding(struct vx_image *target, const struct vx_geometry *new, uint64_t to, vhdx_error *err)
{
    const uint64_t per_page = VX_PAGE / VX_BAT_ENTRY_SIZE;
    bool zeros = !new || (!new->has_parent && !vx_image_is_fixed(target));
    uint8_t buf[VX_PAGE];
    for (uint64_t at = padding_begin(target); at < to;) {
        at = zeros ? skip_hole(target, at, to) : at;
        if (at >= to)
            break;
        uint64_t stop = vx_min(to, at - at % per_page + per_page); /* the BAT begins with a page */
        size_t length = (size_t)(stop - at) * VX_BAT_ENTRY_SIZE;
        VX_TRY(vx_file_read(target->file, buf, length, vx_bat_entry_offset(target, at), err));
        if (!zeros || !vx_is_zero(buf, length)) {
            if (vx_journal_room(target->journal) == 0) {
                VX_TRY(vx_space_materialize(target->space, err));
                VX_TRY(vx_image_commit(target, err));
            }
            for (; at < stop; at++) {
                struct vx_bat_entry entry = {0};
                if (is_bitmap_in_use(target, at))
                    continue;
                if (!zeros)
                    VX_TRY(new_entry(target, new, at, &entry, err));
                VX_TRY(put_raw_entry(target, at, &entry, err));
            }
        }
        at = stop;
    }
    VX_TRY(vx_space_materialize(target->space, err));
    target->bat_window->count = 0;
    return vx_image_commit(target, err);
}

/* The block with the old end in it: how its bytes from there on become zeros that this layer owns. */
struct tail {
    uint64_t block, in_block; /* where the old end lies */
    uint64_t owned_end;       /* in the block: where the new disk ends */
};

static vhdx_status own_tail_bits(struct vx_image *target, const struct tail *tail, vhdx_error *err)
{
    uint32_t sector = target->geometry.logical_sector_size;
    uint64_t first = tail->in_block / sector, sectors = target->geometry.sectors_per_block;
    uint64_t bits_offset;
    VX_TRY(vx_payload_bitmap(target, tail->block, &bits_offset, err));
    VX_TRY(vx_payload_fill_bits(target, bits_offset, first, sectors - first, false, err));
    return vx_payload_fill_bits(target, bits_offset, first, tail->owned_end / sector - first, true, err);
}

static vhdx_status zero_tail_bytes(struct vx_image *target, uint64_t place, const struct tail *tail, vhdx_error *err)
{
    uint64_t end = place + target->geometry.block_size;
    VX_TRY(vx_file_grow(target->file, end, err)); /* some writers let the file end inside its last block */
    return vx_file_zero(target->file, place + tail->in_block, end - place - tail->in_block, err);
}

/* In a differencing target a block that is not there would go on asking the parent: it becomes partially present. */
static vhdx_status allocate_tail(struct vx_image *target, const struct tail *tail, vhdx_error *err)
{
    struct vx_bat_entry entry = {.state = VX_PAYLOAD_PARTIALLY_PRESENT};
    uint64_t bits_offset;
    bool fresh;
    VX_TRY(vx_space_take(target->space, target->geometry.block_size, &entry.file_offset, &fresh, err));
    VX_TRY(vx_space_materialize(target->space, err));
    VX_TRY(zero_tail_bytes(target, entry.file_offset, tail, err));
    VX_TRY(vx_payload_bitmap(target, tail->block, &bits_offset, err));
    VX_TRY(vx_payload_fill_bits(target, bits_offset, 0, target->geometry.sectors_per_block, false, err));
    VX_TRY(own_tail_bits(target, tail, err));
    return vx_payload_set_entry(target, tail->block, &entry, err);
}

static vhdx_status grow_tail(struct vx_image *target, uint64_t virtual_size, vhdx_error *err)
{
    uint64_t block_size = target->geometry.block_size;
    uint64_t old_size = target->geometry.virtual_size;
    struct tail tail = {.block = old_size / block_size, .in_block = old_size % block_size};
    struct vx_bat_entry entry;
    if (tail.in_block == 0)
        return VHDX_OK;
    tail.owned_end = vx_min(block_size, virtual_size - tail.block * block_size);
    VX_TRY(vx_payload_entry(target, tail.block, &entry, err));
    if (entry.state == VX_PAYLOAD_FULLY_PRESENT || entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)
        VX_TRY(zero_tail_bytes(target, entry.file_offset, &tail, err));
    if (entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)
        VX_TRY(own_tail_bits(target, &tail, err));
    if (entry.state == VX_PAYLOAD_NOT_PRESENT && target->geometry.has_parent)
        VX_TRY(allocate_tail(target, &tail, err));
    return vx_image_commit(target, err);
}

static vhdx_status publish_size(struct vx_image *target, uint64_t virtual_size, vhdx_error *err)
{
    uint8_t bytes[8];
    struct vx_item_change change = {.item_id = vx_guid_virtual_disk_size,
                                    .flags = VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK,
                                    .bytes = bytes,
                                    .length = sizeof bytes};
    vx_put64(bytes, virtual_size);
    VX_TRY(vx_file_flush(target->file, err));
    VX_TRY(vx_items_change(target, &change, 1, err));
    target->bat_window->count = 0;
    return VHDX_OK;
}

vhdx_status vx_grow(struct vx_image *target, uint64_t virtual_size, vhdx_error *err)
{
    struct vx_geometry new;
    if (virtual_size <= target->geometry.virtual_size)
        return VHDX_OK;
    if (!geometry_for(target, virtual_size, &new))
        return vx_fail(err, VHDX_CORRUPT, vx_at_file(vx_image_path(target)),
                       "the disk cannot grow to %" PRIu64 " bytes", virtual_size);
    if (new.entry_count * VX_BAT_ENTRY_SIZE > target->bat.length)
        VX_TRY(move_bat(target, vx_geometry_bat_region_length(&new), err));
    VX_TRY(fill_padding(target, &new, new.entry_count, err));
    VX_TRY(grow_tail(target, virtual_size, err));
    return publish_size(target, virtual_size, err);
}

vhdx_status vx_clear_padding(struct vx_image *target, vhdx_error *err)
{
    return fill_padding(target, NULL, target->bat.length / VX_BAT_ENTRY_SIZE, err);
}
