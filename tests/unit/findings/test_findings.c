/*
 * The table of findings: each row has an image with exactly that fault (tests/support/faults.c), the image gives
 * exactly that finding, and docs/findings.md has a paragraph on it. Also what looks wrong and is not: nothing worse
 * than notes may come of it.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "faults_around.h"
#include "faults_vhd.h"
#include "files.h"
#include "with_memory.h"

static vhdx_error err;

MEMORY_SUITE(findings);

static vhdx_report *verify_on(const vhdx_host *on, const char *path, bool chain, bool data)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = on, .chain = chain, .data = data};
    vhdx_report *report = NULL;
    cr_assert_eq(vhdx_verify(path, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static bool expects(const struct fault *fault, uint32_t number)
{
    if ((uint32_t)fault->kind == number)
        return true;
    for (size_t i = 0; i < sizeof fault->with / sizeof fault->with[0]; i++)
        if (fault->with[i] != 0 && (uint32_t)fault->with[i] == number)
            return true;
    return false;
}

static bool has(const vhdx_report *report, uint32_t number)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (finding->number == number)
            return true;
    return false;
}

static void judge(const struct fault *fault, const vhdx_report *report)
{
    const vhdx_finding *finding;
    const char *name = vx_finding_kind(fault->kind)->id;
    cr_expect(has(report, fault->kind), "%s (%s) is not found", name, fault->text);
    for (size_t i = 0; i < sizeof fault->with / sizeof fault->with[0] && fault->with[i]; i++)
        cr_expect(has(report, fault->with[i]), "%s (%s): %s is missing", name, fault->text,
                  vx_finding_kind(fault->with[i])->id);
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++) {
        cr_expect(expects(fault, finding->number), "%s (%s): also %s, %s", name, fault->text, finding->id,
                  finding->message);
        cr_expect(!strchr(finding->message, '{') &&
                      (!strstr(finding->message, "18446744073709551615") || finding->number == VX_FIND_HEADER_SEQUENCE),
                  "%s says: %s", finding->id, finding->message);
        cr_expect_neq(strlen(finding->message), 0);
    }
    if (fault->lost_length == 0)
        return;
    const vhdx_lost_range *lost = vhdx_report_lost(report, 0, 0);
    cr_expect_eq(vhdx_report_file(report, 0)->lost_count, 1, "%s (%s)", name, fault->text);
    cr_expect(lost && lost->offset == fault->lost_offset && lost->length == fault->lost_length,
              "%s (%s): another range is lost", name, fault->text);
}

Test(findings, each_fault_gives_exactly_its_finding)
{
    for (size_t i = 0; i < fault_count(); i++) {
        const struct fault *fault = fault_at(i);
        struct fault_scene scene = {.host = host};
        struct fault_bad_host bad;
        const vhdx_host *on = host;
        fault_make(fault, &scene);
        if (scene.bad_length > 0)
            on = fault_bad_host(&bad, host, scene.bad_offset, scene.bad_length);
        vhdx_report *report = verify_on(on, FAULT_PATH, scene.chain, scene.data);
        judge(fault, report);
        vhdx_report_free(report);
        fault_end(&scene);
    }
}

/* Over all files of the chain: this finding at the file that it belongs to, and no other one. */
static void judge_around(const struct around *around, const vhdx_report *report)
{
    const char *name = vx_finding_kind(around->kind)->id;
    size_t others = 0, here = 0;
    for (size_t file = 0; file < vhdx_report_file_count(report); file++) {
        const vhdx_finding *finding;
        for (size_t i = 0; (finding = vhdx_report_finding(report, file, i)) != NULL; i++) {
            bool wanted = finding->number == (uint32_t)around->kind && file == around->file;
            here += wanted;
            others += !wanted;
            cr_expect(wanted, "%s (%s): also %s at file %zu, %s", name, around->text, finding->id, file,
                      finding->message);
            cr_expect(!strchr(finding->message, '{') && !strstr(finding->message, "18446744073709551615"),
                      "%s says: %s", finding->id, finding->message);
        }
    }
    cr_expect(here == 1 && others == 0, "%s (%s): %zu times, and %zu others", name, around->text, here, others);
}

