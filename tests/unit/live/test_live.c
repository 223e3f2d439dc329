/*
 * A chain as a disk, without accidents: random operations on random chains against plain bytes, also after closing and
 * opening again, and what overlays, older layers, children and read-only handles mean. VHDX_LIVE_OPS=N does N times as
 * many operations (VHDX_SLOW: 50 times, more than a million).
 */
/* SPDX-License-Identifier: MIT */
#include "live_ops.h"

#include "files.h"
#include "inside.h"
#include "memory.h"
#include "model.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 15
#define SESSIONS 4
#define OPERATIONS (getenv("VHDX_SANITIZED") ? 50 : 250) /* a session */

static uint64_t times(void)
{
    const char *text = getenv("VHDX_LIVE_OPS");
    return text && *text ? strtoull(text, NULL, 10) : getenv("VHDX_SLOW") ? 50 : 1;
}

static vhdx_disk *open_disk(const vhdx_host *host, const char *path, vhdx_disk_options options)
{
    vhdx_disk *disk = NULL;
    vhdx_error err;
    options.struct_size = sizeof options;
    options.host = host;
    cr_assert_eq(vhdx_disk_open(path, &options, &disk, &err), VHDX_OK, "%s", err.message);
    return disk;
}

static void close_disk(vhdx_disk *disk)
{
    vhdx_error err;
    cr_assert_eq(vhdx_disk_close(disk, &err), VHDX_OK, "%s", err.message);
}

static void must_read(const vhdx_host *host, const char *path, const uint8_t *view, uint64_t size, uint64_t seed)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    vhdx_error err;
    uint8_t *bytes = malloc((size_t)size);
    cr_assert_eq(vhdx_chain_open(path, &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_chain_read(chain, bytes, (size_t)size, 0, &err), VHDX_OK, "%s", err.message);
    for (uint64_t i = 0; i < size; i++)
        cr_assert_eq(bytes[i], view[i], "seed %" PRIu64 ": 0x%" PRIx64 " reads wrong after opening again", seed, i);
    vhdx_chain_free(chain);
    free(bytes);
}

static void must_be_sound(const vhdx_host *host, const char *path, uint64_t seed)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report;
    vhdx_error err;
    cr_assert_eq(vhdx_verify(path, &options, &report, &err), VHDX_OK, "%s", err.message);
    for (size_t i = 0; i < vhdx_report_file(report, 0)->finding_count; i++) {
        const vhdx_finding *finding = vhdx_report_finding(report, 0, i);
        bool by_chance = strcmp(finding->id, "VHDX-METADATA-CONTRADICTED") == 0; /* see crash/test_live.c */
        cr_assert(finding->severity != VHDX_SEVERITY_ERROR || by_chance, "seed %" PRIu64 ": %s", seed,
                  finding->message);
    }
    vhdx_report_free(report);
}

static void operate(const vhdx_host *host, const struct model *m, uint64_t operations)
{
    struct live_ops *ops = NULL;
    for (unsigned session = 0; session < SESSIONS; session++) {
        vhdx_disk *disk = open_disk(host, m->layers[0].path, (vhdx_disk_options){.write = true});
        if (!ops)
            ops = live_ops_new(m->seed, vhdx_disk_layer(disk, 0), model_expected(m, 0), NULL, NULL);
        for (uint64_t i = 0; i < operations; i++) {
            const char *wrong;
            vhdx_error err;
            cr_assert_eq(live_ops_step(ops, disk, &wrong, &err), VHDX_OK, "seed %" PRIu64 ": %s", m->seed, err.message);
            cr_assert_null(wrong, "%s", wrong);
        }
        close_disk(disk);
        must_read(host, m->layers[0].path, live_ops_view(ops), m->layers[0].virtual_size, m->seed);
        must_be_sound(host, m->layers[0].path, m->seed);
    }
    live_ops_free(ops);
}

static void operate_on_chain(uint64_t seed)
{
    struct vx_memory_host *memory = vx_memory_host_new(seed);
    const struct model_wishes wishes = {.max_virtual_size = seed % 5 == 0 ? 40 << 20 : 7 << 20};
    struct model *m = model_new(seed, &wishes, "/disks");
    vhdx_error err;
    if (m->layers[0].linked_by_second) { /* as a merge leaves it that stopped half way: not to be written */
        model_free(m);
        vx_memory_host_free(memory);
        return;
    }
    cr_assert_eq(model_write(m, vx_memory_host_interface(memory), &err), VHDX_OK, "%s", err.message);
    operate(vx_memory_host_interface(memory), m, OPERATIONS * times());
    for (size_t i = 1; i < m->count; i++) /* nothing below the leaf has changed */
        must_read(vx_memory_host_interface(memory), m->layers[i].path, model_expected(m, i), m->layers[i].virtual_size,
                  seed);
    model_free(m);
    vx_memory_host_free(memory);
}

Test(live, reads_what_was_written)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        operate_on_chain(seed);
}

/* ---- a chain of two layers of 8 MiB ------------------------------------------------------------------------------ */

