/* Files on a failing medium: what cannot be read comes as zeros, and all of it is remembered. */
/* SPDX-License-Identifier: MIT */
#include "io/patient.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/checked.h"

#define PAGE 4096u
#define SIZE (2 * VX_GIB)

/* Bytes of 0x55, but for the second half of one page of each `bad_every` (0: the one sector at `bad_at`). */
struct medium {
    uint64_t bad_every, bad_at, reads;
};

static bool is_bad(const struct medium *medium, uint64_t offset, uint64_t length)
{
    if (medium->bad_every == 0)
        return offset < medium->bad_at + 512 && offset + length > medium->bad_at;
    for (uint64_t at = vx_round_down(offset, 512); at < offset + length; at += 512)
        if (at / PAGE % medium->bad_every == 1 && at % PAGE >= PAGE / 2)
            return true;
    return false;
}

static vhdx_status medium_read(void *context, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    struct medium *medium = context;
    medium->reads++;
    if (is_bad(medium, offset, length))
        return vx_fail(err, VHDX_IO, vx_at_file("medium"), "a sector cannot be read");
    memset(buf, 0x55, length);
    return VHDX_OK;
}

static vhdx_status medium_size(void *context, uint64_t *size, vhdx_error *err)
{
    (void)context;
    (void)err;
    *size = SIZE;
    return VHDX_OK;
}

static void medium_close(void *context)
{
    (void)context;
}

static const vhdx_io_ops medium_ops = {
    .struct_size = sizeof medium_ops, .read = medium_read, .size = medium_size, .close = medium_close};

struct fixture {
    struct medium medium;
    struct vx_file *base, *file;
    struct vx_patient patient;
};

static void open_medium(struct fixture *f)
{
    cr_assert_eq(vx_file_wrap((vhdx_io){&medium_ops, &f->medium}, "medium", false, &f->base, NULL), VHDX_OK);
    cr_assert_eq(vx_patient_open(f->base, &f->patient, &f->file, NULL), VHDX_OK);
}

static void close_medium(struct fixture *f)
{
    vx_file_close(f->file);
    vx_file_close(f->base);
    vx_ranges_clear(&f->patient.ranges);
}

/* One that was forgotten would be zeros that are believed. */
Test(patient, no_bad_place_is_forgotten_however_many_there_are)
{
    enum { PLACES = 70000 };
    struct fixture f = {.medium = {.bad_every = 2}};
    uint8_t page[PAGE];
    open_medium(&f);
    for (uint64_t i = 0; i < PLACES; i++)
        cr_assert_eq(vx_file_read(f.file, page, PAGE, (2 * i + 1) * PAGE, NULL), VHDX_OK);
    cr_expect_eq(f.patient.ranges.count, PLACES);
    uint64_t last = (2 * (uint64_t)PLACES - 1) * PAGE;
    cr_expect(vx_patient_bad(&f.patient, last, PAGE, NULL));
    cr_expect_not(vx_patient_bad(&f.patient, last - PAGE, PAGE, NULL));
    close_medium(&f);
}

Test(patient, places_that_are_met_backwards_stay_in_order)
{
    struct fixture f = {.medium = {.bad_every = 4}};
    uint8_t page[PAGE];
    open_medium(&f);
    for (uint64_t i = 100; i-- > 0;)
        cr_assert_eq(vx_file_read(f.file, page, PAGE, (4 * i + 1) * PAGE, NULL), VHDX_OK);
    cr_assert_eq(f.patient.ranges.count, 100);
    for (uint64_t i = 0; i < 100; i++) {
        cr_expect_eq(f.patient.ranges.items[i].offset, (4 * i + 1) * PAGE);
        cr_expect_eq(f.patient.ranges.items[i].length, PAGE);
    }
    close_medium(&f);
}

/* Its page, wherever the read begins and ends; all around it is read, in few steps. */
Test(patient, a_bad_sector_costs_one_page)
{
    static uint8_t bytes[VX_MIB];
    for (uint64_t start = 0; start < 3; start++) {
        struct fixture f = {.medium = {.bad_at = 77 * PAGE + 1024}};
        uint64_t first = start * 700, bad_offset, bad_length;
        open_medium(&f);
        memset(bytes, 0xFF, sizeof bytes);
        cr_assert_eq(vx_file_read(f.file, bytes, sizeof bytes, first, NULL), VHDX_OK);
        cr_expect_lt(f.medium.reads, 40, "%u reads", (unsigned)f.medium.reads);
        cr_assert(vx_patient_next_bad(&f.patient, 0, SIZE, &bad_offset, &bad_length));
        cr_expect_eq(bad_offset, 77 * PAGE);
        cr_expect_eq(bad_length, PAGE);
        for (uint64_t i = 0; i < sizeof bytes; i++)
            cr_assert_eq(bytes[i], (first + i) / PAGE == 77 ? 0 : 0x55, "byte %u", (unsigned)i);
        uint64_t before = f.medium.reads;
        cr_assert_eq(vx_file_read(f.file, bytes, PAGE, 77 * PAGE, NULL), VHDX_OK);
        cr_expect_eq(f.medium.reads, before, "a bad place is tried once");
        close_medium(&f);
    }
}

Test(patient, what_a_map_calls_bad_is_not_tried)
{
    struct vx_rescue_map map = {0};
    struct fixture f = {.medium = {.bad_at = SIZE}, .patient = {.map = &map}};
    uint8_t bytes[4 * PAGE];
    uint64_t bad_offset, bad_length;
    cr_assert_eq(vx_rescue_map_append(&map, PAGE, VX_RESCUE_GOOD), VHDX_OK);
    cr_assert_eq(vx_rescue_map_append(&map, PAGE, VX_RESCUE_LOST), VHDX_OK);
    cr_assert_eq(vx_rescue_map_append(&map, SIZE - 2 * PAGE, VX_RESCUE_GOOD), VHDX_OK);
    open_medium(&f);
    cr_assert_eq(vx_file_read(f.file, bytes, sizeof bytes, 0, NULL), VHDX_OK);
    cr_expect(bytes[PAGE - 1] == 0x55 && bytes[PAGE] == 0 && bytes[2 * PAGE - 1] == 0 && bytes[2 * PAGE] == 0x55);
    cr_assert(vx_patient_next_bad(&f.patient, 0, SIZE, &bad_offset, &bad_length));
    cr_expect(bad_offset == PAGE && bad_length == PAGE);
    cr_expect_not(f.patient.refused);
    close_medium(&f);
    vx_rescue_map_clear(&map);
}
