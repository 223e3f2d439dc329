/*
 * New disks from sources of random pieces: what they read as is what was yielded, in each format, with a size that was
 * known and without; and what fails leaves nothing behind. Seeds are in the messages.
 */
/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define ROOM (7 * MIB)

static struct vx_memory_host *memory;
static const vhdx_host *host;
static vhdx_error err;
static uint8_t *model, *below, *got;

static void begin(void)
{
    memory = vx_memory_host_new(1);
    host = vx_memory_host_interface(memory);
    model = calloc(1, ROOM);
    below = calloc(1, ROOM);
    got = calloc(1, ROOM);
}

static void end(void)
{
    vx_memory_host_free(memory);
    free(model);
    free(below);
    free(got);
}

TestSuite(build, .init = begin, .fini = end);

static uint64_t chance;

static uint64_t below_random(uint64_t limit)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (chance >> 20) % limit;
}

/* ---- a source of random pieces, which writes down what it yields ---- */

struct source {
    uint64_t at, size, sector;
    bool child;     /* absent pieces, in whole sectors; else they are zeros */
    uint64_t fails; /* place from which on it fails; 0 = it does not */
    bool nothing;   /* yields a piece of no bytes */
    uint8_t *view;  /* what has been yielded; of a child: over what its parent holds */
};

static uint64_t length_of_piece(const struct source *source)
{
    static const uint64_t most[] = {9000, 100000, 3 * MIB};
    uint64_t length = below_random(most[below_random(3)]) + 1;
    if (source->child)
        length = (length + source->sector - 1) / source->sector * source->sector;
    return length < source->size - source->at ? length : source->size - source->at;
}

static vhdx_status yield(void *context, vhdx_piece *piece, vhdx_error *error)
{
    struct source *source = context;
    (void)error;
    if (source->fails && source->at >= source->fails)
        return VHDX_IO;
    if (source->nothing)
        piece->kind = VHDX_PIECE_ZERO;
    if (source->at == source->size || source->nothing)
        return VHDX_OK;
    uint8_t *bytes = source->view + source->at;
    piece->length = length_of_piece(source);
    piece->kind = (vhdx_piece_kind)(below_random(3) + 1);
    source->at += piece->length;
    if (piece->kind == VHDX_PIECE_ABSENT && source->child)
        return VHDX_OK;
    memset(bytes, 0, piece->length);
    if (piece->kind == VHDX_PIECE_DATA)
        for (uint64_t i = 0; i < piece->length; i++)
            bytes[i] = i / 5000 % 3 == 1 ? 0 : (uint8_t)(below_random(255) + 1);
    piece->bytes = bytes;
    return VHDX_OK;
}

static vhdx_build_options options_of(vhdx_format format)
{
    return (vhdx_build_options){.struct_size = sizeof(vhdx_build_options), .host = host, .format = format};
}

/* ---- what the disk reads as ---- */

static void must_read(const char *path, const uint8_t *wanted, uint64_t size, const char *what)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    cr_assert_eq(vhdx_chain_open(path, &options, &chain, &err), VHDX_OK, "%s: %s", what, err.message);
    uint64_t disk = vhdx_chain_layer(chain, 0)->virtual_size;
    cr_assert(disk >= size && disk - size < 8192, "%s: %" PRIu64 " bytes, not %" PRIu64, what, disk, size);
    cr_assert_eq(vhdx_chain_read(chain, got, size, 0, &err), VHDX_OK, "%s: %s", what, err.message);
    cr_assert_arr_eq(got, wanted, size, "%s reads otherwise", what);
    vhdx_chain_free(chain);
}

static void must_be_clean(const char *path, const char *what)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report;
    cr_assert_eq(vhdx_verify(path, &options, &report, &err), VHDX_OK, "%s: %s", what, err.message);
    cr_expect_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CLEAN, "%s: %s", what,
                 vhdx_report_finding(report, 0, 0) ? vhdx_report_finding(report, 0, 0)->message : "");
    vhdx_report_free(report);
}

struct kind {
    vhdx_format format;
    bool fixed;
    uint32_t block_size, sector_size;
    bool keep_zeros;
};

static const struct kind kinds[] = {
    {VHDX_FORMAT_VHDX, false, 1 << 20, 512, false}, {VHDX_FORMAT_VHDX, false, 2 << 20, 4096, true},
    {VHDX_FORMAT_VHDX, true, 1 << 20, 512, false},  {VHDX_FORMAT_VHD, false, 512 << 10, 0, false},
    {VHDX_FORMAT_VHD, true, 0, 0, false},           {VHDX_FORMAT_RAW, false, 0, 0, false}};

