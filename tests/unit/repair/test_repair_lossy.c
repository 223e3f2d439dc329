/* Repair with losses allowed: what is kept, and what is told as lost. */
/* SPDX-License-Identifier: MIT */
#include "repair_parts.h"

static void wipe(const struct bench *bench, uint64_t offset, size_t length)
{
    uint8_t *zeros = calloc(1, length);
    cr_assert_eq(bld_poke(bench->host, DISK, offset, zeros, length), VHDX_OK);
    free(zeros);
}

static const vhdx_lost_range *only_lost(const vhdx_report *report)
{
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 1);
    return vhdx_report_lost(report, 0, 0);
}

Test(repair_lossy, makes_headers_when_nothing_is_left_of_them)
{
    struct bench bench = begin(&plain, some_content);
    wipe(&bench, 0x10000, 4096);
    wipe(&bench, 0x20000, 4096);
    vhdx_report *report = salvage(&bench, NULL);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    vhdx_report_free(report);
    end(&bench);
}

static void dirty_content(struct bld *b)
{
    some_content(b);
    bld_log_dirty(b, &(struct bld_log){.what = BLD_LOG_BAT, .entries = 2, .home = BLD_HOME_ZERO});
}

Test(repair_lossy, finds_the_log_that_was_to_be_replayed_when_both_headers_are_gone)
{
    struct bench bench = begin(&plain, dirty_content);
    wipe(&bench, 0x10000, 4096);
    wipe(&bench, 0x20000, 4096);
    vhdx_report_free(salvage(&bench, NULL));
    end(&bench);
}

Test(repair_lossy, finds_bat_and_metadata_when_both_region_tables_are_gone)
{
    static const enum bld_layout layouts[] = {BLD_LAYOUT_WINDOWS, BLD_LAYOUT_QEMU, BLD_LAYOUT_MIXED};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        struct bld_options options = plain;
        options.layout = layouts[i];
        struct bench bench = begin(&options, some_content);
        wipe(&bench, 0x30000, 65536);
        wipe(&bench, 0x40000, 65536);
        vhdx_report_free(salvage(&bench, NULL));
        end(&bench);
    }
}

/* What a power cut at the host leaves: the end of the file is gone. All that lies before the cut stays. */
Test(repair_lossy, of_a_cut_file_keeps_everything_up_to_the_cut)
{
    struct bench bench = begin(&plain, some_content);
    uint64_t block = bld_payload_offset(bench.builder, 5);
    cr_assert_eq(bld_resize(bench.host, DISK, block + 8192), VHDX_OK);
    vhdx_report *report = salvage(&bench, NULL);
    const vhdx_lost_range *lost = only_lost(report);
    cr_assert_eq(lost->offset, (5u << 20) + 8192);
    cr_assert_eq(lost->length, (1u << 20) - 8192);
    vhdx_report_free(report);
    end(&bench);
}

Test(repair_lossy, gives_a_disk_that_lost_content_another_identity)
{
    struct bench bench = begin(&plain, some_content);
    bld_resize(bench.host, DISK, bld_payload_offset(bench.builder, 5) + 8192);
    vhdx_report_free(repair(&bench, &(vhdx_repair_options){.salvage = true}));
    vhdx_chain *chain = open_disk(&bench);
    cr_assert_arr_neq(vhdx_chain_layer(chain, 0)->data_write_guid.bytes, bld_data_write_guid(bench.builder)->bytes, 16);
    vhdx_chain_free(chain);
    end(&bench);
}

Test(repair_lossy, without_loss_keeps_the_identity_of_the_content)
{
    struct bench bench = begin(&plain, some_content);
    bld_poke_int(bench.host, DISK, 0x10010, 0x55, 1);
    bld_poke_int(bench.host, DISK, 0x30010, 0x5566, 2);
    vhdx_report_free(repair(&bench, NULL));
    vhdx_chain *chain = open_disk(&bench);
    cr_assert_arr_eq(vhdx_chain_layer(chain, 0)->data_write_guid.bytes, bld_data_write_guid(bench.builder)->bytes, 16);
    vhdx_chain_free(chain);
    end(&bench);
}