Test(findings, each_scene_around_a_disk_gives_exactly_its_finding)
{
    for (size_t i = 0; i < around_count(); i++) {
        struct vx_memory_host *fresh = vx_memory_host_new(i + 1);
        struct around_scene *scene = calloc(1, sizeof *scene);
        worn_host_init(&scene->worn, vx_memory_host_interface(fresh));
        around_at(i)->make(scene);
        const vhdx_verify_options options = {.struct_size = sizeof options,
                                             .host = &scene->worn.host,
                                             .chain = true,
                                             .data = true,
                                             .manifest = scene->manifest ? AROUND_MANIFEST : NULL};
        vhdx_report *report = NULL;
        cr_assert_eq(vhdx_verify(AROUND_PATH, &options, &report, &err), VHDX_OK, "%s", err.message);
        judge_around(around_at(i), report);
        vhdx_report_free(report);
        free(scene);
        vx_memory_host_free(fresh);
    }
}

Test(findings, the_table_is_in_order_and_each_row_has_an_image)
{
    for (size_t i = 0; i < vx_finding_kind_count(); i++) {
        const struct vx_finding_kind *kind = vx_finding_kind_at(i);
        bool found = false;
        cr_expect(i == 0 || vx_finding_kind_at(i - 1)->number < kind->number, "%s is out of order", kind->id);
        cr_expect(strncmp(kind->id, "VHDX-", 5) == 0 || strncmp(kind->id, "VHD-", 4) == 0);
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(vx_finding_kind_at(j)->id, kind->id);
        for (size_t j = 0; j < fault_count(); j++)
            found |= fault_at(j)->kind == kind->number;
        for (size_t j = 0; j < around_count(); j++)
            found |= around_at(j)->kind == kind->number;
        for (size_t j = 0; j < fault_vhd_count(); j++)
            found |= fault_vhd_at(j)->kind == kind->number;
        cr_expect(found, "%s has no image", kind->id);
    }
}

Test(findings, each_row_has_a_paragraph_in_the_documentation)
{
    size_t size;
    char *text = (char *)files_read("docs/findings.md", &size);
    cr_assert(text, "docs/findings.md cannot be read (tests run from the top of the source tree)");
    text[size - 1] = 0;
    for (size_t i = 0; i < vx_finding_kind_count(); i++) {
        char heading[96];
        snprintf(heading, sizeof heading, "\n**%s** ", vx_finding_kind_at(i)->id);
        cr_expect(strstr(text, heading), "%s has no paragraph", vx_finding_kind_at(i)->id);
    }
    free(text);
}

/* ---- what looks wrong and is not -------------------------------------------------------------------------------- */

static void expect_only_notes(const char *path, const char *what)
{
    vhdx_report *report = verify_on(host, path, false, false);
    const vhdx_finding *finding;
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CLEAN, "%s", what);
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        cr_expect_eq(finding->severity, VHDX_SEVERITY_INFO, "%s: %s, %s", what, finding->id, finding->message);
    vhdx_report_free(report);
}

static void put(struct bld *b)
{
    cr_assert_eq(bld_finish(b, host, FAULT_PATH, &err), VHDX_OK, "%s", err.message);
}

static struct bld *disk(vhdx_kind kind, struct bld_options options)
{
    options.kind = kind;
    options.virtual_size = FAULT_SIZE;
    options.block_size = FAULT_BLOCK;
    options.seed = 3;
    struct bld *b = bld_new(&options);
    if (kind == VHDX_KIND_DIFFERENCING)
        bld_parent(b, &(vhdx_guid){{9}}, NULL, ".\\a.vhdx", NULL, "C:\\a.vhdx");
    return b;
}

