/*
 * vhdx_diff over chains at random, against a comparison of the bytes that the model gives: any two layers of one chain,
 * of a copy of it, and of two chains that have nothing in common. A failure prints the seed; VHDX_DIFF_SEED=N takes
 * that only.
 */
/* SPDX-License-Identifier: MIT */
#include <vhdx.h>

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "files.h"
#include "inside.h"
#include "memory.h"
#include "model.h"

struct seen {
    uint8_t *differs; /* for each sector of 512 bytes: 1 = the bytes differ, 2 = a range holds it */
    uint64_t end;     /* of the last range */
    uint64_t sectors, ranges, bytes;
    const char *wrong;
    uint64_t stop_after; /* ranges; 0 = never */
};

static bool take(void *context, uint64_t offset, uint64_t length)
{
    struct seen *seen = context;
    if (length == 0 || offset % 512 != 0 || length % 512 != 0 || (offset + length) / 512 > seen->sectors)
        seen->wrong = "a range is empty, uneven or beyond the disks";
    else if (seen->ranges > 0 && offset <= seen->end)
        seen->wrong = "ranges overlap, touch or are not in order";
    for (uint64_t at = offset; !seen->wrong && at < offset + length; at += 512)
        seen->differs[at / 512] |= 2;
    seen->end = offset + length;
    seen->bytes += length;
    return ++seen->ranges != seen->stop_after;
}

static struct seen expected(const uint8_t *a, uint64_t a_size, const uint8_t *b, uint64_t b_size)
{
    uint64_t common = vx_min(a_size, b_size);
    struct seen seen = {.sectors = vx_max(a_size, b_size) / 512};
    seen.differs = bld_alloc(seen.sectors + 1, 1);
    for (uint64_t i = 0; i < seen.sectors; i++)
        seen.differs[i] = i * 512 >= common || memcmp(a + i * 512, b + i * 512, 512) != 0;
    return seen;
}

/* What was told covers what differs; with `data` in sectors of `unit` bytes nothing else. */
static const char *judge(const struct seen *seen, bool data, uint32_t unit)
{
    for (uint64_t i = 0; i < seen->sectors && !seen->wrong; i++) {
        bool near = false;
        for (uint64_t j = i - i % (unit / 512); j < i - i % (unit / 512) + unit / 512 && j < seen->sectors; j++)
            near |= (seen->differs[j] & 1) != 0;
        if (seen->differs[i] == 1)
            return "a sector that differs was not told";
        if (data && seen->differs[i] == 2 && !near)
            return "a sector that is equal was told";
    }
    return seen->wrong;
}

struct sides {
    const struct model *a, *b; /* b NULL: the same chain */
    size_t a_layer, b_layer;
    const char *a_path, *b_path; /* b_path NULL: one argument */
};

static void compare(const struct sides *sides, const vhdx_host *host, uint64_t seed)
{
    const struct model *b = sides->b ? sides->b : sides->a;
    const struct model_layer *from = &sides->a->layers[sides->a_layer], *to = &b->layers[sides->b_layer];
    vhdx_error err;
    for (int data = 0; data < 2; data++) {
        struct seen seen = expected(model_expected(sides->a, sides->a_layer), from->virtual_size,
                                    model_expected(b, sides->b_layer), to->virtual_size);
        vhdx_diff_report report = {.struct_size = sizeof report};
        const vhdx_diff_options options = {.struct_size = sizeof options,
                                           .host = host,
                                           .data = data,
                                           .below = sides->b_path ? 0 : sides->b_layer - sides->a_layer};
        vhdx_status status = vhdx_diff(sides->a_path, sides->b_path, &options, take, &seen, &report, &err);
        cr_assert_eq(status, VHDX_OK, "seed %" PRIu64 ": %s: %s", seed, sides->a_path, err.message);
        uint32_t unit =
            from->logical_sector_size < to->logical_sector_size ? from->logical_sector_size : to->logical_sector_size;
        const char *wrong = judge(&seen, data, unit);
        cr_assert(!wrong, "VHDX_DIFF_SEED=%" PRIu64 ", layer %zu of %s against %zu of %s, data %d: %s", seed,
                  sides->a_layer, sides->a_path, sides->b_layer, sides->b_path ? sides->b_path : "itself", data, wrong);
        cr_assert(report.range_count == seen.ranges && report.bytes == seen.bytes);
        cr_assert(data || report.bytes_read == 0, "payload was read");
        free(seen.differs);
    }
}