static void four_blocks(struct bld *b)
{
    for (uint64_t i = 0; i < 4; i++)
        bld_write_random(b, i << 20, 1u << 20, i + 1);
}

/* Blocks lie one behind the other, so the one that lies in the place of its neighbour is the wrong one. */
Test(repair_lossy, of_two_blocks_in_one_place_believes_the_one_in_order)
{
    struct bench bench = begin(&plain, four_blocks);
    bld_poke_int(bench.host, DISK, bld_payload_entry_offset(bench.builder, 9), bld_payload_offset(bench.builder, 1) | 6,
                 8);
    vhdx_report *report = salvage(&bench, NULL);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 2);
    const vhdx_lost_range *believed = vhdx_report_lost(report, 0, 0), *lost = vhdx_report_lost(report, 0, 1);
    cr_assert(believed->offset == 1u << 20 && believed->length == 1u << 20 && believed->doubtful);
    cr_assert(lost->offset == 9u << 20 && lost->length == 1u << 20 && !lost->doubtful);
    vhdx_report_free(report);
    end(&bench);
}

static void put_map(const struct bench *bench, const char *path, uint64_t bad, uint64_t length)
{
    char text[400];
    uint64_t end = bld_file_size(bench->builder);
    int size =
        snprintf(text, sizeof text,
                 "# Mapfile. Created by GNU ddrescue\n0x00000000 + 1\n0x0 0x%llX +\n0x%llX 0x%llX -\n0x%llX 0x%llX +\n",
                 (unsigned long long)bad, (unsigned long long)bad, (unsigned long long)length,
                 (unsigned long long)(bad + length), (unsigned long long)(end - bad - length));
    cr_assert(vx_memory_host_put(bench->memory, path, text, (size_t)size));
}

/* The copy has something else there: what the map does not call good is not believed. */
Test(repair_lossy, takes_the_good_header_where_a_map_says_that_the_other_could_not_be_read)
{
    struct bench bench = begin(&plain, some_content);
    uint8_t before[16], after[16];
    content(&bench, before);
    put_map(&bench, "/vm/map", 0x20000, 4096);
    vhdx_report *report = repair(&bench, &(vhdx_repair_options){.bad_ranges = "/vm/map"});
    cr_assert(find(report, "VHDX-HEADER-DAMAGED"));
    cr_assert(find(report, "VHDX-HEADER-DAMAGED")->corrected);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED);
    vhdx_report_free(report);
    content(&bench, after);
    cr_assert_arr_eq(before, after, 16);
    end(&bench);
}

Test(repair_lossy, names_the_ranges_of_blocks_that_a_map_calls_bad)
{
    struct bench bench = begin(&plain, four_blocks);
    put_map(&bench, "/vm/map", bld_payload_offset(bench.builder, 2) + 4096, 8192);
    uint64_t before = digest(&bench, DISK);
    vhdx_report *report =
        repair(&bench, &(vhdx_repair_options){.bad_ranges = "/vm/map", .salvage = true, .map = "/vm/lost"});
    const vhdx_lost_range *lost = only_lost(report);
    cr_assert_eq(lost->offset, (2u << 20) + 4096);
    cr_assert_eq(lost->length, 8192);
    cr_assert_eq(digest(&bench, DISK), before, "payload is written");
    cr_assert_neq(vx_memory_host_size(bench.memory, "/vm/lost"), UINT64_MAX);
    vhdx_report_free(report);
    end(&bench);
}

Test(repair_lossy, refuses_a_map_that_is_none)
{
    struct bench bench = begin(&plain, NULL);
    const vhdx_repair_options options = {.struct_size = sizeof options, .host = bench.host, .bad_ranges = "/vm/map"};
    vhdx_report *report;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, NULL), VHDX_NOT_FOUND);
    vx_memory_host_put(bench.memory, "/vm/map", "what is this\n", 13);
    cr_assert_eq(vhdx_repair(DISK, &options, &report, NULL), VHDX_CORRUPT);
    end(&bench);
}

static void windows_log(struct bld *b)
{
    four_blocks(b);
    bld_log_dirty(b, &(struct bld_log){.what = BLD_LOG_BAT, .entries = 1, .home = BLD_HOME_OLDER});
}

