/*
 * The overlay, against a plain model: a base of bytes, changed at random, must read as the model does, and the base
 * must stay as it was.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "base/checked.h"
#include "with_memory.h"
#include "io/overlay.h"

#define ROOM 100000u

static struct vx_file *base;

static void open_base(const void *bytes, size_t size)
{
    begin_memory();
    cr_assert(vx_memory_host_put(memory, "base", bytes, size));
    cr_assert_eq(vx_file_open(vx_memory_host_interface(memory), "base", VHDX_OPEN_READ, &base, NULL), VHDX_OK);
}

static void close_base(void)
{
    vx_file_close(base);
    end_memory();
}

static struct vx_file *must_overlay(uint64_t limit)
{
    struct vx_file *file = NULL;
    cr_assert_eq(vx_overlay_open(base, limit, &file, NULL), VHDX_OK);
    return file;
}

static uint32_t next_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* The file as it should read: `size` bytes. */
struct model {
    unsigned char bytes[ROOM];
    size_t size;
};

static void compare(struct vx_file *file, const struct model *model, uint32_t seed, int step)
{
    static unsigned char found[ROOM];
    uint64_t size = 0;
    cr_assert_eq(vx_file_size(file, &size, NULL), VHDX_OK);
    cr_assert_eq(size, model->size, "seed %u step %d", seed, step);
    cr_assert_eq(vx_file_read(file, found, model->size, 0, NULL), VHDX_OK, "seed %u step %d", seed, step);
    for (size_t i = 0; i < model->size; i++)
        cr_assert_eq(found[i], model->bytes[i], "seed %u step %d byte %zu", seed, step, i);
}

/* Between two ranges of data there must be zeros only. */
static void compare_data(struct vx_file *file, const struct model *model, uint32_t seed)
{
    uint64_t pos = 0;
    while (pos < model->size) {
        uint64_t at = 0;
        uint64_t length = 0;
        vx_file_next_data(file, pos, &at, &length);
        if (length == 0)
            at = model->size;
        for (; pos < at; pos++)
            cr_assert_eq(model->bytes[pos], 0, "seed %u: byte %u is said to be a hole", seed, (unsigned)pos);
        pos = at + length;
    }
}

static void random_write(struct vx_file *file, struct model *model, uint32_t *state)
{
    static unsigned char data[ROOM];
    bool pages = next_number(state) % 2;
    size_t at = next_number(state) % (ROOM - 1);
    size_t length = next_number(state) % 9000;
    if (pages) {
        at -= at % 4096;
        length = 4096;
    }
    length = (size_t)vx_min(length, ROOM - at);
    for (size_t i = 0; i < length; i++)
        data[i] = (unsigned char)next_number(state);
    cr_assert_eq(vx_file_write(file, data, length, at, NULL), VHDX_OK);
    memcpy(model->bytes + at, data, length);
    if (length > 0)
        model->size = (size_t)vx_max(model->size, at + length);
}

static void random_step(struct vx_file *file, struct model *model, uint32_t *state)
{
    size_t at = next_number(state) % ROOM;
    size_t length = next_number(state) % (ROOM - at) + 1;
    switch (next_number(state) % 8) {
    case 0:
        cr_assert_eq(vx_file_cut(file, at, NULL), VHDX_OK);
        if (at < model->size) {
            memset(model->bytes + at, 0, ROOM - at);
            model->size = at;
        }
        break;
    case 1:
        cr_assert_eq(vx_file_grow(file, at, NULL), VHDX_OK);
        model->size = (size_t)vx_max(model->size, at);
        break;
    case 2:
    case 3:
        cr_assert_eq(vx_file_zero(file, at, length, NULL), VHDX_OK);
        memset(model->bytes + at, 0, length);
        model->size = (size_t)vx_max(model->size, at + length);
        break;
    default:
        random_write(file, model, state);
    }
}