static void build_one(const struct kind *kind, uint64_t seed, const char *path)
{
    char what[100];
    chance = seed;
    memset(model, 0, ROOM);
    struct source source = {.size = below_random(ROOM - 8192) + 1, .view = model};
    vhdx_build_options options = options_of(kind->format);
    vhdx_build_report report = {.struct_size = sizeof report};
    snprintf(what, sizeof what, "seed %" PRIu64 ", format %d, fixed %d", seed, kind->format, kind->fixed);
    options.fixed = kind->fixed;
    options.block_size = kind->block_size;
    options.logical_sector_size = kind->sector_size;
    options.keep_zeros = kind->keep_zeros;
    options.verify = seed % 3 == 0;
    options.overwrite = true;
    uint64_t unit = kind->format == VHDX_FORMAT_RAW ? 1 : kind->sector_size ? kind->sector_size : 512;
    uint64_t size = (source.size + unit - 1) / unit * unit;
    if (seed % 2)
        options.virtual_size = source.size + unit;
    cr_assert_eq(vhdx_build(path, &options, yield, &source, &report, &err), VHDX_OK, "%s: %s", what, err.message);
    cr_expect_eq(report.virtual_size, seed % 2 ? size + unit : size, "%s", what);
    cr_expect_eq(report.bytes_verified, options.verify ? report.virtual_size : 0, "%s", what);
    cr_expect_eq(report.file_size, vx_memory_host_size(memory, path), "%s", what);
    if (kind->format != VHDX_FORMAT_RAW)
        must_read(path, model, source.size, what);
    if (kind->format == VHDX_FORMAT_VHDX)
        must_be_clean(path, what);
    cr_expect_eq(vx_memory_host_size(memory, "/d/disk.unfinished"), UINT64_MAX);
}

Test(build, what_is_yielded_is_what_the_disk_reads)
{
    for (uint64_t seed = 1; seed <= 30; seed++)
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            build_one(&kinds[i], seed, "/d/disk");
}

/* Each format to each: the same bytes at the end of the round. */
Test(build, conversions_go_round)
{
    static const vhdx_format formats[] = {VHDX_FORMAT_VHD, VHDX_FORMAT_RAW, VHDX_FORMAT_VHDX,
                                          VHDX_FORMAT_RAW, VHDX_FORMAT_VHD, VHDX_FORMAT_VHDX};
    char from[32] = "/d/0", to[32];
    build_one(&kinds[0], 7, from);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        vhdx_build_options options = options_of(formats[i]);
        vhdx_build_report report = {.struct_size = sizeof report}, plan = report;
        options.fixed = i % 2 == 0;
        options.verify = true;
        snprintf(to, sizeof to, "/d/%zu", i + 1);
        cr_assert_eq(vhdx_convert_plan(from, to, &options, &plan, &err), VHDX_OK, "%s", err.message);
        cr_assert_eq(vhdx_convert(from, to, &options, &report, &err), VHDX_OK, "%s: %s", to, err.message);
        cr_expect_eq(plan.virtual_size, report.virtual_size);
        cr_expect_geq(plan.file_size, report.file_size, "%s", to);
        cr_expect_geq(plan.bytes_data, report.bytes_data);
        strcpy(from, to);
    }
    chance = 7;
    must_read(to, model, below_random(ROOM - 8192) + 1, "the last of them");
}

/* ---- children ---- */

static void build_child(uint64_t seed, uint32_t block_size)
{
    char what[60];
    snprintf(what, sizeof what, "seed %" PRIu64 ", block size %u", seed, block_size);
    chance = seed;
    memset(below, 0, ROOM);
    struct source parent = {.size = 5 * MIB + 1024, .view = below};
    vhdx_build_options options = options_of(VHDX_FORMAT_VHDX);
    options.overwrite = true;
    options.block_size = 1 << 20;
    cr_assert_eq(vhdx_build("/d/base.vhdx", &options, yield, &parent, NULL, &err), VHDX_OK, "%s", err.message);
    memcpy(model, below, ROOM);
    struct source child = {.size = parent.size, .sector = 512, .child = true, .view = model};
    options.block_size = block_size;
    options.parent = "/d/base.vhdx";
    cr_assert_eq(vhdx_build("/d/child.avhdx", &options, yield, &child, NULL, &err), VHDX_OK, "%s: %s", what,
                 err.message);
    must_read("/d/child.avhdx", model, child.size, what);
    must_read("/d/base.vhdx", below, child.size, what);
    must_be_clean("/d/child.avhdx", what);
}

Test(build, a_child_holds_what_is_yielded_and_leaves_the_rest_to_its_parent)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        build_child(seed, 1 << 20);
        build_child(seed, 2 << 20);
    }
}

/* ---- refusals and failures ---- */

static vhdx_status build_small(vhdx_build_options *options, uint64_t size, uint64_t fails)
{
    struct source source = {.size = size, .fails = fails, .view = model};
    chance = 3;
    return vhdx_build("/d/disk", options, yield, &source, NULL, &err);
}

