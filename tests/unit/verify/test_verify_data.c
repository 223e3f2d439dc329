/*
 * Reading the payload: which bytes cannot be read, as ranges of the virtual disk, and which blocks are not what a
 * manifest says.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "builder.h"
#include "with_memory.h"
#include "manifest/manifest.h"
#include "worn_host.h"

static struct worn_host worn;

static void setup(void)
{
    begin_memory();
    worn_host_init(&worn, vx_memory_host_interface(memory));
    host = &worn.host;
}

TestSuite(verify_data, .init = setup, .fini = end_memory);

static const char disk[] = "/d/disk.vhdx", list[] = "/d/list";

static struct bld *make(vhdx_kind kind, uint64_t virtual_size, bool shuffled)
{
    struct bld_options options = {
        .kind = kind, .virtual_size = virtual_size, .block_size = 2 * VX_MIB, .seed = 5, .shuffle_blocks = shuffled};
    struct bld *b = bld_new(&options);
    const vhdx_guid parent = {{1}};
    if (kind == VHDX_KIND_DIFFERENCING)
        bld_parent(b, &parent, NULL, ".\\base.vhdx", NULL, NULL);
    return b;
}

static void finish(struct bld *b, const char *path)
{
    vhdx_error err;
    cr_assert_eq(bld_finish(b, host, path, &err), VHDX_OK, "%s", err.message);
}

static vhdx_status try_verify(const char *manifest, vhdx_report **report, vhdx_error *err)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = host, .data = true, .manifest = manifest};
    *report = NULL;
    return vhdx_verify(disk, &options, report, err);
}

static vhdx_report *verify(const char *manifest)
{
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(try_verify(manifest, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static size_t count(const vhdx_report *report, const char *id)
{
    size_t found = 0;
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)); i++)
        found += strcmp(finding->id, id) == 0 ? finding->count : 0;
    return found;
}

static void cr_expect_sound(const char *manifest)
{
    vhdx_report *report = verify(manifest);
    cr_expect_eq(vhdx_report_file(report, 0)->finding_count, 0, "%s", vhdx_report_finding(report, 0, 0)->message);
    vhdx_report_free(report);
}

/* ---- unreadable bytes ------------------------------------------------------------------------------------------- */

Test(verify_data, says_nothing_of_a_disk_that_can_be_read)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 20 * VX_MIB, true);
    bld_fill_random(b, 3, 12 * VX_MIB);
    finish(b, disk);
    bld_free(b);
    cr_expect_sound(NULL);
    cr_expect_leq(worn.largest_read, VX_MIB);
}

Test(verify_data, names_the_range_of_the_virtual_disk_that_cannot_be_read_and_reads_on)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 20 * VX_MIB, true);
    bld_write_random(b, 0, 20 * VX_MIB, 1);
    finish(b, disk);
    worn_host_bad(&worn, disk, bld_payload_offset(b, 3) + 5 * 4096 + 512, 512);
    worn_host_bad(&worn, disk, bld_payload_offset(b, 7) + VX_MIB, 8192);
    vhdx_report *report = verify(NULL);
    cr_assert_eq(vhdx_report_file(report, 0)->finding_count, 2);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 2);
    const vhdx_finding *first = vhdx_report_finding(report, 0, 0), *second = vhdx_report_finding(report, 0, 1);
    cr_expect_str_eq(first->id, "VHDX-DATA-UNREADABLE");
    cr_expect_eq(first->index, 3);
    cr_expect_eq(first->offset, bld_payload_offset(b, 3) + 5 * 4096);
    cr_expect_eq(first->lost_offset, 6 * VX_MIB + 5 * 4096);
    cr_expect_eq(first->lost_length, 4096);
    cr_expect_eq(second->lost_offset, 15 * VX_MIB);
    cr_expect_eq(second->lost_length, 8192);
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_ERRORS);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, tries_each_bad_page_once)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 4 * VX_MIB, false);
    bld_write_random(b, 0, 4 * VX_MIB, 1);
    finish(b, disk);
    worn_host_bad(&worn, disk, bld_payload_offset(b, 1) + 4096, 4 * 4096);
    vhdx_report_free(verify(NULL));
    cr_expect_eq(worn.failed_reads, 1 + 4);
    bld_free(b);
}