static void play(uint64_t seed)
{
    struct vx_memory_host *memory = vx_memory_host_new(seed);
    const vhdx_host *host = vx_memory_host_interface(memory);
    const struct model_wishes wishes = {.max_virtual_size = 6 * VX_MIB, .one_directory = true};
    struct model *one = model_new(seed, &wishes, "/one"), *copy = model_new(seed, &wishes, "/copy"),
                 *other = model_new(seed + 1000000, &wishes, "/other");
    uint64_t chance = seed;
    vhdx_error err;
    cr_assert_eq(model_write(one, host, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(model_write(copy, host, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(model_write(other, host, &err), VHDX_OK, "%s", err.message);
    for (size_t i = 0; i < one->count; i++) {
        size_t j = bld_random_below(&chance, one->count), k = bld_random_below(&chance, other->count);
        struct sides sides = {.a = one, .a_layer = i, .b_layer = j};
        sides.a_path = one->layers[i].path;
        sides.b_path = one->layers[j].path;
        compare(&sides, host, seed);
        sides.b = copy;
        sides.b_path = copy->layers[j].path;
        compare(&sides, host, seed);
        sides.b = other;
        sides.b_layer = k;
        sides.b_path = other->layers[k].path;
        compare(&sides, host, seed);
        sides = (struct sides){.a = one, .a_layer = i, .b_layer = j, .a_path = one->layers[i].path};
        if (j > i)
            compare(&sides, host, seed);
    }
    model_free(one);
    model_free(copy);
    model_free(other);
    vx_memory_host_free(memory);
}

Test(diff, chains_at_random, .timeout = 3600)
{
    const char *only = getenv("VHDX_DIFF_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    uint64_t rounds = only ? 1 : getenv("VHDX_SLOW") ? 1500 : getenv("VHDX_SANITIZED") ? 6 : 50;
    for (uint64_t seed = first; seed < first + rounds; seed++)
        play(seed);
}

/* ---- by hand ---- */

static struct vx_memory_host *memory;
static const vhdx_host *host;
static vhdx_error err;

static void begin(void)
{
    memory = vx_memory_host_new(1);
    host = vx_memory_host_interface(memory);
}

static void end(void)
{
    vx_memory_host_free(memory);
}

TestSuite(diff_of_two, .init = begin, .fini = end);

/* A disk of 8 MiB with one sector of that content at 1 MiB; `parent_seed` 0: without parent. */
static void put(const char *path, uint64_t seed, uint64_t parent_seed, const char *parent, uint64_t content)
{
    struct bld_options options = {.virtual_size = 8 * VX_MIB, .block_size = (uint32_t)VX_MIB, .seed = parent_seed};
    struct bld *below = bld_new(&options);
    options.seed = seed;
    options.kind = parent_seed ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC;
    struct bld *b = bld_new(&options);
    if (parent_seed)
        bld_parent(b, bld_data_write_guid(below), NULL, parent, NULL, NULL);
    if (content)
        bld_write_random(b, VX_MIB, 512, content);
    cr_assert_eq(bld_finish(b, host, path, &err), VHDX_OK, "%s", err.message);
    bld_free(b);
    bld_free(below);
}

static vhdx_diff_report diff_of(const char *a, const char *b, bool data)
{
    const vhdx_diff_options options = {.struct_size = sizeof options, .host = host, .data = data};
    vhdx_diff_report report = {.struct_size = sizeof report};
    cr_assert_eq(vhdx_diff(a, b, &options, NULL, NULL, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

Test(diff_of_two, a_copy_that_is_unchanged_needs_no_reading)
{
    put("/a/disk.vhdx", 1, 0, NULL, 7);
    put("/b/disk.vhdx", 1, 0, NULL, 7);
    vhdx_diff_report report = diff_of("/a/disk.vhdx", "/b/disk.vhdx", false);
    cr_assert(report.bytes == 0 && report.shared_layers == 1);
}

/* A disk in use keeps its identity: copies of two times have one id, and different bytes. Their logs are not empty. */
Test(diff_of_two, two_states_of_a_disk_in_use_are_not_taken_for_one)
{
    for (uint64_t i = 0; i < 2; i++) {
        struct bld_options options = {.virtual_size = 8 * VX_MIB, .block_size = (uint32_t)VX_MIB, .seed = 5};
        struct bld *b = bld_new(&options);
        bld_write_random(b, VX_MIB, 512, 100 + i);
        bld_log_dirty(b, &(struct bld_log){.what = 0});
        cr_assert_eq(bld_finish(b, host, i ? "/b/disk.vhdx" : "/a/disk.vhdx", &err), VHDX_OK, "%s", err.message);
        bld_free(b);
    }
    cr_assert_eq(diff_of("/a/disk.vhdx", "/b/disk.vhdx", false).bytes, VX_MIB);
    cr_assert_eq(diff_of("/a/disk.vhdx", "/b/disk.vhdx", true).bytes, 512);
}

Test(diff_of_two, children_of_one_parent)
{
    put("/vm/base.vhdx", 1, 0, NULL, 3);
    put("/vm/a.avhdx", 2, 1, ".\\base.vhdx", 4);
    put("/vm/b.avhdx", 3, 1, ".\\base.vhdx", 0);
    put("/vm/c.avhdx", 4, 1, ".\\base.vhdx", 4);
    vhdx_diff_report report = diff_of("/vm/a.avhdx", "/vm/b.avhdx", false);
    cr_assert(report.bytes == 512 && report.shared_layers == 1 && report.bytes_read == 0);
    cr_assert_eq(diff_of("/vm/a.avhdx", "/vm/c.avhdx", false).bytes, 512);
    cr_assert_eq(diff_of("/vm/a.avhdx", "/vm/c.avhdx", true).bytes, 0);
    cr_assert_eq(diff_of("/vm/a.avhdx", NULL, false).bytes, 512);
    cr_assert_eq(diff_of("/vm/b.avhdx", NULL, false).bytes, 0);
}

Test(diff_of_two, it_stops_when_told_to)
{
    put("/vm/a.vhdx", 1, 0, NULL, 3);
    put("/vm/b.vhdx", 2, 0, NULL, 4);
    struct seen seen = {.sectors = 8 * VX_MIB / 512, .stop_after = 1};
    seen.differs = bld_alloc(seen.sectors, 1);
    const vhdx_diff_options options = {.struct_size = sizeof options, .host = host};
    cr_assert_eq(vhdx_diff("/vm/a.vhdx", "/vm/b.vhdx", &options, take, &seen, NULL, &err), VHDX_CANCELLED);
    cr_assert_eq(seen.ranges, 1u);
    free(seen.differs);
}

Test(diff_of_two, what_cannot_be_compared)
{
    put("/vm/base.vhdx", 1, 0, NULL, 3);
    put("/vm/a.avhdx", 2, 1, ".\\base.vhdx", 4);
    vhdx_diff_options options = {.struct_size = sizeof options, .host = host};
    cr_assert_eq(vhdx_diff("/vm/base.vhdx", NULL, &options, NULL, NULL, NULL, &err), VHDX_ARG);
    cr_assert(strstr(err.message, "no parent"));
    options.below = 2;
    cr_assert_eq(vhdx_diff("/vm/a.avhdx", NULL, &options, NULL, NULL, NULL, &err), VHDX_ARG);
    cr_assert(strstr(err.message, "no layer 2"));
    cr_assert_eq(vhdx_diff("/vm/a.avhdx", "/vm/base.vhdx", &options, NULL, NULL, NULL, &err), VHDX_ARG);
    options.below = 0;
    cr_assert_eq(vhdx_diff("/vm/a.avhdx", "/vm/none.vhdx", &options, NULL, NULL, NULL, &err), VHDX_NOT_FOUND);
    cr_assert_eq(vhdx_diff(NULL, NULL, &options, NULL, NULL, NULL, &err), VHDX_ARG);
}
