/*
 * Whether the entries of a BAT can be believed, one page at a time: what tells an entry that went bad from a page in
 * which something else is now. Of a single bad entry the rest is worth keeping; in a page of nonsense even the
 * entries that break no rule say nothing. No I/O here.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_BAT_PAGE_H
#define VX_FORMAT_BAT_PAGE_H

#include "format/bat.h"
#include "format/geometry.h"

#define VX_BAT_PAGE_ENTRIES (VX_PAGE / VX_BAT_ENTRY_SIZE)

/* What the BAT must fit to. */
struct vx_bat_world {
    const struct vx_geometry *geometry;
    uint64_t file_size;
};

struct vx_bat_page_look {
    uint64_t set, bad;
    uint64_t garbled; /* of the bad ones: wrong in several ways at once, as no single damaged field is */
};

/* Entries of the page that count; 0 for a page of padding. */
uint32_t vx_bat_page_entries(const struct vx_geometry *geometry, uint64_t page);
/* The payload blocks that have entries in a page that counts. false: none has one. */
bool vx_bat_page_blocks(const struct vx_geometry *geometry, uint64_t page, uint64_t *first, uint64_t *last);
/* The part of the virtual disk that is described by the page; length 0: none is. */
void vx_bat_page_range(const struct vx_geometry *geometry, uint64_t page, uint64_t *offset, uint64_t *length);
/*
 * Whether an entry without data is no entry at all: reserved bits are set, and its place is none of the file. The entry
 * does not tell what the block was, so its state is not believed either.
 */
bool vx_bat_entry_is_garbage(const struct vx_bat_world *world, const struct vx_bat_entry *entry);
/* Whether the entry cannot be what it says. Reserved bits alone leave the place of a block believable. */
bool vx_bat_entry_is_bad(const struct vx_bat_world *world, uint64_t bat_index, const struct vx_bat_entry *entry);
/* Whether it is, in a disk without parent, where a child has the entry of a sector bitmap, and as that would be. */
bool vx_bat_entry_is_like_bitmap(const struct vx_bat_world *world, uint64_t bat_index,
                                 const struct vx_bat_entry *entry);
void vx_bat_page_look(const struct vx_bat_world *world, uint64_t page, const uint8_t bytes[VX_PAGE],
                      struct vx_bat_page_look *look);
/* Too many entries are bad for single ones that went bad. */
bool vx_bat_page_is_lost(const struct vx_bat_world *world, uint64_t page, const struct vx_bat_page_look *look);
/* Lost, and most of what is bad in it is garbled: no entry of it is to be taken at its word. Costs next to nothing for
 * a page in order. */
bool vx_bat_page_is_nonsense(const struct vx_bat_world *world, uint64_t page, const uint8_t bytes[VX_PAGE],
                             struct vx_bat_page_look *look);

#endif