Test(verify_data, joins_bad_pages_over_pieces_and_ends_with_the_block)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 4 * VX_MIB, false);
    bld_write_random(b, 0, 4 * VX_MIB, 1);
    finish(b, disk);
    worn_host_bad(&worn, disk, bld_payload_offset(b, 0) + 4096, 4 * VX_MIB);
    vhdx_report *report = verify(NULL);
    cr_assert_eq(vhdx_report_file(report, 0)->finding_count, 2);
    cr_expect_eq(vhdx_report_finding(report, 0, 0)->length, 2 * VX_MIB - 4096);
    cr_expect_eq(vhdx_report_finding(report, 0, 1)->length, 2 * VX_MIB);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 1);
    cr_expect_eq(vhdx_report_lost(report, 0, 0)->offset, 4096);
    cr_expect_eq(vhdx_report_lost(report, 0, 0)->length, 4 * VX_MIB - 4096);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, does_not_mind_sectors_that_the_layer_does_not_own)
{
    struct bld *b = make(VHDX_KIND_DIFFERENCING, 4 * VX_MIB, false);
    bld_write_random(b, 8 * 4096, 4096, 1);
    bld_write_random(b, 20 * 4096 + 512, 512, 1);
    finish(b, disk);
    worn_host_bad(&worn, disk, bld_payload_offset(b, 0), 8 * 4096);
    cr_expect_sound(NULL);
    worn_host_bad(&worn, disk, bld_payload_offset(b, 0) + 20 * 4096, 4096);
    vhdx_report *report = verify(NULL);
    cr_assert_eq(vhdx_report_file(report, 0)->finding_count, 1);
    cr_expect_eq(vhdx_report_finding(report, 0, 0)->lost_offset, 20 * 4096);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, does_not_read_behind_the_end_of_the_virtual_disk)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 3 * VX_MIB, false);
    bld_write_random(b, 0, 3 * VX_MIB, 1);
    finish(b, disk);
    worn_host_bad(&worn, disk, bld_payload_offset(b, 1) + VX_MIB, VX_MIB);
    cr_expect_sound(NULL);
    bld_free(b);
}

static bool stop_at_once(void *context, const vhdx_progress *progress)
{
    vhdx_progress *last = context;
    *last = *progress;
    return false;
}

Test(verify_data, ends_when_it_is_told_to)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 64 * VX_MIB, false);
    vhdx_progress last = {0};
    vhdx_verify_options options = {
        .struct_size = sizeof options, .host = host, .data = true, .progress = stop_at_once, .progress_context = &last};
    vhdx_report *report = NULL;
    vhdx_error err;
    bld_write_random(b, 0, 64 * VX_MIB, 1);
    finish(b, disk);
    cr_expect_eq(vhdx_verify(disk, &options, &report, &err), VHDX_CANCELLED);
    cr_expect(!report);
    cr_expect(last.bytes_done > 0 && last.bytes_done < last.bytes_total);
    bld_free(b);
}

/* ---- manifests -------------------------------------------------------------------------------------------------- */

Test(verify_data, a_manifest_that_was_made_fits_afterwards)
{
    static const vhdx_kind kinds[] = {VHDX_KIND_DYNAMIC, VHDX_KIND_FIXED, VHDX_KIND_DIFFERENCING};
    for (size_t i = 0; i < 3; i++) {
        struct bld *b = make(kinds[i], 21 * VX_MIB, true);
        bld_fill_random(b, 3 + i, 12 * VX_MIB);
        finish(b, disk);
        bld_free(b);
        vhdx_report_free(verify(list));
        cr_expect_neq(vx_memory_host_size(memory, list), UINT64_MAX);
        cr_expect_eq(vx_memory_host_size(memory, "/d/list.unfinished"), UINT64_MAX);
        vhdx_report *report = verify(list);
        cr_expect_eq(count(report, "VHDX-DATA-CHANGED"), 0);
        vhdx_report_free(report);
        host->remove(host->context, list, NULL);
    }
}

