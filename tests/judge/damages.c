/*
 * Random damages. Each knows what it did to the truth: mostly nothing, for the content is still somewhere and something
 * still tells where; but some changes are legal in the format and have no witness (two entries of equal state are
 * exchanged, a byte of payload is another one), and these are marked as silent: nobody could tell, and the judge does
 * not ask. That set is kept small: whoever adds to it says in the code why no witness can exist.
 */
/* SPDX-License-Identifier: MIT */
#include "damage.h"

static const struct judge_damage damages[] = {
    {"header-field", JUDGE_OTHER, 6, dmg_header_field, false},
    {"header-log-guid", JUDGE_LOG, 2, dmg_header_log_guid, false},
    {"header-raw", JUDGE_OTHER, 4, dmg_header_raw, false},
    {"region-raw", JUDGE_REGMETA, 4, dmg_region_raw, false},
    {"region-field", JUDGE_REGMETA, 10, dmg_region_field, false},
    {"region-count", JUDGE_REGMETA, 2, dmg_region_count, false},
    {"entry-zero", JUDGE_REGMETA, 4, dmg_entry_zero, false},
    {"entry-field", JUDGE_REGMETA, 6, dmg_entry_field, false},
    {"entry-swap", JUDGE_REGMETA, 2, dmg_entry_swap, false},
    {"table-header", JUDGE_REGMETA, 2, dmg_table_header, false},
    {"table-zero", JUDGE_REGMETA, 3, dmg_table_zero, false},
    {"item-zero", JUDGE_SIZES, 4, dmg_item_zero, false},
    {"item-garbage", JUDGE_SIZES, 5, dmg_item_garbage, false},
    {"item-size", JUDGE_SIZES, 5, dmg_item_size, false},
    {"item-legal", JUDGE_SIZES, 5, dmg_item_legal, false},
    {"locator-raw", JUDGE_REGMETA, 3, dmg_locator_raw, false},
    {"bat-zero", JUDGE_BAT, 5, dmg_bat_zero, false},
    {"bat-state", JUDGE_BAT, 6, dmg_bat_state, false},
    {"bat-place", JUDGE_BAT, 6, dmg_bat_place, false},
    {"bat-garbage", JUDGE_BAT, 5, dmg_bat_garbage, false},
    {"bat-swap", JUDGE_BAT, 2, dmg_bat_swap, false},
    {"bat-shift", JUDGE_BAT, 2, dmg_bat_shift, false},
    {"bat-piece", JUDGE_BAT, 8, dmg_bat_piece, false},
    {"bitmap-bits", JUDGE_BAT, 3, dmg_bitmap_bits, false},
    {"payload-bytes", JUDGE_OTHER, 3, dmg_payload_bytes, false},
    {"piece-zero", JUDGE_OTHER, 8, dmg_piece_zero, false},
    {"piece-swap", JUDGE_OTHER, 4, dmg_piece_swap, false},
    {"bit-flips", JUDGE_OTHER, 6, dmg_bit_flips, false},
    {"beginning-zero", JUDGE_OTHER, 2, dmg_beginning_zero, false},
    {"truncated", JUDGE_OTHER, 4, dmg_truncated, false},
    {"appended", JUDGE_OTHER, 2, dmg_appended, false},
    {"log-field", JUDGE_LOG, 6, dmg_log_field, false},
    {"log-stale", JUDGE_LOG, 4, dmg_log_stale, false},
    {"habit-slots", JUDGE_BAT, 3, dmg_habit_slots, true},
    {"habit-killed", JUDGE_LOG, 1, dmg_habit_killed, false},
};

size_t judge_damage_count(void)
{
    return sizeof damages / sizeof damages[0];
}

const struct judge_damage *judge_damage_at(size_t row)
{
    return &damages[row];
}
