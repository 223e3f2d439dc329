/*
 * Repair in memory: each fault that the builder can make is corrected, shows itself no more, changes nothing that
 * reading gives, is not there a second time, and undo gives the identical file. What is salvaged is named to the byte.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "files.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "io/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK "/vm/disk.vhdx"
#define UNDO DISK ".vhdx-undo"

struct bench {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *builder;
};

static struct bench begin(const struct bld_options *options, void (*fill)(struct bld *b))
{
    struct bench bench = {.memory = vx_memory_host_new(7)};
    vhdx_error err;
    bench.host = vx_memory_host_interface(bench.memory);
    bench.builder = bld_new(options);
    if (fill)
        fill(bench.builder);
    cr_assert_eq(bld_finish(bench.builder, bench.host, DISK, &err), VHDX_OK, "%s", err.message);
    return bench;
}

static void end(struct bench *bench)
{
    bld_free(bench->builder);
    vx_memory_host_free(bench->memory);
}

static void fail(const char *what, const vhdx_error *err)
{
    char text[2048];
    vhdx_error_format(err, text, sizeof text);
    cr_assert_fail("%s: %s", what, text);
}

static vhdx_report *repair(const struct bench *bench, const vhdx_repair_options *wish)
{
    vhdx_repair_options options = wish ? *wish : (vhdx_repair_options){0};
    vhdx_report *report;
    vhdx_error err;
    options.struct_size = sizeof options;
    options.host = bench->host;
    if (vhdx_repair(DISK, &options, &report, &err) != VHDX_OK)
        fail("repair", &err);
    return report;
}

static vhdx_report *verify(const struct bench *bench)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_report *report;
    vhdx_error err;
    if (vhdx_verify(DISK, &options, &report, &err) != VHDX_OK)
        fail("verify", &err);
    return report;
}

static const vhdx_finding *find(const vhdx_report *report, const char *id)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (strcmp(finding->id, id) == 0)
            return finding;
    return NULL;
}

static uint64_t digest(const struct bench *bench, const char *path)
{
    uint64_t value;
    cr_assert(files_digest(bench->host, path, &value));
    return value;
}

/* XXH3 of what reading gives. */
static void content(const struct bench *bench, uint8_t hash[16])
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_chain *chain;
    vhdx_error err;
    if (vhdx_chain_open(DISK, &options, &chain, &err) != VHDX_OK)
        fail("open", &err);
    if (vhdx_chain_hash(chain, hash, NULL, &err) != VHDX_OK)
        fail("hash", &err);
    vhdx_chain_free(chain);
}

static void undo(const struct bench *bench)
{
    vhdx_undo_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_error err;
    if (vhdx_undo(UNDO, &options, NULL, &err) != VHDX_OK)
        fail("undo", &err);
}

/* All that a lossless repair promises, for a disk that has just been damaged so that `id` is found. */
static void must_be_lossless(const struct bench *bench, const char *id, const uint8_t before[16])
{
    uint64_t damaged = digest(bench, DISK), repaired;
    uint8_t after[16];
    vhdx_report *report = verify(bench);
    const vhdx_finding *finding = find(report, id);
    cr_assert(finding, "verify does not find %s", id);
    cr_assert_eq(finding->repair, VHDX_REPAIR_LOSSLESS, "%s", id);
    vhdx_report_free(report);

    report = repair(bench, &(vhdx_repair_options){.dry_run = true});
    cr_assert_eq(digest(bench, DISK), damaged, "a dry run writes");
    cr_assert(find(report, id) && !find(report, id)->corrected);
    vhdx_report_free(report);

    report = repair(bench, NULL);
    finding = find(report, id);
    cr_assert(finding && finding->corrected, "%s is not corrected", id);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED, "%s", id);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    cr_assert_str_eq(vhdx_report_file(report, 0)->undo, UNDO);
    vhdx_report_free(report);
    repaired = digest(bench, DISK);

    report = verify(bench);
    cr_assert_not(find(report, id), "%s is still there", id);
    cr_assert_eq(vhdx_report_file(report, 0)->errors + vhdx_report_file(report, 0)->warnings, 0);
    vhdx_report_free(report);
    content(bench, after);
    cr_assert_arr_eq(before, after, 16, "%s: the content is another one", id);

    report = repair(bench, NULL);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CLEAN);
    cr_assert_null(vhdx_report_file(report, 0)->undo);
    vhdx_report_free(report);
    cr_assert_eq(digest(bench, DISK), repaired, "%s: the second repair writes", id);
    undo(bench);
    cr_assert_eq(digest(bench, DISK), damaged, "%s: undo does not lead back", id);
}

static void some_content(struct bld *b)
{
    bld_write_random(b, 0, 65536, 1);
    bld_write_random(b, 5 << 20, 12345, 2);
}

static const struct bld_options plain = {.virtual_size = 64u << 20, .block_size = 1u << 20, .seed = 3};

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
        {68, 4, 0x100800, "VHDX-HEADER-LOG-LENGTH"}, {72, 8, 0x100800, "VHDX-HEADER-LOG-OFFSET"},
        {72, 8, 0x10000, "VHDX-HEADER-LOG-LOW"},     {72, 8, 0x4000000000, "VHDX-HEADER-LOG-BEYOND-END"},
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
    cr_assert(vx_memory_host_put(bench.memory, UNDO, "something else of mine, a long text, longer than a header is so "
                                                     "that it cannot be taken for one", 90));
    cr_assert_eq(vhdx_repair(DISK, &options, &report, NULL), VHDX_EXISTS);
    options.dry_run = true;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, NULL), VHDX_EXISTS);
    cr_assert_eq(digest(&bench, DISK), before);
    end(&bench);
}