/* A disk was dirty, the log was replayed by us once, and somebody zeroed the BAT: the ring still has its page. */
Test(repair_lossy, puts_a_bat_of_zeros_back_from_old_entries_of_the_log)
{
    struct bench bench = begin(&plain, windows_log);
    vhdx_report_free(repair(&bench, NULL));
    wipe(&bench, bld_bat_entry_offset(bench.builder, 0), 4096);
    vhdx_report *report = repair(&bench, &(vhdx_repair_options){.salvage = true});
    cr_assert(find(report, "VHDX-BAT-EMPTY") && find(report, "VHDX-BAT-EMPTY")->corrected);
    must_read_but_for_lost(&bench, report);
    vhdx_report_free(report);
    end(&bench);
}

/* What is planned for space that the file gets back is newer than what the log has for it. */
Test(repair_lossy, of_a_file_that_was_cut_before_its_bat_is_not_undone_by_the_log)
{
    struct bench bench = begin(&plain, windows_log);
    bld_resize(bench.host, DISK, bld_bat_entry_offset(bench.builder, 0));
    vhdx_report_free(salvage(&bench, NULL));
    end(&bench);
}

/* Without residue a ring of zeros may be one that was never begun; blocks that nobody owns say that it was. */
Test(repair_lossy, does_not_call_a_log_never_written_that_blocks_without_owner_came_from)
{
    for (int salvage = 0; salvage < 2; salvage++) {
        struct bench bench = begin(&plain, windows_log);
        wipe(&bench, 1u << 20, 1u << 20);
        vhdx_report *report = repair(&bench, &(vhdx_repair_options){.salvage = salvage});
        const vhdx_finding *log = find(report, "VHDX-LOG-NEVER-WRITTEN");
        cr_assert(log && log->repair == VHDX_REPAIR_SALVAGE && log->corrected == (salvage != 0));
        const vhdx_lost_range *all = salvage ? only_lost(report) : NULL; /* nobody knows what it would have changed */
        cr_assert(!salvage || (all->doubtful && all->length == bld_virtual_size(bench.builder)));
        vhdx_report_free(report);
        end(&bench);
    }
}

/* Reserved bits, states and places by chance, for all entries of the first page. */
static void garble_bat(const struct bench *bench, uint64_t entries)
{
    uint64_t noise = UINT64_C(0x9E3779B97F4A7C15);
    for (uint64_t i = 0; i < entries; i++) {
        noise = noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bld_poke_int(bench->host, DISK, bld_bat_entry_offset(bench->builder, i), noise | 0x1F000, 8);
    }
}

/* Single entries in it look like states that are repaired without loss; nothing of the kind is true. */
Test(repair_lossy, does_not_tidy_up_a_bat_that_is_garbage)
{
    struct bench bench = begin(&plain, some_content);
    garble_bat(&bench, bld_virtual_size(bench.builder) >> 20);
    uint64_t damaged = digest(&bench, DISK);
    vhdx_report *report = repair(&bench, NULL);
    cr_assert(find(report, "VHDX-BAT-NONSENSE") && !find(report, "VHDX-BAT-NONSENSE")->corrected);
    cr_assert_not(find(report, "VHDX-BAT-RESERVED"));
    cr_assert_eq(digest(&bench, DISK), damaged);
    vhdx_report_free(report);
    vhdx_report_free(salvage(&bench, NULL));
    end(&bench);
}

/* A parent whose every byte is 0xAA below a child. */
static struct bench begin_child(void (*fill)(struct bld *b))
{
    struct bench bench = {.memory = vx_memory_host_new(7)};
    struct bld_options options = plain;
    vhdx_guid identity;
    vhdx_error err;
    bench.host = vx_memory_host_interface(bench.memory);
    struct bld *base = bld_new(&options);
    uint8_t *old = malloc(1u << 20);
    memset(old, 0xAA, 1u << 20);
    for (uint64_t block = 0; block < 64; block++)
        bld_write(base, block << 20, old, 1u << 20);
    free(old);
    cr_assert_eq(bld_finish(base, bench.host, "/vm/base.vhdx", &err), VHDX_OK, "%s", err.message);
    identity = *bld_data_write_guid(base);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.seed++;
    bench.builder = bld_new(&options);
    bld_parent(bench.builder, &identity, NULL, ".\\base.vhdx", NULL, NULL);
    if (fill)
        fill(bench.builder);
    cr_assert_eq(bld_finish(bench.builder, bench.host, DISK, &err), VHDX_OK, "%s", err.message);
    bld_free(base);
    return bench;
}

