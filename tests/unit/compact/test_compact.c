/*
 * Compaction of disks of known content: what leaves the file, where the rest goes, and that a second run finds nothing.
 * Power cuts and failing calls are tests/crash's and tests/fault's.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <vhdx.h>

#include "base/checked.h"
#include "builder.h"
#include "image/bat_window.h"
#include "image/image.h"
#include "image/space.h"
#include "memory.h"
#include "scene.h"

static struct vx_memory_host *memory;
static const vhdx_host *host;
static vhdx_error err;

static void setup(void)
{
    memory = vx_memory_host_new(1);
    host = vx_memory_host_interface(memory);
}

static void teardown(void)
{
    vx_memory_host_free(memory);
}

TestSuite(compact, .init = setup, .fini = teardown);

static vhdx_compact_report compact(const char *path)
{
    const vhdx_compact_options options = {.struct_size = sizeof options, .host = host};
    vhdx_compact_report plan = {.struct_size = sizeof plan}, report = {.struct_size = sizeof report};
    cr_assert_eq(vhdx_compact_plan(path, &options, &plan, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_compact(path, &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(plan.file_size_after, report.file_size_after,
                 "the plan has told another size: %" PRIu64 ", not %" PRIu64 " of %" PRIu64, plan.file_size_after,
                 report.file_size_after, plan.file_size_before);
    cr_assert_eq(plan.bytes_to_move, report.bytes_to_move);
    return report;
}

static uint64_t digest(const char *path)
{
    uint64_t number;
    cr_assert(scene_digest(host, path, &number, &err), "%s", err.message);
    return number;
}

static void write_bytes(struct bld *b, uint64_t offset, uint8_t value)
{
    uint8_t bytes[512];
    memset(bytes, value, sizeof bytes);
    bld_write(b, offset, bytes, sizeof bytes);
}

/* Blocks of 2 MiB: the first is zeros that take space, the last holds one sector. */
Test(compact, zeros_leave_a_base_and_the_last_block_moves_into_their_place)
{
    struct bld_options options = {.virtual_size = 16 * VX_MIB, .block_size = 2 * VX_MIB, .seed = 3};
    struct bld *b = bld_new(&options);
    write_bytes(b, 4 * VX_MIB, 0);
    write_bytes(b, 8 * VX_MIB, 5);
    cr_assert_eq(bld_finish(b, host, "/d.vhdx", &err), VHDX_OK);
    uint64_t place = bld_payload_offset(b, 2), size = bld_file_size(b), before = digest("/d.vhdx");
    vhdx_compact_report report = compact("/d.vhdx");
    cr_assert_eq(report.blocks_zero, 1);
    cr_assert_eq(report.blocks_to_move, 1);
    cr_assert_eq(report.file_size_after, size - 2 * VX_MIB);
    struct vx_image *image;
    struct vx_bat_window bat;
    struct vx_bat_entry entry;
    cr_assert_eq(vx_image_open(host, "/d.vhdx", 0, &image, &err), VHDX_OK);
    cr_assert_eq(vx_bat_window_open(image, VX_BAT_WINDOW_SMALL, &bat, &err), VHDX_OK);
    cr_assert_eq(vx_bat_window_get(&bat, 2, &entry, &err), VHDX_OK);
    cr_assert_eq(entry.state, VX_PAYLOAD_NOT_PRESENT);
    cr_assert_eq(vx_bat_window_get(&bat, 4, &entry, &err), VHDX_OK);
    cr_assert_eq(entry.file_offset, place);
    vx_bat_window_close(&bat);
    vx_image_close(image);
    cr_assert_eq(digest("/d.vhdx"), before);
    bld_free(b);
}

/* The parent has content there: a block that is not present would show it. */
Test(compact, zeros_of_a_child_go_on_hiding_its_parent)
{
    struct bld_options options = {.virtual_size = 8 * VX_MIB, .block_size = VX_MIB, .seed = 3};
    struct bld *base = bld_new(&options);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.seed = 4;
    struct bld *child = bld_new(&options);
    write_bytes(base, 2 * VX_MIB, 9);
    write_bytes(base, 3 * VX_MIB, 9);
    bld_state(child, 2, VX_PAYLOAD_FULLY_PRESENT); /* all zeros */
    write_bytes(child, 3 * VX_MIB, 0);             /* one sector of zeros, the only one that the parent has there */
    write_bytes(child, 5 * VX_MIB, 1);
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(base, host, "/base.vhdx", &err), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, "/child.avhdx", &err), VHDX_OK);
    uint64_t before = digest("/child.avhdx"), size = bld_file_size(child);
    vhdx_compact_report report = compact("/child.avhdx");
    cr_assert_eq(report.blocks_zero, 2);
    cr_assert_eq(report.file_size_after, size - 2 * VX_MIB);
    cr_assert_eq(digest("/child.avhdx"), before);
    bld_free(base);
    bld_free(child);
}

