/*
 * Undo files: whatever is done to a protected file, and wherever the undo file ends, the old bytes come back. Most
 * tests use a plain file that says who it is in one of its first two pages, by turns, as a disk does; those at the end
 * merge disks at random and take the merge back.
 */
/* SPDX-License-Identifier: MIT */
#include "undo_parts.h"

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