Test(verify_data, names_the_block_that_changed_behind_everybodys_back)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 20 * VX_MIB, true);
    bld_write_random(b, 0, 20 * VX_MIB, 1);
    finish(b, disk);
    vhdx_report_free(verify(list));
    cr_assert_eq(bld_poke_int(host, disk, bld_payload_offset(b, 4) + 12345, 0x77777777, 4), VHDX_OK);
    vhdx_report *report = verify(list);
    cr_assert_eq(vhdx_report_file(report, 0)->finding_count, 1);
    const vhdx_finding *finding = vhdx_report_finding(report, 0, 0);
    cr_expect_str_eq(finding->id, "VHDX-DATA-CHANGED");
    cr_expect_eq(finding->severity, VHDX_SEVERITY_ERROR);
    cr_expect_eq(finding->index, 4);
    cr_expect_eq(finding->lost_offset, 8 * VX_MIB);
    cr_expect_eq(finding->lost_length, 2 * VX_MIB);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, does_not_mind_where_blocks_lie_nor_what_means_nothing)
{
    for (int garbage = 0; garbage < 2; garbage++) {
        struct bld_options options = {.kind = VHDX_KIND_DIFFERENCING,
                                      .virtual_size = 13 * VX_MIB,
                                      .block_size = 2 * VX_MIB,
                                      .seed = 5,
                                      .shuffle_blocks = garbage,
                                      .gap_percent = garbage ? 50 : 0,
                                      .garbage = garbage};
        const vhdx_guid parent = {{1}};
        struct bld *b = bld_new(&options);
        bld_parent(b, &parent, NULL, ".\\base.vhdx", NULL, NULL);
        bld_write_random(b, 4096, 65536, 1);
        bld_write_random(b, 4 * VX_MIB, 2 * VX_MIB, 2);
        bld_write_random(b, 12 * VX_MIB, VX_MIB, 3);
        bld_state(b, 3, 2);
        if (garbage)
            bld_state(b, 2, 6); /* all bits were set: it is whole, however that is said */
        finish(b, disk);
        vhdx_report *report = verify(list);
        cr_expect_eq(count(report, "VHDX-DATA-CHANGED"), 0);
        vhdx_report_free(report);
        bld_free(b);
    }
}