Test(findings, nothing_is_said_about_a_disk_as_windows_makes_it)
{
    static const vhdx_kind kinds[] = {VHDX_KIND_DYNAMIC, VHDX_KIND_FIXED, VHDX_KIND_DIFFERENCING};
    for (size_t i = 0; i < 3; i++) {
        struct bld *b = disk(kinds[i], (struct bld_options){.stale_table_entry = true});
        bld_write_random(b, 4096, 8192, 1);
        put(b);
        vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
        cr_expect_eq(vhdx_report_file(report, 0)->finding_count, 0, "%s", vhdx_report_finding(report, 0, 0)->message);
        vhdx_report_free(report);
        bld_free(b);
    }
}

Test(findings, what_real_writers_do_is_a_note_at_most)
{
    struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.layout = BLD_LAYOUT_QEMU, .gap_percent = 50});
    bld_fill_random(b, 5, 8 * VX_MIB);
    put(b);
    expect_only_notes(FAULT_PATH, "qemu");
    bld_free(b);

    b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.sequence = {1, 1}, .appended_bytes = 512, .creator = "d2v"});
    bld_fill_random(b, 6, 8 * VX_MIB);
    put(b);
    expect_only_notes(FAULT_PATH, "Disk2vhd");
    bld_free(b);

    b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.sequence = {9, 100},
                                                     .stale_header = true,
                                                     .creator = "",
                                                     .log_residue = true,
                                                     .second_region_table_damaged = false});
    bld_fill_random(b, 7, 8 * VX_MIB);
    put(b);
    expect_only_notes(FAULT_PATH, "a stale header, no creator, old log entries");
    bld_free(b);
}

Test(findings, all_states_with_and_without_offsets_are_legal_where_the_format_says_so)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        struct bld *b =
            disk(kind ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC, (struct bld_options){.shuffle_blocks = true});
        for (unsigned state = 0; state < 4; state++)
            bld_state(b, state, state);
        bld_anchor(b, 5, VX_PAYLOAD_UNDEFINED);
        bld_anchor(b, 6, VX_PAYLOAD_UNMAPPED);
        bld_stray_offset(b, 7, VX_MIB);
        bld_state(b, 8, VX_PAYLOAD_FULLY_PRESENT);
        if (kind) {
            /* a state that stays, in a file that is not in use */
            bld_write_random(b, 9 * (uint64_t)FAULT_BLOCK, 512, 1);
            bld_stale_bits(b, 10);
        }
        put(b);
        expect_only_notes(FAULT_PATH, kind ? "states in a child" : "states in a base");
        bld_free(b);
    }
}

/* Verify calls it a note, so reading must not refuse it. */
Test(findings, an_offset_that_means_nothing_may_be_any_and_the_block_is_read)
{
    struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.creator = "x"});
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    uint8_t bytes[512] = {1};
    vhdx_chain *chain;
    bld_stray_offset(b, 0, UINT64_C(0xff22025bfff00000));
    put(b);
    expect_only_notes(FAULT_PATH, "a stray offset beyond any file");
    cr_assert_eq(vhdx_chain_open(FAULT_PATH, &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_expect_eq(vhdx_chain_read(chain, bytes, sizeof bytes, 0, &err), VHDX_OK, "%s", err.message);
    cr_expect_eq(bytes[0], 0);
    vhdx_chain_free(chain);
    bld_free(b);
}

/* FULLY_PRESENT must not look for a bitmap; a clean disk has a log with LogGuid zero; a BAT region may be longer than
 * it needs. */
Test(findings, no_bitmap_an_idle_log_and_a_long_bat_region_are_in_order)
{
    struct bld *b =
        disk(VHDX_KIND_DIFFERENCING, (struct bld_options){.bat_region_length = 4 * VX_MIB, .log_length = 3 * VX_MIB});
    bld_state(b, 2, VX_PAYLOAD_FULLY_PRESENT);
    put(b);
    vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
    cr_expect_eq(vhdx_report_file(report, 0)->finding_count, 0);
    vhdx_report_free(report);
    bld_free(b);
}

/* The ring has no beginning: the active sequence may wrap, with entries of other times around it and a torn one behind
 * it. */
Test(findings, a_log_may_begin_anywhere_and_end_torn)
{
    struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.creator = "x"});
    bld_fill_random(b, 8, 8 * VX_MIB);
    bld_log_dirty(b, &(struct bld_log){.what = BLD_LOG_ALL,
                                       .entries = 3,
                                       .ring_offset = (uint32_t)VX_MIB - 8192,
                                       .applied_before = 2,
                                       .foreign_behind = true,
                                       .torn_behind = false});
    put(b);
    expect_only_notes(FAULT_PATH, "a sequence that wraps");
    bld_free(b);

    b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.creator = "x"});
    bld_fill_random(b, 9, 8 * VX_MIB);
    bld_log_dirty(b, &(struct bld_log){.what = BLD_LOG_ALL, .entries = 2, .older_sequence = true, .torn_behind = true});
    put(b);
    expect_only_notes(FAULT_PATH, "a torn entry behind the head");
    bld_free(b);
}

