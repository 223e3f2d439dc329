/*
 * Places and lengths of the regions, one wrong bit each, in one copy of the table or in both, with right checksums: a
 * plain repair either gives back every byte of the virtual disk, or leaves the file as it is; it never makes the file
 * longer and never writes into a block. What `export --salvage` reads is what a repair with salvage gives.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/guid.h"
#include "builder.h"
#include "files.h"
#include "io/io.h"
#include "with_memory.h"

#define DISK "/d/disk.vhdx"
#define SIZE (12 * VX_MIB)
#define BLOCK ((uint32_t)VX_MIB)
enum { COUNT = 8, BAT_ID = 16, METADATA_ID = 48 };
enum { BAT_OFFSET = 32, BAT_LENGTH = 40, METADATA_OFFSET = 64, METADATA_LENGTH = 72 };

static struct bld *disk;
static uint8_t *truth;

static void make(vhdx_kind kind, enum bld_layout layout, bool residue)
{
    const struct bld_options options = {
        .kind = kind, .virtual_size = SIZE, .block_size = BLOCK, .seed = 5, .layout = layout, .log_residue = residue};
    begin_memory();
    disk = bld_new(&options);
    for (uint64_t block = 0; block < 10; block += 3)
        bld_write_random(disk, block * BLOCK, BLOCK, 1 + block);
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
    truth = calloc(1, (size_t)SIZE);
    bld_apply(disk, truth);
}

static void end(void)
{
    free(truth);
    bld_free(disk);
    end_memory();
}

static uint64_t digest(void)
{
    uint64_t value;
    cr_assert(files_digest(host, DISK, &value));
    return value;
}

static uint64_t file_size(void)
{
    struct vx_file *file;
    uint64_t size;
    cr_assert_eq(vx_file_open(host, DISK, VHDX_OPEN_READ, &file, NULL), VHDX_OK);
    cr_assert_eq(vx_file_size(file, &size, NULL), VHDX_OK);
    vx_file_close(file);
    return size;
}

static bool reads_right(void)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    vhdx_error err;
    if (vhdx_chain_open(DISK, &options, &chain, &err) != VHDX_OK)
        return false;
    uint8_t *bytes = malloc((size_t)SIZE);
    bool right =
        vhdx_chain_read(chain, bytes, (size_t)SIZE, 0, NULL) == VHDX_OK && memcmp(bytes, truth, (size_t)SIZE) == 0;
    free(bytes);
    vhdx_chain_free(chain);
    return right;
}

/* The file's bytes of all blocks that the builder has placed. */
static bool payload_is_whole(void)
{
    uint8_t *bytes = malloc(BLOCK);
    bool whole = true;
    for (uint64_t block = 0; block < 10; block += 3) {
        cr_assert_eq(bld_peek(host, DISK, bld_payload_offset(disk, block), bytes, BLOCK), VHDX_OK);
        whole = whole && memcmp(bytes, truth + block * BLOCK, BLOCK) == 0;
    }
    free(bytes);
    return whole;
}

static vhdx_verdict repair(bool salvage)
{
    const vhdx_repair_options options = {
        .struct_size = sizeof options, .host = host, .salvage = salvage, .no_undo = true};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    vhdx_verdict verdict = vhdx_report_file(report, 0)->verdict;
    vhdx_report_free(report);
    return verdict;
}

static bool is_quiet(void)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report;
    cr_assert_eq(vhdx_verify(DISK, &options, &report, NULL), VHDX_OK);
    bool quiet = vhdx_report_file(report, 0)->errors == 0 && vhdx_report_file(report, 0)->warnings == 0;
    vhdx_report_free(report);
    return quiet;
}

struct counts {
    unsigned rounds, lossless, salvaged, refused;
};

