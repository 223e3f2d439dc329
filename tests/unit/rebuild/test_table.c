/*
 * A metadata table that has lost its head or some of its entries, while the items behind it are whole: a plain repair
 * leads to them again, writes no item, and leaves nothing for verify to say.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/guid.h"
#include "builder.h"
#include "format/metadata.h"
#include "with_memory.h"

#define DISK "/d/disk.vhdx"
#define SIZE (10 * VX_MIB)
#define ITEMS_OFFSET (64 * VX_KIB)
#define ITEMS_LENGTH ((size_t)(16 * VX_KIB))

static struct bld *disk;
static uint8_t *before;
static const vhdx_guid user_id = {{7, 7, 7}};

static uint64_t table_at(void)
{
    return bld_region_offset(disk, &vx_guid_metadata_region);
}

static void make(vhdx_kind kind, enum bld_layout layout, bool user)
{
    const struct bld_options options = {
        .kind = kind, .virtual_size = SIZE, .block_size = (uint32_t)VX_MIB, .seed = 5, .layout = layout};
    begin_memory();
    disk = bld_new(&options);
    bld_write_random(disk, 0, (size_t)VX_MIB, 1);
    if (kind == VHDX_KIND_DIFFERENCING)
        bld_parent(disk, &(vhdx_guid){{1, 2, 3}}, NULL, ".\\parent.vhdx", NULL, "C:\\parent.vhdx");
    if (user)
        bld_item(disk, &user_id, VX_ITEM_IS_USER, "a user's own", 13);
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
    before = malloc(ITEMS_LENGTH);
    cr_assert_eq(bld_peek(host, DISK, table_at() + ITEMS_OFFSET, before, ITEMS_LENGTH), VHDX_OK);
}

static void end(void)
{
    free(before);
    bld_free(disk);
    end_memory();
}

static void lose(uint64_t offset, size_t length)
{
    uint8_t *zeros = calloc(1, length);
    cr_assert_eq(bld_poke(host, DISK, offset, zeros, length), VHDX_OK);
    free(zeros);
}

static void items_are_as_before(void)
{
    uint8_t *now = malloc(ITEMS_LENGTH);
    cr_assert_eq(bld_peek(host, DISK, table_at() + ITEMS_OFFSET, now, ITEMS_LENGTH), VHDX_OK);
    cr_assert_eq(memcmp(now, before, ITEMS_LENGTH), 0, "an item was written");
    free(now);
}

static void verify_is_silent(void)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report;
    cr_assert_eq(vhdx_verify(DISK, &options, &report, NULL), VHDX_OK);
    const vhdx_finding *worst = vhdx_report_finding(report, 0, 0);
    cr_assert_eq(vhdx_report_file(report, 0)->errors, 0, "%s", worst ? worst->message : "");
    cr_assert_eq(vhdx_report_file(report, 0)->warnings, 0, "%s", worst ? worst->message : "");
    vhdx_report_free(report);
}

static void no_entry_is_blank(unsigned count)
{
    uint8_t *bytes = malloc(VX_METADATA_TABLE_SIZE);
    struct vx_metadata_table *table = malloc(sizeof *table);
    cr_assert_eq(bld_peek(host, DISK, table_at(), bytes, VX_METADATA_TABLE_SIZE), VHDX_OK);
    cr_assert_eq(vx_metadata_table_decode(vx_bytes_of(bytes, VX_METADATA_TABLE_SIZE), table), VHDX_OK);
    cr_assert_eq(table->count, count, "%u entries", table->count);
    for (uint32_t i = 0; i < table->count; i++)
        cr_assert_not(vx_guid_is_zero(&table->entries[i].item_id));
    free(table);
    free(bytes);
}

static void is_mended(unsigned count)
{
    const vhdx_repair_options options = {.struct_size = sizeof options, .host = host, .no_undo = true};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    vhdx_report_free(report);
    items_are_as_before();
    no_entry_is_blank(count);
}

Test(table, without_its_first_sector_it_leads_to_the_items_again)
{
    static const enum bld_layout layouts[] = {BLD_LAYOUT_WINDOWS, BLD_LAYOUT_QEMU};
    for (size_t i = 0; i < 2; i++) {
        make(VHDX_KIND_DYNAMIC, layouts[i], false);
        lose(table_at(), 512);
        is_mended(5);
        verify_is_silent();
        end();
    }
}

Test(table, of_a_child_without_its_first_sector_it_leads_to_the_locator_too)
{
    make(VHDX_KIND_DIFFERENCING, BLD_LAYOUT_WINDOWS, false);
    lose(table_at(), 512);
    is_mended(6);
    end();
}

/* Pairs of entries, neighbours or not; a user's item stays in the table. */
Test(table, entries_of_zeros_are_no_entries_and_their_items_are_named_again)
{
    static const enum bld_layout layouts[] = {BLD_LAYOUT_WINDOWS, BLD_LAYOUT_QEMU};
    for (size_t i = 0; i < 2; i++)
        for (unsigned first = 0; first < 5; first++)
            for (unsigned second = first; second < 5; second++) {
                make(VHDX_KIND_DYNAMIC, layouts[i], true);
                lose(table_at() + (1 + first) * (uint64_t)VX_METADATA_ENTRY_SIZE, VX_METADATA_ENTRY_SIZE);
                lose(table_at() + (1 + second) * (uint64_t)VX_METADATA_ENTRY_SIZE, VX_METADATA_ENTRY_SIZE);
                is_mended(6);
                verify_is_silent();
                end();
            }
}

