/*
 * Undo files: whatever is done to a protected file, and wherever the undo file ends, the old bytes come back. Most
 * tests use a plain file that says who it is in one of its first two pages, by turns, as a disk does; those at the end
 * merge disks at random and take the merge back.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "files.h"
#include "memory.h"
#include "undo/undo.h"
#include "undo/undo_apply.h"
#include "undo/undo_save.h"
#include "crash_host.h"
#include "inside.h"
#include "model.h"

#define DISK "/d/disk"
#define UNDO "/d/undo"
#define ROOM (6u * 1024 * 1024)

/* ---- a file that says who it is --------------------------------------------------------------------------------- */

static const uint8_t mark[8] = {'t', 'o', 'y', ' ', 'd', 'i', 's', 'k'};

#define SLOT 4096u
/* Mark, content, writer, sequence, filling, checksum: more than a sector, so that it can be torn. */
#define CARD 1100u

static uint64_t checksum(const uint8_t *bytes)
{
    uint64_t sum = 1;
    for (size_t i = 0; i < CARD - 8; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static void put_identity(uint8_t *bytes, const struct vx_identity *identity, uint64_t sequence)
{
    memcpy(bytes, mark, sizeof mark);
    memcpy(bytes + 8, identity->content, 16);
    memcpy(bytes + 24, identity->writer, 16);
    vx_put64(bytes + 40, sequence);
    memset(bytes + 48, identity->writer[0], CARD - 56);
    vx_put64(bytes + CARD - 8, checksum(bytes));
}

static vhdx_status find_card(struct vx_file *file, uint8_t *bytes, uint64_t *sequence, vhdx_error *err)
{
    uint8_t card[CARD];
    size_t got;
    *sequence = 0;
    for (uint64_t slot = 0; slot < 2; slot++) {
        VX_TRY(vx_file_read_some(file, card, sizeof card, slot * SLOT, &got, err));
        if (memcmp(card, mark, sizeof mark) != 0 || vx_get64(card + CARD - 8) != checksum(card) ||
            vx_get64(card + 40) <= *sequence)
            continue;
        memcpy(bytes, card, sizeof card);
        *sequence = vx_get64(card + 40);
    }
    return VHDX_OK;
}

static vhdx_status identify(struct vx_file *file, struct vx_identity *identity, bool *readable, vhdx_error *err)
{
    uint8_t card[CARD] = {0};
    uint64_t sequence;
    VX_TRY(find_card(file, card, &sequence, err));
    *readable = sequence > 0;
    memcpy(identity->content, card + 8, 16);
    memcpy(identity->writer, card + 24, 16);
    return VHDX_OK;
}

static struct vx_identity identity_of(uint8_t content, uint8_t writer)
{
    struct vx_identity identity;
    memset(identity.content, content, sizeof identity.content);
    memset(identity.writer, writer, sizeof identity.writer);
    return identity;
}

struct bench {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct vx_file *file;
    struct vx_undo *undo;
    uint8_t *old;
    size_t old_size;
    uint64_t chance;
};

static void must(vhdx_status status, const vhdx_error *err)
{
    char text[2048] = "";
    if (status != VHDX_OK && err)
        vhdx_error_format(err, text, sizeof text);
    cr_assert_eq(status, VHDX_OK, "%s", text);
}

static void bench_open(struct bench *b)
{
    vhdx_error err;
    must(vx_file_open(b->host, DISK, VHDX_OPEN_WRITE, &b->file, &err), &err);
}

/* Zeros, runs and noise; a size that ends where it likes. */
static struct bench bench_new(uint64_t seed)
{
    struct bench b = {.memory = vx_memory_host_new(seed), .chance = seed * 77 + 1};
    struct vx_identity identity = identity_of(1, 1);
    b.host = vx_memory_host_interface(b.memory);
    b.old_size = (size_t)(2 * VX_MIB + bld_random_below(&b.chance, 2 * VX_MIB));
    b.old = calloc(1, ROOM);
    cr_assert_not_null(b.old);
    for (size_t at = 0; at < b.old_size;) {
        size_t length = (size_t)vx_min(bld_random_below(&b.chance, 200000) + 1, b.old_size - at);
        uint64_t kind = bld_random_below(&b.chance, 3);
        for (size_t i = at; i < at + length; i++)
            b.old[i] = kind == 0 ? 0 : kind == 1 ? (uint8_t)(at / 1000) : (uint8_t)bld_random(&b.chance);
        at += length;
    }
    memset(b.old, 0, 2 * SLOT);
    put_identity(b.old + SLOT, &identity, 1);
    cr_assert(vx_memory_host_put(b.memory, DISK, b.old, b.old_size));
    bench_open(&b);
    return b;
}

static void bench_close(struct bench *b)
{
    vx_undo_close(b->undo);
    vx_file_close(b->file);
    b->undo = NULL;
    b->file = NULL;
}

static void bench_free(struct bench *b)
{
    bench_close(b);
    vx_memory_host_free(b->memory);
    free(b->old);
}

static vhdx_status protect_as(struct bench *b, const struct vx_identity *identity, vhdx_error *err)
{
    struct vx_range ranges[1] = {{.offset = VX_MIB + 5, .length = 9000}};
    struct vx_undo_target target = {.file = b->file, .identity = *identity, .ranges = ranges, .range_count = 1};
    return vx_undo_begin(b->host, UNDO, &target, 1, &b->undo, err);
}

static void protect(struct bench *b, uint8_t writer)
{
    struct vx_identity identity = identity_of(1, writer);
    vhdx_error err;
    must(protect_as(b, &identity, &err), &err);
}

/* As an image does it: announced first. */
static void become(struct bench *b, uint8_t content, uint8_t writer)
{
    struct vx_identity identity = identity_of(content, writer);
    uint8_t bytes[CARD];
    uint64_t sequence;
    must(find_card(b->file, bytes, &sequence, NULL), NULL);
    put_identity(bytes, &identity, sequence + 1);
    must(vx_file_will_be(b->file, &identity, NULL), NULL);
    must(vx_file_write(b->file, bytes, sizeof bytes, (sequence + 1) % 2 * SLOT, NULL), NULL);
    must(vx_file_flush(b->file, NULL), NULL);
}

static void random_change(struct bench *b)
{
    static uint8_t bytes[300000];
    uint64_t size;
    must(vx_file_size(b->file, &size, NULL), NULL);
    uint64_t at = 2 * SLOT + bld_random_below(&b->chance, ROOM - 2 * SLOT - sizeof bytes);
    size_t length = (size_t)(bld_random_below(&b->chance, 4) ? bld_random_below(&b->chance, 9000)
                                                             : bld_random_below(&b->chance, sizeof bytes));
    memset(bytes, (int)bld_random(&b->chance), length);
    switch (bld_random_below(&b->chance, 8)) {
    case 0:
        must(vx_file_zero(b->file, at, length, NULL), NULL);
        break;
    case 1:
        must(vx_file_grow(b->file, size + length, NULL), NULL);
        break;
    case 2:
        must(vx_file_cut(b->file, vx_max(2 * SLOT, size - vx_min(size, length)), NULL), NULL);
        break;
    case 3: {
        struct vx_range ranges[3] = {
            {.offset = at, .length = length}, {.offset = at + 10000, .length = 1}, {.offset = 5000, .length = 99}};
        must(vx_file_will_change(b->file, ranges, 3, NULL), NULL);
        break;
    }
    case 4:
        length = (size_t)vx_round_down(vx_min(length + 4096, size - 4096), 4096);
        must(vx_file_clone(b->file, vx_round_down(at, 4096), b->file, 4096, length, NULL), NULL);
        break;
    default:
        must(vx_file_write(b->file, bytes, length, at, NULL), NULL);
    }
}

static vhdx_status apply_with(const vhdx_host *host, const char *path, bool force, vhdx_undo_report *report,
                              vhdx_error *err)
{
    vhdx_undo_options options = {.struct_size = sizeof options, .host = host, .force = force};
    *report = (vhdx_undo_report){.struct_size = sizeof *report};
    return vx_undo_apply(path, &options, identify, report, err);
}

static void must_apply(const vhdx_host *host)
{
    vhdx_undo_report report;
    vhdx_error err;
    must(apply_with(host, UNDO, false, &report, &err), &err);
    cr_expect_eq(report.files, 1u);
}

/* The whole file; to be freed. */
static uint8_t *contents(const vhdx_host *host, const char *path, uint64_t *size)
{
    struct vx_file *file;
    must(vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL), NULL);
    must(vx_file_size(file, size, NULL), NULL);
    uint8_t *bytes = malloc((size_t)*size + 1);
    cr_assert_not_null(bytes);
    must(vx_file_read(file, bytes, (size_t)*size, 0, NULL), NULL);
    vx_file_close(file);
    return bytes;
}

static bool is_old(const struct bench *b, const vhdx_host *host)
{
    uint64_t size;
    uint8_t *bytes = contents(host, DISK, &size);
    bool same = size == b->old_size && memcmp(bytes, b->old, b->old_size) == 0;
    free(bytes);
    return same;
}

/* Changes, with a new writer and a new content among them. */
static void work(struct bench *b, int changes)
{
    for (int i = 0; i < changes; i++) {
        if (i == changes / 3)
            become(b, 1, 2);
        if (i == changes / 2)
            become(b, 2, 3);
        random_change(b);
    }
}

/* ---- giving back ------------------------------------------------------------------------------------------------ */

Test(undo, gives_back_every_byte_whatever_was_done)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct bench b = bench_new(seed);
        protect(&b, 1);
        work(&b, 30);
        if (seed % 2)
            must(vx_undo_end(b.undo, NULL), NULL);
        bench_close(&b);
        must_apply(b.host);
        cr_expect(is_old(&b, b.host), "seed %llu", (unsigned long long)seed);
        bench_free(&b);
    }
}

