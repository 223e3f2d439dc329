/* Faults of the BAT (5xx). */
/* SPDX-License-Identifier: MIT */
#include "faults_parts.h"

#include "guest.h"
#include "inside.h"

#include "base/bytes.h"
#include "format/bat.h"
#include "format/merge_mark.h"

void fault_poke_block(struct fault_scene *s, uint64_t block, uint64_t raw)
{
    fault_poke(s, bld_payload_entry_offset(s->b, block), raw, 8);
}

static uint64_t raw_of(struct fault_scene *s, uint64_t block)
{
    return fault_peek(s, bld_payload_entry_offset(s->b, block), 8);
}

static void bat_overlap(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 7, raw_of(s, 3));
}

/* Half of one block is the other's. */
static void bat_overlap_half(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 7, raw_of(s, 5) - VX_MIB);
}

/* As if somebody had made the disk larger, and nothing else. */
static void grow_size(struct fault_scene *s)
{
    s->size = 400 * VX_GIB;
    fault_poke(s, fault_item_at(s, &vx_guid_virtual_disk_size), s->size, 8);
}

static void bat_short(struct fault_scene *s)
{
    fault_dynamic(s);
    grow_size(s);
}

/* A BAT of two MiB: its second one begins with the entry of the block at 128 GiB or so. */
#define LONG_BLOCK ((uint32_t)VX_MIB)
#define LONG_SIZE (200 * VX_GIB)
#define LONG_PLACE (150 * VX_GIB)

static void long_disk(struct fault_scene *s, bool entries_behind)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.virtual_size = LONG_SIZE;
    options.block_size = LONG_BLOCK;
    s->b = bld_new(&options);
    bld_write_random(s->b, 0, LONG_BLOCK, 1);
    for (uint64_t i = 0; entries_behind && i < 3; i++)
        bld_write_random(s->b, LONG_PLACE + i * LONG_BLOCK, LONG_BLOCK, 2 + i);
    fault_finish(s);
}

static void poke_bat_length(struct fault_scene *s, int copy, uint32_t length)
{
    uint8_t bytes[4];
    vx_put32(bytes, length);
    BLD_DEMAND(bld_poke_region_table(s->host, FAULT_PATH, copy, VX_REGION_ENTRIES_OFFSET + 24, bytes, sizeof bytes) ==
                   VHDX_OK,
               "the BAT's length");
}

static void bat_short_length(struct fault_scene *s)
{
    long_disk(s, true);
    poke_bat_length(s, 3, (uint32_t)VX_MIB);
}

static void bat_short_empty(struct fault_scene *s)
{
    long_disk(s, false);
    poke_bat_length(s, 3, (uint32_t)VX_MIB);
}

static void bat_short_lost(struct fault_scene *s)
{
    bat_short_length(s);
    for (uint64_t i = 0; i < 3; i++)
        fault_poke(s, bld_payload_entry_offset(s->b, LONG_PLACE / LONG_BLOCK + i), 0, 8);
}

static void bat_short_size(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    guest_gpt(s->b, FAULT_SIZE, 7, GUEST_GPT);
    fault_finish(s);
    fault_poke(s, fault_item_at(s, &vx_guid_virtual_disk_size), 400 * VX_GIB, 8);
}

static void bat_short_blocks(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.virtual_size = LONG_SIZE;
    s->b = bld_new(&options);
    fault_fill(s);
    fault_finish(s);
    fault_poke(s, fault_item_at(s, &vx_guid_file_parameters), LONG_BLOCK, 4);
}

static void bat_short_child(struct fault_scene *s)
{
    fault_child(s);
    grow_size(s);
}

static void bat_short_in_one_copy(struct fault_scene *s)
{
    long_disk(s, true);
    poke_bat_length(s, 1, (uint32_t)VX_MIB);
}

static void bat_reserved(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 0, raw_of(s, 0) | 0x100);
}

/* What of a block of text could stand where all entries were: reserved bits, states and places at random. */
static void bat_nonsense(struct fault_scene *s)
{
    uint64_t noise = UINT64_C(0x9E3779B97F4A7C15);
    fault_dynamic(s);
    for (uint64_t block = 0; block < FAULT_SIZE / FAULT_BLOCK; block++) {
        noise = noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        fault_poke_block(s, block, noise | 0x1F000);
    }
}

static void bat_state(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 1, 4);
}

static void bat_old_state(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 1, 5);
}

static void bat_partial_in_base(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 3, raw_of(s, 3) | 7);
}

static void bat_no_place(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 1, 6);
}

static void bat_beyond_end(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_cut(s, bld_file_size(s->b) - VX_MIB);
}

static void bat_far_beyond_end(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, bld_payload_entry_offset(s->b, 3), VX_GIB | VX_PAYLOAD_FULLY_PRESENT, 8);
}

static void bat_short_end(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_DYNAMIC);
    options.virtual_size = FAULT_SIZE + VX_MIB;
    s->b = bld_new(&options);
    bld_write_random(s->b, FAULT_SIZE, 4096, 1);
    fault_finish(s);
    fault_cut(s, bld_file_size(s->b) - VX_MIB);
}

static void bat_on_structure(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 1, bld_log_offset(s->b) | 6);
}

static void bat_far(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 1, 512 * VX_TIB | 6);
}

static void bat_anchor(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 1, VX_GIB | 3);
}

static void bat_anchor_on_block(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 1, (raw_of(s, 3) & ~UINT64_C(7)) | 1);
}

