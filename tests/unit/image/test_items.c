/*
 * Metadata items on their way from a child to the merged disk: many of them, long ones, and those for which there is no
 * room, which must be known before anything is written.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "files.h"

#include "memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *base, *child;
};

static void begin(struct pair *pair, uint64_t metadata_length)
{
    struct bld_options options = {
        .virtual_size = 4 << 20, .block_size = 1 << 20, .seed = 1, .metadata_region_length = metadata_length};
    pair->memory = vx_memory_host_new(7);
    pair->host = vx_memory_host_interface(pair->memory);
    pair->base = bld_new(&options);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.metadata_region_length = 0;
    options.seed = 2;
    pair->child = bld_new(&options);
    bld_parent(pair->child, bld_data_write_guid(pair->base), NULL, ".\\base.vhdx", NULL, NULL);
    bld_write_random(pair->child, 1 << 20, 4096, 3);
}

static vhdx_guid id_of(unsigned n)
{
    vhdx_guid id = {{1, (uint8_t)n, (uint8_t)(n >> 8), 0x77}};
    return id;
}

/* Items of the virtual disk, which the merged disk takes over from the child. */
static void add_items(struct bld *disk, unsigned count, uint32_t length, int fill)
{
    uint8_t *bytes = malloc(length);
    for (unsigned n = 0; n < count; n++) {
        vhdx_guid id = id_of(n);
        memset(bytes, fill + (int)n, length);
        bld_item(disk, &id, VX_ITEM_IS_USER | VX_ITEM_IS_VIRTUAL_DISK, bytes, length);
    }
    free(bytes);
}

static vhdx_status merge(struct pair *pair, vhdx_error *err)
{
    vhdx_merge_options options = {.struct_size = sizeof options, .host = pair->host};
    cr_assert_eq(bld_finish(pair->base, pair->host, "/base.vhdx", err), VHDX_OK, "%s", err->message);
    cr_assert_eq(bld_finish(pair->child, pair->host, "/child.avhdx", err), VHDX_OK, "%s", err->message);
    return vhdx_merge("/child.avhdx", &options, NULL, err);
}

static void end(struct pair *pair)
{
    bld_free(pair->base);
    bld_free(pair->child);
    vx_memory_host_free(pair->memory);
}

/* The bytes of the n-th item, wherever in the file, as a run of `length` equal bytes in the metadata region. */
static bool holds_run(struct pair *pair, uint8_t value, size_t length)
{
    uint64_t offset = bld_region_offset(pair->base, &vx_guid_metadata_region);
    size_t size = 16 << 20, run = 0;
    uint8_t *bytes = calloc(size, 1);
    uint64_t end_of_file = vx_memory_host_size(pair->memory, "/base.vhdx");
    size = end_of_file - offset < size ? (size_t)(end_of_file - offset) : size;
    cr_assert_eq(bld_peek(pair->host, "/base.vhdx", offset, bytes, size), VHDX_OK);
    for (size_t i = 0; i < size && run < length; i++)
        run = bytes[i] == value ? run + 1 : 0;
    free(bytes);
    return run == length;
}

Test(items, more_of_them_than_a_log_entry_has_pages)
{
    struct pair pair;
    vhdx_error err;
    begin(&pair, 4 << 20);
    add_items(pair.base, 200, 4096, 1);
    add_items(pair.child, 200, 4096, 11);
    cr_assert_eq(merge(&pair, &err), VHDX_OK, "%s", err.message);
    cr_assert(holds_run(&pair, 11 + 199, 4096));
    cr_assert(holds_run(&pair, 11, 4096));
    end(&pair);
}

Test(items, one_that_is_longer_than_a_log_entry)
{
    struct pair pair;
    vhdx_error err;
    begin(&pair, 4 << 20);
    add_items(pair.base, 1, 1 << 20, 1);
    add_items(pair.child, 1, 1 << 20, 77);
    cr_assert_eq(merge(&pair, &err), VHDX_OK, "%s", err.message);
    cr_assert(holds_run(&pair, 77, 1 << 20));
    end(&pair);
}

Test(items, without_room_are_refused_before_anything_is_written)
{
    struct pair pair;
    vhdx_error err;
    uint64_t before, after;
    begin(&pair, 1 << 20);
    add_items(pair.base, 1, 700 << 10, 1); /* room for one of them, not for the old and the new */
    add_items(pair.child, 1, 700 << 10, 77);
    cr_assert_eq(bld_finish(pair.base, pair.host, "/base.vhdx", &err), VHDX_OK);
    cr_assert(files_digest(pair.host, "/base.vhdx", &before));
    cr_assert_eq(merge(&pair, &err), VHDX_LIMIT, "%s: %s", vhdx_status_name(err.status), err.message);
    cr_assert(files_digest(pair.host, "/base.vhdx", &after));
    cr_assert_eq(before, after, "a merge that was refused has written to the base");
    end(&pair);
}

static bool stop(void *context, const vhdx_progress *progress)
{
    unsigned *calls = context;
    ++*calls;
    cr_assert_eq(progress->phase, VHDX_PHASE_PLAN);
    return false;
}

Test(items, planning_can_be_cancelled_and_has_written_nothing)
{
    struct pair pair;
    vhdx_error err;
    unsigned calls = 0;
    uint64_t before, after;
    begin(&pair, 1 << 20);
    cr_assert_eq(bld_finish(pair.base, pair.host, "/base.vhdx", &err), VHDX_OK);
    cr_assert_eq(bld_finish(pair.child, pair.host, "/child.avhdx", &err), VHDX_OK);
    cr_assert(files_digest(pair.host, "/base.vhdx", &before));
    vhdx_merge_options options = {
        .struct_size = sizeof options, .host = pair.host, .progress = stop, .progress_context = &calls};
    cr_assert_eq(vhdx_merge("/child.avhdx", &options, NULL, &err), VHDX_CANCELLED);
    cr_assert_eq(calls, 1);
    cr_assert(files_digest(pair.host, "/base.vhdx", &after));
    cr_assert_eq(before, after);
    end(&pair);
}

/* A layer above that cannot take the new parent's name would be found out when everything has moved. */
Test(items, a_layer_above_without_room_for_its_new_locator_refuses_the_merge)
{
    struct pair pair;
    vhdx_error err;
    uint64_t before, after;
    begin(&pair, 1 << 20);
    struct bld_options options = {
        .kind = VHDX_KIND_DIFFERENCING, .virtual_size = 4 << 20, .block_size = 1 << 20, .seed = 5};
    struct bld *top = bld_new(&options);
    bld_parent(top, bld_data_write_guid(pair.child), NULL, ".\\child.avhdx", NULL, NULL);
    add_items(top, 1, (960 << 10) - 600, 1); /* the rest of the region is too short for another locator */
    cr_assert_eq(bld_finish(pair.base, pair.host, "/base.vhdx", &err), VHDX_OK);
    cr_assert_eq(bld_finish(top, pair.host, "/top.avhdx", &err), VHDX_OK, "%s", err.message);
    cr_assert(files_digest(pair.host, "/base.vhdx", &before));
    cr_assert_eq(merge(&pair, &err), VHDX_LIMIT, "%s: %s", vhdx_status_name(err.status), err.message);
    cr_assert(strstr(err.path, "top.avhdx"), "%s", err.path);
    cr_assert(files_digest(pair.host, "/base.vhdx", &after));
    cr_assert_eq(before, after);
    bld_free(top);
    end(&pair);
}
