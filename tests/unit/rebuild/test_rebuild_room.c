/*
 * A BAT region with fewer entries than the disk has blocks: who is believed, what a repair makes of it, and that
 * nothing else is lost than what nobody can know. The disks are large, because one MiB of BAT is enough for 128 GiB;
 * they hold a few blocks, which are read one by one.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/guid.h"
#include "builder.h"
#include "files.h"
#include "format/bat.h"
#include "guest.h"
#include "with_memory.h"
#include "rebuild/rebuild.h"

#define DISK "/d/disk.vhdx"
#define UNDO DISK ".vhdx-undo"
#define BLOCK ((uint32_t)VX_MIB)
#define LARGE (200 * VX_GIB)
#define BEHIND (150 * VX_GIB) /* its entry is in the second MiB of the BAT */

static struct bld *disk;

static struct bld_options large(void)
{
    return (struct bld_options){.virtual_size = LARGE, .block_size = BLOCK, .seed = 5};
}

static void make(const struct bld_options *options, void (*fill)(void))
{
    begin_memory();
    disk = bld_new(options);
    fill();
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
}

static void end(void)
{
    bld_free(disk);
    end_memory();
}

static void one_block(void)
{
    bld_write_random(disk, 0, BLOCK, 1);
}

static void blocks_on_both_sides(void)
{
    one_block();
    bld_write_random(disk, BEHIND, 3 * BLOCK, 2);
}

static void nothing(void)
{
}

/* ---- damage ---- */

static void set_length(int copy, uint32_t length)
{
    uint8_t bytes[4];
    vx_put32(bytes, length);
    cr_assert_eq(bld_poke_region_table(host, DISK, copy, VX_REGION_ENTRIES_OFFSET + 24, bytes, sizeof bytes), VHDX_OK);
}

static void set_item(const vhdx_guid *id, uint64_t value, size_t size)
{
    cr_assert_eq(bld_poke_int(host, DISK, bld_item_offset(disk, id, false), value, size), VHDX_OK);
}

static void lose_entries_behind(void)
{
    uint8_t zeros[24] = {0};
    cr_assert_eq(bld_poke(host, DISK, bld_payload_entry_offset(disk, BEHIND / BLOCK), zeros, sizeof zeros), VHDX_OK);
    uint64_t chunk = BEHIND / (VX_SECTORS_PER_CHUNK * 512);
    cr_assert_eq(bld_poke(host, DISK, bld_bitmap_entry_offset(disk, chunk), zeros, VX_BAT_ENTRY_SIZE), VHDX_OK);
}

/* ---- what comes of it ---- */

static uint64_t digest(void)
{
    uint64_t value;
    cr_assert(files_digest(host, DISK, &value));
    return value;
}

static struct vx_room judge(void)
{
    const struct vx_rebuild_options options = {.host = host, .search_content = true};
    struct vx_rebuilt *rebuilt;
    struct vx_file *file;
    vhdx_error err;
    cr_assert_eq(vx_file_open(host, DISK, VHDX_OPEN_READ, &file, NULL), VHDX_OK);
    cr_assert_eq(vx_rebuild(file, &options, &rebuilt, &err), VHDX_OK, "%s", err.message);
    struct vx_room room = rebuilt->room;
    vx_rebuild_free(rebuilt);
    vx_file_close(file);
    return room;
}

static void judged(enum vx_room_cure cure, bool lossless)
{
    struct vx_room room = judge();
    cr_assert_eq(room.cure, cure, "%d: %s", room.cure, room.clue.evidence);
    cr_assert_eq(room.clue.lossless, lossless, "%s", room.clue.evidence);
}

static vhdx_report *repair(bool salvage)
{
    const vhdx_repair_options options = {.struct_size = sizeof options, .host = host, .salvage = salvage};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static vhdx_chain *open_disk(void)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    vhdx_error err;
    cr_assert_eq(vhdx_chain_open(DISK, &options, &chain, &err), VHDX_OK, "%s", err.message);
    return chain;
}

static uint64_t virtual_size(void)
{
    vhdx_chain *chain = open_disk();
    uint64_t size = vhdx_chain_layer(chain, 0)->virtual_size;
    vhdx_chain_free(chain);
    return size;
}

/* The bytes that bld_write_random() wrote with this seed. */
static void reads_as_written(uint64_t offset, size_t length, uint64_t seed)
{
    uint8_t *bytes = malloc(length), *expected = malloc(length);
    vhdx_chain *chain = open_disk();
    bld_random_bytes(seed, 0, expected, length);
    cr_assert_eq(vhdx_chain_read(chain, bytes, length, offset, NULL), VHDX_OK);
    cr_assert_eq(memcmp(bytes, expected, length), 0, "reads otherwise from 0x%llx on", (unsigned long long)offset);
    vhdx_chain_free(chain);
    free(bytes);
    free(expected);
}

