/*
 * Files made to hurt: numbers near the end of 64 bits, structures that contradict each other, neighbours that lie. What
 * cannot be read is refused with a message; what can be read stays as it was, whatever a merge says.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vhdx.h>

#include "base/alloc.h"
#include "builder.h"
#include "files.h"
#include "format/bat.h"
#include "image/image.h"
#include "image/writing.h"
#include "with_memory.h"
#include "look.h"

#define BLOCK ((uint32_t)(2 * VX_MIB))
#define FARTHEST UINT64_C(0xFFFFFFFFFFF00000) /* the last MiB that a BAT entry can name */

static vhdx_error err;

MEMORY_SUITE(hostile);

static struct bld *disk_of(vhdx_kind kind, uint64_t virtual_size, uint64_t seed)
{
    struct bld_options options = {
        .kind = kind, .virtual_size = virtual_size, .block_size = BLOCK, .seed = seed, .layout = BLD_LAYOUT_WINDOWS};
    return bld_new(&options);
}

static struct bld *child_of(const struct bld *parent, const char *name, uint64_t virtual_size, uint64_t seed)
{
    struct bld *b = disk_of(VHDX_KIND_DIFFERENCING, virtual_size, seed);
    bld_parent(b, bld_data_write_guid(parent), NULL, name, NULL, NULL);
    return b;
}

static void put(struct bld *b, const char *path)
{
    cr_assert_eq(bld_finish(b, host, path, &err), VHDX_OK, "%s", err.message);
}

/* A base with one block of data and a child with one sector in it. */
struct pair {
    struct bld *base, *child;
};

static struct pair make_pair(void)
{
    struct pair pair = {.base = disk_of(VHDX_KIND_DYNAMIC, 4 * BLOCK, 1)};
    bld_write_random(pair.base, 0, BLOCK, 11);
    pair.child = child_of(pair.base, ".\\base.vhdx", 4 * BLOCK, 2);
    bld_write_random(pair.child, 512, 512, 12);
    return pair;
}

static void put_pair(struct pair *pair)
{
    put(pair->base, "/d/base.vhdx");
    put(pair->child, "/d/child.avhdx");
}

static void free_pair(struct pair *pair)
{
    bld_free(pair->base);
    bld_free(pair->child);
}

static vhdx_status hash_of(const char *path, uint8_t hash[16])
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    vhdx_status status = vhdx_chain_open(path, &options, &chain, &err);
    if (status != VHDX_OK)
        return status;
    status = vhdx_chain_hash(chain, hash, NULL, &err);
    vhdx_chain_free(chain);
    return status;
}

static vhdx_status read_at(const char *path, uint64_t virtual_offset, uint8_t *buf, size_t length)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    cr_assert_eq(vhdx_chain_open(path, &options, &chain, &err), VHDX_OK, "%s", err.message);
    vhdx_status status = vhdx_chain_read(chain, buf, length, virtual_offset, &err);
    vhdx_chain_free(chain);
    return status;
}

static vhdx_status merge(const char *path)
{
    vhdx_merge_options options = {.struct_size = sizeof options, .host = host};
    return vhdx_merge(path, &options, NULL, &err);
}

static void must_fail(vhdx_status status, vhdx_status expected)
{
    cr_assert_eq(status, expected, "%s instead of %s: %s", vhdx_status_name(status), vhdx_status_name(expected),
                 err.message);
    cr_assert_eq(err.status, expected);
    cr_assert_neq(err.message[0], '\0');
}

static void must_be_same(const uint8_t before[16], const char *path)
{
    uint8_t after[16];
    cr_assert_eq(hash_of(path, after), VHDX_OK, "%s", err.message);
    cr_assert_arr_eq(before, after, 16);
}