Test(verify_data, does_not_mind_bits_behind_the_end_of_the_virtual_disk)
{
    struct bld *b = make(VHDX_KIND_DIFFERENCING, 13 * VX_MIB, false);
    bld_write_random(b, 12 * VX_MIB, 65536, 3);
    finish(b, disk);
    vhdx_report_free(verify(list));
    cr_assert_eq(bld_poke_int(host, disk, bld_bitmap_offset(b, 0) + 6 * 512 + 300, 0xFF, 1), VHDX_OK);
    vhdx_report *report = verify(list);
    cr_expect_eq(count(report, "VHDX-DATA-CHANGED"), 0);
    vhdx_report_free(report);
    cr_assert_eq(bld_poke_int(host, disk, bld_bitmap_offset(b, 0) + 6 * 512 + 200, 0xFF, 1), VHDX_OK);
    report = verify(list);
    cr_expect_eq(count(report, "VHDX-DATA-CHANGED"), 1, "but those before it");
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, takes_a_block_of_zeros_in_a_base_for_none)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 7 * VX_MIB, false);
    bld_write_random(b, 0, 65536, 1);
    finish(b, disk);
    vhdx_report_free(verify(list));
    bld_state(b, 1, 6);
    bld_state(b, 2, 2);
    bld_state(b, 3, 6); /* the last one, which is short */
    finish(b, disk);
    vhdx_report *report = verify(list);
    cr_expect_eq(count(report, "VHDX-DATA-CHANGED"), 0);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, tells_zeros_from_nothing_in_a_child)
{
    struct bld *b = make(VHDX_KIND_DIFFERENCING, 8 * VX_MIB, false);
    bld_write_random(b, 0, 65536, 1);
    finish(b, disk);
    vhdx_report_free(verify(list));
    bld_state(b, 1, 2);
    finish(b, disk);
    vhdx_report *report = verify(list);
    cr_expect_eq(count(report, "VHDX-DATA-CHANGED"), 1);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, names_blocks_that_are_gone_and_new_ones)
{
    struct bld *b = make(VHDX_KIND_DIFFERENCING, 20 * VX_MIB, false);
    bld_write_random(b, 0, 4 * VX_MIB, 1);
    bld_write_random(b, 18 * VX_MIB, VX_MIB, 2);
    finish(b, disk);
    vhdx_report_free(verify(list));
    bld_state(b, 1, 0);
    bld_state(b, 9, 0);
    bld_write_random(b, 10 * VX_MIB, VX_MIB, 3);
    finish(b, disk);
    vhdx_report *report = verify(list);
    cr_expect_eq(count(report, "VHDX-DATA-CHANGED"), 3);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, changes_are_news_and_no_errors_when_the_disk_was_in_use)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 8 * VX_MIB, false);
    const vhdx_guid identity = {{7, 7, 7}};
    bld_write_random(b, 0, 4 * VX_MIB, 1);
    finish(b, disk);
    vhdx_report_free(verify(list));
    bld_write_random(b, VX_MIB, 65536, 4);
    finish(b, disk);
    cr_assert_eq(bld_poke_header(host, disk, 3, 32, identity.bytes, 16), VHDX_OK);
    vhdx_report *report = verify(list);
    cr_assert_eq(count(report, "VHDX-DATA-CHANGED"), 1);
    cr_expect_eq(vhdx_report_finding(report, 0, 0)->severity, VHDX_SEVERITY_INFO);
    cr_expect_eq(vhdx_report_file(report, 0)->lost_count, 0);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, a_manifest_of_a_disk_with_bad_places_has_no_lines_for_their_blocks)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 8 * VX_MIB, false);
    struct vx_manifest_reader *reader;
    struct vx_manifest_line line;
    bool more = true;
    uint64_t blocks = 0;
    bld_write_random(b, 0, 8 * VX_MIB, 1);
    finish(b, disk);
    worn_host_bad(&worn, disk, bld_payload_offset(b, 2), 512);
    vhdx_report_free(verify(list));
    cr_assert_eq(vx_manifest_open(host, list, &reader, NULL), VHDX_OK);
    for (;;) {
        cr_assert_eq(vx_manifest_next(reader, &line, &more, NULL), VHDX_OK);
        if (!more)
            break;
        blocks |= UINT64_C(1) << line.block;
    }
    cr_expect_eq(blocks, 0xB);
    vx_manifest_close_reader(reader);
    bld_free(b);
}

Test(verify_data, a_block_that_cannot_be_read_is_not_reported_as_changed_too)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 8 * VX_MIB, false);
    bld_write_random(b, 0, 8 * VX_MIB, 1);
    finish(b, disk);
    vhdx_report_free(verify(list));
    worn_host_bad(&worn, disk, bld_payload_offset(b, 2), 512);
    vhdx_report *report = verify(list);
    cr_expect_eq(count(report, "VHDX-DATA-UNREADABLE"), 1);
    cr_expect_eq(count(report, "VHDX-DATA-CHANGED"), 0);
    vhdx_report_free(report);
    bld_free(b);
}

Test(verify_data, refuses_a_manifest_of_another_disk)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 8 * VX_MIB, false);
    struct bld_options options = {.virtual_size = 8 * VX_MIB, .block_size = 2 * VX_MIB, .seed = 6};
    struct bld *other = bld_new(&options);
    vhdx_report *report;
    vhdx_error err;
    finish(b, disk);
    vhdx_report_free(verify(list));
    finish(other, disk);
    cr_expect_eq(try_verify(list, &report, &err), VHDX_ARG);
    cr_expect_str_eq(err.path, list);
    bld_free(b);
    bld_free(other);
}