Test(compact, a_fixed_disk_is_refused_and_not_written_to)
{
    const vhdx_compact_options options = {.struct_size = sizeof options, .host = host};
    struct bld_options fixed = {.kind = VHDX_KIND_FIXED, .virtual_size = 8 * VX_MIB, .seed = 3};
    struct bld *b = bld_new(&fixed);
    cr_assert_eq(bld_finish(b, host, "/fixed.vhdx", &err), VHDX_OK);
    cr_assert_eq(vhdx_compact("/fixed.vhdx", &options, NULL, &err), VHDX_REFUSED);
    bld_free(b);
}

Test(compact, a_disk_whose_blocks_overlap_is_refused)
{
    const vhdx_compact_options options = {.struct_size = sizeof options, .host = host};
    struct bld_options dynamic = {.virtual_size = 8 * VX_MIB, .block_size = VX_MIB, .seed = 3};
    struct bld *b = bld_new(&dynamic);
    write_bytes(b, 0, 1);
    write_bytes(b, VX_MIB, 2);
    cr_assert_eq(bld_finish(b, host, "/d.vhdx", &err), VHDX_OK);
    bld_bat_raw(b, 1, bld_payload_offset(b, 0) | VX_PAYLOAD_FULLY_PRESENT);
    cr_assert_eq(bld_finish(b, host, "/d.vhdx", &err), VHDX_OK);
    cr_assert_eq(vhdx_compact("/d.vhdx", &options, NULL, &err), VHDX_CORRUPT);
    bld_free(b);
}

/* ---- at random --------------------------------------------------------------------------------------------------- */

static struct bld *random_layer(const struct bld *parent, uint64_t *chance)
{
    static const uint32_t blocks[] = {1, 2, 4, 8};
    struct bld_options options = {.kind = parent ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC,
                                  .virtual_size = 40 * VX_MIB + 512 * bld_random_below(chance, 9),
                                  .block_size = blocks[bld_random_below(chance, 4)] * (uint32_t)VX_MIB,
                                  .seed = bld_random(chance),
                                  .layout = (enum bld_layout)bld_random_below(chance, 3),
                                  .bat_region_length = (1 + bld_random_below(chance, 4)) * VX_MIB,
                                  .shuffle_blocks = true,
                                  .gap_percent = (unsigned)bld_random_below(chance, 80),
                                  .garbage = true,
                                  .appended_bytes = 512 * bld_random_below(chance, 2)};
    struct bld *b = bld_new(&options);
    for (uint64_t block = 0; block < bld_block_count(b); block++) {
        uint64_t choice = bld_random_below(chance, 4);
        if (choice == 0)
            bld_state(b, block, VX_PAYLOAD_FULLY_PRESENT);
        else if (choice > 1)
            bld_write_random(b, block * options.block_size, 512, bld_random(chance));
    }
    return b;
}

/* No hole below the last object has room for it, unless it is one that does not move. */
static void must_be_packed(const char *path, uint64_t seed)
{
    struct vx_image *image;
    struct vx_space *space;
    uint64_t hole;
    cr_assert_eq(vx_image_open(host, path, 0, &image, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vx_space_open(image, &space, &err), VHDX_OK, "%s", err.message);
    uint64_t end = vx_space_end(space), block = image->geometry.block_size;
    cr_assert_leq(image->info.file_size, end, "seed %" PRIu64 ": the file goes on behind its last object", seed);
    bool is_region = image->bat.file_offset + image->bat.length == end ||
                     image->metadata.file_offset + image->metadata.length == end;
    if (!is_region && block > VX_MIB)
        cr_assert_not(vx_space_find(space, 0, end - block, block, &hole), "seed %" PRIu64 ": a hole is left", seed);
    if (block == VX_MIB && !is_region)
        cr_assert_not(vx_space_find(space, 0, end - block, VX_MIB, &hole), "seed %" PRIu64 ": a hole is left", seed);
    vx_space_close(space);
    vx_image_close(image);
}

static void one_round(uint64_t seed)
{
    uint64_t chance = seed;
    struct bld *base = random_layer(NULL, &chance), *child = random_layer(base, &chance);
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(base, host, "/base.vhdx", &err), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, "/child.avhdx", &err), VHDX_OK);
    uint64_t of_base = digest("/base.vhdx"), of_child = digest("/child.avhdx");
    static const char *const paths[] = {"/base.vhdx", "/child.avhdx"};
    for (size_t i = 0; i < 2; i++) {
        vhdx_compact_report first = compact(paths[i]), second = compact(paths[i]);
        cr_assert_leq(first.file_size_after, first.file_size_before);
        cr_assert_eq(second.file_size_after, first.file_size_after, "seed %" PRIu64 ": once more was more", seed);
        cr_assert_eq(second.bytes_to_move + second.blocks_zero, 0);
        must_be_packed(paths[i], seed);
    }
    cr_assert_eq(digest("/base.vhdx"), of_base, "seed %" PRIu64, seed);
    cr_assert_eq(digest("/child.avhdx"), of_child, "seed %" PRIu64, seed);
    bld_free(base);
    bld_free(child);
}

Test(compact, disks_at_random_read_the_same_and_twice_is_once)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        one_round(seed);
}