Test(undo, twice_is_as_once)
{
    struct bench b = bench_new(3);
    protect(&b, 1);
    work(&b, 20);
    bench_close(&b);
    must_apply(b.host);
    must_apply(b.host);
    cr_expect(is_old(&b, b.host));
    bench_free(&b);
}

Test(undo, leaves_its_file_as_it_was)
{
    struct bench b = bench_new(4);
    uint64_t before_size, after_size;
    protect(&b, 1);
    work(&b, 20);
    bench_close(&b);
    uint8_t *before = contents(b.host, UNDO, &before_size);
    must_apply(b.host);
    uint8_t *after = contents(b.host, UNDO, &after_size);
    cr_expect(before_size == after_size && memcmp(before, after, before_size) == 0);
    free(before);
    free(after);
    bench_free(&b);
}

Test(undo, a_range_that_is_saved_is_not_saved_again)
{
    struct bench b = bench_new(5);
    uint8_t bytes[5000] = {1};
    protect(&b, 1);
    must(vx_file_write(b.file, bytes, sizeof bytes, 1500000, NULL), NULL);
    uint64_t length = vx_undo_length(b.undo);
    must(vx_file_write(b.file, bytes, sizeof bytes, 1500000, NULL), NULL);
    must(vx_file_zero(b.file, 1501000, 2000, NULL), NULL);
    must(vx_file_write(b.file, bytes, sizeof bytes, 70000, NULL), NULL); /* in the first MiB */
    must(vx_file_write(b.file, bytes, sizeof bytes, b.old_size + 4096, NULL), NULL);
    cr_expect_eq(vx_undo_length(b.undo), length);
    bench_free(&b);
}

