/*
 * vhdx_resize on disks in memory, against a model: what reading must give after each of many random changes of size is
 * computed from the bytes before, and partition tables are checked by rules of their own (table.h). VHDX_RESIZE_SEED=N
 * takes that seed only, VHDX_RESIZE_ROUNDS=N so many of them (VHDX_SLOW: 2000).
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "builder.h"
#include "files.h"
#include "inside.h"
#include "memory.h"
#include "table.h"

#define DISK "/vm/disk.vhdx"
#define BASE "/vm/base.vhdx"
#define UNDO "/undo/file"
#define ROOM (40 * VX_MIB) /* no model is larger */

static struct vx_memory_host *memory;
static const vhdx_host *host;
static vhdx_error err;
static char said[8192];

static void begin(void)
{
    memory = vx_memory_host_new(1);
    host = vx_memory_host_interface(memory);
    said[0] = '\0';
}

static void end(void)
{
    vx_memory_host_free(memory);
}

TestSuite(resize, .init = begin, .fini = end, .timeout = 600);

static void hear(void *context, const vhdx_notice *notice)
{
    size_t used = strlen(said);
    (void)context;
    snprintf(said + used, sizeof said - used, "%s\n", notice->text);
}

static vhdx_resize_options wish(uint64_t size)
{
    return (vhdx_resize_options){
        .struct_size = sizeof(vhdx_resize_options), .host = host, .virtual_size = size, .notice = hear};
}

static uint64_t digest_of(const char *path)
{
    uint64_t digest = 0;
    cr_assert(files_digest(host, path, &digest), "%s", path);
    return digest;
}

/* What the chain of the disk reads as, into `bytes`; its size. */
static uint64_t read_disk(uint8_t *bytes, uint64_t room)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    cr_assert_eq(vhdx_chain_open(DISK, &options, &chain, &err), VHDX_OK, "%s", err.message);
    uint64_t size = vhdx_chain_layer(chain, 0)->virtual_size;
    cr_assert_leq(size, room);
    cr_assert_eq(vhdx_chain_read(chain, bytes, size, 0, &err), VHDX_OK, "%s", err.message);
    vhdx_chain_free(chain);
    return size;
}

