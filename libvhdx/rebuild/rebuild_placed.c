/*
 * Entries of a BAT that are proposed, and those of which nothing is known. See rebuild.h. The entry stands in the view;
 * whose proposal it is takes two bits, because a disk may have lost millions.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "format/bitmap.h"
#include "rebuild/rebuild_parts.h"

#include <stdlib.h>

#define PAGE_ENTRIES VX_BAT_PAGE_ENTRIES
#define ALIKE_MOST (UINT64_C(1) << 16)

/* In the order of their bits; 0 = nobody. */
static const enum vx_witness proposers[] = {VX_WITNESS_STORED, VX_WITNESS_LOG, VX_WITNESS_CONTENT, VX_WITNESS_GEOMETRY};

static void set_witness(struct vx_rebuilt *out, uint64_t bat_index, enum vx_witness witness)
{
    unsigned shift = bat_index % 4 * 2, bits = 1;
    while (bits < 3 && proposers[bits] != witness)
        bits++;
    out->placed[bat_index / 4] = (uint8_t)((out->placed[bat_index / 4] & ~(3u << shift)) | bits << shift);
}

vhdx_status vx_rebuild_place(struct vx_rebuilding *work, const struct vx_placement *placement, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint8_t raw[VX_BAT_ENTRY_SIZE];
    uint64_t length;
    if (!out->placed)
        out->placed = vx_alloc((size_t)(out->geometry.entry_count / 4 + 1), 1);
    if (!out->placed)
        return vx_fail_memory(err, "the places of lost blocks");
    if (vx_rebuilt_witness(out, placement->bat_index) == VX_WITNESS_STORED) {
        out->placement_count++;
        out->placed_by_log += placement->witness == VX_WITNESS_LOG;
        out->placed_surely += placement->lossless;
    }
    set_witness(out, placement->bat_index, placement->witness);
    struct vx_bat_entry entry = vx_bat_entry_decode(placement->raw);
    if (vx_rebuilt_owns(out, placement->bat_index, &entry, &length))
        VX_TRY(vx_claims_take(&out->claims, entry.file_offset, length, err));
    vx_put64(raw, placement->raw);
    return vx_file_write(work->view, raw, sizeof raw, out->bat.file_offset + placement->bat_index * VX_BAT_ENTRY_SIZE,
                         err);
}

enum vx_witness vx_rebuilt_witness(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    if (!rebuilt->placed || bat_index >= rebuilt->geometry.entry_count)
        return VX_WITNESS_STORED;
    return proposers[rebuilt->placed[bat_index / 4] >> bat_index % 4 * 2 & 3];
}

vhdx_status vx_rebuilt_entry(const struct vx_rebuilt *rebuilt, uint64_t bat_index, uint64_t *raw, vhdx_error *err)
{
    uint8_t bytes[VX_BAT_ENTRY_SIZE] = {0};
    size_t got;
    VX_TRY(vx_file_read_some(rebuilt->view, bytes, sizeof bytes,
                             rebuilt->bat.file_offset + bat_index * VX_BAT_ENTRY_SIZE, &got, err));
    *raw = vx_get64(bytes);
    return VHDX_OK;
}

/* The first in [bat_index, end) that is proposed; `end` when there is none. */
static uint64_t placed_before(const struct vx_rebuilt *rebuilt, uint64_t bat_index, uint64_t end)
{
    end = vx_min(end, rebuilt->geometry.entry_count);
    while (bat_index < end && vx_rebuilt_witness(rebuilt, bat_index) == VX_WITNESS_STORED) {
        bat_index++;
        if (bat_index % 4 == 0 && bat_index < end)
            bat_index += 4 * vx_zero_run(rebuilt->placed + bat_index / 4, (size_t)((end - bat_index) / 4));
    }
    return bat_index;
}

uint64_t vx_rebuilt_next_placed(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    if (!rebuilt->placed)
        return UINT64_MAX;
    bat_index = placed_before(rebuilt, bat_index, UINT64_MAX);
    return bat_index < rebuilt->geometry.entry_count ? bat_index : UINT64_MAX;
}

static int by_single_index(const void *a, const void *b)
{
    const struct vx_single *left = a, *right = b;
    return (left->bat_index > right->bat_index) - (left->bat_index < right->bat_index);
}