Test(undo, gives_back_single_bytes_at_both_ends_of_pages)
{
    struct bench b = bench_new(18);
    const uint8_t byte = 0xC5;
    protect(&b, 1);
    for (uint64_t at = VX_MIB + 65536; at < b.old_size; at += 131072) {
        must(vx_file_write(b.file, &byte, 1, at, NULL), NULL);
        must(vx_file_write(b.file, &byte, 1, at - 1, NULL), NULL);
    }
    must(vx_file_write(b.file, &byte, 1, b.old_size - 1, NULL), NULL);
    bench_close(&b);
    must_apply(b.host);
    cr_expect(is_old(&b, b.host));
    bench_free(&b);
}

Test(undo, many_ranges_told_at_once_cost_one_flush)
{
    struct bench b = bench_new(6);
    struct vx_range ranges[50];
    uint8_t byte = 9;
    struct crash_host *host = crash_host_new(1);
    struct vx_file *file;
    must(vx_file_open(crash_host_interface(host), DISK, VHDX_OPEN_CREATE, &file, NULL), NULL);
    must(vx_file_write(file, b.old, b.old_size, 0, NULL), NULL);
    vx_file_close(b.file);
    b.file = file;
    b.host = crash_host_interface(host);
    protect(&b, 1);
    for (size_t i = 0; i < 50; i++)
        ranges[i] = (struct vx_range){.offset = 1200000 + i * 15000, .length = 512};
    struct crash_fault count = {.calls = CRASH_FLUSH};
    crash_host_fault(host, &count);
    must(vx_file_will_change(b.file, ranges, 50, NULL), NULL);
    for (size_t i = 0; i < 50; i++)
        must(vx_file_write(b.file, &byte, 1, ranges[i].offset + 100, NULL), NULL);
    cr_expect_eq(crash_host_calls(host), 1u);
    bench_close(&b);
    crash_host_free(host);
    bench_free(&b);
}

