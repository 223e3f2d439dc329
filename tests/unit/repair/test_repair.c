/*
 * Repair in memory: each fault that the builder can make is corrected, shows itself no more, changes nothing that
 * reading gives, is not there a second time, and undo gives the identical file. What is salvaged is named to the byte.
 */
/* SPDX-License-Identifier: MIT */
#include "repair_parts.h"

/* Either the entry is wrong or the size is: nothing is cleared, and only a salvage takes the size for it. */
Test(repair, an_entry_behind_the_last_that_leads_to_a_block_is_never_cleared)
{
    const struct bld_options options = {.virtual_size = 8 << 20, .block_size = 1 << 20, .seed = 3};
    struct bench b = begin(&options, NULL);
    uint64_t place = bld_bat_entry_offset(b.builder, bld_block_count(b.builder));
    const uint8_t rubbish[8] = {1};
    uint8_t there[8], block[8];
    uint64_t behind = bld_file_size(b.builder);
    vx_put64(block, behind | 6);
    cr_assert_eq(bld_resize(b.host, DISK, behind + (1 << 20)), VHDX_OK);
    cr_assert_eq(bld_poke(b.host, DISK, behind + 4096, rubbish, 8), VHDX_OK);
    cr_assert_eq(bld_poke(b.host, DISK, place, block, 8), VHDX_OK);
    uint64_t damaged = digest(&b, DISK);
    vhdx_report *report = repair(&b, NULL);
    cr_expect_eq(find(report, "VHDX-METADATA-CONTRADICTED")->repair, VHDX_REPAIR_SALVAGE);
    vhdx_report_free(report);
    cr_assert_eq(digest(&b, DISK), damaged);
    vhdx_report_free(repair(&b, &(vhdx_repair_options){.salvage = true, .no_undo = true}));
    cr_assert_eq(bld_peek(b.host, DISK, place, there, 8), VHDX_OK);
    cr_expect_arr_eq(there, block, 8);
    report = verify(&b);
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CLEAN);
    vhdx_report_free(report);
    end(&b);
}

Test(repair, mends_a_header_from_the_other_one)
{
    for (int copy = 1; copy <= 2; copy++) {
        struct bench bench = begin(&plain, some_content);
        uint8_t before[16];
        content(&bench, before);
        bld_poke_int(bench.host, DISK, copy == 1 ? 0x10010 : 0x20010, 0x55, 1);
        must_be_lossless(&bench, "VHDX-HEADER-DAMAGED", before);
        end(&bench);
    }
}

Test(repair, mends_a_region_table_from_the_other_one)
{
    for (int copy = 1; copy <= 2; copy++) {
        struct bench bench = begin(&plain, some_content);
        uint8_t before[16];
        content(&bench, before);
        bld_poke_int(bench.host, DISK, copy == 1 ? 0x30010 : 0x40010, 0x5566, 2);
        must_be_lossless(&bench, "VHDX-REGION-TABLE-DAMAGED", before);
        end(&bench);
    }
}

Test(repair, gives_the_file_its_signature_back)
{
    struct bench bench = begin(&plain, some_content);
    uint8_t before[16];
    content(&bench, before);
    bld_poke_int(bench.host, DISK, 0, 0x1234, 2);
    must_be_lossless(&bench, "VHDX-FILE-SIGNATURE", before);
    end(&bench);
}

Test(repair, begins_sequence_numbers_anew_when_they_are_used_up)
{
    struct bld_options options = plain;
    uint8_t before[16];
    options.sequence[0] = UINT64_MAX - 1;
    options.sequence[1] = UINT64_MAX;
    struct bench bench = begin(&options, some_content);
    content(&bench, before);
    must_be_lossless(&bench, "VHDX-HEADER-SEQUENCE", before);
    end(&bench);
}

Test(repair, places_an_empty_log_that_lies_nowhere)
{
    static const struct {
        size_t at, size;
        uint64_t value;
        const char *id;
    } faults[] = {
        {68, 4, 0x100800, "VHDX-HEADER-LOG-LENGTH"},
        {72, 8, 0x100800, "VHDX-HEADER-LOG-OFFSET"},
        {72, 8, 0x10000, "VHDX-HEADER-LOG-LOW"},
        {72, 8, 0x4000000000, "VHDX-HEADER-LOG-BEYOND-END"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct bench bench = begin(&plain, some_content);
        uint8_t before[16], bytes[8];
        content(&bench, before);
        vx_put64(bytes, faults[i].value);
        bld_poke_header(bench.host, DISK, 3, faults[i].at, bytes, faults[i].size);
        must_be_lossless(&bench, faults[i].id, before);
        end(&bench);
    }
}

Test(repair, of_a_sound_disk_does_nothing)
{
    struct bench bench = begin(&plain, some_content);
    uint64_t before = digest(&bench, DISK);
    vhdx_report *report = repair(&bench, NULL);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CLEAN);
    cr_assert_eq(digest(&bench, DISK), before);
    cr_assert_eq(vx_memory_host_size(bench.memory, UNDO), UINT64_MAX);
    vhdx_report_free(report);
    end(&bench);
}

Test(repair, refuses_another_file_in_the_place_of_its_undo_file)
{
    struct bench bench = begin(&plain, some_content);
    vhdx_repair_options options = {.struct_size = sizeof options, .host = bench.host};
    vhdx_report *report;
    bld_poke_int(bench.host, DISK, 0x10010, 0x55, 1);
    uint64_t before = digest(&bench, DISK);
    cr_assert(vx_memory_host_put(bench.memory, UNDO,
                                 "something else of mine, a long text, longer than a header is so "
                                 "that it cannot be taken for one",
                                 90));
    cr_assert_eq(vhdx_repair(DISK, &options, &report, NULL), VHDX_EXISTS);
    options.dry_run = true;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, NULL), VHDX_EXISTS);
    cr_assert_eq(digest(&bench, DISK), before);
    end(&bench);
}
