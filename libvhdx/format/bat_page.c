/*
 * Judging pages of a BAT. See bat_page.h.
 */
/* SPDX-License-Identifier: MIT */
#include "format/bat_page.h"

#define MANY 8u         /* bad entries; fewer are single ones that went bad */
#define MANY_RESERVED 3 /* bits, of 17: damage of one bit or two is not nonsense */

uint32_t vx_bat_page_entries(const struct vx_geometry *geometry, uint64_t page)
{
    uint64_t first = page * VX_BAT_PAGE_ENTRIES;
    return first < geometry->entry_count ? (uint32_t)vx_min(VX_BAT_PAGE_ENTRIES, geometry->entry_count - first) : 0;
}

bool vx_bat_page_blocks(const struct vx_geometry *geometry, uint64_t page, uint64_t *first, uint64_t *last)
{
    uint64_t from = page * VX_BAT_PAGE_ENTRIES, to = from + vx_bat_page_entries(geometry, page) - 1;
    if (!vx_geometry_is_payload(geometry, from, first)) /* no two of them are neighbours */
        (void)vx_geometry_is_payload(geometry, from + 1, first);
    if (!vx_geometry_is_payload(geometry, to, last))
        (void)vx_geometry_is_payload(geometry, to - 1, last);
    *last = vx_min(*last, geometry->payload_count - 1);
    return *first <= *last;
}

void vx_bat_page_range(const struct vx_geometry *geometry, uint64_t page, uint64_t *offset, uint64_t *length)
{
    uint64_t first, last;
    *offset = *length = 0;
    if (!vx_bat_page_blocks(geometry, page, &first, &last))
        return;
    *offset = first * geometry->block_size;
    *length = vx_min((last + 1) * geometry->block_size, geometry->virtual_size) - *offset;
}

/* Data at a place that the file has. */
static bool leads_to_data(const struct vx_bat_world *world, const struct vx_bat_entry *entry)
{
    bool has_data = entry->state == VX_PAYLOAD_FULLY_PRESENT ||
                    (entry->state == VX_PAYLOAD_PARTIALLY_PRESENT && world->geometry->has_parent);
    return has_data && entry->file_offset >= VX_HEADER_SECTION_SIZE && entry->file_offset < world->file_size;
}

bool vx_bat_entry_is_garbage(const struct vx_bat_world *world, const struct vx_bat_entry *entry)
{
    return entry->state < VX_PAYLOAD_FULLY_PRESENT && entry->file_offset != 0 &&
           __builtin_popcount(entry->reserved) >= MANY_RESERVED &&
           (entry->file_offset < VX_HEADER_SECTION_SIZE || entry->file_offset >= world->file_size);
}

bool vx_bat_entry_is_bad(const struct vx_bat_world *world, uint64_t bat_index, const struct vx_bat_entry *entry)
{
    const uint32_t breaches = VX_BAT_RESERVED_SET | VX_BAT_BAD_STATE | VX_BAT_NO_PLACE | VX_BAT_STATE_FOR_CHILD;
    uint64_t block;
    bool has_parent = world->geometry->has_parent;
    if (!vx_geometry_is_payload(world->geometry, bat_index, &block))
        return (vx_bat_bitmap_rules(entry, has_parent) & (breaches & ~(uint32_t)VX_BAT_STATE_FOR_CHILD)) != 0;
    uint32_t rules = vx_bat_payload_rules(entry, has_parent) & breaches;
    if (rules == VX_BAT_RESERVED_SET && leads_to_data(world, entry))
        return false;
    return rules != 0 || entry->file_offset > VX_LONGEST_FILE;
}

bool vx_bat_entry_is_like_bitmap(const struct vx_bat_world *world, uint64_t bat_index, const struct vx_bat_entry *entry)
{
    const uint64_t ratio = world->geometry->chunk_ratio;
    return !world->geometry->has_parent && bat_index % (ratio + 1) == ratio && entry->reserved == 0 &&
           entry->state == VX_BITMAP_PRESENT && entry->file_offset > 0 && entry->file_offset < world->file_size;
}

void vx_bat_page_look(const struct vx_bat_world *world, uint64_t page, const uint8_t bytes[VX_PAGE],
                      struct vx_bat_page_look *look)
{
    *look = (struct vx_bat_page_look){0};
    uint32_t count = vx_bat_page_entries(world->geometry, page);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t raw = vx_get64(bytes + i * VX_BAT_ENTRY_SIZE);
        struct vx_bat_entry entry = vx_bat_entry_decode(raw);
        bool bad = vx_bat_entry_is_bad(world, page * VX_BAT_PAGE_ENTRIES + i, &entry);
        look->set += raw != 0;
        look->bad += bad;
        look->garbled += bad && __builtin_popcount(entry.reserved) >= MANY_RESERVED && !leads_to_data(world, &entry);
    }
}

bool vx_bat_page_is_lost(const struct vx_bat_world *world, uint64_t page, const struct vx_bat_page_look *look)
{
    return look->bad >= vx_min(MANY, vx_bat_page_entries(world->geometry, page) / 2 + 1) && look->bad * 4 >= look->set;
}

bool vx_bat_page_is_nonsense(const struct vx_bat_world *world, uint64_t page, const uint8_t bytes[VX_PAGE],
                             struct vx_bat_page_look *look)
{
    uint64_t any = 0;
    uint32_t count = vx_bat_page_entries(world->geometry, page);
    for (uint32_t i = 0; i < count; i++)
        any |= vx_get64(bytes + i * VX_BAT_ENTRY_SIZE);
    if (vx_bat_entry_decode(any).reserved == 0)
        return false; /* nothing that is no BAT looks like this */
    vx_bat_page_look(world, page, bytes, look);
    return vx_bat_page_is_lost(world, page, look) && look->garbled * 2 > look->bad;
}