static void bat_stray_offset(struct fault_scene *s)
{
    fault_empty(s, VHDX_KIND_DYNAMIC);
    fault_fill(s);
    bld_state(s->b, 1, VX_PAYLOAD_ZERO);
    bld_stray_offset(s->b, 1, 7 * VX_MIB);
    fault_finish(s);
}

static void bat_fixed_absent(struct fault_scene *s)
{
    fault_fixed(s);
    fault_poke_block(s, 1, 0);
}

/* A sector of zeros where the entries of the first blocks were. */
static void bat_lost_entries(struct fault_scene *s)
{
    struct bld_options options = fault_usual(VHDX_KIND_FIXED);
    s->b = bld_new(&options);
    fault_fill(s);
    fault_finish(s);
    for (uint64_t block = 0; block < 8; block++)
        fault_poke_block(s, block, 0);
}

static void bat_padding(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke(s, bld_bat_entry_offset(s->b, bld_block_count(s->b)), 1, 8);
}

static void bat_fixed_short(struct fault_scene *s)
{
    fault_fixed(s);
    fault_poke_block(s, 3, 0);
    fault_cut(s, bld_payload_offset(s->b, 3));
}

static void bat_empty(struct fault_scene *s)
{
    fault_dynamic(s);
    fault_poke_block(s, 0, 0);
    fault_poke_block(s, 3, 0);
    fault_poke_block(s, 5, 0);
}

static const struct fault rows[] = {
    F(REGION_TABLES_DIFFER, "a BAT too short for the disk in the first copy", bat_short_in_one_copy, 0),

    LOST(BAT_OVERLAP, "two blocks in one place", bat_overlap, BLOCKS(3), 0, 0),
    LOST(BAT_OVERLAP, "half of one block in another", bat_overlap_half, BLOCKS(3), 0, 0),
    LOST(BAT_SHORT, "a BAT too short for 400 GiB", bat_short, 0, 0, 0),
    LOST(BAT_SHORT, "a child's BAT too short for 400 GiB", bat_short_child, 0, 0, 0),
    LOST(BAT_SHORT, "half of the BAT behind its region's end", bat_short_length, 0, 0, VX_FIND_SPACE_LEAK,
         VX_FIND_SPACE_TRAILING),
    LOST(BAT_SHORT, "a region shorter than a BAT that is empty there", bat_short_empty, 0, 0, VX_FIND_SPACE_LEAK),
    LOST(BAT_SHORT, "half of the BAT gone, with three blocks", bat_short_lost, 0, 0, VX_FIND_SPACE_LEAK,
         VX_FIND_SPACE_TRAILING),
    LOST(BAT_SHORT, "a size of 400 GiB, and a GPT that knows better", bat_short_size, 0, 0, 0),
    LOST(BAT_SHORT, "blocks of 1 MiB that lie 2 MiB apart", bat_short_blocks, 0, 0, VX_FIND_SPACE_LEAK,
         VX_FIND_SPACE_TRAILING),
    F(BAT_RESERVED, "a reserved bit", bat_reserved, 0),
    LOST(BAT_STATE, "state 4", bat_state, BLOCKS(1), BLOCKS(1), 0),
    LOST(BAT_OLD_STATE, "state 5", bat_old_state, 0, 0, 0),
    LOST(BAT_PARTIAL_IN_BASE, "state 7 in a base", bat_partial_in_base, BLOCKS(3), BLOCKS(1), 0),
    LOST(BAT_NO_PLACE, "present at 0", bat_no_place, BLOCKS(1), BLOCKS(1), 0),
    LOST(BAT_BEYOND_END, "the last MiB cut off", bat_beyond_end, BLOCKS(5) + VX_MIB, VX_MIB, 0),
    LOST(BAT_BEYOND_END, "a block at 1 GiB, and its place nobody's", bat_far_beyond_end, 0, 0, VX_FIND_SPACE_LEAK,
         VX_FIND_BAT_UNOWNED),
    F(BAT_SHORT_END, "cut behind the disk's end, as qemu does", bat_short_end, 0),
    LOST(BAT_ON_STRUCTURE, "a block in the log", bat_on_structure, BLOCKS(1), BLOCKS(1), 0),
    LOST(BAT_FAR, "a block at 512 TiB", bat_far, BLOCKS(1), BLOCKS(1), 0),
    F(BAT_ANCHOR, "a place kept at 1 GiB", bat_anchor, 0),
    F(BAT_ANCHOR, "a place kept that is another block's", bat_anchor_on_block, 0),
    F(BAT_STRAY_OFFSET, "ZERO with an offset", bat_stray_offset, 0),
    F(BAT_FIXED_ABSENT, "a block missing in a fixed disk", bat_fixed_absent, VX_FIND_SPACE_LEAK),
    LOST(BAT_NONSENSE, "noise in place of all entries", bat_nonsense, 0, FAULT_SIZE, VX_FIND_SPACE_TRAILING),
    F(BAT_PADDING, "an entry behind the last", bat_padding, 0),
    F(BAT_FIXED_SHORT, "the last block of a fixed disk cut off", bat_fixed_short, VX_FIND_BAT_FIXED_ABSENT),
    F(BAT_LOST_ENTRIES, "a part of a fixed disk's BAT zeroed", bat_lost_entries, VX_FIND_SPACE_LEAK,
      VX_FIND_BAT_FIXED_ABSENT),
    F(BAT_EMPTY, "all entries zero", bat_empty, VX_FIND_SPACE_TRAILING),
};

const struct fault_rows faults_of_bat = {rows, sizeof rows / sizeof rows[0]};