/* Physical places say nothing about virtual ones. */
Test(findings, a_block_may_lie_farther_in_the_file_than_the_disk_is_long)
{
    struct bld_options options = {.kind = VHDX_KIND_DYNAMIC,
                                  .virtual_size = 4 * VX_MIB,
                                  .block_size = (uint32_t)VX_MIB,
                                  .seed = 1,
                                  .metadata_region_length = 32 * VX_MIB};
    struct bld *b = bld_new(&options);
    bld_write_random(b, 0, 4096, 1);
    put(b);
    vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
    cr_expect_eq(vhdx_report_file(report, 0)->finding_count, 0);
    vhdx_report_free(report);
    bld_free(b);
}

/* ---- many at once ----------------------------------------------------------------------------------------------- */

Test(findings, damage_of_one_structure_hides_no_other)
{
    struct bld_options options = {.kind = VHDX_KIND_DYNAMIC,
                                  .virtual_size = FAULT_SIZE,
                                  .block_size = FAULT_BLOCK,
                                  .seed = 4,
                                  .damaged_header = 3};
    struct bld *b = bld_new(&options);
    bld_write_random(b, 0, 4096, 1);
    put(b);
    bld_poke_int(host, FAULT_PATH, VX_REGION_TABLE1_OFFSET + 60000, 1, 1);
    bld_poke_int(host, FAULT_PATH, VX_REGION_TABLE2_OFFSET + 60000, 1, 1);
    bld_poke_int(host, FAULT_PATH, bld_payload_entry_offset(b, 3), 4, 8);
    bld_poke_int(host, FAULT_PATH, bld_item_offset(b, &vx_guid_physical_sector_size, false), 7, 4);
    vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
    cr_expect(has(report, VX_FIND_HEADERS_LOST));
    cr_expect(has(report, VX_FIND_REGION_TABLES_LOST));
    cr_expect(has(report, VX_FIND_METADATA_PHYSICAL_SECTOR));
    cr_expect(has(report, VX_FIND_BAT_STATE));
    vhdx_report_free(report);
    bld_free(b);
}

