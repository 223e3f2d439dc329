/* Faults of sector bitmaps and of space that is not used (6xx, 8xx). */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

#include "inside.h"

#include "format/bat.h"
#include "format/merge_mark.h"

static void poke_bitmap(struct fault_scene *s, uint64_t raw)
{
    fault_poke(s, bld_bitmap_entry_offset(s->b, 0), raw, 8);
}

static void bitmap_state(struct fault_scene *s)
{
    fault_child(s);
    poke_bitmap(s, bld_bitmap_offset(s->b, 0) | 5);
}

/* A disk of more than one chunk. */
static void large(struct fault_scene *s, uint64_t slot)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.virtual_size = 5 * VX_GIB;
    s->b = bld_new(&options);
    fault_finish(s);
    fault_poke(s, bld_bat_entry_offset(s->b, 2048), slot, 8);
}

static void bitmap_in_base(struct fault_scene *s)
{
    large(s, 5 * VX_MIB | 6);
}

static void bitmap_slot(struct fault_scene *s)
{
    large(s, 1);
}

static void bitmap_missing(struct fault_scene *s)
{
    fault_child(s);
    poke_bitmap(s, 0);
}

static void bitmap_unused(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DIFFERENCING);
    bld_bitmap_block(s->b, 0);
    fault_finish(s);
}

static void bitmap_beyond_end(struct fault_scene *s)
{
    fault_child(s);
    poke_bitmap(s, VX_GIB | 6);
}

static void bitmap_no_place(struct fault_scene *s)
{
    fault_child(s);
    poke_bitmap(s, 6);
}

static void bitmap_overlap(struct fault_scene *s)
{
    fault_child(s);
    poke_bitmap(s, bld_log_offset(s->b) | 6);
}

/* Entries of the log that were never brought home, and no LogGuid. */
static void bitmap_old(struct fault_scene *s)
{
    static const uint8_t none[16];
    fault_child_content(s);
    bld_write_random(s->b, FAULT_BLOCK, 4 * VX_PAGE, 9);
    bld_log_dirty(s->b, &(struct bld_log){.what = BLD_LOG_BITMAPS, .home = BLD_HOME_ZERO, .sequence = 7});
    fault_finish(s);
    BLD_DEMAND(bld_poke_header(s->host, FAULT_PATH, 3, H_LOG, none, sizeof none) == VHDX_OK, "poke a header");
}

static void bitmap_no_bit(struct fault_scene *s)
{
    fault_child_content(s);
    bld_state(s->b, 1, VX_PAYLOAD_PARTIALLY_PRESENT);
    fault_finish(s);
}

static void bitmap_all_bits(struct fault_scene *s)
{
    fault_child_content(s);
    bld_write_random(s->b, FAULT_BLOCK, FAULT_BLOCK, 9);
    fault_finish(s);
}

static void bitmap_stale(struct fault_scene *s)
{
    fault_child_content(s);
    bld_stale_bits(s->b, 1);
    fault_finish(s);
}

static void bitmap_stray_offset(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DIFFERENCING);
    fault_finish(s);
    poke_bitmap(s, 5 * VX_MIB);
}

static void space_log_overlap(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_header(s, 3, H_OFFSET, bld_region_offset(s->b, &vx_guid_metadata_region), 8);
}

static void space_leak(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 3, 0);
}

static void space_leak_empty(struct fault_scene *s)
{
    static const uint8_t none[FAULT_BLOCK];
    fault_dynamic(s);
    fault_poke_block(s, 3, 0);
    fault_poke_bytes(s, bld_payload_offset(s->b, 3), none, sizeof none);
}

static void space_trailing(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_cut(s, bld_file_size(s->b) + VX_MIB);
}

static const struct fault rows[] = {
    LOST(BAT_UNOWNED, "the entry of a block in the middle is zero", space_leak, 0, 0, VX_FIND_SPACE_LEAK),

    LOST(BITMAP_STATE, "state 5", bitmap_state, 0, 0, VX_FIND_SPACE_LEAK),
    F(BITMAP_IN_BASE, "a bitmap in a base", bitmap_in_base, 0),
    F(BITMAP_SLOT, "something else in its slot", bitmap_slot, 0),
    LOST(BITMAP_MISSING, "the bitmap's entry is zero", bitmap_missing, 0, 0, VX_FIND_SPACE_LEAK),
    F(BITMAP_UNUSED, "a bitmap and no partial block", bitmap_unused, 0),
    LOST(BITMAP_BEYOND_END, "a bitmap at 1 GiB", bitmap_beyond_end, 0, 0, VX_FIND_SPACE_LEAK),
    LOST(BITMAP_NO_PLACE, "a bitmap at 0", bitmap_no_place, 0, 0, VX_FIND_SPACE_LEAK),
    LOST(BITMAP_OVERLAP, "a bitmap in the log", bitmap_overlap, 0, 0, VX_FIND_SPACE_LEAK, VX_FIND_BITMAP_NO_BIT),
    F(BITMAP_NO_BIT, "a partial block that holds nothing", bitmap_no_bit, 0),
    LOST(BITMAP_OLD, "bits in a log that no header names", bitmap_old, 0, 0, VX_FIND_BITMAP_NO_BIT,
         VX_FIND_LOG_RESIDUE),
    F(BITMAP_ALL_BITS, "a partial block that holds all", bitmap_all_bits, 0),
    F(BITMAP_STALE, "bits of a block that is not there", bitmap_stale, 0),
    F(BITMAP_STRAY_OFFSET, "not present, with an offset", bitmap_stray_offset, 0),

    F(SPACE_LOG_OVERLAP, "the log in the metadata", space_log_overlap, VX_FIND_SPACE_LEAK),
    F(SPACE_LEAK, "room of a block without an owner, all zeros", space_leak_empty, 0),
    F(SPACE_TRAILING, "a MiB at the end", space_trailing, 0),
};

const struct fault_rows faults_of_bitmaps = {rows, sizeof rows / sizeof rows[0]};