static void must_be_quiet(void)
{
    uint64_t before = digest();
    vhdx_report *report = repair(true);
    cr_assert_eq(vhdx_report_file(report, 0)->errors, 0);
    cr_assert_null(vhdx_report_file(report, 0)->undo);
    cr_assert_eq(digest(), before);
    vhdx_report_free(report);
}

/* Repairs, looks at the outcome, and goes back. */
static void repaired(bool salvage, void (*look)(const vhdx_report *report))
{
    const vhdx_undo_options options = {.struct_size = sizeof options, .host = host};
    uint64_t damaged = digest();
    vhdx_report *report = repair(salvage);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED);
    look(report);
    vhdx_report_free(report);
    must_be_quiet();
    cr_assert_eq(vhdx_undo(UNDO, &options, NULL, NULL), VHDX_OK);
    cr_assert_eq(digest(), damaged);
}

static void nothing_is_lost(const vhdx_report *report)
{
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    reads_as_written(0, BLOCK, 1);
}

static void nothing_is_lost_on_both_sides(const vhdx_report *report)
{
    nothing_is_lost(report);
    reads_as_written(BEHIND, 3 * BLOCK, 2);
    cr_assert_eq(virtual_size(), LARGE);
}

/* With the blocks that nobody owns all entries are in doubt that say "nothing here"; those with data are not. */
static void only_the_rest_is_doubtful(const vhdx_report *report)
{
    const vhdx_lost_range *range = vhdx_report_lost(report, 0, 0);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 1);
    cr_assert(range->doubtful);
    cr_assert_eq(range->offset + range->length, LARGE);
    cr_assert_leq(range->offset, 128 * VX_GIB);
    reads_as_written(0, BLOCK, 1);
}

/* ---- the region ---- */

Test(rebuild_room, entries_behind_the_end_of_the_region_are_its_rest)
{
    const struct bld_options options = large();
    make(&options, blocks_on_both_sides);
    set_length(3, (uint32_t)VX_MIB);
    judged(VX_ROOM_LENGTH, true);
    repaired(false, nothing_is_lost_on_both_sides);
    end();
}

Test(rebuild_room, an_entry_that_cannot_be_makes_the_rest_doubtful_or_no_rest_at_all)
{
    const struct bld_options options = large();
    make(&options, blocks_on_both_sides);
    set_length(3, (uint32_t)VX_MIB);
    /* a block that another entry has already */
    bld_poke_int(host, DISK, bld_payload_entry_offset(disk, BEHIND / BLOCK + 3), bld_payload_offset(disk, 0) | 6, 8);
    judged(VX_ROOM_MOVE, false);
    end();
}

Test(rebuild_room, one_wrong_entry_of_many_makes_the_rest_doubtful)
{
    const struct bld_options options = large();
    make(&options, blocks_on_both_sides);
    set_length(3, (uint32_t)VX_MIB);
    for (uint64_t i = 0; i < 12; i++) /* UNMAPPED: no place */
        bld_poke_int(host, DISK, bld_payload_entry_offset(disk, BEHIND / BLOCK + 10 + i), 3, 8);
    bld_poke_int(host, DISK, bld_payload_entry_offset(disk, BEHIND / BLOCK + 3), bld_payload_offset(disk, 0) | 6, 8);
    judged(VX_ROOM_LENGTH, false);
    vhdx_report *report = repair(false);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_ERRORS);
    vhdx_report_free(report);
    vhdx_report_free(repair(true));
    reads_as_written(BEHIND, 3 * BLOCK, 2);
    end();
}

Test(rebuild_room, empty_space_behind_the_region_is_taken)
{
    const struct bld_options options = large();
    make(&options, one_block);
    set_length(3, (uint32_t)VX_MIB);
    judged(VX_ROOM_LENGTH, true);
    repaired(false, nothing_is_lost);
    end();
}

static void no_block_is_there(const vhdx_report *report)
{
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    cr_assert_eq(virtual_size(), 400 * VX_GIB);
}

Test(rebuild_room, the_file_grows_when_the_region_is_at_its_end)
{
    struct bld_options options = large();
    options.virtual_size = 64 * VX_GIB;
    make(&options, nothing);
    set_item(&vx_guid_virtual_disk_size, 400 * VX_GIB, 8);
    judged(VX_ROOM_LENGTH, true);
    repaired(false, no_block_is_there);
    end();
}