struct two {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct model *m;
};

static struct two two_layers(void)
{
    const struct model_wishes wishes = {
        .layers = 2, .max_virtual_size = 6 << 20, .plain = true, .clean = true, .same_size = true};
    struct two two = {.memory = vx_memory_host_new(7), .m = model_new(77, &wishes, "/disks")};
    vhdx_error err;
    two.host = vx_memory_host_interface(two.memory);
    cr_assert_eq(model_write(two.m, two.host, &err), VHDX_OK, "%s", err.message);
    return two;
}

static void end(struct two *two)
{
    model_free(two->m);
    vx_memory_host_free(two->memory);
}

static uint64_t digest_of(const struct two *two, size_t layer)
{
    uint64_t digest;
    cr_assert(files_digest(two->host, two->m->layers[layer].path, &digest));
    return digest;
}

Test(live, opening_for_writing_changes_nothing)
{
    struct two two = two_layers();
    uint64_t before = digest_of(&two, 0);
    vhdx_disk *disk = open_disk(two.host, two.m->layers[0].path, (vhdx_disk_options){.write = true});
    uint8_t byte;
    vhdx_error err;
    cr_assert_eq(vhdx_disk_read(disk, &byte, 1, 0, &err), VHDX_OK);
    cr_assert_eq(vhdx_disk_flush(disk, &err), VHDX_OK);
    close_disk(disk);
    cr_assert_eq(digest_of(&two, 0), before);
    end(&two);
}

Test(live, the_first_change_gives_the_leaf_new_identities)
{
    struct two two = two_layers();
    vhdx_disk *disk = open_disk(two.host, two.m->layers[0].path, (vhdx_disk_options){.write = true});
    vhdx_guid content = vhdx_disk_layer(disk, 0)->data_write_guid, file = vhdx_disk_layer(disk, 0)->file_write_guid;
    vhdx_error err;
    cr_assert_eq(vhdx_disk_write(disk, "x", 1, 0, &err), VHDX_OK, "%s", err.message);
    cr_assert(memcmp(&content, &vhdx_disk_layer(disk, 0)->data_write_guid, sizeof content) != 0);
    cr_assert(memcmp(&file, &vhdx_disk_layer(disk, 0)->file_write_guid, sizeof file) != 0);
    close_disk(disk);
    end(&two);
}

Test(live, a_handle_for_reading_refuses_changes)
{
    struct two two = two_layers();
    uint64_t before = digest_of(&two, 0);
    vhdx_disk *disk = open_disk(two.host, two.m->layers[0].path, (vhdx_disk_options){0});
    vhdx_error err;
    cr_assert_eq(vhdx_disk_write(disk, "x", 1, 0, &err), VHDX_STATE);
    cr_assert_eq(vhdx_disk_zero(disk, 0, 1, false, &err), VHDX_STATE);
    cr_assert_eq(vhdx_disk_trim(disk, 0, 1, &err), VHDX_STATE);
    close_disk(disk);
    cr_assert_eq(digest_of(&two, 0), before);
    end(&two);
}

Test(live, ranges_behind_the_end_are_refused)
{
    struct two two = two_layers();
    uint64_t size = two.m->layers[0].virtual_size;
    vhdx_disk *disk = open_disk(two.host, two.m->layers[0].path, (vhdx_disk_options){.write = true});
    uint8_t bytes[2] = {0};
    vhdx_error err;
    cr_assert_eq(vhdx_disk_read(disk, bytes, 2, size - 1, &err), VHDX_ARG);
    cr_assert_eq(vhdx_disk_write(disk, bytes, 2, size - 1, &err), VHDX_ARG);
    cr_assert_eq(vhdx_disk_zero(disk, UINT64_MAX, 2, false, &err), VHDX_ARG);
    cr_assert_eq(vhdx_disk_trim(disk, 1, UINT64_MAX, &err), VHDX_ARG);
    cr_assert_eq(vhdx_disk_write(disk, bytes, 1, size - 1, &err), VHDX_OK, "%s", err.message);
    close_disk(disk);
    end(&two);
}

Test(live, a_parent_is_written_on_demand_only)
{
    struct two two = two_layers();
    vhdx_disk_options options = {.struct_size = sizeof options, .host = two.host, .write = true};
    vhdx_disk *disk;
    vhdx_error err;
    cr_assert_eq(vhdx_disk_open(two.m->layers[1].path, &options, &disk, &err), VHDX_REFUSED);
    cr_assert(strstr(err.message, strrchr(two.m->layers[0].path, '/') + 1), "the child is not named: %s", err.message);
    options.even_with_children = true;
    cr_assert_eq(vhdx_disk_open(two.m->layers[1].path, &options, &disk, &err), VHDX_OK, "%s", err.message);
    close_disk(disk);
    end(&two);
}

static bool stop_half_way(void *context, const vhdx_progress *progress)
{
    (void)context;
    return progress->phase == VHDX_PHASE_PLAN || progress->bytes_done == 0;
}