/* ---- the manifest's own file ------------------------------------------------------------------------------------ */

static uint8_t *read_list(size_t *size)
{
    *size = (size_t)vx_memory_host_size(memory, list);
    uint8_t *bytes = malloc(*size);
    cr_assert_eq(bld_peek(host, list, 0, bytes, *size), VHDX_OK);
    return bytes;
}

Test(verify_data, notices_every_changed_byte_of_a_manifest_and_every_cut)
{
    struct bld *b = make(VHDX_KIND_DIFFERENCING, 8 * VX_MIB, false);
    vhdx_report *report;
    vhdx_error err;
    size_t size;
    bld_write_random(b, 0, 65536, 1);
    bld_write_random(b, 2 * VX_MIB, 2 * VX_MIB, 1);
    bld_state(b, 3, 2);
    finish(b, disk);
    bld_free(b);
    vhdx_report_free(verify(list));
    uint8_t *bytes = read_list(&size);
    for (size_t i = 0; i < size; i++) {
        uint8_t old = bytes[i];
        bytes[i] ^= i % 2 ? 0x01 : 0x20;
        cr_assert(vx_memory_host_put(memory, list, bytes, size));
        cr_expect_neq(try_verify(list, &report, &err), VHDX_OK, "byte %zu", i);
        bytes[i] = old;
    }
    for (size_t i = 0; i < size; i++) {
        cr_assert(vx_memory_host_put(memory, list, bytes, i));
        cr_expect_eq(try_verify(list, &report, &err), VHDX_CORRUPT, "%zu bytes", i);
        cr_expect(err.advice_text[0]);
    }
    cr_assert(vx_memory_host_put(memory, list, bytes, size));
    report = verify(list);
    cr_expect_eq(vhdx_report_file(report, 0)->errors, 0);
    vhdx_report_free(report);
    free(bytes);
}

Test(verify_data, a_manifest_is_text_that_says_whose_it_is)
{
    struct bld *b = make(VHDX_KIND_DIFFERENCING, 8 * VX_MIB, false);
    size_t size;
    bld_write_random(b, 0, 65536, 1);
    bld_write_random(b, 2 * VX_MIB, 2 * VX_MIB, 1);
    bld_state(b, 3, 2);
    finish(b, disk);
    bld_free(b);
    vhdx_report_free(verify(list));
    uint8_t *bytes = read_list(&size);
    bytes[size - 1] = '\0';
    const char *text = (const char *)bytes;
    cr_expect(strncmp(text, "vhdx-manifest 1\ndisk ", 21) == 0);
    cr_expect(strstr(text, "\nvirtual-size 8388608\nblock-size 2097152\nsector-size 512\nparent yes\n0 "), "%s", text);
    cr_expect(strstr(text, " part "), "%s", text);
    cr_expect(strstr(text, "\n3 zero\nend 3 "), "%s", text);
    free(bytes);
}

Test(verify_data, leaves_an_old_manifest_alone_and_no_half_of_a_new_one)
{
    struct bld *b = make(VHDX_KIND_DYNAMIC, 64 * VX_MIB, false);
    vhdx_progress last = {0};
    vhdx_verify_options options = {.struct_size = sizeof options,
                                   .host = host,
                                   .data = true,
                                   .manifest = list,
                                   .progress = stop_at_once,
                                   .progress_context = &last};
    vhdx_report *report = NULL;
    bld_write_random(b, 0, 64 * VX_MIB, 1);
    finish(b, disk);
    cr_expect_eq(vhdx_verify(disk, &options, &report, NULL), VHDX_CANCELLED);
    cr_expect_eq(vx_memory_host_size(memory, list), UINT64_MAX);
    cr_expect_eq(vx_memory_host_size(memory, "/d/list.unfinished"), UINT64_MAX);
    cr_assert(vx_memory_host_put(memory, list, "my letter", 9));
    cr_expect_eq(try_verify(list, &report, NULL), VHDX_CORRUPT);
    cr_expect_eq(vx_memory_host_size(memory, list), 9);
    bld_free(b);
}
