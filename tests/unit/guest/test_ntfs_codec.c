/*
 * The decoder of NTFS: what it takes from the bytes, and what it does not take for anything.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "ntfs_image.h"

#include "guest/ntfs.h"
#include "guest/ntfs_log.h"

static uint8_t image[NTFS_IMAGE_SIZE];

static void setup(void)
{
    memset(image, 0, sizeof image);
    ntfs_image_make(image, 1, NTFS_IMAGE_TIME(100));
}

TestSuite(ntfs_codec, .init = setup);

/* The two bytes of the boot sector that hold sizes. What is expected: 0 = it is none. */
Test(ntfs_codec, reads_sizes_as_windows_writes_them)
{
    static const struct {
        uint16_t sector;
        uint8_t cluster_code, record_code;
        uint32_t cluster, record;
    } sizes[] = {
        {512, 8, 0xF6, 4096, 1024},
        {512, 128, 0xF6, 65536, 1024}, /* clusters of 64 KiB are no power of two in the minus */
        {512, 0xF8, 0xF6, 131072, 1024},
        {512, 0xF4, 0xF6, 2097152, 1024}, /* the largest that Windows makes */
        {512, 0xF3, 0xF6, 0, 0},
        {512, 0xFF, 0xF6, 1024, 1024},
        {4096, 1, 0xF4, 4096, 4096},
        {4096, 1, 1, 4096, 4096},
        {512, 2, 1, 1024, 1024},
        {4096, 0xF4, 0xF6, 0, 0}, /* 16 MiB */
        {512, 0, 0xF6, 0, 0},
        {512, 3, 0xF6, 0, 0},
        {512, 0x81, 0xF6, 0, 0},
        {512, 8, 0xD6, 0, 0}, /* has the five lowest bits of 0xF6 */
        {512, 8, 0x80, 0, 0},
        {512, 8, 0, 0, 0},
        {512, 8, 0xF8, 0, 0},
        {128, 8, 0xF6, 0, 0},
        {8192, 8, 0xF6, 0, 0},
        {1000, 8, 0xF6, 0, 0},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct vx_ntfs_boot boot;
        vx_put16(image + 0x0B, sizes[i].sector);
        image[0x0D] = sizes[i].cluster_code;
        image[0x40] = sizes[i].record_code;
        bool right = vx_ntfs_boot_decode(vx_bytes_of(image, 512), &boot);
        cr_expect_eq(right, sizes[i].cluster != 0, "%zu", i);
        if (right) {
            cr_expect_eq(boot.cluster_size, sizes[i].cluster, "%zu: %u", i, boot.cluster_size);
            cr_expect_eq(boot.record_size, sizes[i].record, "%zu: %u", i, boot.record_size);
        }
        cr_expect_not(vx_ntfs_boot_decode(vx_bytes_of(image, 511), &boot));
    }
}

Test(ntfs_codec, reads_a_record_with_its_attributes)
{
    struct vx_ntfs_record record;
    struct vx_ntfs_attribute attribute;
    struct vx_ntfs_run run;
    uint8_t *p = image + ntfs_image_record(0);
    struct vx_bytes bytes = vx_bytes_of(p, NTFS_IMAGE_RECORD);
    uint16_t update;
    cr_assert(vx_ntfs_fix(p, NTFS_IMAGE_RECORD, &update));
    cr_expect_eq(update, 1);
    cr_assert(vx_ntfs_record_decode(bytes, &record));
    cr_expect(record.in_use && record.is_base && record.has_times && !record.has_list);
    cr_expect_eq(record.created, NTFS_IMAGE_TIME(100));
    cr_assert(vx_ntfs_attribute_find(bytes, VX_NTFS_DATA, &attribute));
    struct vx_ntfs_runs runs = vx_ntfs_runs_of(&attribute);
    cr_assert(vx_ntfs_run_next(&runs, &run));
    cr_expect(run.first == 0 && run.count == 16 && run.cluster == 4 && !run.hole);
    cr_expect_not(vx_ntfs_run_next(&runs, &run));
    cr_expect_not(runs.bad);
}

