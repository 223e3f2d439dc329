/*
 * What the menders of the BAT share. See mend_bat.h.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend_bat.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "format/bitmap.h"
#include "format/bat_page.h"

vhdx_status vx_mend_bat_put(struct vx_bat_mending *b, uint64_t bat_index, const struct vx_bat_entry *entry,
                            const struct vx_reason *reason, vhdx_error *err)
{
    uint8_t bytes[VX_BAT_ENTRY_SIZE];
    vx_put64(bytes, vx_bat_entry_encode(entry));
    vx_bat_window_put(&b->walk, bat_index, entry);
    vx_bat_window_put(&b->bitmaps, bat_index, entry);
    return vx_plan_put(b->m->plan, bytes, sizeof bytes, vx_bat_entry_offset(b->image, bat_index), reason, err);
}

vhdx_status vx_mend_bat_take_space(struct vx_bat_mending *b, uint64_t length, const struct vx_reason *reason,
                                   uint64_t *offset, vhdx_error *err)
{
    struct vx_plan *plan = b->m->plan;
    if (!vx_round_up(plan->new_size, VX_OBJECT_ALIGNMENT, offset))
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(plan->file)), "the file is too long");
    return vx_plan_resize(plan, *offset + length, reason, err);
}

vhdx_status vx_mend_bat_look_at_bitmap(struct vx_bat_mending *b, uint64_t chunk, vhdx_error *err)
{
    struct vx_bat_entry entry;
    if (chunk == b->chunk)
        return VHDX_OK;
    VX_TRY(vx_bat_window_get(&b->bitmaps, vx_geometry_bitmap_index(&b->geometry, chunk), &entry, err));
    b->chunk = chunk;
    b->chunk_bits = entry.file_offset;
    b->chunk_readable = entry.state == VX_BITMAP_PRESENT && entry.file_offset >= VX_HEADER_SECTION_SIZE &&
                        entry.file_offset <= b->m->plan->new_size &&
                        VX_BITMAP_BLOCK_SIZE <= b->m->plan->new_size - entry.file_offset;
    return VHDX_OK;
}

vhdx_status vx_mend_bat_in_nonsense(struct vx_bat_mending *b, uint64_t bat_index, bool *nonsense, vhdx_error *err)
{
    const struct vx_bat_world world = {&b->geometry, b->file_size};
    uint64_t page = bat_index / VX_BAT_PAGE_ENTRIES;
    *nonsense = false;
    if (!vx_mend_is_present(b->m, VX_FIND_BAT_NONSENSE) || bat_index >= b->geometry.entry_count)
        return VHDX_OK;
    if (b->judged_page != page + 1) {
        uint8_t bytes[VX_PAGE];
        struct vx_bat_page_look look;
        size_t got;
        VX_TRY(vx_file_read_some(b->m->plan->sketch, bytes, sizeof bytes, b->image->bat.file_offset + page * VX_PAGE,
                                 &got, err));
        b->page_is_nonsense = vx_bat_page_is_nonsense(&world, page, bytes, &look);
        b->judged_page = page + 1;
    }
    *nonsense = b->page_is_nonsense;
    return VHDX_OK;
}

vhdx_status vx_mend_bat_leads(struct vx_bat_mending *b, const struct vx_bat_entry *entry, uint64_t length,
                              bool *content, vhdx_error *err)
{
    *content = false;
    if (entry->file_offset == 0)
        return VHDX_OK;
    VX_TRY(vx_leads_open(b->m->exam, &b->leads, err));
    return vx_lead_has_content(&b->leads, entry->file_offset, length, content, err);
}

/* The sectors that a partially present block holds. */
static vhdx_status lose_sectors(struct vx_bat_mending *b, uint64_t payload_block, uint64_t from, uint64_t to,
                                const struct vx_loss *loss, vhdx_error *err)
{
    const struct vx_geometry *g = &b->geometry;
    uint32_t length = vx_geometry_bitmap_length(g), sector_size = g->logical_sector_size;
    uint8_t *bits = vx_alloc(length, 1);
    if (!bits)
        return vx_fail_memory(err, "a sector bitmap");
    vhdx_status status = vx_file_read(b->m->plan->sketch, bits, length,
                                      b->chunk_bits + vx_geometry_bitmap_offset(g, payload_block), err);
    uint64_t sector = from / sector_size, end = vx_ceil_div(to, sector_size);
    while (status == VHDX_OK && sector < end) {
        bool present;
        uint64_t count = vx_bitmap_run(bits, sector, end - sector, &present);
        if (present)
            status = vx_plan_lose(b->m->plan, payload_block * g->block_size + sector * sector_size, count * sector_size,
                                  loss, err);
        sector += count;
    }
    vx_free(bits);
    return status;
}

vhdx_status vx_mend_bat_lose(struct vx_bat_mending *b, uint64_t payload_block, unsigned state, uint64_t from,
                             uint64_t to, const struct vx_loss *loss, vhdx_error *err)
{
    to = vx_min(to, vx_mend_bat_block_end(b, payload_block));
    if (from >= to)
        return VHDX_OK;
    if (state == VX_PAYLOAD_PARTIALLY_PRESENT && b->geometry.has_parent) {
        VX_TRY(vx_mend_bat_look_at_bitmap(b, payload_block / b->geometry.chunk_ratio, err));
        if (b->chunk_readable)
            return lose_sectors(b, payload_block, from, to, loss, err);
    }
    return vx_plan_lose(b->m->plan, payload_block * b->geometry.block_size + from, to - from, loss, err);
}

uint64_t vx_mend_bat_block_end(const struct vx_bat_mending *b, uint64_t payload_block)
{
    return vx_min(b->geometry.block_size, b->geometry.virtual_size - payload_block * b->geometry.block_size);
}