/* The bytes of the whole file, by digest. */
static uint64_t digest_of(const char *path)
{
    uint64_t digest;
    cr_assert(files_digest(host, path, &digest));
    return digest;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* The place in the block is added to the entry's offset; only a block in the last MiB makes that sum wrap around. */
Test(hostile, a_block_at_the_end_of_64_bits_is_not_read_from_the_start_of_the_file)
{
    struct bld *b = disk_of(VHDX_KIND_DYNAMIC, 4 * BLOCK, 1);
    uint8_t buf[512];
    bld_bat_raw(b, 0, FARTHEST | VX_PAYLOAD_FULLY_PRESENT);
    put(b, "/d/a.vhdx");
    must_fail(read_at("/d/a.vhdx", VX_MIB, buf, sizeof buf), VHDX_CORRUPT);
    must_fail(read_at("/d/a.vhdx", 0, buf, sizeof buf), VHDX_CORRUPT);
    bld_free(b);
}

/* Walks look ahead as far as a run goes; what they see there must not matter where another layer hides it. */
Test(hostile, a_damaged_block_that_the_layer_above_hides_hurts_nobody)
{
    struct bld *base = disk_of(VHDX_KIND_DYNAMIC, 4 * BLOCK, 1);
    struct bld *child = child_of(base, ".\\base.vhdx", 4 * BLOCK, 2);
    uint8_t hash[16];
    bld_state(base, 1, 4);
    bld_write_random(child, BLOCK, BLOCK, 12);
    put(base, "/d/base.vhdx");
    put(child, "/d/child.avhdx");
    cr_assert_eq(hash_of("/d/child.avhdx", hash), VHDX_OK, "%s", err.message);
    must_fail(hash_of("/d/base.vhdx", hash), VHDX_CORRUPT);
    bld_free(base);
    bld_free(child);
}

Test(hostile, a_walk_tells_the_extents_before_a_damaged_block)
{
    struct bld *b = disk_of(VHDX_KIND_DYNAMIC, 4 * BLOCK, 1);
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    vhdx_walk *walk;
    vhdx_extent extent;
    bld_write_random(b, 0, BLOCK, 11);
    bld_state(b, 1, 5);
    put(b, "/d/a.vhdx");
    cr_assert_eq(vhdx_chain_open("/d/a.vhdx", &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_walk_new(chain, 0, &walk, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_walk_next(walk, &extent, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(extent.length, BLOCK);
    cr_assert_eq(err.status, VHDX_OK);
    must_fail(vhdx_walk_next(walk, &extent, &err), VHDX_CORRUPT);
    must_fail(vhdx_walk_next(walk, &extent, &err), VHDX_CORRUPT);
    vhdx_walk_free(walk);
    vhdx_chain_free(chain);
    bld_free(b);
}

Test(hostile, a_count_of_parents_without_parents_is_a_bad_argument)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host, .parent_count = 1};
    const char *const nothing[] = {NULL};
    vhdx_chain *chain;
    struct pair pair = make_pair();
    put_pair(&pair);
    must_fail(vhdx_chain_open("/d/child.avhdx", &options, &chain, &err), VHDX_ARG);
    options.parents = nothing;
    must_fail(vhdx_chain_open("/d/child.avhdx", &options, &chain, &err), VHDX_ARG);
    free_pair(&pair);
}

/* ---- beginning to write ----------------------------------------------------------------------------------------- */

static struct vx_image *begin_writing(const char *path)
{
    struct vx_image *image;
    cr_assert_eq(vx_image_open(host, path, VX_OPEN_WRITE, &image, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vx_image_begin_write(image, NULL, &err), VHDX_OK, "%s", err.message);
    return image;
}

/* LogVersion means nothing while the log is empty, so a clean disk opens with any; our log must not inherit it. */
Test(hostile, a_strange_log_version_of_an_empty_log_does_not_make_our_log_unreadable)
{
    struct bld *b = disk_of(VHDX_KIND_DYNAMIC, 4 * BLOCK, 1);
    uint8_t hash[16];
    put(b, "/d/a.vhdx");
    cr_assert_eq(bld_poke_header(host, "/d/a.vhdx", 3, 64, "\7\0", 2), VHDX_OK);
    vx_image_close(begin_writing("/d/a.vhdx")); /* as after a power cut */
    cr_assert_eq(hash_of("/d/a.vhdx", hash), VHDX_OK, "%s", err.message);
    bld_free(b);
}

/* A writable open takes several header updates; the last ones must not find the numbers used up with the log in use. */
Test(hostile, a_header_whose_sequence_numbers_are_nearly_used_up_is_refused_before_the_first_write)
{
    for (uint64_t left = 0; left < 6; left++) {
        struct bld_options options = {.virtual_size = 4 * BLOCK,
                                      .block_size = BLOCK,
                                      .seed = 1,
                                      .sequence = {UINT64_MAX - left - 1, UINT64_MAX - left}};
        struct bld *b = bld_new(&options);
        struct vx_image *image;
        put(b, "/d/a.vhdx");
        uint64_t before = digest_of("/d/a.vhdx");
        cr_assert_eq(vx_image_open(host, "/d/a.vhdx", VX_OPEN_WRITE, &image, &err), VHDX_OK, "%s", err.message);
        must_fail(vx_image_begin_write(image, NULL, &err), VHDX_LIMIT);
        vx_image_abandon_write(image);
        vx_image_close(image);
        cr_assert_eq(digest_of("/d/a.vhdx"), before);
        bld_free(b);
    }
}

/* ---- merging into a damaged target ------------------------------------------------------------------------------ */

/* In a base nobody says which sectors of a PARTIALLY_PRESENT block are there: it has no place for the bitmap. */
Test(hostile, a_partially_present_block_in_a_base_is_not_merged_into)
{
    struct pair pair = make_pair();
    bld_state(pair.base, 0, VX_PAYLOAD_PARTIALLY_PRESENT);
    put_pair(&pair);
    uint64_t before = digest_of("/d/child.avhdx");
    must_fail(merge("/d/child.avhdx"), VHDX_CORRUPT);
    cr_assert_eq(digest_of("/d/child.avhdx"), before);
    free_pair(&pair);
}

Test(hostile, a_block_in_a_reserved_state_is_not_merged_into)
{
    struct pair pair = make_pair();
    bld_state(pair.base, 0, 5);
    put_pair(&pair);
    uint64_t before = digest_of("/d/base.vhdx");
    must_fail(merge("/d/child.avhdx"), VHDX_CORRUPT);
    cr_assert_eq(digest_of("/d/base.vhdx"), before);
    free_pair(&pair);
}

/* A new bitmap would turn sectors of which nobody knows whether they are there into the parent's. */
static void check_lost_bitmap(uint64_t merged_block, uint64_t bitmap_entry)
{
    struct bld *base = disk_of(VHDX_KIND_DYNAMIC, 4 * BLOCK, 1);
    struct bld *middle = child_of(base, ".\\base.vhdx", 4 * BLOCK, 2);
    struct bld *leaf = child_of(middle, ".\\middle.avhdx", 4 * BLOCK, 3);
    bld_write_random(base, 0, 4 * BLOCK, 11);
    bld_write_random(middle, 0, 512, 12);
    bld_write_random(leaf, merged_block * BLOCK + 1024, 512, 13);
    bld_bat_raw(middle, 2048, bitmap_entry); /* chunk ratio of 2 MiB blocks and 512-byte sectors */
    put(base, "/d/base.vhdx");
    put(middle, "/d/middle.avhdx");
    put(leaf, "/d/leaf.avhdx");
    uint64_t before = digest_of("/d/middle.avhdx");
    must_fail(merge("/d/leaf.avhdx"), VHDX_CORRUPT);
    cr_assert_eq(digest_of("/d/middle.avhdx"), before);
    bld_free(base);
    bld_free(middle);
    bld_free(leaf);
}

Test(hostile, a_lost_sector_bitmap_is_not_replaced_by_an_empty_one)
{
    check_lost_bitmap(0, 0);
}

Test(hostile, a_lost_sector_bitmap_is_not_made_anew_for_another_block_of_its_chunk)
{
    check_lost_bitmap(2, 0);
}

Test(hostile, a_sector_bitmap_in_a_reserved_state_is_not_replaced)
{
    check_lost_bitmap(2, 10 * VX_MIB | 3);
}

/* The map of the target's space is made before the child is told of the new identity: a plan refuses too. */
Test(hostile, a_target_whose_blocks_overlap_is_refused_before_anything_is_written)
{
    struct pair pair = make_pair();
    vhdx_merge_options options = {.struct_size = sizeof options, .host = host};
    vhdx_merge_report report = {.struct_size = sizeof report};
    bld_write_random(pair.base, BLOCK, BLOCK, 14);
    put(pair.base, "/d/base.vhdx");
    bld_bat_raw(pair.base, 0, bld_payload_offset(pair.base, 1) | VX_PAYLOAD_FULLY_PRESENT);
    put_pair(&pair);
    uint64_t before = digest_of("/d/child.avhdx");
    must_fail(vhdx_merge_plan("/d/child.avhdx", &options, &report, &err), VHDX_CORRUPT);
    must_fail(merge("/d/child.avhdx"), VHDX_CORRUPT);
    cr_assert_eq(digest_of("/d/child.avhdx"), before);
    free_pair(&pair);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

/* All entries of a chunk are in a differencing BAT from the start, so that growing within a chunk adds none. */
Test(hostile, what_a_smaller_middle_layer_hid_stays_hidden_when_it_grows_within_a_chunk)
{
    struct bld *base = disk_of(VHDX_KIND_DYNAMIC, 16 * VX_MIB, 1);
    struct bld *middle = child_of(base, ".\\base.vhdx", 4 * VX_MIB, 2);
    struct bld *leaf = child_of(middle, ".\\middle.avhdx", 12 * VX_MIB, 3);
    uint8_t before[16];
    bld_write_random(base, 0, 16 * VX_MIB, 11);
    bld_write_random(leaf, 0, 512, 12);
    put(base, "/d/base.vhdx");
    put(middle, "/d/middle.avhdx");
    put(leaf, "/d/leaf.avhdx");
    cr_assert_eq(hash_of("/d/leaf.avhdx", before), VHDX_OK, "%s", err.message);
    cr_assert_eq(merge("/d/leaf.avhdx"), VHDX_OK, "%s", err.message);
    must_be_same(before, "/d/middle.avhdx");
    bld_free(base);
    bld_free(middle);
    bld_free(leaf);
}

/* The entries behind the last payload block mean nothing, whatever an earlier owner of a larger disk left in them. */
Test(hostile, entries_behind_the_last_block_of_a_chunk_do_not_come_to_light_when_the_disk_grows)
{
    struct bld *base = disk_of(VHDX_KIND_DYNAMIC, 16 * VX_MIB, 1);
    struct bld *middle = child_of(base, ".\\base.vhdx", 8 * VX_MIB, 2);
    struct bld *leaf = child_of(middle, ".\\middle.avhdx", 8 * VX_MIB, 3);
    const uint64_t smaller = 4 * VX_MIB;
    uint8_t before[16];
    bld_write_random(middle, 4 * VX_MIB, 4 * VX_MIB, 12);
    bld_state(middle, 2, VX_PAYLOAD_FULLY_PRESENT);
    bld_state(middle, 3, VX_PAYLOAD_FULLY_PRESENT);
    put(base, "/d/base.vhdx");
    put(middle, "/d/middle.avhdx");
    put(leaf, "/d/leaf.avhdx");
    cr_assert_eq(
        bld_poke_int(host, "/d/middle.avhdx", bld_item_offset(middle, &vx_guid_virtual_disk_size, false), smaller, 8),
        VHDX_OK);
    cr_assert_eq(hash_of("/d/leaf.avhdx", before), VHDX_OK, "%s", err.message);
    cr_assert_eq(merge("/d/leaf.avhdx"), VHDX_OK, "%s", err.message);
    must_be_same(before, "/d/middle.avhdx");
    bld_free(base);
    bld_free(middle);
    bld_free(leaf);
}

/* ---- neighbours ------------------------------------------------------------------------------------------------- */

/* A layer that an earlier run linked past the child looks like this; but the target does not hold the child's data. */
Test(hostile, a_neighbour_that_claims_a_merge_which_never_was_does_not_cost_the_child)
{
    struct pair pair = make_pair();
    struct bld *liar = disk_of(VHDX_KIND_DIFFERENCING, 4 * BLOCK, 3);
    vhdx_merge_options options = {.struct_size = sizeof options, .host = host, .delete_merged = true};
    uint8_t before[16];
    bld_parent(liar, bld_data_write_guid(pair.base), bld_data_write_guid(pair.child), ".\\base.vhdx", NULL, NULL);
    put_pair(&pair);
    put(liar, "/d/liar.avhdx");
    cr_assert_eq(hash_of("/d/child.avhdx", before), VHDX_OK, "%s", err.message);
    must_fail(vhdx_merge("/d/child.avhdx", &options, NULL, &err), VHDX_REFUSED);
    must_be_same(before, "/d/child.avhdx");
    bld_free(liar);
    free_pair(&pair);
}

/* ---- hosts that say no more than no ------------------------------------------------------------------------------ */

static vhdx_status no_random(void *context, void *buf, size_t length, vhdx_error *unused)
{
    (void)context, (void)buf, (void)length, (void)unused;
    return VHDX_IO;
}

static vhdx_status no_absolute(void *context, const char *path, char *text, size_t size, vhdx_error *unused)
{
    (void)context, (void)path, (void)text, (void)size, (void)unused;
    return VHDX_IO;
}

static vhdx_status no_list(void *context, const char *directory, bool (*visit)(void *visitor, const char *name),
                           void *visitor, vhdx_error *unused)
{
    (void)context, (void)directory, (void)visit, (void)visitor, (void)unused;
    return VHDX_IO;
}

static vhdx_status no_name(void *context, const char *path, vhdx_error *unused)
{
    (void)context, (void)path, (void)unused;
    return VHDX_IO;
}

/* A caller's host may leave the error alone; the library must still say something. */
Test(hostile, every_refusal_of_a_silent_host_gets_a_message)
{
    vhdx_host silent[5];
    struct pair pair = make_pair();
    for (size_t i = 0; i < 5; i++)
        silent[i] = *host;
    silent[0].random = no_random;
    silent[1].absolute = no_absolute;
    silent[2].list = no_list;
    silent[3].remove = no_name;
    silent[4].sync_directory = no_name;
    for (size_t i = 0; i < 5; i++) {
        vhdx_merge_options options = {.struct_size = sizeof options, .host = &silent[i], .delete_merged = true};
        vhdx_create_options creation = {.struct_size = sizeof creation, .host = &silent[i], .parent = "/d/child.avhdx"};
        put_pair(&pair);
        if (i == 0 || i == 1 || i == 4)
            must_fail(vhdx_create("/d/new.avhdx", &creation, &err), VHDX_IO);
        if (i != 1) /* nothing is given a new path */
            must_fail(vhdx_merge("/d/child.avhdx", &options, NULL, &err), VHDX_IO);
    }
    free_pair(&pair);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* 32767 characters fit into a locator; "." and ".." in them must not send us through directories again and again. */
static void check_name(const char *unit, const char *place)
{
    char *directory = files_directory();
    char *path = files_path(directory, "child.avhdx");
    char relative[32000] = "", absolute[32010];
    const vhdx_guid nobody = {{9}};
    struct bld *b = disk_of(VHDX_KIND_DIFFERENCING, 4 * BLOCK, 1);
    const char *const places[] = {directory};
    vhdx_open_options options = {.struct_size = sizeof options, .parents = places, .parent_count = place ? 1 : 0};
    vhdx_chain *chain;
    for (size_t used = 0; used + 16 < sizeof relative; used += strlen(unit))
        strcpy(relative + used, unit);
    strcat(relative, "z.vhdx");
    snprintf(absolute, sizeof absolute, "C:\\%s", relative);
    bld_parent(b, &nobody, NULL, relative, NULL, absolute);
    cr_assert_eq(bld_finish(b, NULL, path, &err), VHDX_OK, "%s", err.message);
    must_fail(vhdx_chain_open(path, &options, &chain, &err), VHDX_PARENT_MISSING);
    bld_free(b);
    free(path);
    files_remove_directory(directory);
}

Test(hostile, a_name_that_no_host_can_have_is_a_parent_that_is_missing)
{
    check_name("a\\", NULL);
    check_name("aaaaaaaa", NULL);
}

Test(hostile, a_name_that_goes_up_and_down_is_not_followed_below_the_places_given)
{
    check_name("..\\", "given");
    check_name("x\\..\\", "given");
}