/* Not one item of the metadata is left, or neither region table: values derived from the rest do for the BAT. */
Test(findings, damage_of_the_metadata_hides_none_of_the_bat)
{
    for (unsigned lost = 0; lost < 2; lost++) {
        struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.creator = "x"});
        for (uint64_t block = 0; block < 32; block++)
            bld_write_random(b, block * FAULT_BLOCK, 4096, block);
        put(b);
        bld_poke_int(host, FAULT_PATH, bld_payload_entry_offset(b, 3), 4, 8);
        bld_poke_int(host, FAULT_PATH, bld_payload_entry_offset(b, 7), bld_payload_offset(b, 8) | 6, 8);
        uint64_t metadata = bld_region_offset(b, &vx_guid_metadata_region);
        for (unsigned at = 0; at < 64; at += 8)
            bld_poke_int(host, FAULT_PATH, lost ? 0x30000 + at : metadata + VX_METADATA_TABLE_SIZE + at, 0, 8);
        for (unsigned at = 0; at < 64 && lost; at += 8)
            bld_poke_int(host, FAULT_PATH, 0x40000 + at, 0, 8);
        vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
        cr_expect(has(report, VX_FIND_METADATA_DERIVED), "%u", lost);
        cr_expect(has(report, VX_FIND_BAT_STATE), "%u", lost);
        cr_expect(has(report, VX_FIND_BAT_OVERLAP), "%u", lost);
        cr_expect_not(has(report, VX_FIND_BAT_PADDING), "%u", lost);
        const vhdx_lost_range *range = vhdx_report_lost(report, 0, 0);
        cr_expect(range && range->offset == 3 * (uint64_t)FAULT_BLOCK && range->length == FAULT_BLOCK, "%u", lost);
        cr_expect(range && range->doubtful, "%u", lost); /* its state says nothing, its place does */
        vhdx_report_free(report);
        bld_free(b);
    }
}

/* An empty disk has no blocks whose spacing tells their size: nothing is assumed from nothing. */
Test(findings, a_default_is_no_geometry)
{
    struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.creator = "x"});
    put(b);
    bld_poke_int(host, FAULT_PATH, bld_item_offset(b, &vx_guid_file_parameters, false), 3, 4);
    bld_poke_int(host, FAULT_PATH, bld_payload_entry_offset(b, 3), 4, 8);
    vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
    cr_expect(has(report, VX_FIND_METADATA_BLOCK_SIZE));
    cr_expect_not(has(report, VX_FIND_METADATA_DERIVED));
    cr_expect_not(has(report, VX_FIND_BAT_STATE));
    vhdx_report_free(report);
    bld_free(b);
}

Test(findings, neighbours_are_gathered_and_lost_ranges_are_exact)
{
    struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.creator = "x"});
    for (uint64_t block = 0; block < 32; block++)
        bld_write_random(b, block * FAULT_BLOCK, 4096, block);
    put(b);
    bld_resize(host, FAULT_PATH, bld_payload_offset(b, 10) + 4096);
    vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
    const vhdx_finding *finding = vhdx_report_finding(report, 0, 0);
    const vhdx_lost_range *lost = vhdx_report_lost(report, 0, 0);
    cr_expect_eq(vhdx_report_file(report, 0)->errors, 1);
    cr_expect_eq(finding->number, VX_FIND_BAT_BEYOND_END);
    cr_expect_eq(finding->index, 10);
    cr_expect_eq(finding->count, 22);
    cr_expect(strstr(finding->message, "21 behind it"), "%s", finding->message);
    cr_expect_eq(vhdx_report_file(report, 0)->lost_count, 1);
    cr_expect_eq(lost->offset, 10 * (uint64_t)FAULT_BLOCK + 4096);
    cr_expect_eq(lost->offset + lost->length, FAULT_SIZE);
    vhdx_report_free(report);
    bld_free(b);
}

/* Entries of every second block, and more of them than are kept: one record all the same. */
Test(findings, the_same_of_many_is_one_record)
{
    struct bld *b = bld_new(&(struct bld_options){
        .virtual_size = 4 * VX_GIB, .block_size = (uint32_t)VX_MIB, .kind = VHDX_KIND_DYNAMIC, .seed = 3});
    put(b);
    for (uint64_t block = 0; block < 4096; block += 2)
        bld_poke_int(host, FAULT_PATH, bld_payload_entry_offset(b, block), 8, 8);
    vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
    const vhdx_finding *finding = vhdx_report_finding(report, 0, 0);
    cr_expect_eq(vhdx_report_file(report, 0)->warnings, 1);
    cr_expect_eq(vhdx_report_file(report, 0)->left_out, 0);
    cr_expect(finding->number == VX_FIND_BAT_RESERVED && finding->index == 0 && finding->count == 2048);
    cr_expect(strstr(finding->message, "; the same is true of 2, 4, 6, 8, 10, 12 and 2041 more"), "%s",
              finding->message);
    vhdx_report_free(report);
    bld_free(b);
}