/* ---- cut off and damaged ---------------------------------------------------------------------------------------- */

struct moment {
    uint8_t *disk;
    uint64_t disk_size, undo_length;
};

/* The disk as it was at the moment, with an undo file of this length. */
static void apply_at(const struct bench *b, const struct moment *moment, const uint8_t *undo, uint64_t length)
{
    struct vx_memory_host *memory = vx_memory_host_new(1);
    cr_assert(vx_memory_host_put(memory, DISK, moment->disk, moment->disk_size));
    cr_assert(vx_memory_host_put(memory, UNDO, undo, length));
    must_apply(vx_memory_host_interface(memory));
    cr_assert(is_old(b, vx_memory_host_interface(memory)), "cut off at %llu", (unsigned long long)length);
    vx_memory_host_free(memory);
}

Test(undo, a_file_that_is_cut_off_gives_back_what_was_done_until_then)
{
    struct moment moments[13];
    struct bench b = bench_new(7);
    uint64_t size;
    protect(&b, 1);
    for (int i = 0; i < 12; i++) {
        if (i == 6)
            become(&b, 2, 2);
        random_change(&b);
        moments[i].disk = contents(b.host, DISK, &moments[i].disk_size);
        moments[i].undo_length = vx_undo_length(b.undo);
    }
    must(vx_undo_end(b.undo, NULL), NULL);
    bench_close(&b);
    uint8_t *undo = contents(b.host, UNDO, &size);
    moments[12].undo_length = size;
    for (int i = 0; i < 12; i++) {
        uint64_t from = moments[i].undo_length, to = moments[i + 1].undo_length;
        const uint64_t lengths[] = {from, from + 1, from + 71, from + 72, from + 80, (from + to) / 2, to - 1, to};
        for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++)
            if (lengths[k] >= from && lengths[k] <= to)
                apply_at(&b, &moments[i], undo, lengths[k]);
        free(moments[i].disk);
    }
    free(undo);
    bench_free(&b);
}

Test(undo, a_file_cut_off_below_what_the_disk_shows_is_refused)
{
    struct bench b = bench_new(8);
    uint64_t size, disk_size;
    vhdx_undo_report report;
    vhdx_error err;
    protect(&b, 1);
    uint64_t early = vx_undo_length(b.undo);
    random_change(&b);
    become(&b, 2, 2);
    bench_close(&b);
    uint8_t *undo = contents(b.host, UNDO, &size);
    uint8_t *disk = contents(b.host, DISK, &disk_size);
    cr_assert(vx_memory_host_put(b.memory, UNDO, undo, early));
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_UNDO_MISMATCH);
    cr_assert(vx_memory_host_put(b.memory, UNDO, undo, 64));
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_TRUNCATED);
    cr_assert(vx_memory_host_put(b.memory, UNDO, undo, 20));
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_NOT_VHDX);
    uint64_t after_size;
    uint8_t *after = contents(b.host, DISK, &after_size);
    cr_expect(after_size == disk_size && memcmp(after, disk, disk_size) == 0);
    free(after);
    free(disk);
    free(undo);
    bench_free(&b);
}