static void a_sector_of_the_first_block(struct bld *b)
{
    bld_write_random(b, 4096, 512, 1);
}

/* It reads as zeros afterwards, so that what the parent showed through it is gone for the reader too. */
Test(repair_lossy, that_gives_up_a_partial_block_lists_all_of_it)
{
    struct bench bench = begin_child(a_sector_of_the_first_block);
    vhdx_error err;
    bld_poke_int(bench.host, DISK, bld_bat_entry_offset(bench.builder, 0), (UINT64_C(512) << 40) | 7, 8);
    vhdx_report *report = repair(&bench, &(vhdx_repair_options){.salvage = true});
    vhdx_chain *chain = open_disk(&bench);
    for (uint64_t at = 0; at < 2u << 20; at += 4096) {
        uint8_t byte;
        cr_assert_eq(vhdx_chain_read(chain, &byte, 1, at, &err), VHDX_OK, "%s", err.message);
        cr_assert(byte == 0xAA || is_lost(report, at), "0x%llx is not the parent's and not listed",
                  (unsigned long long)at);
    }
    vhdx_chain_free(chain);
    vhdx_report_free(report);
    end(&bench);
}

static void unmark_child(const struct bench *bench)
{
    uint64_t parameters = bld_item_offset(bench->builder, &vx_guid_file_parameters, false);
    bld_poke_int(bench->host, DISK, parameters + 4, 0, 4);
}

/* One bit of a child: what its locator and its bitmap say must not be tidied away as left over. */
Test(repair_lossy, marks_a_child_again_whose_bat_shows_that_it_is_one)
{
    struct bench bench = begin_child(a_sector_of_the_first_block);
    uint8_t before[16];
    content(&bench, before);
    unmark_child(&bench);
    must_be_lossless(&bench, "VHDX-METADATA-LEFT-LOCATOR", before);
    end(&bench);
}

Test(repair_lossy, keeps_a_locator_that_may_be_all_that_is_known_of_a_parent)
{
    struct bench bench = begin_child(NULL);
    unmark_child(&bench);
    uint64_t damaged = digest(&bench, DISK);
    vhdx_report *report = repair(&bench, NULL);
    cr_assert(find(report, "VHDX-METADATA-LEFT-LOCATOR") && !find(report, "VHDX-METADATA-LEFT-LOCATOR")->corrected);
    cr_assert_eq(digest(&bench, DISK), damaged);
    vhdx_report_free(report);
    end(&bench);
}

/* What is lost must not be read from the parent. */
Test(repair_lossy, of_a_childs_garbled_bat_does_not_show_the_parents_content)
{
    struct bench bench = begin_child(four_blocks);
    vhdx_error err;
    garble_bat(&bench, 512);
    vhdx_report *report = repair(&bench, &(vhdx_repair_options){.salvage = true});
    vhdx_chain *chain = open_disk(&bench);
    for (uint64_t block = 0; block < 64; block++) {
        uint8_t byte;
        cr_assert_eq(vhdx_chain_read(chain, &byte, 1, block << 20, &err), VHDX_OK, "%s", err.message);
        cr_assert(byte != 0xAA, "block %llu is the parent's", (unsigned long long)block);
        cr_assert(is_lost(report, block << 20), "block %llu is not listed", (unsigned long long)block);
    }
    vhdx_chain_free(chain);
    vhdx_report_free(report);
    end(&bench);
}