Test(overlay, random_changes_read_as_in_a_plain_model)
{
    static struct model model;
    static unsigned char original[ROOM], after[ROOM];
    for (uint32_t seed = 1; seed <= 60; seed++) {
        uint32_t state = seed;
        memset(&model, 0, sizeof model);
        model.size = next_number(&state) % ROOM;
        for (size_t i = 0; i < model.size; i++)
            model.bytes[i] = (unsigned char)next_number(&state);
        memcpy(original, model.bytes, ROOM);
        size_t original_size = model.size;
        open_base(original, original_size);
        struct vx_file *file = must_overlay(UINT64_MAX);
        for (int step = 0; step < 25; step++) {
            random_step(file, &model, &state);
            compare(file, &model, seed, step);
        }
        compare_data(file, &model, seed);
        vx_file_close(file);
        cr_assert_eq(vx_file_read(base, after, original_size, 0, NULL), VHDX_OK);
        cr_assert_arr_eq(after, original, original_size, "seed %u: the base has changed", seed);
        close_base();
    }
}

Test(overlay, reads_beyond_its_end_are_truncated)
{
    char buf[4];
    open_base("abc", 3);
    struct vx_file *file = must_overlay(UINT64_MAX);
    cr_expect_eq(vx_file_read(file, buf, 4, 0, NULL), VHDX_TRUNCATED);
    cr_assert_eq(vx_file_grow(file, 4, NULL), VHDX_OK);
    cr_expect_eq(vx_file_read(file, buf, 4, 0, NULL), VHDX_OK);
    cr_expect_arr_eq(buf, "abc", 4);
    vx_file_close(file);
    close_base();
}

Test(overlay, data_beyond_the_memory_limit_is_refused_and_zeros_are_not)
{
    static unsigned char page[4096] = {1};
    vhdx_error err;
    uint64_t wrote = 0;
    open_base("abc", 3);
    struct vx_file *file = must_overlay(100000);
    while (wrote < 1000 && vx_file_write(file, page, sizeof page, wrote * 4096, &err) == VHDX_OK)
        wrote++;
    cr_expect_eq(err.status, VHDX_LIMIT);
    cr_expect_geq(wrote, 20u);
    cr_expect_leq(wrote, 24u);
    cr_expect_eq(vx_file_zero(file, 4096, UINT64_C(1) << 46, &err), VHDX_OK);
    cr_expect_eq(vx_file_write(file, page, sizeof page, 4096, &err), VHDX_OK, "a refused write spoils nothing");
    vx_file_close(file);
    close_base();
}

Test(overlay, has_the_path_and_the_identity_of_its_base)
{
    bool same = false;
    open_base("abc", 3);
    struct vx_file *file = must_overlay(UINT64_MAX);
    cr_expect_str_eq(vx_file_path(file), "base");
    cr_expect(vx_file_same(file, base, &same) && same);
    cr_expect(vx_file_writable(file));
    cr_expect_eq(vx_file_flush(file, NULL), VHDX_OK);
    vx_file_close(file);
    close_base();
}

Test(overlay, can_lie_on_an_overlay)
{
    char buf[3];
    open_base("abc", 3);
    struct vx_file *lower = must_overlay(UINT64_MAX);
    cr_assert_eq(vx_file_write(lower, "X", 1, 0, NULL), VHDX_OK);
    struct vx_file *upper = NULL;
    cr_assert_eq(vx_overlay_open(lower, UINT64_MAX, &upper, NULL), VHDX_OK);
    cr_assert_eq(vx_file_write(upper, "Y", 1, 1, NULL), VHDX_OK);
    cr_assert_eq(vx_file_read(upper, buf, 3, 0, NULL), VHDX_OK);
    cr_expect_arr_eq(buf, "XYc", 3);
    cr_assert_eq(vx_file_read(lower, buf, 3, 0, NULL), VHDX_OK);
    cr_expect_arr_eq(buf, "Xbc", 3);
    vx_file_close(upper);
    vx_file_close(lower);
    close_base();
}
