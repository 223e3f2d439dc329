/*
 * What a damaged disk must have been: the builder makes a disk and loses parts of it; each value must come back from
 * the witness that is left, and what is not proven must not be called so.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "base/checked.h"
#include "base/guid.h"
#include "builder.h"
#include "with_memory.h"
#include "rebuild/rebuild.h"

static struct bld *disk;
static struct vx_file *file;
static struct vx_rebuilt *rebuilt;

static void make(const struct bld_options *options, unsigned blocks)
{
    begin_memory();
    disk = bld_new(options);
    uint64_t size = options->block_size ? options->block_size : 32 * VX_MIB;
    for (unsigned i = 0; i < blocks; i++)
        bld_write_random(disk, (i * 3 % 8) * size + 8192, 4096, i + 1);
    cr_assert_eq(bld_finish(disk, host, "disk", NULL), VHDX_OK);
}

static void lose(uint64_t offset, size_t length)
{
    uint8_t *zeros = calloc(length, 1);
    cr_assert_eq(bld_poke(host, "disk", offset, zeros, length), VHDX_OK);
    free(zeros);
}

static void look(const struct vx_rebuild_options *given)
{
    struct vx_rebuild_options options = {.search_content = true};
    vhdx_error err;
    if (given)
        options = *given;
    options.host = host;
    cr_assert_eq(vx_file_open(host, "disk", VHDX_OPEN_READ, &file, NULL), VHDX_OK);
    cr_assert_eq(vx_rebuild(file, &options, &rebuilt, &err), VHDX_OK, "%s", err.message);
}

static void end(void)
{
    vx_rebuild_free(rebuilt);
    vx_file_close(file);
    bld_free(disk);
    end_memory();
}

static void witnessed(enum vx_part part, enum vx_witness witness, bool lossless)
{
    const struct vx_clue *clue = &rebuilt->clues[part];
    cr_assert_eq(clue->witness, witness, "%s: witness %d, not %d: %s", vx_part_name(part), clue->witness, witness,
                 clue->evidence);
    cr_assert_eq(clue->lossless, lossless, "%s: %s", vx_part_name(part), clue->evidence);
    cr_assert_eq(clue->evidence[0] == '\0', witness == VX_WITNESS_STORED, "%s", vx_part_name(part));
}

static uint64_t entry_of(uint64_t bat_index)
{
    uint64_t raw;
    cr_assert_eq(vx_rebuilt_entry(rebuilt, bat_index, &raw, NULL), VHDX_OK);
    return raw;
}

static const struct bld_options small = {.virtual_size = 16 * VX_MIB, .block_size = 2 * VX_MIB, .seed = 5};

Test(rebuild, nothing_is_proposed_for_a_disk_that_is_well)
{
    const enum bld_layout layouts[] = {BLD_LAYOUT_WINDOWS, BLD_LAYOUT_QEMU, BLD_LAYOUT_MIXED};
    for (size_t i = 0; i < 3; i++) {
        struct bld_options options = small;
        options.layout = layouts[i];
        options.garbage = true;
        options.gap_percent = 30;
        options.log_residue = true;
        bool lossless;
        make(&options, 4);
        look(NULL);
        for (int part = 0; part < VX_PART_COUNT; part++)
            witnessed((enum vx_part)part, VX_WITNESS_STORED, true);
        cr_assert(!vx_rebuilt_differs(rebuilt, &lossless) && lossless);
        cr_assert_eq(rebuilt->placement_count, 0);
        cr_assert_eq(rebuilt->virtual_size, 16 * VX_MIB);
        end();
    }
}

Test(rebuild, one_header_is_as_good_as_two)
{
    make(&small, 3);
    lose(VX_HEADER2_OFFSET, VX_HEADER_SIZE);
    look(NULL);
    witnessed(VX_PART_HEADER, VX_WITNESS_TWIN, true);
    cr_assert(vx_guid_equal(&rebuilt->header.data_write_guid, bld_data_write_guid(disk)));
    end();
}

Test(rebuild, a_header_without_checksum_keeps_its_ids_but_is_no_proof)
{
    make(&small, 3);
    lose(VX_HEADER1_OFFSET, VX_HEADER_SIZE);
    lose(VX_HEADER2_OFFSET + 4, 4);
    look(NULL);
    witnessed(VX_PART_HEADER, VX_WITNESS_RESIDUE, false);
    cr_assert(vx_guid_equal(&rebuilt->header.data_write_guid, bld_data_write_guid(disk)));
    end();
}

Test(rebuild, region_tables_are_found_again_wherever_the_regions_lie)
{
    const enum bld_layout layouts[] = {BLD_LAYOUT_WINDOWS, BLD_LAYOUT_QEMU, BLD_LAYOUT_MIXED};
    for (size_t i = 0; i < 3; i++) {
        struct bld_options options = small;
        options.layout = layouts[i];
        make(&options, 5);
        lose(VX_REGION_TABLE1_OFFSET, 2 * VX_REGION_TABLE_SIZE);
        look(NULL);
        witnessed(VX_PART_REGIONS, VX_WITNESS_GEOMETRY, true);
        cr_assert_eq(rebuilt->bat.file_offset, bld_region_offset(disk, &vx_guid_bat_region));
        cr_assert_eq(rebuilt->metadata.file_offset, bld_region_offset(disk, &vx_guid_metadata_region));
        cr_assert_eq(rebuilt->bat.length, VX_MIB);
        end();
    }
}

Test(rebuild, an_empty_disk_gives_its_bat_away_only_by_custom)
{
    make(&small, 0);
    lose(VX_REGION_TABLE1_OFFSET, 2 * VX_REGION_TABLE_SIZE);
    look(NULL);
    witnessed(VX_PART_REGIONS, VX_WITNESS_GEOMETRY, false);
    cr_assert_eq(rebuilt->bat.file_offset, 3 * VX_MIB);
    end();
}

Test(rebuild, the_block_size_follows_from_where_the_blocks_stand)
{
    for (uint32_t mib = 1; mib <= 8; mib *= 2) {
        struct bld_options options = {
            .virtual_size = 8 * mib * VX_MIB, .block_size = mib * (uint32_t)VX_MIB, .seed = mib};
        make(&options, 5);
        lose(bld_item_offset(disk, &vx_guid_file_parameters, false), 8);
        look(NULL);
        witnessed(VX_PART_BLOCK_SIZE, VX_WITNESS_GEOMETRY, true);
        cr_assert_eq(rebuilt->block_size, mib * VX_MIB);
        end();
    }
}

Test(rebuild, a_table_without_header_still_names_its_items)
{
    make(&small, 3);
    lose(bld_region_offset(disk, &vx_guid_metadata_region), VX_METADATA_ENTRY_SIZE);
    look(NULL);
    witnessed(VX_PART_METADATA, VX_WITNESS_RESIDUE, true);
    witnessed(VX_PART_VIRTUAL_SIZE, VX_WITNESS_RESIDUE, true);
    cr_assert_eq(rebuilt->virtual_size, 16 * VX_MIB);
    cr_assert_eq(rebuilt->block_size, 2 * VX_MIB);
    cr_assert(vx_guid_equal(&rebuilt->virtual_disk_id, bld_virtual_disk_id(disk)));
    end();
}

Test(rebuild, items_without_table_are_found_where_all_writers_put_them)
{
    make(&small, 3);
    lose(bld_region_offset(disk, &vx_guid_metadata_region), VX_METADATA_TABLE_SIZE);
    look(NULL);
    witnessed(VX_PART_METADATA, VX_WITNESS_RESIDUE, true);
    cr_assert_eq(rebuilt->virtual_size, 16 * VX_MIB);
    cr_assert(vx_guid_equal(&rebuilt->virtual_disk_id, bld_virtual_disk_id(disk)));
    end();
}

Test(rebuild, a_child_takes_from_its_parent_what_both_share)
{
    const struct bld_options child = {
        .kind = VHDX_KIND_DIFFERENCING, .virtual_size = 16 * VX_MIB, .logical_sector_size = 4096, .seed = 3};
    vhdx_guid parent = {{1, 2, 3}}, id = {{9}};
    begin_memory();
    disk = bld_new(&child);
    bld_parent(disk, &parent, NULL, ".\\base.vhdx", NULL, NULL);
    for (unsigned i = 0; i < 4; i++)
        bld_write_random(disk, i * 4 * VX_MIB, 4096, i);
    cr_assert_eq(bld_finish(disk, host, "disk", NULL), VHDX_OK);
    lose(bld_item_offset(disk, &vx_guid_virtual_disk_size, false), 8);
    lose(bld_item_offset(disk, &vx_guid_logical_sector_size, false), 4);
    lose(bld_item_offset(disk, &vx_guid_virtual_disk_id, false), 16);
    const struct vx_parent_hint hint = {parent, id, 4096, 4096, 16 * VX_MIB}, other = {id, id, 512, 512, VX_GIB};
    const struct vx_rebuild_options options = {.parent = &hint}, wrong = {.parent = &other};
    look(&wrong); /* the locator names another one */
    cr_assert_eq(rebuilt->clues[VX_PART_DISK_ID].witness, VX_WITNESS_DEFAULT);
    cr_assert_neq(rebuilt->virtual_size, VX_GIB);
    vx_rebuild_free(rebuilt);
    vx_file_close(file);
    look(&options);
    witnessed(VX_PART_LOGICAL_SECTOR, VX_WITNESS_PARENT, true);
    witnessed(VX_PART_VIRTUAL_SIZE, VX_WITNESS_PARENT, false);
    witnessed(VX_PART_DISK_ID, VX_WITNESS_PARENT, true);
    witnessed(VX_PART_LOCATOR, VX_WITNESS_STORED, true);
    cr_assert_eq(rebuilt->logical_sector, 4096);
    cr_assert_eq(rebuilt->virtual_size, 16 * VX_MIB);
    cr_assert(vx_guid_equal(&rebuilt->virtual_disk_id, &id));
    end();
}