Test(table, an_entry_of_zeros_between_others_is_an_error_even_when_no_item_is_missed)
{
    vhdx_report *report;
    make(VHDX_KIND_DYNAMIC, BLD_LAYOUT_WINDOWS, true);
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    lose(bld_item_entry_offset(disk, &user_id, true), VX_METADATA_ENTRY_SIZE);
    uint8_t entry[VX_METADATA_ENTRY_SIZE];
    uint64_t last = table_at() + 5 * (uint64_t)VX_METADATA_ENTRY_SIZE; /* changes places with the blank one */
    cr_assert_eq(bld_peek(host, DISK, last, entry, sizeof entry), VHDX_OK);
    cr_assert_eq(bld_poke(host, DISK, last + VX_METADATA_ENTRY_SIZE, entry, sizeof entry), VHDX_OK);
    lose(last, VX_METADATA_ENTRY_SIZE);
    cr_assert_eq(vhdx_verify(DISK, &options, &report, NULL), VHDX_OK);
    cr_assert_eq(vhdx_report_file(report, 0)->errors, 1);
    vhdx_report_free(report);
    is_mended(5);
    verify_is_silent();
    end();
}

/* An id with a wrong bit: the entry that leads to the item is its own, not another one's. */
Test(table, an_entry_with_a_wrong_id_becomes_that_of_its_item)
{
    make(VHDX_KIND_DYNAMIC, BLD_LAYOUT_WINDOWS, false);
    uint64_t entry = bld_item_entry_offset(disk, &vx_guid_virtual_disk_size, false);
    uint8_t byte;
    cr_assert_eq(bld_peek(host, DISK, entry + 3, &byte, 1), VHDX_OK);
    byte ^= 16;
    cr_assert_eq(bld_poke(host, DISK, entry + 3, &byte, 1), VHDX_OK);
    is_mended(5);
    verify_is_silent();
    end();
}

/* An entry of length 0 still says where its item is. */
Test(table, an_entry_without_length_keeps_its_place)
{
    make(VHDX_KIND_DYNAMIC, BLD_LAYOUT_WINDOWS, false);
    cr_assert_eq(bld_poke_int(host, DISK, bld_item_entry_offset(disk, &vx_guid_logical_sector_size, false) + 20, 0, 4),
                 VHDX_OK);
    is_mended(5);
    verify_is_silent();
    end();
}

/* The disk's size is read from its id and is nonsense: both entries change back, and no item is written. */
Test(table, entries_that_have_exchanged_their_places_change_back)
{
    uint8_t size[4], id[4];
    make(VHDX_KIND_DYNAMIC, BLD_LAYOUT_WINDOWS, false);
    uint64_t size_at = bld_item_entry_offset(disk, &vx_guid_virtual_disk_size, false) + 16;
    uint64_t id_at = bld_item_entry_offset(disk, &vx_guid_virtual_disk_id, false) + 16;
    cr_assert_eq(bld_peek(host, DISK, size_at, size, sizeof size), VHDX_OK);
    cr_assert_eq(bld_peek(host, DISK, id_at, id, sizeof id), VHDX_OK);
    cr_assert_eq(bld_poke(host, DISK, size_at, id, sizeof id), VHDX_OK);
    cr_assert_eq(bld_poke(host, DISK, id_at, size, sizeof size), VHDX_OK);
    is_mended(5);
    verify_is_silent();
    end();
}