Test(repair_lossy, cuts_what_nobody_owns_only_when_asked_to)
{
    struct bench bench = begin(&plain, some_content);
    uint64_t size = bld_file_size(bench.builder);
    bld_resize(bench.host, DISK, size + (3u << 20));
    vhdx_report_free(repair(&bench, NULL));
    cr_assert_eq(vx_memory_host_size(bench.memory, DISK), size + (3u << 20));
    vhdx_report_free(repair(&bench, &(vhdx_repair_options){.trim = true}));
    cr_assert_eq(vx_memory_host_size(bench.memory, DISK), size);
    undo(&bench);
    cr_assert_eq(vx_memory_host_size(bench.memory, DISK), size + (3u << 20));
    end(&bench);
}

Test(repair_lossy, believes_the_log_rather_than_a_place_of_the_bat_that_a_map_calls_bad)
{
    struct bench bench = begin(&plain, windows_log);
    vhdx_report_free(repair(&bench, NULL));
    uint8_t junk[4096];
    memset(junk, 0x46, sizeof junk);
    bld_poke(bench.host, DISK, bld_bat_entry_offset(bench.builder, 0), junk, sizeof junk);
    put_map(&bench, "/vm/map", bld_bat_entry_offset(bench.builder, 0), 4096);
    vhdx_report *report = repair(&bench, &(vhdx_repair_options){.salvage = true, .bad_ranges = "/vm/map"});
    uint8_t *expected = calloc(1, (size_t)bld_virtual_size(bench.builder)), bytes[4096];
    vhdx_chain *chain = open_disk(&bench);
    bld_apply(bench.builder, expected);
    for (uint64_t at = 0; at < bld_virtual_size(bench.builder); at += sizeof bytes) {
        cr_assert_eq(vhdx_chain_read(chain, bytes, sizeof bytes, at, NULL), VHDX_OK);
        cr_assert_arr_eq(bytes, expected + at, sizeof bytes);
    }
    cr_assert(is_lost(report, 0), "what came from an old entry of the log is named as doubtful");
    free(expected);
    vhdx_chain_free(chain);
    vhdx_report_free(report);
    end(&bench);
}

Test(repair_lossy, gives_up_the_blocks_of_a_bad_place_of_the_bat)
{
    struct bench bench = begin(&plain, four_blocks);
    uint8_t junk[4096];
    memset(junk, 0x46, sizeof junk);
    bld_poke(bench.host, DISK, bld_bat_entry_offset(bench.builder, 0), junk, sizeof junk);
    put_map(&bench, "/vm/map", bld_bat_entry_offset(bench.builder, 0), 4096);
    vhdx_report *report = repair(&bench, &(vhdx_repair_options){.salvage = true, .bad_ranges = "/vm/map"});
    must_read_but_for_lost(&bench, report);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_bytes, bld_virtual_size(bench.builder));
    vhdx_report_free(report);
    report = verify(&bench);
    cr_assert_eq(vhdx_report_file(report, 0)->errors, 0);
    vhdx_report_free(report);
    end(&bench);
}

/* Three blocks in the place of a fourth are three findings of one owner. */
Test(repair_lossy, counts_as_many_overlaps_as_verify)
{
    struct bench bench = begin(&plain, some_content);
    uint64_t first;
    cr_assert_eq(bld_peek(bench.host, DISK, bld_bat_entry_offset(bench.builder, 0), &first, 8), VHDX_OK);
    for (uint64_t block = 20; block < 23; block++)
        cr_assert_eq(bld_poke(bench.host, DISK, bld_bat_entry_offset(bench.builder, block), &first, 8), VHDX_OK);
    vhdx_report *report = verify(&bench);
    uint64_t errors = vhdx_report_file(report, 0)->errors;
    cr_assert_geq(errors, 3);
    vhdx_report_free(report);
    report = repair(&bench, &(vhdx_repair_options){.salvage = true});
    cr_expect_eq(vhdx_report_file(report, 0)->errors, errors);
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED);
    vhdx_report_free(report);
    undo(&bench);
    end(&bench);
}