Test(rebuild, a_log_that_was_never_written_is_dropped_without_loss)
{
    struct bld_options options = small;
    options.creator = "QEMU v7.2.22";
    make(&options, 3);
    const vhdx_guid log_guid = {{7, 7, 7, 7, 7, 7, 0x47, 7, 0x87}}; /* as QEMU makes them */
    cr_assert_eq(bld_poke_header(host, "disk", 3, 48, log_guid.bytes, 16), VHDX_OK);
    look(NULL);
    witnessed(VX_PART_LOG, VX_WITNESS_GEOMETRY, true);
    cr_assert(vx_guid_is_zero(&rebuilt->header.log_guid));
    end();
}

Test(rebuild, a_lost_bat_comes_back_from_the_log_of_the_last_session)
{
    struct bld_options options = small;
    make(&options, 0);
    bld_free(disk);
    disk = bld_new(&options);
    for (unsigned i = 0; i < 5; i++)
        bld_write_random(disk, (i * 3 % 8) * 2 * VX_MIB, (size_t)(2 * VX_MIB), i + 1);
    bld_log_dirty(disk, &(struct bld_log){.what = BLD_LOG_BAT});
    cr_assert_eq(bld_finish(disk, host, "disk", NULL), VHDX_OK);
    /* The headers forget the log, and the BAT at home is zeros. */
    const vhdx_guid none = {{0}};
    cr_assert_eq(bld_poke_header(host, "disk", 3, 48, none.bytes, 16), VHDX_OK);
    look(NULL);
    witnessed(VX_PART_BAT, VX_WITNESS_LOG, true);
    cr_assert_eq(rebuilt->placement_count, 5);
    for (uint64_t block = 0; block < 8; block++) {
        bool placed = vx_rebuilt_witness(rebuilt, block) != VX_WITNESS_STORED;
        cr_assert_eq(placed, bld_block_state(disk, block) == 6, "block %d", (int)block);
        if (placed)
            cr_assert_eq(vx_round_down(entry_of(block), VX_MIB), bld_payload_offset(disk, block));
    }
    end();
}