Test(ntfs_codec, takes_no_torn_record)
{
    uint8_t *p = image + ntfs_image_record(7);
    uint16_t update;
    p[1022] ^= 1;
    cr_expect_not(vx_ntfs_fix(p, NTFS_IMAGE_RECORD, &update));
    p[1022] ^= 1;
    vx_put16(p + 6, 4);
    cr_expect_not(vx_ntfs_fix(p, NTFS_IMAGE_RECORD, &update));
    vx_put16(p + 6, 3);
    vx_put16(p + 4, 1020); /* the sequence would reach beyond the record */
    cr_expect_not(vx_ntfs_fix(p, NTFS_IMAGE_RECORD, &update));
    vx_put16(p + 4, 0x30);
    cr_expect(vx_ntfs_fix(p, NTFS_IMAGE_RECORD, &update));
}

Test(ntfs_codec, walks_through_runs_and_ends_at_what_makes_no_sense)
{
    static const struct {
        uint8_t bytes[12];
        unsigned count;
        bool bad;
        uint64_t last; /* cluster of the last run */
    } lists[] = {
        {{0x11, 5, 10, 0x11, 3, 0xFE, 0}, 2, false, 8},        /* back by two */
        {{0x11, 5, 10, 0x01, 3, 0x11, 2, 1, 0}, 3, false, 11}, /* with a hole */
        {{0x11, 5, 10, 0x11, 3, 0xF0, 0}, 1, true, 10},        /* before the volume */
        {{0x11, 5, 10, 0x10, 3, 0}, 1, true, 10},              /* no length */
        {{0x11, 0, 10, 0}, 0, true, 0},
        {{0x16, 1, 1, 1, 1, 1, 1, 1, 0}, 0, true, 0},
        {{0x71, 1, 1, 1, 1, 1, 1, 1, 1, 0}, 0, true, 0},
        {{0x61, 1, 0, 0, 0, 0, 0, 1, 0}, 0, true, 0},                        /* beyond 2^40 */
        {{0x11, 5, 10, 0x11, 5, 10, 0x11, 5, 10, 0x31, 1, 1}, 3, true, 30},  /* cut off */
        {{0x11, 5, 10, 0x11, 5, 10, 0x11, 5, 10, 0x11, 5, 10}, 4, true, 40}, /* no end */
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct vx_ntfs_runs runs = {.left = vx_bytes_of(lists[i].bytes, sizeof lists[i].bytes)};
        struct vx_ntfs_run run = {0};
        unsigned count = 0;
        while (vx_ntfs_run_next(&runs, &run))
            count++;
        cr_expect_eq(count, lists[i].count, "%zu: %u", i, count);
        cr_expect_eq(runs.bad, lists[i].bad, "%zu", i);
        cr_expect_eq(run.cluster, lists[i].last, "%zu", i);
    }
}

Test(ntfs_codec, knows_where_a_number_of_the_log_is)
{
    struct ntfs_image_log log = ntfs_image_log_make(image);
    struct vx_ntfs_restart restart;
    struct vx_ntfs_log_page page;
    uint16_t update;
    uint64_t first = ntfs_image_log_add(image, &log, 1), second = ntfs_image_log_add(image, &log, 2);
    ntfs_image_log_restart(image, &log, false);
    uint8_t *p = image + NTFS_IMAGE_LOG;
    cr_assert(vx_ntfs_fix(p, 4096, &update));
    cr_assert(vx_ntfs_restart_decode(vx_bytes_of(p, 4096), &restart));
    cr_expect(restart.current == second && !restart.clean && restart.first_page == 4 && restart.page_size == 4096);
    cr_expect_eq(vx_ntfs_lsn_place(&restart, first), 4 * 4096 + 0x40);
    cr_expect_eq(vx_ntfs_lsn_at(&restart, first, 4 * 4096 + 0x40 + NTFS_IMAGE_STEP), second);
    cr_assert(vx_ntfs_log_page_decode(vx_bytes_of(p + 4 * 4096, 512), &page));
    cr_expect(page.last == second && page.last_end == second && page.next_record == 0x40 + 2 * NTFS_IMAGE_STEP);
    vx_put32(p + 0x14, 5000);
    cr_expect_not(vx_ntfs_restart_decode(vx_bytes_of(p, 4096), &restart));
    vx_put32(p + 0x14, 4096);
    vx_put16(p + 0x18, 4095);
    cr_expect_not(vx_ntfs_restart_decode(vx_bytes_of(p, 4096), &restart));
}
