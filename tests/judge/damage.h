/*
 * What the files of damages share; the judge sees judge.h only. Each damage says in scene->text what it did and marks
 * what nobody could tell, and returns false when the disk has nothing of its kind.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_JUDGE_DAMAGE_H
#define TESTS_JUDGE_DAMAGE_H

#include "judge.h"

extern const uint64_t dmg_header_places[2];

uint64_t dmg_below(struct judge_scene *scene, uint64_t limit);
void dmg_say(struct judge_scene *scene, const char *format, ...);
/* A value of so many bytes that is wrong in one of the usual ways. */
uint64_t dmg_wrong(struct judge_scene *scene, uint64_t value, unsigned bytes);
uint64_t dmg_number_at(const struct judge_scene *scene, uint64_t offset, unsigned bytes);
/* Changes bytes of the file; payload and bits of bitmaps among them are silent. */
void dmg_overwrite(struct judge_scene *scene, uint64_t offset, const void *bytes, size_t length);
/* Changes part of a structure whose checksum is at its byte 4, and the checksum. */
void dmg_change_summed(struct judge_scene *scene, uint64_t place, size_t size, size_t offset, uint64_t value,
                       unsigned bytes);
/* Bits: 1 and 2, or both. */
unsigned dmg_which_copies(struct judge_scene *scene);
void dmg_silent_block(struct judge_scene *scene, uint64_t block);
/* Payload and bits of bitmaps in that range of the file. */
void dmg_silent_in_file(struct judge_scene *scene, uint64_t offset, uint64_t length);
/* Mostly a block that has a place. */
uint64_t dmg_any_block(struct judge_scene *scene);
/* The payload block of an entry of the BAT, or VHDX_NOWHERE. */
uint64_t dmg_block_of(const struct judge_disk *disk, uint64_t index);

bool dmg_header_field(struct judge_scene *scene);
bool dmg_header_log_guid(struct judge_scene *scene);
bool dmg_header_raw(struct judge_scene *scene);
bool dmg_region_raw(struct judge_scene *scene);
bool dmg_region_field(struct judge_scene *scene);
bool dmg_region_count(struct judge_scene *scene);
bool dmg_entry_zero(struct judge_scene *scene);
bool dmg_entry_field(struct judge_scene *scene);
bool dmg_entry_swap(struct judge_scene *scene);
bool dmg_table_header(struct judge_scene *scene);
bool dmg_table_zero(struct judge_scene *scene);
bool dmg_item_zero(struct judge_scene *scene);
bool dmg_item_garbage(struct judge_scene *scene);
bool dmg_item_size(struct judge_scene *scene);
bool dmg_item_legal(struct judge_scene *scene);
bool dmg_locator_raw(struct judge_scene *scene);
bool dmg_bat_zero(struct judge_scene *scene);
bool dmg_bat_state(struct judge_scene *scene);
bool dmg_bat_place(struct judge_scene *scene);
bool dmg_bat_garbage(struct judge_scene *scene);
bool dmg_bat_swap(struct judge_scene *scene);
bool dmg_bat_shift(struct judge_scene *scene);
bool dmg_bat_piece(struct judge_scene *scene);
bool dmg_bitmap_bits(struct judge_scene *scene);
bool dmg_payload_bytes(struct judge_scene *scene);
bool dmg_piece_zero(struct judge_scene *scene);
bool dmg_piece_swap(struct judge_scene *scene);
bool dmg_bit_flips(struct judge_scene *scene);
bool dmg_beginning_zero(struct judge_scene *scene);
bool dmg_truncated(struct judge_scene *scene);
bool dmg_appended(struct judge_scene *scene);
bool dmg_log_field(struct judge_scene *scene);
bool dmg_log_stale(struct judge_scene *scene);
bool dmg_habit_slots(struct judge_scene *scene);
bool dmg_habit_killed(struct judge_scene *scene);

#endif
