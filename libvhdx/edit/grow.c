/*
 * Growing and shrinking. See grow.h. Entries behind the last one are padding until the new size is published, so they
 * may be prepared by several commits before that one.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/grow.h"

#include "base/alloc.h"
#include "base/notice.h"
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

/* A range of the BAT that is about to become real, or to be cleared. */
struct filling {
    struct vx_image *target;
    const struct vx_geometry *new; /* NULL: all becomes zero */
    const struct vx_growth *growth;
    uint64_t grown; /* the file is so long */
};

#define GROWN_AT_ONCE (64 * VX_MIB) /* where files grow by zeros that takes a moment, and somebody may want to stop */

static vhdx_status tell(const struct filling *filling, uint64_t bat_index, vhdx_error *err)
{
    const struct vx_growth *growth = filling->growth;
    uint64_t old_count = filling->target->geometry.payload_count, block_size = filling->target->geometry.block_size;
    uint64_t block = bat_index - bat_index / ((uint64_t)filling->target->geometry.chunk_ratio + 1);
    if (!filling->new || block < old_count)
        return VHDX_OK;
    const vhdx_progress now = {VHDX_PHASE_COPY, (block - old_count) * block_size,
                               (filling->new->payload_count - old_count) * block_size};
    return vx_progress(growth->progress, growth->progress_context, &now, vx_image_path(filling->target), "growing",
                       err);
}

/* The blocks of a fixed disk get their bytes in steps. */
static vhdx_status grow_file(struct filling *filling, uint64_t bat_index, uint64_t end, vhdx_error *err)
{
    if (end < filling->grown + GROWN_AT_ONCE)
        return VHDX_OK;
    filling->grown = end;
    VX_TRY(vx_space_materialize(filling->target->space, err));
    return tell(filling, bat_index, err);
}

/* Entries that are about to become real: ZERO hides what lies below, a fixed disk gets its blocks, a base needs
 * nothing. */