Test(rebuild, lies_in_an_old_log_never_pass_for_proof)
{
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct bld_options options = small;
        options.seed = seed + 100;
        options.log_residue = true;
        make(&options, 5);
        lose(bld_region_offset(disk, &vx_guid_bat_region), VX_PAGE);
        look(NULL);
        for (uint64_t block = 0; block < 8; block++) {
            if (vx_rebuilt_witness(rebuilt, block) != VX_WITNESS_STORED && rebuilt->placements_lossless)
                cr_assert_eq(vx_round_down(entry_of(block), VX_MIB), bld_payload_offset(disk, block), "seed %d",
                             (int)seed);
        }
        cr_assert(rebuilt->clues[VX_PART_BAT].witness != VX_WITNESS_STORED);
        end();
    }
}

Test(rebuild, metadata_encoded_anew_reads_as_before)
{
    make(&small, 2);
    const vhdx_guid mine = {{0xAA, 1}};
    bld_free(disk);
    disk = bld_new(&small);
    bld_item(disk, &mine, VX_ITEM_IS_USER, "remember me", 11);
    bld_write_random(disk, 0, 4096, 1);
    cr_assert_eq(bld_finish(disk, host, "disk", NULL), VHDX_OK);
    lose(bld_item_offset(disk, &vx_guid_physical_sector_size, false), 4);
    look(NULL);
    uint8_t *bytes;
    size_t size;
    struct vx_metadata_table *table = malloc(sizeof *table);
    cr_assert_eq(vx_rebuilt_encode_metadata(rebuilt, &bytes, &size, NULL), VHDX_OK);
    cr_assert_eq(vx_metadata_table_decode(vx_bytes_of(bytes, VX_METADATA_TABLE_SIZE), table), VHDX_OK);
    cr_assert_eq(vx_metadata_table_rules(table, (uint32_t)VX_MIB), 0);
    const struct vx_metadata_entry *entry = vx_metadata_find(table, &vx_guid_physical_sector_size);
    cr_assert_eq(vx_get32(bytes + entry->offset), 4096);
    uint32_t users = 0;
    for (uint32_t i = 0; i < table->count; i++)
        if (table->entries[i].flags & VX_ITEM_IS_USER) {
            users++;
            cr_assert_eq(memcmp(bytes + table->entries[i].offset, "remember me", 11), 0);
        }
    cr_assert_eq(users, 1);
    free(bytes);
    free(table);
    end();
}