Test(undo, records_behind_a_flipped_bit_are_not_believed)
{
    struct bench b = bench_new(9);
    uint64_t size;
    vhdx_undo_report report;
    vhdx_error err;
    uint8_t byte = 77;
    protect(&b, 1);
    uint64_t places[4];
    for (int i = 0; i < 4; i++) {
        places[i] = vx_undo_length(b.undo);
        must(vx_file_write(b.file, &byte, 1, 1200000 + (uint64_t)i * 200000, NULL), NULL);
    }
    bench_close(&b);
    uint8_t *undo = contents(b.host, UNDO, &size);
    /* In the last record: as if it had been torn by a power cut. What it protects is lost, all else comes back. */
    undo[places[3] + 100] ^= 4;
    cr_assert(vx_memory_host_put(b.memory, UNDO, undo, size));
    must(apply_with(b.host, UNDO, false, &report, &err), &err);
    cr_expect(report.cut_off);
    uint64_t disk_size;
    uint8_t *disk = contents(b.host, DISK, &disk_size);
    b.old[1800000] = byte;
    cr_expect(is_old(&b, b.host));
    free(disk);
    /* In an earlier one: that it was durable once is proven by those behind it. */
    undo[places[3] + 100] ^= 4;
    undo[places[1] + 100] ^= 4;
    cr_assert(vx_memory_host_put(b.memory, UNDO, undo, size));
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_CORRUPT);
    must(apply_with(b.host, UNDO, true, &report, &err), &err);
    free(undo);
    bench_free(&b);
}

/* ---- is it the disk? -------------------------------------------------------------------------------------------- */

static void overwrite(struct bench *b, const void *bytes, size_t length, uint64_t offset)
{
    bench_open(b);
    must(vx_file_write(b->file, bytes, length, offset, NULL), NULL);
    bench_close(b);
}

Test(undo, refuses_a_disk_that_somebody_else_has_written_to)
{
    struct bench b = bench_new(10);
    struct vx_identity other = identity_of(2, 9);
    uint8_t bytes[CARD];
    vhdx_undo_report report;
    vhdx_error err;
    protect(&b, 1);
    work(&b, 10);
    bench_close(&b);
    put_identity(bytes, &other, 100);
    overwrite(&b, bytes, sizeof bytes, 0);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_UNDO_MISMATCH);
    must(apply_with(b.host, UNDO, true, &report, &err), &err); /* its content has kept its identity */
    cr_expect(is_old(&b, b.host));
    other = identity_of(9, 9);
    put_identity(bytes, &other, 101);
    overwrite(&b, bytes, sizeof bytes, 0);
    cr_expect_eq(apply_with(b.host, UNDO, true, &report, &err), VHDX_UNDO_MISMATCH);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_UNDO_MISMATCH);
    bench_free(&b);
}

Test(undo, knows_a_disk_by_its_old_beginning_when_one_page_of_that_is_torn)
{
    struct bench b = bench_new(11);
    uint8_t rubbish[4096];
    vhdx_undo_report report;
    vhdx_error err;
    memset(rubbish, 0xEE, sizeof rubbish);
    protect(&b, 1);
    random_change(&b);
    bench_close(&b);
    must_apply(b.host);
    overwrite(&b, rubbish, sizeof rubbish, SLOT); /* where it says who it is */
    must_apply(b.host);
    cr_expect(is_old(&b, b.host));
    overwrite(&b, rubbish, sizeof rubbish, SLOT);
    overwrite(&b, rubbish, sizeof rubbish, 10 * SLOT);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_UNDO_MISMATCH);
    bench_free(&b);
}

Test(undo, refuses_a_disk_in_use_and_names_one_that_is_gone)
{
    struct bench b = bench_new(12);
    vhdx_undo_report report;
    vhdx_error err;
    protect(&b, 1);
    random_change(&b);
    bench_close(&b);
    bench_open(&b);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_BUSY);
    bench_close(&b);
    must(b.host->rename(b.host->context, DISK, "/elsewhere", NULL), NULL);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_NOT_FOUND);
    cr_expect_str_eq(err.path, DISK);
    bench_free(&b);
}