static void bat_has_moved(const vhdx_report *report)
{
    uint8_t bytes[8];
    nothing_is_lost(report);
    cr_assert_eq(virtual_size(), LARGE);
    for (int copy = 0; copy < 2; copy++) {
        uint64_t table = copy == 0 ? VX_REGION_TABLE1_OFFSET : VX_REGION_TABLE2_OFFSET;
        cr_assert_eq(bld_peek(host, DISK, table + VX_REGION_ENTRIES_OFFSET + 16, bytes, 8), VHDX_OK);
        cr_assert_eq(vx_get64(bytes), bld_file_size(disk));
    }
}

Test(rebuild_room, the_bat_moves_when_a_block_is_behind_it)
{
    struct bld_options options = large();
    options.virtual_size = 64 * VX_GIB;
    make(&options, one_block);
    set_item(&vx_guid_virtual_disk_size, LARGE, 8);
    judged(VX_ROOM_MOVE, true);
    repaired(false, bat_has_moved);
    end();
}

static void larger_copy_is_in_both(const vhdx_report *report)
{
    nothing_is_lost_on_both_sides(report);
    set_length(1, 0); /* then the second one tells */
    reads_as_written(BEHIND, 3 * BLOCK, 2);
    set_length(1, 2 * (uint32_t)VX_MIB);
}

Test(rebuild_room, of_two_copies_the_one_with_room_is_right)
{
    for (int copy = 1; copy <= 2; copy++) {
        const struct bld_options options = large();
        make(&options, blocks_on_both_sides);
        set_length(copy, (uint32_t)VX_MIB);
        judged(VX_ROOM_ENOUGH, false);
        repaired(false, larger_copy_is_in_both);
        end();
    }
}

/* ---- what may have been there ---- */

Test(rebuild_room, blocks_that_nobody_owns_make_the_rest_doubtful)
{
    const struct bld_options options = large();
    make(&options, blocks_on_both_sides);
    set_length(3, (uint32_t)VX_MIB);
    lose_entries_behind();
    judged(VX_ROOM_LENGTH, false);
    uint64_t before = digest();
    vhdx_report *report = repair(false);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_ERRORS);
    cr_assert_eq(digest(), before);
    vhdx_report_free(report);
    repaired(true, only_the_rest_is_doubtful);
    end();
}

/* What the parent holds must not show through where the child may have written. */
Test(rebuild_room, a_child_does_not_ask_its_parent_for_what_it_may_have_held)
{
    struct bld_options options = large();
    options.kind = VHDX_KIND_DIFFERENCING;
    make(&options, blocks_on_both_sides);
    set_length(3, (uint32_t)VX_MIB);
    lose_entries_behind();
    judged(VX_ROOM_LENGTH, false);
    vhdx_report_free(repair(true));
    for (uint64_t block = BEHIND / BLOCK - 5; block < BEHIND / BLOCK + 5; block++) {
        uint8_t bytes[8];
        cr_assert_eq(bld_peek(host, DISK, bld_payload_entry_offset(disk, block), bytes, 8), VHDX_OK);
        cr_assert_eq(vx_get64(bytes), VX_PAYLOAD_ZERO);
    }
    end();
}

static uint64_t bytes_lost_from;
static void take_range(void *context, const vhdx_salvage_range *range)
{
    (void)context;
    if (range->kind == VHDX_SALVAGE_LOST)
        bytes_lost_from = vx_min(bytes_lost_from, range->offset);
}

Test(rebuild_room, an_export_loses_only_what_has_no_entry)
{
    const struct bld_options options = large();
    for (int lost = 0; lost < 2; lost++) {
        const vhdx_salvage_options salvage = {.struct_size = sizeof salvage, .host = NULL, .range = take_range};
        vhdx_salvage_options with_host = salvage;
        vhdx_salvage_report report = {.struct_size = sizeof report};
        vhdx_error err;
        make(&options, blocks_on_both_sides);
        with_host.host = host;
        set_length(3, (uint32_t)VX_MIB);
        if (lost)
            lose_entries_behind();
        bytes_lost_from = LARGE;
        cr_assert_eq(vhdx_salvage(DISK, "/d/raw", &with_host, &report, &err), VHDX_OK, "%s", err.message);
        cr_assert(lost || report.bytes_doubtful == 0); /* what has no owner may belong to any empty entry */
        cr_assert_eq(report.bytes_pieces, lost ? 3 * BLOCK : 0);
        cr_assert_eq(report.bytes_lost, LARGE - bytes_lost_from);
        cr_assert(lost ? bytes_lost_from > 127 * VX_GIB && bytes_lost_from <= 128 * VX_GIB : report.bytes_lost == 0);
        end();
    }
}