/* Without --salvage both owners of one place are named as lost, as verify names them. */
Test(repair_lossy, names_what_is_lost_as_verify_does_when_it_leaves_it)
{
    struct bench bench = begin(&plain, four_blocks);
    uint64_t first;
    cr_assert_eq(bld_peek(bench.host, DISK, bld_bat_entry_offset(bench.builder, 0), &first, 8), VHDX_OK);
    cr_assert_eq(bld_poke(bench.host, DISK, bld_bat_entry_offset(bench.builder, 3), &first, 8), VHDX_OK);
    vhdx_report *before = verify(&bench), *after = repair(&bench, NULL);
    size_t count = vhdx_report_file(before, 0)->lost_count;
    cr_assert_geq(count, 2);
    cr_assert_eq(vhdx_report_file(after, 0)->lost_count, count);
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(vhdx_report_lost(before, 0, i)->offset, vhdx_report_lost(after, 0, i)->offset);
        cr_expect_eq(vhdx_report_lost(before, 0, i)->length, vhdx_report_lost(after, 0, i)->length);
    }
    vhdx_report_free(before);
    vhdx_report_free(after);
    end(&bench);
}

/* ---- a log whose place the headers do not know any more ---- */

struct misplaced {
    const char *text;
    uint64_t offset; /* 0 = stays */
    uint32_t length; /* 1 = stays */
};

static void poke_log_place(const struct bench *bench, const struct misplaced *row)
{
    uint8_t bytes[8];
    vx_put64(bytes, row->offset);
    if (row->offset)
        cr_assert_eq(bld_poke_header(bench->host, DISK, 3, 72, bytes, 8), VHDX_OK);
    vx_put32(bytes, row->length);
    if (row->length != 1)
        cr_assert_eq(bld_poke_header(bench->host, DISK, 3, 68, bytes, 4), VHDX_OK);
}

/* The BAT at home is empty: without its log this disk reads as zeros. */
Test(repair_lossy, finds_a_needed_log_that_the_headers_look_for_elsewhere)
{
    static const struct misplaced rows[] = {
        {"beyond the end", UINT64_C(1) << 40, 1}, {"in the metadata", 2 << 20, 1}, {"in the BAT", 3 << 20, 1},
        {"in the header section", 65536, 1},      {"at no MiB", (1 << 20) + 1, 1}, {"of no length", 0, 0},
        {"over everything", 0, 3 << 20},          {"of 4 GiB", 0, 0xFFF00000u},    {"of a page", 0, 4096},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench bench = begin(&plain, dirty_content);
        uint8_t before[16], after[16];
        content(&bench, before);
        poke_log_place(&bench, &rows[i]);
        uint64_t damaged = digest(&bench, DISK);
        vhdx_report *report = repair(&bench, NULL);
        cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED, "a log %s", rows[i].text);
        vhdx_report_free(report);
        content(&bench, after);
        cr_expect_arr_eq(before, after, sizeof before, "a log %s", rows[i].text);
        undo(&bench);
        cr_expect_eq(digest(&bench, DISK), damaged, "a log %s", rows[i].text);
        end(&bench);
    }
}

/* What held a log and holds something else now was not "never written". */
Test(repair_lossy, gives_up_an_overwritten_log_only_when_asked)
{
    struct bench bench = begin(&plain, dirty_content);
    uint8_t page[4096];
    memset(page, 0xA5, sizeof page);
    for (uint64_t at = 1 << 20; at < 2 << 20; at += sizeof page)
        cr_assert_eq(bld_poke(bench.host, DISK, at, page, sizeof page), VHDX_OK);
    uint64_t damaged = digest(&bench, DISK);
    vhdx_report *report = verify(&bench);
    cr_assert_not_null(find(report, "VHDX-LOG-NEVER-WRITTEN"));
    cr_expect_eq(find(report, "VHDX-LOG-NEVER-WRITTEN")->repair, VHDX_REPAIR_SALVAGE);
    vhdx_report_free(report);
    vhdx_report_free(repair(&bench, NULL));
    cr_expect_eq(digest(&bench, DISK), damaged);
    report = repair(&bench, &(vhdx_repair_options){.salvage = true});
    cr_expect(find(report, "VHDX-LOG-NEVER-WRITTEN")->corrected);
    vhdx_report_free(report);
    undo(&bench);
    cr_expect_eq(digest(&bench, DISK), damaged);
    end(&bench);
}