Test(undo, follows_a_disk_that_moved_together_with_the_undo_file)
{
    struct bench b = bench_new(13);
    uint64_t size, undo_size;
    vhdx_undo_report report;
    vhdx_error err;
    protect(&b, 1);
    work(&b, 10);
    bench_close(&b);
    uint8_t *disk = contents(b.host, DISK, &size);
    uint8_t *undo = contents(b.host, UNDO, &undo_size);
    cr_assert(vx_memory_host_put(b.memory, "/copy/disk", disk, size));
    cr_assert(vx_memory_host_put(b.memory, "/copy/undo", undo, undo_size));
    must(apply_with(b.host, "/copy/undo", false, &report, &err), &err);
    uint64_t now_size;
    uint8_t *now = contents(b.host, DISK, &now_size);
    cr_expect(now_size == size && memcmp(now, disk, size) == 0, "the copy's undo file changed the original");
    free(now);
    now = contents(b.host, "/copy/disk", &now_size);
    cr_expect(now_size == b.old_size && memcmp(now, b.old, b.old_size) == 0);
    free(now);
    free(disk);
    free(undo);
    bench_free(&b);
}

/* ---- going on --------------------------------------------------------------------------------------------------- */

Test(undo, goes_on_with_the_file_of_a_run_that_was_cut_off)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct bench b = bench_new(seed + 100);
        uint64_t size;
        protect(&b, 1);
        work(&b, 12);
        bench_close(&b);
        uint8_t *undo = contents(b.host, UNDO, &size); /* with the beginning of a record that was never finished */
        undo = realloc(undo, size + 500);
        cr_assert_not_null(undo);
        memset(undo + size, 0x5A, 500);
        cr_assert(vx_memory_host_put(b.memory, UNDO, undo, size + 500));
        free(undo);
        bench_open(&b);
        struct vx_identity now = identity_of(2, 3);
        must(protect_as(&b, &now, NULL), NULL);
        become(&b, 2, 4);
        for (int i = 0; i < 12; i++)
            random_change(&b);
        must(vx_undo_end(b.undo, NULL), NULL);
        bench_close(&b);
        must_apply(b.host);
        cr_expect(is_old(&b, b.host), "seed %llu", (unsigned long long)seed);
        bench_free(&b);
    }
}

Test(undo, does_not_go_on_with_what_is_not_its_own)
{
    struct bench b = bench_new(14);
    vhdx_error err;
    struct vx_identity identity = identity_of(1, 1);
    cr_assert(vx_memory_host_put(b.memory, UNDO, "something else", 14));
    cr_expect_eq(protect_as(&b, &identity, &err), VHDX_EXISTS);
    cr_expect_eq(vx_memory_host_size(b.memory, UNDO), 14u);
    cr_expect_not(vx_file_is_protected(b.file));
    must(b.host->remove(b.host->context, UNDO, NULL), NULL);
    protect(&b, 1);
    random_change(&b);
    bench_close(&b);
    bench_open(&b);
    identity = identity_of(1, 7); /* somebody else was there */
    cr_expect_eq(protect_as(&b, &identity, &err), VHDX_UNDO_MISMATCH);
    bench_close(&b);
    cr_assert(vx_memory_host_put(b.memory, "/d/other", b.old, b.old_size));
    must(vx_file_open(b.host, "/d/other", VHDX_OPEN_WRITE, &b.file, NULL), NULL);
    identity = identity_of(1, 1);
    cr_expect_eq(protect_as(&b, &identity, &err), VHDX_EXISTS);
    bench_free(&b);
}

/* ---- failures and power cuts ------------------------------------------------------------------------------------ */

static struct crash_host *crash_host_with(const struct bench *b)
{
    struct crash_host *host = crash_host_new(5);
    struct vx_file *file;
    must(vx_file_open(crash_host_interface(host), DISK, VHDX_OPEN_CREATE, &file, NULL), NULL);
    must(vx_file_write(file, b->old, b->old_size, 0, NULL), NULL);
    must(vx_file_flush(file, NULL), NULL);
    vx_file_close(file);
    return host;
}