/* ---- sizes ---- */

static void table_of_64_gib(void)
{
    one_block();
    guest_gpt(disk, 64 * VX_GIB, 7, GUEST_GPT);
}

static void size_is_64_gib(const vhdx_report *report)
{
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    cr_assert_eq(virtual_size(), 64 * VX_GIB);
}

Test(rebuild_room, the_partition_table_knows_the_size)
{
    struct bld_options options = large();
    options.virtual_size = 64 * VX_GIB;
    make(&options, table_of_64_gib);
    set_item(&vx_guid_virtual_disk_size, LARGE, 8);
    judged(VX_ROOM_VIRTUAL_SIZE, true);
    repaired(false, size_is_64_gib);
    end();
}

static void metadata_in_the_log(void)
{
    one_block();
    bld_log_dirty(disk, &(struct bld_log){.what = BLD_LOG_METADATA, .home = BLD_HOME_ZERO});
}

Test(rebuild_room, the_log_knows_the_size)
{
    struct bld_options options = large();
    options.virtual_size = 64 * VX_GIB;
    make(&options, metadata_in_the_log);
    vhdx_report_free(repair(false)); /* replays it, and leaves the pages in the ring */
    cr_assert_eq(vx_memory_host_size(memory, UNDO) != UINT64_MAX, true);
    cr_assert_eq(host->remove(host->context, UNDO, NULL), VHDX_OK);
    set_item(&vx_guid_virtual_disk_size, LARGE, 8);
    judged(VX_ROOM_VIRTUAL_SIZE, true);
    repaired(false, size_is_64_gib);
    end();
}

Test(rebuild_room, a_fixed_disk_is_as_large_as_its_blocks)
{
    struct bld_options options = {.kind = VHDX_KIND_FIXED, .virtual_size = 16 * VX_MIB, .block_size = BLOCK, .seed = 5};
    make(&options, one_block);
    set_item(&vx_guid_virtual_disk_size, LARGE, 8);
    judged(VX_ROOM_VIRTUAL_SIZE, false);
    vhdx_report_free(repair(true));
    cr_assert_eq(virtual_size(), 16 * VX_MIB);
    reads_as_written(0, BLOCK, 1);
    end();
}

/* Disks of a judge's rounds: the file grew, even by a repair that loses nothing, to hold the BAT of 8 TiB. */
Test(rebuild_room, a_high_bit_of_the_size_was_set_by_mistake)
{
    struct bld_options options = large();
    options.virtual_size = 64 * VX_GIB;
    make(&options, one_block);
    uint64_t length = vx_memory_host_size(memory, DISK);
    set_item(&vx_guid_virtual_disk_size, 8 * VX_TIB + 64 * VX_GIB, 8);
    judged(VX_ROOM_VIRTUAL_SIZE, false);
    vhdx_report_free(repair(false));
    cr_assert_eq(vx_memory_host_size(memory, DISK), length);
    vhdx_report_free(repair(true));
    cr_assert_eq(virtual_size(), 64 * VX_GIB);
    reads_as_written(0, BLOCK, 1);
    end();
}

/* With a bit that is not so high a wrong length of the region is as likely, and no content is taken away. */
Test(rebuild_room, a_size_that_may_be_right_is_not_made_smaller)
{
    make(&(struct bld_options){.virtual_size = 64 * VX_GIB, .block_size = BLOCK, .seed = 5}, one_block);
    set_item(&vx_guid_virtual_disk_size, 192 * VX_GIB, 8);
    cr_assert_neq(judge().cure, VX_ROOM_VIRTUAL_SIZE);
    end();
}

static void pairs_of_blocks(void)
{
    bld_write_random(disk, 0, 4 * VX_MIB, 1);
    bld_write_random(disk, 64 * VX_GIB, 4 * VX_MIB, 2);
}

static void blocks_have_two_mib(const vhdx_report *report)
{
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    reads_as_written(0, 4 * VX_MIB, 1);
    reads_as_written(64 * VX_GIB, 4 * VX_MIB, 2);
}

Test(rebuild_room, the_distance_of_the_blocks_is_their_size)
{
    struct bld_options options = large();
    options.block_size = 2 * (uint32_t)VX_MIB;
    make(&options, pairs_of_blocks);
    set_item(&vx_guid_file_parameters, VX_MIB, 4);
    judged(VX_ROOM_BLOCK_SIZE, true);
    repaired(false, blocks_have_two_mib);
    end();
}