static void flip(int copy, size_t field, unsigned bit)
{
    for (int one = 1; one <= 2; one++) {
        uint8_t byte;
        uint64_t table = one == 1 ? VX_REGION_TABLE1_OFFSET : VX_REGION_TABLE2_OFFSET;
        if (!(copy & one))
            continue;
        cr_assert_eq(bld_peek(host, DISK, table + field + bit / 8, &byte, 1), VHDX_OK);
        byte = (uint8_t)(byte ^ 1u << bit % 8);
        cr_assert_eq(bld_poke_region_table(host, DISK, one, field + bit / 8, &byte, 1), VHDX_OK);
    }
}

static void judge(int copy, size_t field, unsigned bit, struct counts *counts)
{
    uint64_t before = digest(), size = file_size();
    vhdx_verdict verdict = repair(false);
    counts->rounds++;
    cr_assert_leq(file_size(), size, "copy %d, field %zu, bit %u: longer", copy, field, bit);
    cr_assert(payload_is_whole(), "copy %d, field %zu, bit %u: payload", copy, field, bit);
    if (verdict <= VHDX_VERDICT_CORRECTED) {
        cr_assert(reads_right(), "copy %d, field %zu, bit %u", copy, field, bit);
        cr_assert(is_quiet(), "copy %d, field %zu, bit %u: not quiet", copy, field, bit);
        counts->lossless++;
        return;
    }
    cr_assert_eq(digest(), before, "copy %d, field %zu, bit %u: touched", copy, field, bit);
    verdict = repair(true);
    cr_assert(payload_is_whole(), "copy %d, field %zu, bit %u: payload", copy, field, bit);
    if (verdict <= VHDX_VERDICT_CORRECTED && reads_right())
        counts->salvaged++;
    else
        counts->refused++;
    cr_log_error("copy %d, field %zu, bit %u: %s", copy, field, bit, counts->refused ? "refused" : "salvaged");
}

static void all_bits(vhdx_kind kind, enum bld_layout layout, bool residue, struct counts *counts)
{
    static const struct {
        size_t field;
        unsigned bits[12]; /* 99 = no more */
    } fields[] = {
        {BAT_OFFSET, {12, 19, 20, 21, 22, 23, 24, 25, 30, 37, 44, 99}},
        {BAT_LENGTH, {12, 19, 20, 21, 22, 23, 24, 25, 28, 31, 99}},
        {METADATA_OFFSET, {12, 19, 20, 21, 22, 23, 24, 25, 30, 37, 44, 99}},
        {METADATA_LENGTH, {12, 19, 20, 21, 22, 23, 24, 25, 28, 31, 99}},
        {COUNT, {0, 1, 2, 5, 12, 99}},
        {BAT_ID, {5, 99}},
        {METADATA_ID, {70, 99}},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (const unsigned *bit = fields[i].bits; *bit != 99; bit++)
            for (int copy = 1; copy <= 3; copy++) {
                make(kind, layout, residue);
                flip(copy, fields[i].field, *bit);
                judge(copy, fields[i].field, *bit, counts);
                end();
            }
}

static void campaign(vhdx_kind kind, enum bld_layout layout, bool residue)
{
    struct counts counts = {0};
    all_bits(kind, layout, residue, &counts);
    cr_expect_eq(counts.lossless, counts.rounds, "%u of %u without loss, %u by salvage, %u not", counts.lossless,
                 counts.rounds, counts.salvaged, counts.refused);
}

Test(regions, one_wrong_bit_in_a_table_costs_nothing)
{
    campaign(VHDX_KIND_DYNAMIC, BLD_LAYOUT_WINDOWS, false);
}

Test(regions, one_wrong_bit_in_a_table_as_qemu_lays_it_out_costs_nothing)
{
    campaign(VHDX_KIND_DYNAMIC, BLD_LAYOUT_QEMU, true);
}

Test(regions, one_wrong_bit_in_a_table_of_a_fixed_disk_costs_nothing)
{
    campaign(VHDX_KIND_FIXED, BLD_LAYOUT_WINDOWS, false);
}