/* A fixed piece of work that stops at the first failure. */
static vhdx_status short_work(const vhdx_host *host)
{
    struct vx_identity identity = identity_of(1, 1), next = identity_of(2, 2);
    struct vx_file *file = NULL;
    struct vx_undo *undo = NULL;
    uint8_t bytes[CARD], many[20000];
    memset(many, 0xAB, sizeof many);
    put_identity(bytes, &next, 2);
    vhdx_status status = vx_file_open(host, DISK, VHDX_OPEN_WRITE, &file, NULL);
    if (status == VHDX_OK) {
        struct vx_undo_target target = {.file = file, .identity = identity};
        status = vx_undo_begin(host, UNDO, &target, 1, &undo, NULL);
    }
    if (status == VHDX_OK)
        status = vx_file_will_be(file, &next, NULL);
    if (status == VHDX_OK)
        status = vx_file_write(file, bytes, sizeof bytes, 0, NULL);
    if (status == VHDX_OK)
        status = vx_file_flush(file, NULL);
    put_identity(bytes, &next, 3); /* both cards are new then */
    if (status == VHDX_OK)
        status = vx_file_write(file, bytes, sizeof bytes, SLOT, NULL);
    if (status == VHDX_OK)
        status = vx_file_flush(file, NULL);
    for (uint64_t i = 0; i < 4 && status == VHDX_OK; i++)
        status = vx_file_write(file, many, sizeof many, 1100000 + i * 111111, NULL);
    if (status == VHDX_OK)
        status = vx_file_zero(file, 1300000, 70000, NULL);
    if (status == VHDX_OK)
        status = vx_file_grow(file, 5000000, NULL);
    if (status == VHDX_OK)
        status = vx_file_cut(file, 1800000, NULL);
    if (status == VHDX_OK)
        status = vx_file_flush(file, NULL);
    if (status == VHDX_OK)
        status = vx_undo_end(undo, NULL);
    vx_undo_close(undo);
    vx_file_close(file);
    return status;
}

/* Undo, where there is an undo file that names the disk; without one nothing may have changed. */
static bool comes_back(const struct bench *b, struct crash_host *host)
{
    vhdx_undo_report report;
    vhdx_error err;
    const vhdx_host *interface = crash_host_interface(host);
    vhdx_status status = apply_with(interface, UNDO, false, &report, &err);
    return (status == VHDX_OK || status == VHDX_NOT_FOUND || status == VHDX_NOT_VHDX || status == VHDX_TRUNCATED ||
            status == VHDX_CORRUPT) &&
           is_old(b, interface);
}

Test(undo, gives_back_all_after_the_nth_call_failed)
{
    const vhdx_status failures[] = {VHDX_IO, VHDX_NO_SPACE};
    struct bench b = bench_new(15);
    for (size_t kind = 0; kind < 2; kind++)
        for (uint64_t nth = 1;; nth++) {
            struct crash_host *host = crash_host_with(&b);
            struct crash_fault fault = {.calls = CRASH_WRITE | CRASH_FLUSH | CRASH_SET_SIZE | CRASH_NAME,
                                        .nth = nth,
                                        .torn = true,
                                        .for_good = nth % 2 == 0,
                                        .status = failures[kind]};
            crash_host_fault(host, &fault);
            vhdx_status status = short_work(crash_host_interface(host));
            struct crash_fault none = {0};
            crash_host_fault(host, &none);
            bool back = comes_back(&b, host);
            crash_host_free(host);
            cr_assert(back, "call %llu", (unsigned long long)nth);
            if (status == VHDX_OK)
                break;
        }
    bench_free(&b);
}

/* Visits states of the recorded trace: all lost, all kept, all torn, and some at random; more where few calls hang in
 * the air. */
static void for_each_cut(struct crash_host *host, uint64_t seed, void (*visit)(void *context, struct crash_host *after),
                         void *context)
{
    uint64_t chance = seed;
    struct crash_cut *cut = crash_cut_new(host);
    for (;;) {
        for (int turn = 0, turns = crash_cut_pending(cut) <= 2 ? 40 : 8; turn < turns; turn++) {
            uint8_t fates[512];
            size_t pending = crash_cut_pending(cut);
            cr_assert_leq(pending, sizeof fates);
            for (size_t i = 0; i < pending; i++)
                fates[i] = (uint8_t)(turn < 2 ? turn : turn % 2 == 0 ? CRASH_TORN : (int)bld_random_below(&chance, 3));
            struct crash_host *after = crash_cut_host(cut, fates, bld_random(&chance));
            visit(context, after);
            crash_host_free(after);
        }
        if (crash_cut_place(cut) == crash_host_trace_length(host))
            break;
        crash_cut_advance(cut);
    }
    crash_cut_free(cut);
}

static void must_come_back(void *context, struct crash_host *after)
{
    cr_assert(comes_back(context, after));
}