/* Only that merge knows what its disks are. */
Test(live, a_disk_of_a_merge_that_stopped_half_way_is_not_written)
{
    struct two two = two_layers();
    const vhdx_merge_options merge = {
        .struct_size = sizeof merge, .host = two.host, .progress = stop_half_way, .window_bytes = 1 << 20};
    vhdx_disk_options options = {.struct_size = sizeof options, .host = two.host, .write = true};
    vhdx_disk *disk;
    vhdx_error err;
    cr_assert_eq(vhdx_merge(two.m->layers[0].path, &merge, NULL, &err), VHDX_CANCELLED, "%s", err.message);
    for (size_t i = 0; i < 2; i++) {
        options.even_with_children = true;
        cr_expect_eq(vhdx_disk_open(two.m->layers[i].path, &options, &disk, &err), VHDX_REFUSED, "layer %zu", i);
        cr_expect(strstr(err.message, "stopped half way"), "%s", err.message);
    }
    end(&two);
}

Test(live, an_older_layer_can_be_read)
{
    struct two two = two_layers();
    uint64_t size = two.m->layers[1].virtual_size;
    uint8_t *bytes = malloc((size_t)size);
    vhdx_disk *disk = open_disk(two.host, two.m->layers[0].path, (vhdx_disk_options){.layer = 1});
    vhdx_error err;
    cr_assert_eq(vhdx_disk_layer_count(disk), 1);
    cr_assert_eq(vhdx_disk_read(disk, bytes, (size_t)size, 0, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(memcmp(bytes, model_expected(two.m, 1), (size_t)size), 0);
    close_disk(disk);
    free(bytes);
    end(&two);
}

static bool add_up(void *context, const vhdx_extent *extent)
{
    uint64_t *next = context;
    cr_assert_eq(extent->virtual_offset, *next);
    cr_assert_gt(extent->length, 0);
    *next += extent->length;
    return true;
}

Test(live, extents_follow_each_other)
{
    struct two two = two_layers();
    uint64_t size = two.m->layers[0].virtual_size, next = 5;
    vhdx_disk *disk = open_disk(two.host, two.m->layers[0].path, (vhdx_disk_options){.write = true});
    vhdx_error err;
    cr_assert_eq(vhdx_disk_write(disk, "xyz", 3, size / 2, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_disk_extents(disk, 5, size - 5, add_up, &next, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(next, size);
    close_disk(disk);
    end(&two);
}

Test(live, an_overlay_takes_all_that_is_written)
{
    struct two two = two_layers();
    uint64_t size = two.m->layers[0].virtual_size, leaf = digest_of(&two, 0), base = digest_of(&two, 1);
    uint8_t *view = malloc((size_t)size);
    vhdx_error err;
    vhdx_disk *disk = open_disk(two.host, two.m->layers[0].path,
                                (vhdx_disk_options){.write = true, .overlay = "/elsewhere/overlay.avhdx"});
    memcpy(view, model_expected(two.m, 0), (size_t)size);
    memset(view + 1000, 'o', 70000);
    cr_assert_eq(vhdx_disk_write(disk, view + 1000, 70000, 1000, &err), VHDX_OK, "%s", err.message);
    close_disk(disk);
    cr_assert_eq(digest_of(&two, 0), leaf);
    cr_assert_eq(digest_of(&two, 1), base);
    must_read(two.host, "/elsewhere/overlay.avhdx", view, size, 0);
    free(view);
    end(&two);
}

Test(live, what_is_discarded_leaves_nothing)
{
    struct two two = two_layers();
    uint64_t leaf = digest_of(&two, 0);
    vhdx_error err;
    vhdx_disk *disk =
        open_disk(two.host, two.m->layers[0].path, (vhdx_disk_options){.write = true, .discard = "/scratch"});
    char path[512], text[4] = "";
    snprintf(path, sizeof path, "%s", vhdx_disk_layer(disk, 0)->path);
    cr_assert_eq(vhdx_disk_write(disk, "abc", 3, 77, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_disk_read(disk, text, 3, 77, &err), VHDX_OK, "%s", err.message);
    cr_assert_str_eq(text, "abc");
    close_disk(disk);
    cr_assert_eq(vx_memory_host_size(two.memory, path), UINT64_MAX);
    cr_assert_eq(digest_of(&two, 0), leaf);
    end(&two);
}

Test(live, options_that_contradict_each_other_are_refused)
{
    struct two two = two_layers();
    vhdx_disk *disk;
    vhdx_error err;
    const vhdx_disk_options wrong[] = {
        {.overlay = "/o.avhdx"},
        {.discard = "/scratch"},
        {.write = true, .overlay = "/o.avhdx", .discard = "/scratch"},
        {.write = true, .layer = 1},
        {.layer = 2},
        {.parent_count = 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        vhdx_disk_options options = wrong[i];
        options.struct_size = sizeof options;
        options.host = two.host;
        cr_assert_eq(vhdx_disk_open(two.m->layers[0].path, &options, &disk, &err), VHDX_ARG, "number %zu", i);
    }
    end(&two);
}