/* One entry points behind the end, two share a place, and the file is cut inside of its last block. */
Test(rebuild, damaged_entries_do_not_change_the_spacing_of_all_others)
{
    struct bld_options options = small;
    options.virtual_size = 64 * VX_MIB;
    make(&options, 0);
    for (unsigned i = 0; i < 24; i++)
        bld_write_random(disk, i * (uint64_t)(2 * VX_MIB), 4096, i + 1);
    cr_assert_eq(bld_finish(disk, host, "disk", NULL), VHDX_OK);
    lose(bld_item_offset(disk, &vx_guid_file_parameters, false), 8);
    bld_poke_int(host, "disk", bld_payload_entry_offset(disk, 5), VX_TIB | 6, 8);
    bld_poke_int(host, "disk", bld_payload_entry_offset(disk, 9), bld_payload_offset(disk, 3) | 6, 8);
    bld_poke_int(host, "disk", bld_payload_entry_offset(disk, 11), (bld_payload_offset(disk, 3) + VX_MIB) | 6, 8);
    bld_resize(host, "disk", bld_payload_offset(disk, 23) + 8192);
    look(NULL);
    witnessed(VX_PART_BLOCK_SIZE, VX_WITNESS_GEOMETRY, false);
    cr_assert_eq(rebuilt->block_size, 2 * VX_MIB);
    end();
}