bool vx_rebuilt_withdrawn(const struct vx_rebuilt *rebuilt, uint64_t file_offset, uint64_t length)
{
    for (size_t i = 0; i < rebuilt->single_count; i++) {
        uint64_t place = vx_bat_entry_decode(rebuilt->singles[i].raw).file_offset;
        if (place < file_offset + length && file_offset < place + rebuilt->block_size)
            return true;
    }
    return false;
}

bool vx_rebuilt_entry_lost(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    const struct vx_single key = {.bat_index = bat_index};
    if (rebuilt->single_count > 0 &&
        bsearch(&key, rebuilt->singles, rebuilt->single_count, sizeof key, by_single_index))
        return true;
    uint64_t page = bat_index / PAGE_ENTRIES;
    return rebuilt->lost_pages && page < rebuilt->page_count && vx_page_bit(rebuilt->lost_pages, page);
}

/* The first page from `page` on that is lost, or that is not. */
static uint64_t next_page(const struct vx_rebuilt *rebuilt, uint64_t page, bool lost)
{
    const uint8_t none = lost ? 0 : 0xFF;
    while (rebuilt->lost_pages && page < rebuilt->page_count) {
        if (page % 8 == 0 && rebuilt->lost_pages[page / 8] == none)
            page += 8;
        else if (vx_page_bit(rebuilt->lost_pages, page) == lost)
            return page;
        else
            page++;
    }
    return lost ? UINT64_MAX : rebuilt->page_count;
}

/* Who asks for each block must not search through all of the BAT each time. */
static uint64_t next_placed(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    return rebuilt->placed ? placed_before(rebuilt, bat_index, bat_index + ALIKE_MOST) : UINT64_MAX;
}

static uint64_t next_doubted(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    uint64_t end = vx_min(bat_index + ALIKE_MOST, rebuilt->geometry.entry_count);
    bool set;
    if (!rebuilt->doubted || bat_index >= end)
        return UINT64_MAX;
    uint64_t clear = vx_bitmap_run(rebuilt->doubted, bat_index, end - bat_index, &set);
    return set ? bat_index : bat_index + clear;
}

static uint64_t next_single(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    size_t low = 0, high = rebuilt->single_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rebuilt->singles[middle].bat_index < bat_index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rebuilt->single_count ? rebuilt->singles[low].bat_index : UINT64_MAX;
}

/* The first entry from the page on that is in one whose entries may have moved. */
static uint64_t next_moved(const struct vx_rebuilt *rebuilt, uint64_t page)
{
    bool set;
    if (!rebuilt->moved_pages || page >= rebuilt->page_count)
        return UINT64_MAX;
    uint64_t clear = vx_bitmap_run(rebuilt->moved_pages, page, rebuilt->page_count - page, &set);
    return page + clear < rebuilt->page_count ? (page + clear) * PAGE_ENTRIES : UINT64_MAX;
}

uint64_t vx_rebuilt_alike(const struct vx_rebuilt *rebuilt, uint64_t bat_index, bool *lost)
{
    uint64_t page = bat_index / PAGE_ENTRIES, placed = next_placed(rebuilt, bat_index);
    uint64_t single = next_single(rebuilt, bat_index), other;
    *lost = vx_rebuilt_entry_lost(rebuilt, bat_index);
    if (vx_rebuilt_doubted(rebuilt, bat_index) || vx_rebuilt_may_have_moved(rebuilt, bat_index))
        return bat_index;
    uint64_t doubted = vx_min(next_doubted(rebuilt, bat_index), next_moved(rebuilt, page));
    if (*lost && single == bat_index)
        return placed == bat_index ? bat_index : bat_index + 1;
    other = next_page(rebuilt, page, !*lost);
    return vx_min(vx_min(vx_min(placed, single), doubted), other == UINT64_MAX ? other : other * PAGE_ENTRIES);
}

bool vx_rebuilt_may_have_moved(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    uint64_t page = bat_index / PAGE_ENTRIES;
    return rebuilt->moved_pages && page < rebuilt->page_count && vx_page_bit(rebuilt->moved_pages, page);
}

bool vx_rebuilt_doubted(const struct vx_rebuilt *rebuilt, uint64_t bat_index)
{
    return rebuilt->doubted && bat_index < rebuilt->geometry.entry_count && vx_page_bit(rebuilt->doubted, bat_index);
}