/* As QEMU writes the slots that nobody looks at. */
Test(findings, a_state_without_a_place_in_an_unused_entry_is_a_note)
{
    struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.creator = "x"});
    put(b);
    bld_poke_int(host, FAULT_PATH, bld_bat_entry_offset(b, bld_block_count(b)), 2, 8);
    vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
    const vhdx_finding *finding = vhdx_report_finding(report, 0, 0);
    cr_expect_eq(vhdx_report_file(report, 0)->warnings, 0);
    cr_expect(finding && finding->number == VX_FIND_BAT_PADDING && finding->severity == VHDX_SEVERITY_INFO &&
              finding->repair == VHDX_REPAIR_NONE);
    vhdx_report_free(report);
    bld_free(b);
}

/* The order is that of importance, whatever the order in which the checks come upon things. */
Test(findings, the_worst_comes_first)
{
    struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.damaged_header = 1, .appended_bytes = 512});
    bld_write_random(b, 0, 4096, 1);
    put(b);
    bld_poke_int(host, FAULT_PATH, bld_payload_entry_offset(b, 3), 4, 8);
    vhdx_report *report = verify_on(host, FAULT_PATH, false, false);
    const vhdx_finding *finding;
    vhdx_severity last = VHDX_SEVERITY_ERROR;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++) {
        cr_expect_leq(finding->severity, last);
        last = finding->severity;
    }
    cr_expect_eq(last, VHDX_SEVERITY_INFO);
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_ERRORS);
    vhdx_report_free(report);
    bld_free(b);
}

Test(findings, a_bad_sector_in_the_bat_costs_the_blocks_that_it_describes)
{
    struct bld *b = disk(VHDX_KIND_DYNAMIC, (struct bld_options){.creator = "x"});
    struct fault_bad_host bad;
    bld_write_random(b, 0, 4096, 1);
    put(b);
    const vhdx_host *on = fault_bad_host(&bad, host, bld_payload_entry_offset(b, 0), 1);
    vhdx_report *report = verify_on(on, FAULT_PATH, false, false);
    const vhdx_lost_range *lost = vhdx_report_lost(report, 0, 0);
    cr_expect(has(report, VX_FIND_FILE_UNREADABLE));
    cr_assert(lost);
    cr_expect_eq(lost->offset, 0);
    cr_expect_eq(lost->length, FAULT_SIZE); /* one page holds all entries of so small a disk */
    cr_expect_gt(bad.refused, 0);
    vhdx_report_free(report);
    bld_free(b);
}

Test(findings, what_is_no_vhdx_is_refused)
{
    static const char text[] = "this is a letter";
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report = NULL;
    vx_memory_host_put(memory, FAULT_PATH, text, sizeof text);
    cr_expect_eq(vhdx_verify(FAULT_PATH, &options, &report, &err), VHDX_NOT_VHDX);
    vx_memory_host_put(memory, FAULT_PATH, text, 0);
    cr_expect_eq(vhdx_verify(FAULT_PATH, &options, &report, &err), VHDX_NOT_VHDX);
    cr_expect_eq(vhdx_verify("/d/nowhere.vhdx", &options, &report, &err), VHDX_NOT_FOUND);
    cr_expect_null(report);
}

static bool say_stop(void *context, const vhdx_progress *progress)
{
    (void)context;
    (void)progress;
    return false;
}

Test(findings, a_check_can_be_cancelled)
{
    struct bld *b = disk(VHDX_KIND_DIFFERENCING, (struct bld_options){.creator = "x"});
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host, .progress = say_stop};
    vhdx_report *report = NULL;
    bld_write_random(b, 0, 4096, 1);
    put(b);
    cr_expect_eq(vhdx_verify(FAULT_PATH, &options, &report, &err), VHDX_CANCELLED);
    bld_free(b);
}