/* ---- single entries --------------------------------------------------------------------------------------------- */

static const struct bld_options many = {.virtual_size = 64 * VX_MIB, .block_size = 2 * VX_MIB, .seed = 5};

static void make_many(bool shuffled)
{
    struct bld_options options = many;
    options.shuffle_blocks = shuffled;
    make(&options, 0);
    for (unsigned i = 0; i < 24; i++)
        bld_write_random(disk, i * (uint64_t)(2 * VX_MIB), 4096, i + 1);
    cr_assert_eq(bld_finish(disk, host, "disk", NULL), VHDX_OK);
}

static void point(uint64_t block, uint64_t place)
{
    bld_poke_int(host, "disk", bld_payload_entry_offset(disk, block), place | 6, 8);
}

static void placed(uint64_t block)
{
    cr_assert_neq(vx_rebuilt_witness(rebuilt, block), VX_WITNESS_STORED, "block %llu has no place",
                  (unsigned long long)block);
    cr_assert_eq(entry_of(block), bld_payload_offset(disk, block) | 6, "block %llu", (unsigned long long)block);
    cr_assert_eq(vx_rebuilt_witness(rebuilt, block), VX_WITNESS_GEOMETRY);
    cr_assert_not(rebuilt->placements_lossless);
}

Test(rebuild, entries_that_lead_nowhere_are_put_between_their_neighbours)
{
    make_many(false);
    point(5, VX_TIB);
    point(11, 0);
    point(0, 700 * VX_MIB);
    look(NULL);
    cr_assert_eq(rebuilt->placement_count, 3);
    placed(0);
    placed(5);
    placed(11);
    end();
}

Test(rebuild, of_two_blocks_in_one_place_each_goes_where_its_neighbours_say)
{
    make_many(false);
    point(9, bld_payload_offset(disk, 3));
    point(14, bld_payload_offset(disk, 20) + VX_MIB);
    look(NULL);
    placed(9);
    placed(14);
    cr_assert_not(vx_rebuilt_shared(rebuilt, bld_payload_offset(disk, 3), 2 * VX_MIB));
    cr_assert_not(vx_rebuilt_shared(rebuilt, bld_payload_offset(disk, 20), 4 * VX_MIB));
    end();
}

Test(rebuild, the_only_block_without_a_place_gets_the_only_place_without_a_block)
{
    make_many(true);
    point(9, VX_TIB);
    look(NULL);
    cr_assert_eq(rebuilt->placement_count, 1);
    placed(9);
    end();
}

Test(rebuild, without_evidence_two_blocks_in_one_place_stay_there)
{
    make_many(true);
    uint64_t shared = bld_payload_offset(disk, 3);
    point(9, shared);
    look(NULL);
    cr_assert_eq(rebuilt->placement_count, 0);
    cr_assert(vx_rebuilt_shared(rebuilt, shared, 2 * VX_MIB));
    end();
}

/* The file was cut, and has a block that nobody owns: it is not the one that is missing. */
Test(rebuild, blocks_behind_a_cut_do_not_take_what_is_free)
{
    make_many(false);
    bld_poke_int(host, "disk", bld_payload_entry_offset(disk, 7), 0, 8);
    bld_resize(host, "disk", bld_payload_offset(disk, 22) + 4096);
    look(NULL);
    cr_assert_eq(rebuilt->placement_count, 0);
    cr_assert_eq(rebuilt->single_count, 0);
    end();
}