Test(undo, gives_back_all_after_a_power_cut_at_any_place)
{
    struct bench b = bench_new(16);
    struct crash_host *host = crash_host_with(&b);
    crash_host_record(host);
    must(short_work(crash_host_interface(host)), NULL);
    crash_host_record_end(host);
    for_each_cut(host, 1, must_come_back, &b);
    crash_host_free(host);
    bench_free(&b);
}

Test(undo, completes_an_undo_that_was_cut_off_at_any_place)
{
    struct bench b = bench_new(17);
    struct crash_host *host = crash_host_with(&b);
    must(short_work(crash_host_interface(host)), NULL);
    crash_host_record(host);
    cr_assert(comes_back(&b, host));
    crash_host_record_end(host);
    for_each_cut(host, 2, must_come_back, &b);
    crash_host_free(host);
    bench_free(&b);
}

/* ---- merges ----------------------------------------------------------------------------------------------------- */

static void merge_and_undo(uint64_t seed, vhdx_direction direction)
{
    struct model_wishes wishes = {.one_directory = true};
    struct model *m = model_new(seed, &wishes, "/disks");
    struct vx_memory_host *memory = vx_memory_host_new(seed);
    const vhdx_host *host = vx_memory_host_interface(memory);
    uint64_t before[MODEL_MAX_LAYERS], after, chance = seed;
    vhdx_error err;
    if (m->count > 1) {
        must(model_write(m, host, &err), &err);
        for (size_t i = 0; i < m->count; i++)
            cr_assert(files_digest(host, m->layers[i].path, &before[i]));
        size_t child = (size_t)bld_random_below(&chance, m->count - 1);
        size_t into = child + 1 + (size_t)bld_random_below(&chance, m->count - child - 1);
        if (direction == VHDX_DIRECTION_UP)
            into = m->count - 1;
        vhdx_merge_options options = {.struct_size = sizeof options,
                                      .host = host,
                                      .into = m->layers[into].path,
                                      .direction = direction,
                                      .undo = "/elsewhere/of/merge"};
        vhdx_undo_options back = {.struct_size = sizeof back, .host = host};
        vhdx_status status =
            vhdx_merge_plan(m->layers[child].path, &options, &(vhdx_merge_report){.struct_size = 0}, &err);
        cr_assert_eq(vx_memory_host_size(memory, options.undo), UINT64_MAX, "a plan made the file");
        if (status == VHDX_OK) {
            must(vhdx_merge(m->layers[child].path, &options, NULL, &err), &err);
            if (seed % 3 == 0)
                must(vhdx_merge(m->layers[child].path, &options, NULL, &err), &err);
            must(vhdx_undo(options.undo, &back, NULL, &err), &err);
        }
        for (size_t i = 0; i < m->count; i++) {
            cr_assert(files_digest(host, m->layers[i].path, &after));
            cr_assert_eq(before[i], after, "layer %zu is not as before: child %zu, into %zu, %s", i, child, into,
                         model_text(m));
        }
    }
    vx_memory_host_free(memory);
    model_free(m);
}

Test(undo, a_merge_downwards_is_taken_back)
{
    for (uint64_t seed = 1; seed <= (getenv("VHDX_SANITIZED") ? 20 : 60); seed++)
        merge_and_undo(seed, VHDX_DIRECTION_DOWN);
}

Test(undo, a_merge_upwards_is_taken_back)
{
    for (uint64_t seed = 501; seed <= (getenv("VHDX_SANITIZED") ? 510 : 525); seed++)
        merge_and_undo(seed, VHDX_DIRECTION_UP);
}

Test(undo, does_not_go_with_what_cannot_be_given_back)
{
    struct vx_memory_host *memory = vx_memory_host_new(1);
    vhdx_merge_options options = {
        .struct_size = sizeof options, .host = vx_memory_host_interface(memory), .undo = UNDO, .delete_merged = true};
    vhdx_error err;
    cr_expect_eq(vhdx_merge("/child", &options, NULL, &err), VHDX_ARG);
    options.delete_merged = false;
    options.reclaim = true;
    cr_expect_eq(vhdx_merge("/child", &options, NULL, &err), VHDX_ARG);
    options.reclaim = false;
    cr_expect_eq(vhdx_flatten("/child", "/new", &options, NULL, &err), VHDX_ARG);
    vx_memory_host_free(memory);
}