Test(build, what_lies_at_the_path_stays_until_the_new_disk_is_complete)
{
    vhdx_build_options options = options_of(VHDX_FORMAT_VHDX);
    vx_memory_host_put(memory, "/d/disk", "precious", 8);
    cr_expect_eq(build_small(&options, 100000, 0), VHDX_EXISTS);
    options.overwrite = true;
    cr_expect_eq(build_small(&options, 4 * MIB, 2 * MIB), VHDX_IO);
    cr_expect_not_null(strstr(err.message, "content"), "%s", err.message);
    cr_expect_eq(vx_memory_host_size(memory, "/d/disk"), 8);
    cr_expect_eq(vx_memory_host_size(memory, "/d/disk.unfinished"), UINT64_MAX, "the unfinished file was left");
    cr_expect_eq(build_small(&options, 4 * MIB, 0), VHDX_OK, "%s", err.message);
    cr_expect_gt(vx_memory_host_size(memory, "/d/disk"), 4 * MIB / 2);
}

Test(build, a_source_that_has_more_than_was_said_is_refused)
{
    vhdx_build_options options = options_of(VHDX_FORMAT_VHDX);
    options.virtual_size = MIB;
    cr_expect_eq(build_small(&options, MIB + 512, 0), VHDX_LIMIT);
    cr_expect_eq(vx_memory_host_size(memory, "/d/disk"), UINT64_MAX);
}

static bool stop(void *context, const vhdx_progress *progress)
{
    (void)context;
    (void)progress;
    return false;
}

Test(build, who_cancels_leaves_nothing)
{
    vhdx_build_options options = options_of(VHDX_FORMAT_VHD);
    options.progress = stop;
    options.virtual_size = MIB;
    cr_expect_eq(build_small(&options, MIB, 0), VHDX_CANCELLED);
    cr_expect_eq(vx_memory_host_size(memory, "/d/disk"), UINT64_MAX);
    cr_expect_eq(vx_memory_host_size(memory, "/d/disk.unfinished"), UINT64_MAX);
}

Test(build, nonsense_is_an_argument_that_makes_no_sense)
{
    vhdx_build_options options = options_of(VHDX_FORMAT_VHDX);
    struct source nothing = {.nothing = true, .view = model};
    cr_expect_eq(vhdx_build("/d/disk", &options, yield, &nothing, NULL, &err), VHDX_ARG);
    options.block_size = 3 << 20;
    cr_expect_eq(build_small(&options, MIB, 0), VHDX_ARG);
    options = options_of(VHDX_FORMAT_VHD);
    options.block_size = 4 << 20;
    cr_expect_eq(build_small(&options, MIB, 0), VHDX_ARG);
    options = options_of(VHDX_FORMAT_RAW);
    options.azure = true;
    cr_expect_eq(build_small(&options, MIB, 0), VHDX_ARG);
    options = options_of((vhdx_format)9);
    cr_expect_eq(build_small(&options, MIB, 0), VHDX_ARG);
    options = options_of(VHDX_FORMAT_VHD);
    options.virtual_size = (UINT64_C(2040) << 30) + 512;
    cr_expect_eq(build_small(&options, MIB, 0), VHDX_LIMIT);
    cr_expect_eq(vx_memory_host_size(memory, "/d/disk"), UINT64_MAX);
}

Test(build, azure_gets_whole_mib_and_at_least_twenty)
{
    vhdx_build_options options = options_of(VHDX_FORMAT_VHD);
    vhdx_build_report report = {.struct_size = sizeof report};
    struct source source = {.size = 3 * MIB + 512, .view = model};
    chance = 5;
    options.azure = true;
    cr_assert_eq(vhdx_build("/d/disk", &options, yield, &source, &report, &err), VHDX_OK, "%s", err.message);
    cr_expect_eq(report.virtual_size, 20 * MIB);
    cr_expect_eq(report.padded, 17 * MIB - 512);
    cr_expect_eq(vx_memory_host_size(memory, "/d/disk"), 20 * MIB + 512);
    options.virtual_size = 21 * MIB + 1;
    options.overwrite = true;
    source.at = 0;
    cr_assert_eq(vhdx_build("/d/disk", &options, yield, &source, &report, &err), VHDX_OK, "%s", err.message);
    cr_expect_eq(report.virtual_size, 22 * MIB);
}

/* Terabytes of zeros are no work, and the structures of such disks are right. */
Test(build, huge_disks_of_zeros)
{
    static const struct kind huge[] = {{VHDX_FORMAT_VHDX, false, 1 << 20, 512, false},
                                       {VHDX_FORMAT_VHD, false, 0, 0, false},
                                       {VHDX_FORMAT_RAW, false, 0, 0, false}};
    for (size_t i = 0; i < 3; i++) {
        vhdx_build_options options = options_of(huge[i].format);
        vhdx_build_report report = {.struct_size = sizeof report};
        options.overwrite = true;
        options.block_size = huge[i].block_size;
        options.virtual_size = huge[i].format == VHDX_FORMAT_VHD ? UINT64_C(2040) << 30 : UINT64_C(60) << 40;
        struct source source = {.size = 1000, .view = model};
        cr_assert_eq(vhdx_build("/d/disk", &options, yield, &source, &report, &err), VHDX_OK, "%s", err.message);
        cr_expect_eq(report.virtual_size, options.virtual_size);
    }
}