static vhdx_status new_entry(struct filling *filling, uint64_t bat_index, struct vx_bat_entry *entry, vhdx_error *err)
{
    struct vx_image *target = filling->target;
    const struct vx_geometry *new = filling->new;
    uint64_t which;
    bool fresh = true;
    *entry = (struct vx_bat_entry){0};
    if (!vx_geometry_is_payload(new, bat_index, &which) || which >= new->payload_count)
        return VHDX_OK;
    if (new->has_parent && which *new->block_size < filling->growth->hidden_end)
        entry->state = VX_PAYLOAD_ZERO;
    if (!vx_image_is_fixed(target))
        return VHDX_OK;
    entry->state = VX_PAYLOAD_FULLY_PRESENT;
    VX_TRY(vx_space_take(target->space, new->block_size, &entry->file_offset, &fresh, err));
    VX_TRY(grow_file(filling, bat_index, entry->file_offset + new->block_size, err));
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

static vhdx_status fill_page(struct filling *filling, uint64_t at, uint64_t stop, vhdx_error *err)
{
    struct vx_image *target = filling->target;
    if (vx_journal_room(target->journal) == 0) {
        VX_TRY(vx_space_materialize(target->space, err));
        VX_TRY(vx_image_commit(target, err));
        VX_TRY(tell(filling, at, err));
    }
    for (; at < stop; at++) {
        struct vx_bat_entry entry = {0};
        if (is_bitmap_in_use(target, at))
            continue;
        if (filling->new)
            VX_TRY(new_entry(filling, at, &entry, err));
        VX_TRY(put_raw_entry(target, at, &entry, err));
    }
    return VHDX_OK;
}

/*
 * The entries from `at` to `to` of the BAT. Whole pages of zeros that are zero already are left alone, and so are the
 * entries of sector bitmaps that the disk has.
 */
static vhdx_status fill_entries(struct filling *filling, uint64_t at, uint64_t to, vhdx_error *err)
{
    const uint64_t per_page = VX_PAGE / VX_BAT_ENTRY_SIZE;
    struct vx_image *target = filling->target;
    uint8_t buf[VX_PAGE];
    while (at < to) {
        at = filling->new ? at : skip_hole(target, at, to);
        if (at >= to)
            break;
        uint64_t stop = vx_min(to, at - at % per_page + per_page); /* the BAT begins with a page */
        size_t length = (size_t)(stop - at) * VX_BAT_ENTRY_SIZE;
        VX_TRY(vx_file_read(target->file, buf, length, vx_bat_entry_offset(target, at), err));
        if (filling->new || !vx_is_zero(buf, length))
            VX_TRY(fill_page(filling, at, stop, err));
        at = stop;
    }
    VX_TRY(vx_space_materialize(target->space, err));
    target->bat_window->count = 0;
    return vx_image_commit(target, err);
}

/* Where entries that say something end: the others stay zero, and on a huge disk they are many. */
static uint64_t told_end(const struct vx_image *target, const struct vx_geometry *new, const struct vx_growth *growth)
{
    if (vx_image_is_fixed(target))
        return new->entry_count;
    if (!new->has_parent || growth->hidden_end == 0)
        return 0;
    uint64_t last = vx_min((growth->hidden_end - 1) / new->block_size, new->payload_count - 1);
    return vx_geometry_payload_index(new, last) + 1;
}

static vhdx_status fill_new_entries(struct vx_image *target, const struct vx_geometry *new,
                                    const struct vx_growth *growth, vhdx_error *err)
{
    struct filling filling = {.target = target, .new = new, .growth = growth};
    uint64_t begin = padding_begin(target), told = vx_max(begin, told_end(target, new, growth));
    VX_TRY(fill_entries(&filling, begin, told, err));
    filling.new = NULL;
    return fill_entries(&filling, told, new->entry_count, err);
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

static vhdx_status grow_tail(struct vx_image *target, uint64_t virtual_size, uint64_t hidden_end, vhdx_error *err)
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
    if (entry.state == VX_PAYLOAD_NOT_PRESENT && target->geometry.has_parent && old_size < hidden_end)
        VX_TRY(allocate_tail(target, &tail, err));
    return vx_image_commit(target, err);
}

vhdx_status vx_publish_size(struct vx_image *target, uint64_t virtual_size, vhdx_error *err)
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

vhdx_status vx_grow(struct vx_image *target, uint64_t virtual_size, const struct vx_growth *given, vhdx_error *err)
{
    struct vx_geometry new;
    const struct vx_growth growth = given ? *given : (struct vx_growth){.hidden_end = UINT64_MAX};
    if (virtual_size <= target->geometry.virtual_size)
        return VHDX_OK;
    if (!geometry_for(target, virtual_size, &new))
        return vx_fail(err, VHDX_CORRUPT, vx_at_file(vx_image_path(target)),
                       "the disk cannot grow to %" PRIu64 " bytes", virtual_size);
    if (new.entry_count * VX_BAT_ENTRY_SIZE > target->bat.length)
        VX_TRY(move_bat(target, vx_geometry_bat_region_length(&new), err));
    VX_TRY(fill_new_entries(target, &new, &growth, err));
    VX_TRY(grow_tail(target, virtual_size, growth.hidden_end, err));
    return vx_publish_size(target, virtual_size, err);
}

vhdx_status vx_clear_padding(struct vx_image *target, vhdx_error *err)
{
    struct filling filling = {.target = target};
    return fill_entries(&filling, padding_begin(target), target->bat.length / VX_BAT_ENTRY_SIZE, err);
}

vhdx_status vx_padding_is_set(struct vx_image *target, bool *set, vhdx_error *err)
{
    struct vx_bat_window window;
    uint64_t end = target->bat.length / VX_BAT_ENTRY_SIZE, index = padding_begin(target);
    vhdx_status status = vx_bat_window_open(target, VX_BAT_WINDOW_LARGE, &window, err);
    window.entries = end;
    *set = false;
    for (; status == VHDX_OK && index < end && !*set; index++) {
        status = vx_bat_window_next_set(&window, index, end, &index, err);
        *set = status == VHDX_OK && index < end && !is_bitmap_in_use(target, index);
    }
    vx_bat_window_close(&window);
    return status;
}