/* What verify says is wrong with the disk, once; NULL = nothing. */
static const char *complaint(void)
{
    static char text[700];
    vhdx_verify_options options = {.struct_size = sizeof options, .host = host, .quick = true};
    vhdx_report *report;
    cr_assert_eq(vhdx_verify(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    const vhdx_file_report *file = vhdx_report_file(report, 0);
    bool wrong = file->errors + file->warnings > 0;
    if (wrong)
        snprintf(text, sizeof text, "%s", vhdx_report_finding(report, 0, 0)->message);
    vhdx_report_free(report);
    return wrong ? text : NULL;
}

/* ---- many random sizes ---- */

struct round {
    uint64_t seed, chance, step;
    vhdx_kind kind;
    uint32_t sector, block;
    uint64_t size, parent_size;
    bool has_table, was_odd; /* odd: garbage in holes of the file looks like content that nobody owns */
    struct table_partition partitions[3];
    struct table_shape shape;
    uint8_t *model, *found;
    char text[256];
};

static uint64_t below(struct round *round, uint64_t limit)
{
    return bld_random_below(&round->chance, limit);
}

static uint64_t random_size(struct round *round, uint64_t least)
{
    uint64_t top = below(round, 3) == 0 ? 36 * VX_MIB : 14 * VX_MIB;
    uint64_t size = least + below(round, top > least ? top - least : 1);
    if (below(round, 4) == 0)
        size = vx_ceil_div(size, round->block) * round->block;
    return vx_max(least, size - size % round->sector);
}

static void choose(struct round *round)
{
    static const vhdx_kind kinds[] = {VHDX_KIND_DYNAMIC, VHDX_KIND_FIXED, VHDX_KIND_DIFFERENCING,
                                      VHDX_KIND_DIFFERENCING};
    round->chance = round->seed;
    round->kind = kinds[below(round, 4)];
    round->sector = below(round, 4) == 0 ? 4096 : 512;
    round->block = (uint32_t)(VX_MIB << below(round, 3));
    round->size = random_size(round, 3 * VX_MIB);
    round->parent_size = round->kind == VHDX_KIND_DIFFERENCING ? random_size(round, VX_MIB) : 0;
    round->has_table = below(round, 3) != 0;
    snprintf(round->text, sizeof round->text, "VHDX_RESIZE_SEED=%" PRIu64, round->seed);
}

/* Bytes of `from` become the disk's content where they differ from what it reads as. */
static void write_differences(struct round *round, struct bld *b, const uint8_t *from)
{
    for (uint64_t at = 0; at < round->size; at += round->sector)
        if (memcmp(from + at, round->model + at, round->sector) != 0)
            bld_write(b, at, from + at, round->sector);
}

static void put_table(struct round *round, struct bld *b)
{
    static const uint32_t shapes[][2] = {{0, 0}, {0, 0}, {128, 256}, {9, 128}, {256, 128}};
    const uint32_t *shape = shapes[below(round, 5)];
    uint8_t *bytes = bld_alloc(round->size, 1);
    struct table_disk disk = {bytes, round->size, round->sector};
    round->shape = (struct table_shape){shape[0], shape[1], round->partitions, below(round, 4)};
    uint64_t sectors = table_array_sectors(&round->shape, round->sector);
    uint64_t first = 2 + sectors, room = round->size / round->sector - 2 * sectors - 3;
    for (size_t i = 0; i < round->shape.partition_count; i++) {
        uint64_t share = room / 4;
        round->partitions[i].first = first + i * share + below(round, share / 2);
        round->partitions[i].last = round->partitions[i].first + below(round, share / 2);
    }
    memcpy(bytes, round->model, round->size);
    table_put(&disk, &round->shape);
    write_differences(round, b, bytes);
    free(bytes);
}

static struct bld *new_disk(struct round *round, vhdx_kind kind, uint64_t size)
{
    struct bld_options options = {.kind = kind,
                                  .virtual_size = size,
                                  .block_size = round->block,
                                  .logical_sector_size = round->sector,
                                  .seed = bld_random(&round->chance),
                                  .layout = (enum bld_layout)below(round, 3),
                                  .shuffle_blocks = below(round, 2) != 0,
                                  .gap_percent = (unsigned)below(round, 40),
                                  .garbage = true};
    return bld_new(&options);
}

static void build(struct round *round)
{
    struct bld *parent = NULL;
    if (round->kind == VHDX_KIND_DIFFERENCING) {
        parent = new_disk(round, VHDX_KIND_DYNAMIC, round->parent_size);
        bld_fill_random(parent, bld_random(&round->chance), 3 * VX_MIB);
        bld_apply(parent, round->model);
        cr_assert_eq(bld_finish(parent, host, BASE, &err), VHDX_OK, "%s", err.message);
    }
    struct bld *b = new_disk(round, round->kind, round->size);
    if (parent)
        bld_parent(b, bld_data_write_guid(parent), NULL, ".\\base.vhdx", NULL, NULL);
    bld_fill_random(b, bld_random(&round->chance), 3 * VX_MIB);
    if (round->kind == VHDX_KIND_FIXED)
        for (uint64_t block = 0; block < bld_block_count(b); block++)
            bld_state(b, block, VX_PAYLOAD_FULLY_PRESENT);
    if (round->parent_size > round->size)
        memset(round->model + round->size, 0, round->parent_size - round->size);
    uint8_t *below_it = bld_alloc(round->size, 1);
    memcpy(below_it, round->model, round->size);
    bld_apply(b, round->model);
    if (round->has_table) {
        put_table(round, b);
        memcpy(round->model, below_it, round->size);
        bld_apply(b, round->model); /* old bytes of anchors are back in blocks that were written to */
    }
    free(below_it);
    if (below(round, 4) == 0)
        bld_log_dirty(b, &(struct bld_log){.what = BLD_LOG_ALL, .percent = 50});
    cr_assert_eq(bld_finish(b, host, DISK, &err), VHDX_OK, "%s", err.message);
    bld_free(b);
    bld_free(parent);
}

static uint64_t least_size(const struct round *round)
{
    uint64_t end = 0;
    for (size_t i = 0; i < round->shape.partition_count; i++)
        end = vx_max(end, round->partitions[i].last + 1);
    uint64_t sectors = table_array_sectors(&round->shape, round->sector);
    return (vx_max(end, 3 + sectors) + sectors + 1) * round->sector;
}

/* The model of the disk at its new size; the table's sectors are taken from what was found, once they are right. */
static void judge(struct round *round, uint64_t size, bool keep)
{
    if (size > round->size)
        memset(round->model + round->size, 0, size - round->size);
    struct table_disk now = {round->found, size, round->sector}, was = {round->model, size, round->sector};
    cr_assert_eq(read_disk(round->found, ROOM), size, "%s", round->text);
    if (round->has_table && !keep) {
        const char *wrong = table_wrong(&now);
        cr_assert(!wrong, "%s: %s", round->text, wrong);
        /* the former copy's header may be gone: nothing else of it is */
        uint64_t former = round->size - round->sector;
        if (size > round->size && vx_is_zero(round->found + former, round->sector))
            memset(round->model + former, 0, round->sector);
        table_copy_sectors(&now, &was);
    }
    for (uint64_t at = 0; at < size; at += round->sector)
        cr_assert(memcmp(round->model + at, round->found + at, round->sector) == 0,
                  "%s: sector %" PRIu64 " of %" PRIu64 " reads otherwise", round->text, at / round->sector,
                  size / round->sector);
    round->size = size;
    const char *odd = complaint();
    cr_assert(!odd || round->was_odd, "%s: %s", round->text, odd);
}

/* Data where nobody knows what it is stands against a smaller size. */
static bool is_zero_behind(const struct round *round, uint64_t size)
{
    return size >= round->size || vx_is_zero(round->model + size, round->size - size);
}

static void try_size(struct round *round, uint64_t size)
{
    vhdx_resize_options options = wish(size);
    vhdx_resize_report plan = {.struct_size = sizeof plan}, done = {.struct_size = sizeof done};
    uint64_t before = digest_of(DISK), old = round->size;
    snprintf(round->text, sizeof round->text, "VHDX_RESIZE_SEED=%" PRIu64 ", step %" PRIu64 ", %" PRIu64 " -> %" PRIu64,
             round->seed, round->step, round->size, size);
    options.dry_run = true;
    vhdx_status status = vhdx_resize(DISK, &options, &plan, &err);
    cr_assert_eq(digest_of(DISK), before, "%s: a dry run has written", round->text);
    options.dry_run = false;
    options.undo = below(round, 3) == 0 ? UNDO : NULL;
    if (!round->has_table && !is_zero_behind(round, size)) {
        cr_assert_eq(status, VHDX_REFUSED, "%s: %s", round->text, vhdx_status_name(status));
        cr_assert_eq(vhdx_resize(DISK, &options, NULL, &err), VHDX_REFUSED);
        cr_assert_eq(digest_of(DISK), before, "%s: a refused change has written", round->text);
        return;
    }
    cr_assert_eq(status, VHDX_OK, "%s: %s", round->text, err.message);
    cr_assert_eq(vhdx_resize(DISK, &options, &done, &err), VHDX_OK, "%s: %s", round->text, err.message);
    cr_assert_eq(done.virtual_size, size);
    cr_assert_eq(done.file_size_after, vx_memory_host_size(memory, DISK), "%s", round->text);
    cr_assert_eq(plan.file_size_after, done.file_size_after, "%s: the plan says 0x%" PRIx64 ", it is 0x%" PRIx64,
                 round->text, plan.file_size_after, done.file_size_after);
    cr_assert(plan.changed == done.changed && plan.gpt == done.gpt);
    if (options.undo && done.changed) {
        const vhdx_undo_options undo = {.struct_size = sizeof undo, .host = host};
        cr_assert_eq(vhdx_undo(UNDO, &undo, NULL, &err), VHDX_OK, "%s: %s", round->text, err.message);
        cr_assert_eq(digest_of(DISK), before, "%s: undo does not give back what was there", round->text);
        cr_assert_eq(host->remove(host->context, UNDO, NULL), VHDX_OK);
        options.undo = NULL;
        cr_assert_eq(vhdx_resize(DISK, &options, &done, &err), VHDX_OK, "%s: %s", round->text, err.message);
    }
    judge(round, size, false);
    /* Once more: nothing is left to be done. */
    before = digest_of(DISK);
    cr_assert_eq(vhdx_resize(DISK, &options, &done, &err), VHDX_OK, "%s: %s", round->text, err.message);
    cr_assert(!done.changed && digest_of(DISK) == before, "%s: the second run has written (old %" PRIu64 ")",
              round->text, old);
}

static void play(uint64_t seed)
{
    struct round round = {.seed = seed, .model = bld_alloc(ROOM, 1), .found = bld_alloc(ROOM, 1)};
    begin();
    choose(&round);
    build(&round);
    cr_assert_eq(read_disk(round.found, ROOM), round.size, "%s", round.text);
    cr_assert_eq(memcmp(round.found, round.model, round.size), 0, "%s: before", round.text);
    round.was_odd = complaint() != NULL;
    uint64_t least = round.has_table ? least_size(&round) : round.sector;
    for (round.step = 0; round.step < 5; round.step++) {
        uint64_t size = random_size(&round, least);
        if (below(&round, 5) == 0)
            size = vx_max(least, round.size - vx_min(round.size, below(&round, 70) * round.sector));
        if (below(&round, 5) == 0)
            size = round.size + below(&round, 70) * round.sector;
        if (below(&round, 6) == 0)
            size = least;
        if (size <= ROOM)
            try_size(&round, size);
    }
    free(round.model);
    free(round.found);
    end();
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

Test(resizes, many_at_random, .timeout = 3600)
{
    uint64_t rounds = number_from("VHDX_RESIZE_ROUNDS", getenv("VHDX_SLOW") ? 2000 : getenv("VHDX_SANITIZED") ? 6 : 60);
    uint64_t only = number_from("VHDX_RESIZE_SEED", 0);
    for (uint64_t seed = only ? only : 1; seed <= (only ? only : rounds); seed++)
        play(seed);
}

/* ---- tables by hand ---- */

#define SECTOR 512u
#define SIZE (16 * VX_MIB)

/* A dynamic disk of 1 MiB blocks that reads as `bytes`. */
static void put_bytes(const uint8_t *bytes, uint64_t size, uint32_t sector)
{
    struct bld_options options = {
        .virtual_size = size, .block_size = (uint32_t)VX_MIB, .logical_sector_size = sector, .seed = 3};
    struct bld *b = bld_new(&options);
    for (uint64_t at = 0; at < size; at += sector)
        if (!vx_is_zero(bytes + at, sector))
            bld_write(b, at, bytes + at, sector);
    cr_assert_eq(bld_finish(b, host, DISK, &err), VHDX_OK, "%s", err.message);
    bld_free(b);
}

static const struct table_partition two[] = {{2048, 8191}, {8192, 16383}}; /* the last one ends at 8 MiB */

static struct table_disk with_table(void)
{
    struct table_disk disk = {bld_alloc(ROOM, 1), SIZE, SECTOR};
    table_put(&disk, &(struct table_shape){.partitions = two, .partition_count = 2});
    return disk;
}

static void refused_with(vhdx_resize_options *options, vhdx_status status, const char *text)
{
    uint64_t before = digest_of(DISK);
    vhdx_status got = vhdx_resize(DISK, options, NULL, &err);
    cr_assert_eq(got, status, "%s: %s", vhdx_status_name(got), err.message);
    cr_assert(strstr(err.message, text), "%s", err.message);
    cr_assert_eq(digest_of(DISK), before, "a refused change has written");
}

static void refused(uint64_t size, vhdx_status status, const char *text)
{
    vhdx_resize_options options = wish(size);
    refused_with(&options, status, text);
}

static vhdx_resize_report done(vhdx_resize_options options)
{
    vhdx_resize_report report = {.struct_size = sizeof report};
    cr_assert_eq(vhdx_resize(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

Test(resize, a_partition_that_would_be_cut_off_is_named)
{
    struct table_disk disk = with_table();
    put_bytes(disk.bytes, disk.size, SECTOR);
    refused(8 * VX_MIB - SECTOR, VHDX_REFUSED, "partition 2 (b) ends at 8388608");
    refused(8 * VX_MIB + 16 * SECTOR, VHDX_REFUSED, "no room for the second copy");
    cr_assert(strstr(err.advice_text, "8405504"), "%s", err.advice_text);
    vhdx_resize_report report = done(wish(8 * VX_MIB + 33 * SECTOR));
    cr_assert_eq(report.gpt, VHDX_GPT_PUT_RIGHT);
    free(disk.bytes);
}

Test(resize, to_the_least_size_that_there_is)
{
    struct table_disk disk = with_table(), found = {bld_alloc(ROOM, 1), 0, SECTOR};
    vhdx_resize_options options = wish(0);
    put_bytes(disk.bytes, disk.size, SECTOR);
    options.to_minimum = true;
    vhdx_resize_report report = done(options);
    cr_assert_eq(report.virtual_size, 9 * VX_MIB);
    found.size = read_disk(found.bytes, ROOM);
    cr_assert(!table_wrong(&found), "%s", table_wrong(&found));
    cr_assert(!done(options).changed);
    free(disk.bytes);
    free(found.bytes);
}

Test(resize, nothing_says_where_the_content_ends)
{
    vhdx_resize_options options = wish(0);
    uint8_t *bytes = bld_alloc(SIZE, 1);
    options.to_minimum = true;
    bytes[5 * VX_MIB] = 1;
    put_bytes(bytes, SIZE, SECTOR);
    refused_with(&options, VHDX_REFUSED, "nothing on the disk says where its content ends");
    refused(5 * VX_MIB, VHDX_REFUSED, "at 5242880, there is some");
    cr_assert_eq(done(wish(5 * VX_MIB + SECTOR)).gpt, VHDX_GPT_NONE);
    free(bytes);
}

Test(resize, a_table_that_is_to_be_kept)
{
    struct table_disk disk = with_table(), found = {bld_alloc(ROOM, 1), 0, SECTOR};
    vhdx_resize_options options = wish(20 * VX_MIB);
    put_bytes(disk.bytes, disk.size, SECTOR);
    options.keep_gpt = true;
    cr_assert_eq(done(options).gpt, VHDX_GPT_KEPT);
    cr_assert_eq(read_disk(found.bytes, ROOM), 20 * VX_MIB);
    cr_assert_eq(memcmp(found.bytes, disk.bytes, SIZE), 0);
    options.virtual_size = 8 * VX_MIB; /* without room for a second copy, as Windows does it */
    cr_assert_eq(done(options).gpt, VHDX_GPT_KEPT);
    cr_assert_eq(read_disk(found.bytes, ROOM), 8 * VX_MIB);
    cr_assert_eq(memcmp(found.bytes, disk.bytes, 8 * VX_MIB), 0);
    options.virtual_size = 8 * VX_MIB - SECTOR;
    refused_with(&options, VHDX_REFUSED, "partition 2");
    /* Later the table can be put right, once there is room for it. */
    cr_assert_eq(done(wish(12 * VX_MIB)).gpt, VHDX_GPT_PUT_RIGHT);
    found.size = read_disk(found.bytes, ROOM);
    cr_assert(!table_wrong(&found), "%s", table_wrong(&found));
    free(disk.bytes);
    free(found.bytes);
}

/* What Hyper-V leaves: the disk is larger or smaller, and the table speaks of the old size. */
Test(resize, a_table_that_was_left_behind_is_put_right_at_the_same_size)
{
    struct table_disk disk = with_table(), found = {bld_alloc(ROOM, 1), 0, SECTOR};
    put_bytes(disk.bytes, 20 * VX_MIB, SECTOR);
    cr_assert_eq(done(wish(20 * VX_MIB)).gpt, VHDX_GPT_PUT_RIGHT);
    found.size = read_disk(found.bytes, ROOM);
    cr_assert(!table_wrong(&found), "%s", table_wrong(&found));
    cr_assert(vx_is_zero(found.bytes + SIZE - SECTOR, SECTOR), "the former second header is still there");
    put_bytes(disk.bytes, 12 * VX_MIB, SECTOR);
    cr_assert_eq(done(wish(12 * VX_MIB)).gpt, VHDX_GPT_PUT_RIGHT);
    found.size = read_disk(found.bytes, ROOM);
    cr_assert(!table_wrong(&found), "%s", table_wrong(&found));
    vhdx_resize_report again = done(wish(12 * VX_MIB));
    cr_assert(!again.changed && again.gpt == VHDX_GPT_RIGHT);
    free(disk.bytes);
    free(found.bytes);
}

/* Whichever copy is damaged, and wherever: the other one is written again. */
Test(resize, one_copy_is_damaged)
{
    static const uint64_t damages[] = {SECTOR, 2 * SECTOR, SIZE - SECTOR, SIZE - 33 * SECTOR};
    static const uint64_t sizes[] = {SIZE + 4 * SECTOR, 30 * VX_MIB, 10 * VX_MIB, SIZE - 4 * SECTOR, SIZE};
    struct table_disk found = {bld_alloc(ROOM, 1), 0, SECTOR};
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            struct table_disk disk = with_table();
            disk.bytes[damages[i] + 9] ^= 1;
            put_bytes(disk.bytes, disk.size, SECTOR);
            cr_assert_eq(done(wish(sizes[j])).gpt, VHDX_GPT_PUT_RIGHT);
            found.size = read_disk(found.bytes, ROOM);
            cr_assert(!table_wrong(&found), "damage at %" PRIu64 ", size %" PRIu64 ": %s", damages[i], sizes[j],
                      table_wrong(&found));
            free(disk.bytes);
        }
    free(found.bytes);
}

/* Never smaller, and larger only as it is. */
static void stands_in_the_way(const struct table_disk *disk, const char *text)
{
    uint8_t *found = bld_alloc(ROOM, 1);
    put_bytes(disk->bytes, disk->size, disk->sector);
    refused(12 * VX_MIB, VHDX_REFUSED, text);
    said[0] = '\0';
    cr_assert_eq(done(wish(20 * VX_MIB)).gpt, VHDX_GPT_LEFT);
    cr_assert(strstr(said, text), "%s", said);
    cr_assert_eq(read_disk(found, ROOM), 20 * VX_MIB);
    cr_assert_eq(memcmp(found, disk->bytes, disk->size), 0, "%s: it was written to", text);
    free(found);
}

Test(resize, tables_of_which_nobody_knows)
{
    struct table_disk disk = with_table();
    disk.bytes[SECTOR + 9] ^= 1;
    disk.bytes[SIZE - SECTOR + 9] ^= 1;
    stands_in_the_way(&disk, "partition table is damaged");
    free(disk.bytes);
    disk = with_table();
    disk.bytes[SIZE - SECTOR + 56] ^= 1; /* another disk's id */
    table_sign(&disk, true);
    stands_in_the_way(&disk, "copies of the partition table differ");
    free(disk.bytes);
    disk = with_table();
    static const struct table_partition beyond[] = {{2048, 40000}}, backwards[] = {{4096, 2048}};
    table_put(&disk, &(struct table_shape){.partitions = beyond, .partition_count = 1});
    stands_in_the_way(&disk, "beyond the end of the disk");
    table_put(&disk, &(struct table_shape){.partitions = backwards, .partition_count = 1});
    stands_in_the_way(&disk, "ends before it begins");
    free(disk.bytes);
    disk = (struct table_disk){bld_alloc(ROOM, 1), SIZE, SECTOR};
    table_put(&disk, &(struct table_shape){0});
    memset(disk.bytes + SECTOR, 0, SIZE - SECTOR); /* only the record is left */
    put_bytes(disk.bytes, SIZE, SECTOR);
    refused(12 * VX_MIB, VHDX_REFUSED, "partition table is damaged");
    free(disk.bytes);
}

/* Headers whose checksums are right, and whose numbers lead anywhere: nothing is written but what a table may take. */
Test(resize, hostile_headers)
{
    static const struct {
        size_t offset;
        uint64_t value;
        size_t size;
    } fields[] = {{12, 0, 4},          {12, 91, 4},    {12, 513, 4},   {12, UINT32_MAX, 4}, {24, 0, 8},
                  {24, 2, 8},          {32, 0, 8},     {32, 1, 8},     {32, UINT64_MAX, 8}, {32, 20000, 8},
                  {40, 0, 8},          {40, 3, 8},     {40, 40000, 8}, {40, UINT64_MAX, 8}, {48, 0, 8},
                  {48, UINT64_MAX, 8}, {48, 34, 8},    {72, 0, 8},     {72, 1, 8},          {72, 16384, 8},
                  {72, UINT64_MAX, 8}, {72, 32767, 8}, {80, 0, 4},     {80, 1, 4},          {80, 8192, 4},
                  {80, UINT32_MAX, 4}, {84, 0, 4},     {84, 64, 4},    {84, 129, 4},        {84, 4096, 4},
                  {84, UINT32_MAX, 4}};
    uint8_t *found = bld_alloc(ROOM, 1);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (int which = 1; which < 4; which++) {
            struct table_disk disk = with_table();
            for (int backup = 0; backup < 2; backup++) {
                uint8_t *header = disk.bytes + (backup ? SIZE - SECTOR : SECTOR);
                for (size_t n = 0; which >> backup & 1 && n < fields[i].size; n++)
                    header[fields[i].offset + n] = (uint8_t)(fields[i].value >> 8 * n);
                if (vx_get32(header + 12) <= SECTOR)
                    table_sign(&disk, backup);
            }
            for (size_t n = 0; n < 60; n++) /* what the guest has */
                memset(disk.bytes + (2048 + n * 200) * SECTOR, (int)n + 1, 100);
            put_bytes(disk.bytes, disk.size, SECTOR);
            for (int larger = 0; larger < 2; larger++) {
                vhdx_resize_options options = wish(larger ? 20 * VX_MIB : 12 * VX_MIB);
                vhdx_status status = vhdx_resize(DISK, &options, NULL, &err);
                cr_assert(status == VHDX_OK || (!larger && status == VHDX_REFUSED), "field %zu, %d: %s", i, which,
                          err.message);
                cr_assert_geq(read_disk(found, ROOM), 12 * VX_MIB);
                cr_assert_eq(memcmp(found + 2048 * SECTOR, disk.bytes + 2048 * SECTOR, 8 * VX_MIB), 0,
                             "field %zu, %d: the guest's bytes have changed", i, which);
            }
            free(disk.bytes);
        }
    free(found);
}

/* ---- other tables ---- */

static void put_record(uint8_t *bytes, size_t number, uint8_t type, uint32_t first, uint32_t count)
{
    uint8_t *entry = bytes + 446 + number * 16;
    entry[4] = type;
    vx_put32(entry + 8, first);
    vx_put32(entry + 12, count);
    bytes[510] = 0x55;
    bytes[511] = 0xAA;
}

Test(resize, partitions_of_a_boot_record)
{
    uint8_t *bytes = bld_alloc(SIZE, 1), *found = bld_alloc(ROOM, 1);
    vhdx_resize_options options = wish(0);
    put_record(bytes, 0, 0x83, 2048, 2048);
    put_record(bytes, 1, 0x05, 8192, 8192); /* extended, with one drive */
    put_record(bytes + 8192 * SECTOR, 0, 0x83, 64, 2000);
    put_bytes(bytes, SIZE, SECTOR);
    refused(8 * VX_MIB - SECTOR, VHDX_REFUSED, "partition 2 ends at 8388608");
    options.to_minimum = true;
    vhdx_resize_report report = done(options);
    cr_assert(report.virtual_size == 8 * VX_MIB && report.gpt == VHDX_GPT_NONE);
    cr_assert_eq(read_disk(found, ROOM), 8 * VX_MIB);
    cr_assert_eq(memcmp(found, bytes, 8 * VX_MIB), 0);
    memset(bytes, 0, SIZE);
    put_record(bytes, 0, 0x42, 2048, 2048);
    put_bytes(bytes, SIZE, SECTOR);
    refused(12 * VX_MIB, VHDX_REFUSED, "dynamic disk of Windows");
    cr_assert_eq(done(wish(20 * VX_MIB)).virtual_size, 20 * VX_MIB);
    free(bytes);
    free(found);
}

/* ---- the disk ---- */

Test(resize, sizes_that_are_none)
{
    vhdx_resize_options options = wish(0);
    uint8_t *bytes = bld_alloc(SIZE, 1);
    put_bytes(bytes, SIZE, SECTOR);
    refused_with(&options, VHDX_ARG, "a size is needed");
    options.to_minimum = true;
    options.virtual_size = SIZE;
    refused_with(&options, VHDX_ARG, "a size is needed");
    refused(SIZE + 1, VHDX_ARG, "no size for a disk");
    refused(64 * VX_TIB + SECTOR, VHDX_ARG, "no size for a disk");
    refused(UINT64_MAX, VHDX_ARG, "no size for a disk");
    cr_assert(!done(wish(SIZE)).changed);
    put_bytes(bytes, SIZE, 4096);
    refused(SIZE + 512, VHDX_ARG, "4096");
    free(bytes);
}

/* A child of DISK, which must be of that seed. */
static void put_child(const char *path, uint64_t parent_seed)
{
    struct bld_options options = {.virtual_size = SIZE, .block_size = (uint32_t)VX_MIB, .seed = parent_seed};
    struct bld *parent = bld_new(&options);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.seed = 9;
    struct bld *b = bld_new(&options);
    bld_parent(b, bld_data_write_guid(parent), NULL, ".\\disk.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(b, host, path, &err), VHDX_OK, "%s", err.message);
    bld_free(b);
    bld_free(parent);
}

/* What the parent holds behind the child's end does not come back with a larger size. */
Test(resize, a_disk_with_children_is_refused_and_the_child_is_not)
{
    static const uint64_t sizes[] = {3 * VX_MIB + SECTOR, 10 * VX_MIB + SECTOR, 20 * VX_MIB};
    uint8_t *bytes = bld_alloc(ROOM, 1), *found = bld_alloc(ROOM, 1);
    vhdx_open_options open = {.struct_size = sizeof open, .host = host};
    memset(bytes, 7, SIZE);
    memset(bytes, 0, SECTOR);
    put_record(bytes, 0, 0x83, 2048, 2048);
    put_bytes(bytes, SIZE, SECTOR);
    put_child("/vm/child.avhdx", 3);
    refused(20 * VX_MIB, VHDX_REFUSED, "/vm/child.avhdx");
    cr_assert_eq(err.advice, VHDX_ADVICE_RESIZE_LEAF);
    uint64_t base = digest_of(DISK);
    memset(bytes + sizes[0], 0, ROOM - sizes[0]);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        vhdx_resize_options options = wish(sizes[i]);
        vhdx_chain *chain;
        cr_assert_eq(vhdx_resize("/vm/child.avhdx", &options, NULL, &err), VHDX_OK, "%s", err.message);
        cr_assert_eq(vhdx_chain_open("/vm/child.avhdx", &open, &chain, &err), VHDX_OK, "%s", err.message);
        cr_assert_eq(vhdx_chain_read(chain, found, sizes[i], 0, &err), VHDX_OK, "%s", err.message);
        cr_assert_eq(memcmp(found, bytes, sizes[i]), 0, "size %zu", i);
        vhdx_chain_free(chain);
    }
    cr_assert_eq(digest_of(DISK), base);
    free(bytes);
    free(found);
}

/* Entries of the BAT interleave with those of sector bitmaps, a chunk of 128 blocks of 32 MiB: sizes on both sides. */
Test(resize, chunks_of_a_child)
{
    static const uint64_t sizes[] = {3, 5, 4, 13, 8, 9, 1, 12}; /* GiB */
    struct bld_options below_it = {.virtual_size = 10 * VX_GIB, .seed = 3};
    struct bld_options options = {
        .virtual_size = 10 * VX_GIB, .block_size = 32u << 20, .seed = 4, .kind = VHDX_KIND_DIFFERENCING};
    struct bld *base = bld_new(&below_it), *child = bld_new(&options);
    uint8_t sector[SECTOR], expected[SECTOR];
    uint64_t kept = 10;
    for (uint64_t i = 0; i < 10; i++)
        bld_write_random(base, i * VX_GIB + 64 * VX_KIB, SECTOR, 100 + i);
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    for (uint64_t i = 0; i < 10; i++)
        bld_write_random(child, i * VX_GIB + 128 * VX_KIB, SECTOR, 200 + i);
    uint8_t record[SECTOR] = {0};
    put_record(record, 0, 0x83, 2048, 4096); /* so that it is known where the content ends */
    bld_write(child, 0, record, SECTOR);
    cr_assert_eq(bld_finish(base, host, BASE, &err), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, DISK, &err), VHDX_OK);
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        vhdx_resize_options resize = wish(sizes[n] * VX_GIB);
        vhdx_resize_report plan = {.struct_size = sizeof plan};
        vhdx_open_options open = {.struct_size = sizeof open, .host = host};
        vhdx_chain *chain;
        resize.dry_run = true;
        cr_assert_eq(vhdx_resize(DISK, &resize, &plan, &err), VHDX_OK, "%s", err.message);
        resize.dry_run = false;
        cr_assert_eq(vhdx_resize(DISK, &resize, NULL, &err), VHDX_OK, "%s", err.message);
        cr_assert_eq(plan.file_size_after, vx_memory_host_size(memory, DISK));
        cr_assert(!complaint(), "%zu: %s", n, complaint());
        kept = vx_min(kept, sizes[n]);
        cr_assert_eq(vhdx_chain_open(DISK, &open, &chain, &err), VHDX_OK, "%s", err.message);
        for (uint64_t i = 0; i < sizes[n]; i++)
            for (uint64_t own = 0; own < 2; own++) {
                memset(expected, 0, SECTOR);
                if (i < kept)
                    bld_random_bytes((own ? 200 : 100) + i, 0, expected, SECTOR);
                cr_assert_eq(vhdx_chain_read(chain, sector, SECTOR, i * VX_GIB + (64 + own * 64) * VX_KIB, &err),
                             VHDX_OK);
                cr_assert_eq(memcmp(sector, expected, SECTOR), 0, "step %zu, GiB %" PRIu64 ", %d", n, i, (int)own);
            }
        vhdx_chain_free(chain);
    }
    bld_free(base);
    bld_free(child);
}

static bool stop_at_once(void *context, const vhdx_progress *progress)
{
    (void)context;
    (void)progress;
    return false;
}

Test(resize, a_cancelled_call_leaves_a_whole_disk_and_goes_on)
{
    struct bld_options options = {.kind = VHDX_KIND_FIXED, .virtual_size = SIZE, .seed = 5};
    struct bld *b = bld_new(&options);
    bld_write_random(b, 0x5000, 0x3000, 7);
    cr_assert_eq(bld_finish(b, host, DISK, &err), VHDX_OK);
    uint8_t *before = bld_alloc(ROOM, 1), *found = bld_alloc(ROOM, 1);
    read_disk(before, ROOM);
    vhdx_resize_options resize = wish(200 * VX_MIB);
    resize.progress = stop_at_once;
    cr_assert_eq(vhdx_resize(DISK, &resize, NULL, &err), VHDX_CANCELLED);
    cr_assert(strstr(err.advice_text, "again"), "%s", err.advice_text);
    cr_assert_eq(read_disk(found, ROOM), SIZE);
    cr_assert_eq(memcmp(before, found, SIZE), 0);
    cr_assert_eq(done(wish(200 * VX_MIB)).virtual_size, 200 * VX_MIB);
    cr_assert(!complaint(), "%s", complaint());
    bld_free(b);
    free(before);
    free(found);
}

/* Entries behind the last one mean nothing, until somebody makes the disk larger and does not look. */
Test(resize, stray_entries_are_cleared)
{
    uint8_t *bytes = bld_alloc(SIZE, 1);
    struct bld_options options = {.virtual_size = SIZE, .block_size = (uint32_t)VX_MIB, .seed = 3};
    struct bld *b = bld_new(&options);
    cr_assert_eq(bld_finish(b, host, DISK, &err), VHDX_OK);
    bld_poke_int(host, DISK, bld_bat_entry_offset(b, 0) + 20 * 8, UINT64_C(0x900000) | 6, 8);
    cr_assert(done(wish(SIZE)).changed);
    uint8_t entry[8];
    cr_assert_eq(bld_peek(host, DISK, bld_bat_entry_offset(b, 0) + 20 * 8, entry, 8), VHDX_OK);
    cr_assert_eq(vx_get64(entry), 0u);
    cr_assert(!done(wish(SIZE)).changed);
    bld_free(b);
    free(bytes);
}

/* All blocks of a fixed disk are there, most of them holes of the file: what lies behind the new end is looked at
 * without reading these. A byte that was written there is found all the same. */
Test(resize, a_fixed_disk_of_holes)
{
    const vhdx_create_options create = {
        .struct_size = sizeof create, .host = host, .virtual_size = 32 * VX_GIB, .fixed = true};
    cr_assert_eq(vhdx_create(DISK, &create, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(bld_poke_int(host, DISK, vx_memory_host_size(memory, DISK) - VX_GIB, 1, 1), VHDX_OK);
    refused(VX_GIB, VHDX_REFUSED, "there is some");
    cr_assert_eq(bld_poke_int(host, DISK, vx_memory_host_size(memory, DISK) - VX_GIB, 0, 1), VHDX_OK);
    vhdx_resize_report report = done(wish(VX_GIB));
    cr_assert_lt(report.file_size_after, 2 * VX_GIB);
    cr_assert(!complaint(), "%s", complaint());
}
