/*
 * vhdx_relink on disks in memory: what it writes, what it keeps, what it refuses. The files are looked at with the
 * codecs alone afterwards, so that the code that wrote a locator is not asked what stands in it.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/relink.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"
#include "builder.h"
#include "files.h"
#include "format/locator.h"
#include "with_memory.h"
#include "look.h"

#define BLOCK ((uint32_t)(2 * VX_MIB))
#define SIZE (4 * (uint64_t)BLOCK)
#define CHILD "/vm/child.avhdx"
#define MOVED "/store/moved.vhdx"
#define LOCATOR_ROOM 65536u

static vhdx_error err;

MEMORY_SUITE(relink);

/* ---- disks ---- */

static struct bld *disk_of(vhdx_kind kind, uint64_t seed)
{
    struct bld_options options = {.kind = kind, .virtual_size = SIZE, .block_size = BLOCK, .seed = seed};
    struct bld *b = bld_new(&options);
    bld_write_random(b, (seed % 4) * BLOCK, 64 * 512, seed);
    return b;
}

static void put(struct bld *b, const char *path)
{
    cr_assert_eq(bld_finish(b, host, path, &err), VHDX_OK, "%s", err.message);
}

/* A base that is now at MOVED, and its child, which does not know it yet and is still to be finished. */
struct pair {
    struct bld *base, *child;
};

static struct pair make_pair(void)
{
    struct pair pair = {disk_of(VHDX_KIND_DYNAMIC, 1), disk_of(VHDX_KIND_DIFFERENCING, 2)};
    bld_parent(pair.child, bld_data_write_guid(pair.base), NULL, ".\\base.vhdx",
               "\\\\?\\Volume{0eba351e-5634-46d6-a8cf-4ddc2d6ac0b9}\\vm\\base.vhdx", "C:\\vm\\base.vhdx");
    put(pair.base, MOVED);
    return pair;
}

static void free_pair(struct pair *pair)
{
    bld_free(pair->base);
    bld_free(pair->child);
}

static vhdx_status relink_to(const char *child, const char *parent, bool force)
{
    vhdx_relink_options options = {.struct_size = sizeof options, .host = host, .force = force};
    return vhdx_relink(child, parent, &options, &err);
}

static uint64_t digest_of(const char *path)
{
    uint64_t digest = 0;
    cr_assert(files_digest(host, path, &digest), "%s", path);
    return digest;
}

/* Refused with this status, in words that hold `text`, and neither file changed in a single byte. */
static void refused(const char *child, const char *parent, bool force, vhdx_status status, const char *text)
{
    uint64_t before[2] = {digest_of(child), digest_of(parent)};
    vhdx_status got = relink_to(child, parent, force);
    cr_assert_eq(got, status, "%s: %s", vhdx_status_name(got), err.message);
    cr_assert(strstr(err.message, text), "%s", err.message);
    cr_assert(err.path[0], "the error names no file");
    cr_assert(err.advice_text[0], "the error gives no advice");
    cr_assert_eq(digest_of(child), before[0]);
    cr_assert_eq(digest_of(parent), before[1]);
}

/* What the chain of `path` reads as, to be freed; NULL when it does not open. */
static uint8_t *read_chain(const char *path)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    if (vhdx_chain_open(path, &options, &chain, &err) != VHDX_OK)
        return NULL;
    uint8_t *bytes = malloc(SIZE);
    cr_assert_eq(vhdx_chain_read(chain, bytes, SIZE, 0, &err), VHDX_OK, "%s", err.message);
    vhdx_chain_free(chain);
    return bytes;
}

static void assert_reads_as_pair(const struct pair *pair)
{
    uint8_t *expected = calloc(1, SIZE), *found = read_chain(CHILD);
    cr_assert(found, "%s", err.message);
    bld_apply(pair->base, expected);
    bld_apply(pair->child, expected);
    cr_assert_eq(memcmp(found, expected, SIZE), 0);
    free(expected);
    free(found);
}

/* ---- what stands in the file ---- */

struct seen {
    struct look *look;
    uint8_t *bytes;
    struct vx_locator *locator;
};

static struct seen see(const char *path)
{
    struct seen seen = {look_at(host, path), malloc(LOCATOR_ROOM), malloc(sizeof *seen.locator)};
    cr_assert(seen.look, "%s is not a clean disk", path);
    uint32_t size = look_item(seen.look, host, path, &vx_guid_parent_locator, false, seen.bytes, LOCATOR_ROOM);
    cr_assert_neq(size, UINT32_MAX);
    cr_assert_eq(vx_locator_decode(vx_bytes_of(seen.bytes, size), seen.locator), VHDX_OK);
    return seen;
}

static void forget(struct seen *seen)
{
    free(seen->look);
    free(seen->bytes);
    free(seen->locator);
}

static void assert_value(const struct seen *seen, const char *key, const char *text)
{
    const struct vx_locator_pair *pair = vx_locator_find(seen->locator, key);
    cr_assert(pair, "%s is not there", key);
    char *found = calloc(1, VX_UTF8_ROOM(pair->value.size));
    vx_utf16_to_utf8(pair->value, found);
    cr_assert_str_eq(found, text);
    free(found);
}

static void assert_guid(const struct seen *seen, const char *key, const vhdx_guid *guid)
{
    vhdx_guid found;
    cr_assert(vx_locator_guid(seen->locator, key, &found), "%s is not there", key);
    cr_assert(vx_guid_equal(&found, guid), "%s", key);
}

static uint32_t locator_offset(const struct seen *seen)
{
    for (uint16_t i = 0; i < seen->look->metadata.count; i++)
        if (vx_guid_equal(&seen->look->metadata.entries[i].item_id, &vx_guid_parent_locator))
            return seen->look->metadata.entries[i].offset;
    return 0;
}

/* ---- what it writes ---- */

Test(relink, a_child_finds_the_parent_that_has_moved_and_reads_as_before)
{
    struct pair pair = make_pair();
    put(pair.child, CHILD);
    uint64_t base = digest_of(MOVED);
    cr_assert_null(read_chain(CHILD));
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    assert_reads_as_pair(&pair);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "a second time: %s", err.message);
    assert_reads_as_pair(&pair);
    cr_assert_eq(digest_of(MOVED), base);
    free_pair(&pair);
}

/* Former places would be tried too, and another file may lie there by now. */
Test(relink, the_new_place_replaces_all_former_ones)
{
    struct pair pair = make_pair();
    put(pair.child, CHILD);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    struct seen seen = see(CHILD);
    cr_assert_eq(vx_locator_rules(seen.locator), 0);
    assert_value(&seen, VX_KEY_RELATIVE, "..\\store\\moved.vhdx");
    cr_assert_null(vx_locator_find(seen.locator, VX_KEY_VOLUME));
    cr_assert_null(vx_locator_find(seen.locator, VX_KEY_ABSOLUTE), "this host knows no Windows paths");
    forget(&seen);
    free_pair(&pair);
}

Test(relink, the_file_is_closed_cleanly_with_a_new_file_id_and_the_old_content_id)
{
    struct pair pair = make_pair();
    put(pair.child, CHILD);
    struct seen before = see(CHILD);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    struct seen after = see(CHILD); /* only of a file with an empty log */
    cr_assert(after.look->both_headers);
    cr_assert_not(vx_guid_equal(&after.look->header.file_write_guid, &before.look->header.file_write_guid));
    cr_assert(vx_guid_equal(&after.look->header.data_write_guid, &before.look->header.data_write_guid));
    forget(&before);
    forget(&after);
    free_pair(&pair);
}

Test(relink, a_dirty_log_is_replayed_before_the_link_is_written)
{
    struct pair pair = make_pair();
    struct bld_log log = {.what = BLD_LOG_ALL, .home = BLD_HOME_GARBAGE};
    bld_log_dirty(pair.child, &log);
    put(pair.child, CHILD);
    cr_assert_null(look_at(host, CHILD));
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    struct seen seen = see(CHILD);
    forget(&seen);
    assert_reads_as_pair(&pair);
    free_pair(&pair);
}

/* ---- what it keeps ---- */

Test(relink, keys_of_others_are_kept)
{
    struct pair pair = make_pair();
    bld_locator_pair(pair.child, "backup_vendor", "Prüfung 7");
    bld_locator_pair(pair.child, "parent_linkage3", "not ours either");
    put(pair.child, CHILD);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    struct seen seen = see(CHILD);
    cr_assert_eq(seen.locator->count, 5);
    assert_value(&seen, "backup_vendor", "Prüfung 7");
    assert_value(&seen, "parent_linkage3", "not ours either");
    assert_guid(&seen, VX_KEY_LINKAGE, bld_data_write_guid(pair.base));
    forget(&seen);
    free_pair(&pair);
}

/* A reader that takes the last one of two would go on following the former path. */
Test(relink, the_second_of_two_equal_keys_of_ours_goes)
{
    struct pair pair = make_pair();
    bld_locator_pair(pair.child, VX_KEY_RELATIVE, ".\\elsewhere.vhdx");
    put(pair.child, CHILD);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    struct seen seen = see(CHILD);
    cr_assert_eq(vx_locator_rules(seen.locator), 0);
    cr_assert_eq(seen.locator->count, 3);
    assert_value(&seen, VX_KEY_RELATIVE, "..\\store\\moved.vhdx");
    forget(&seen);
    free_pair(&pair);
}

/* While a merge is under way the parent may have either identity; to forget one could leave the child alone. */
Test(relink, a_child_in_the_middle_of_a_merge_keeps_both_linkages)
{
    struct pair pair = make_pair();
    vhdx_guid former = {{1, 2, 3}};
    bld_locator_forget(pair.child);
    bld_parent(pair.child, &former, bld_data_write_guid(pair.base), ".\\base.vhdx", NULL, NULL);
    put(pair.child, CHILD);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    struct seen seen = see(CHILD);
    assert_guid(&seen, VX_KEY_LINKAGE, &former);
    assert_guid(&seen, VX_KEY_LINKAGE2, bld_data_write_guid(pair.base));
    forget(&seen);
    assert_reads_as_pair(&pair);
    free_pair(&pair);
}

Test(relink, a_child_known_by_its_second_linkage_alone_gets_the_first)
{
    struct pair pair = make_pair();
    char text[VX_GUID_TEXT], braced[VX_GUID_TEXT + 2];
    vx_guid_format(bld_data_write_guid(pair.base), text);
    snprintf(braced, sizeof braced, "{%s}", text);
    bld_locator_forget(pair.child);
    bld_locator_pair(pair.child, VX_KEY_LINKAGE2, braced);
    put(pair.child, CHILD);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    struct seen seen = see(CHILD);
    assert_guid(&seen, VX_KEY_LINKAGE, bld_data_write_guid(pair.base));
    assert_guid(&seen, VX_KEY_LINKAGE2, bld_data_write_guid(pair.base));
    forget(&seen);
    free_pair(&pair);
}

/* ---- room ---- */

/* "/<directories of 100 characters>/p.vhdx" of `length` characters, to be freed. */
static char *long_path(size_t length)
{
    static const char name[] = "/p.vhdx";
    char *path = malloc(length + 1);
    memset(path, 'x', length);
    for (size_t i = 0; i < length - sizeof name; i += 101)
        path[i] = '/';
    memcpy(path + length - (sizeof name - 1), name, sizeof name);
    return path;
}

Test(relink, a_locator_that_grows_moves_to_a_free_place)
{
    struct pair pair = make_pair();
    char *far = long_path(2500);
    put(pair.base, far);
    put(pair.child, CHILD);
    struct seen before = see(CHILD);
    cr_assert_eq(relink_to(CHILD, far, false), VHDX_OK, "%s", err.message);
    struct seen after = see(CHILD);
    cr_assert_neq(locator_offset(&after), locator_offset(&before));
    cr_assert_eq(after.look->metadata.count, before.look->metadata.count);
    forget(&before);
    forget(&after);
    assert_reads_as_pair(&pair);
    free(far);
    free_pair(&pair);
}

Test(relink, a_metadata_region_without_room_is_a_limit_and_nothing_changes)
{
    struct pair pair = make_pair();
    vhdx_guid mine = {{7}};
    uint32_t length = (uint32_t)(VX_MIB - VX_METADATA_TABLE_SIZE - 4096);
    uint8_t *filler = calloc(1, length);
    char *far = long_path(2500);
    put(pair.base, far);
    bld_item(pair.child, &mine, VX_ITEM_IS_USER, filler, length);
    put(pair.child, CHILD);
    refused(CHILD, far, false, VHDX_LIMIT, "no room");
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "a short path fits: %s", err.message);
    assert_reads_as_pair(&pair);
    free(far);
    free(filler);
    free_pair(&pair);
}

Test(relink, a_path_that_no_locator_can_hold_is_a_limit_and_nothing_changes)
{
    struct pair pair = make_pair();
    char *far = long_path(4090);
    put(pair.base, far);
    put(pair.child, "/a/b/c/d/e/child.avhdx");
    refused("/a/b/c/d/e/child.avhdx", far, false, VHDX_LIMIT, "too long");
    free(far);
    free_pair(&pair);
}

Test(relink, a_locator_full_of_keys_is_a_limit_and_nothing_changes)
{
    struct pair pair = make_pair();
    char key[16];
    for (unsigned i = 5; i < VX_LOCATOR_MAX; i++) {
        snprintf(key, sizeof key, "key%u", i);
        bld_locator_pair(pair.child, key, "value");
    }
    put(pair.child, CHILD);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "three of the five are enough: %s", err.message);
    bld_locator_forget(pair.child);
    for (unsigned i = 0; i < VX_LOCATOR_MAX; i++) {
        snprintf(key, sizeof key, "key%u", i);
        bld_locator_pair(pair.child, key, "value");
    }
    put(pair.child, CHILD);
    refused(CHILD, MOVED, true, VHDX_LIMIT, "too many keys");
    free_pair(&pair);
}

/* ---- what it refuses ---- */

Test(relink, another_id_is_refused_with_both_ids_and_taken_when_forced)
{
    struct pair pair = make_pair();
    struct bld *other = disk_of(VHDX_KIND_DYNAMIC, 3);
    char expected[VX_GUID_TEXT], found[VX_GUID_TEXT];
    vx_guid_format(bld_data_write_guid(pair.base), expected);
    vx_guid_format(bld_data_write_guid(other), found);
    put(pair.child, CHILD);
    put(other, "/store/other.vhdx");
    refused(CHILD, "/store/other.vhdx", false, VHDX_PARENT_MISMATCH, expected);
    cr_assert(strstr(err.message, found), "%s", err.message);
    cr_assert_eq(relink_to(CHILD, "/store/other.vhdx", true), VHDX_OK, "%s", err.message);
    struct seen seen = see(CHILD);
    vhdx_guid none = {{0}};
    assert_guid(&seen, VX_KEY_LINKAGE, bld_data_write_guid(other));
    assert_guid(&seen, VX_KEY_LINKAGE2, &none);
    forget(&seen);
    bld_free(pair.base);
    pair.base = other;
    assert_reads_as_pair(&pair);
    free_pair(&pair);
}

Test(relink, a_child_whose_locator_is_damaged_is_relinked_only_when_forced)
{
    struct pair pair = make_pair();
    bld_locator_raw(pair.child, "???", 3);
    put(pair.child, CHILD);
    refused(CHILD, MOVED, false, VHDX_PARENT_MISMATCH, "does not identify the parent");
    cr_assert_eq(relink_to(CHILD, MOVED, true), VHDX_OK, "%s", err.message);
    assert_reads_as_pair(&pair);
    free_pair(&pair);
}

/* Whatever another type of locator says in its keys, it is not ours to rewrite. */
Test(relink, a_locator_of_an_unknown_type_is_refused_also_when_forced)
{
    struct pair pair = make_pair();
    uint8_t zeros[VX_LOCATOR_HEADER_SIZE] = {9, 9, 9};
    bld_locator_raw(pair.child, zeros, sizeof zeros);
    put(pair.child, CHILD);
    refused(CHILD, MOVED, false, VHDX_UNSUPPORTED, "unknown type");
    refused(CHILD, MOVED, true, VHDX_UNSUPPORTED, "unknown type");
    free_pair(&pair);
}

Test(relink, other_sector_sizes_are_refused_also_when_forced)
{
    struct pair pair = make_pair();
    struct bld_options options = {.virtual_size = SIZE, .block_size = BLOCK, .logical_sector_size = 4096, .seed = 5};
    struct bld *large = bld_new(&options);
    put(pair.child, CHILD);
    put(large, "/store/large.vhdx");
    refused(CHILD, "/store/large.vhdx", false, VHDX_UNSUPPORTED, "logical sector size");
    refused(CHILD, "/store/large.vhdx", true, VHDX_UNSUPPORTED, "logical sector size");
    bld_free(large);
    free_pair(&pair);
}

Test(relink, a_base_has_nothing_to_link)
{
    struct pair pair = make_pair();
    struct bld *other = disk_of(VHDX_KIND_DYNAMIC, 3);
    put(other, "/store/other.vhdx");
    refused(MOVED, "/store/other.vhdx", false, VHDX_ARG, "has no parent");
    refused(MOVED, "/store/other.vhdx", true, VHDX_ARG, "has no parent");
    bld_free(other);
    free_pair(&pair);
}

Test(relink, a_file_that_is_not_there_is_named)
{
    struct pair pair = make_pair();
    put(pair.child, CHILD);
    cr_assert_eq(relink_to(CHILD, "/store/none.vhdx", true), VHDX_NOT_FOUND);
    cr_assert(strstr(err.path, "none.vhdx"), "%s", err.path);
    cr_assert_eq(relink_to("/vm/none.avhdx", MOVED, true), VHDX_NOT_FOUND);
    cr_assert(strstr(err.path, "none.avhdx"), "%s", err.path);
    free_pair(&pair);
}

/* base <- child <- leaf, with the base at MOVED, where nothing finds it. */
static struct bld *put_leaf(struct pair *pair)
{
    struct bld *leaf = disk_of(VHDX_KIND_DIFFERENCING, 3);
    put(pair->child, CHILD);
    bld_parent(leaf, bld_data_write_guid(pair->child), NULL, ".\\child.avhdx", NULL, NULL);
    put(leaf, "/vm/leaf.avhdx");
    return leaf;
}

/* With the base missing the parent's chain does not open; its layers down to there are a chain all the same. */
Test(relink, a_loop_is_refused_also_when_forced_and_the_base_is_missing)
{
    struct pair pair = make_pair();
    struct bld *leaf = put_leaf(&pair);
    refused(CHILD, "/vm/leaf.avhdx", false, VHDX_PARENT_LOOP, "a layer below /vm/leaf.avhdx");
    refused(CHILD, "/vm/leaf.avhdx", true, VHDX_PARENT_LOOP, "a layer below /vm/leaf.avhdx");
    refused(CHILD, CHILD, true, VHDX_PARENT_LOOP, "its own parent");
    refused(CHILD, "/vm/../vm/./child.avhdx", true, VHDX_PARENT_LOOP, "its own parent");
    bld_free(leaf);
    free_pair(&pair);
}

Test(relink, a_loop_is_refused_where_the_chain_is_whole)
{
    struct pair pair = make_pair();
    struct bld *leaf = put_leaf(&pair);
    cr_assert_eq(relink_to(CHILD, MOVED, false), VHDX_OK, "%s", err.message);
    refused(CHILD, "/vm/leaf.avhdx", true, VHDX_PARENT_LOOP, "a layer below /vm/leaf.avhdx");
    bld_free(leaf);
    free_pair(&pair);
}

/* A parent that is its own ancestor without the child: following it down would never end. */
Test(relink, a_parent_whose_own_chain_is_a_loop_is_refused)
{
    struct pair pair = make_pair();
    struct bld *ring = disk_of(VHDX_KIND_DIFFERENCING, 3);
    bld_parent(ring, bld_data_write_guid(ring), NULL, ".\\ring.avhdx", NULL, NULL);
    put(pair.child, CHILD);
    put(ring, "/vm/ring.avhdx");
    refused(CHILD, "/vm/ring.avhdx", true, VHDX_PARENT_LOOP, "its own chain is a loop");
    bld_free(ring);
    free_pair(&pair);
}

Test(relink, a_file_that_somebody_holds_is_busy)
{
    static const char *const paths[] = {CHILD, MOVED};
    struct pair pair = make_pair();
    put(pair.child, CHILD);
    for (size_t i = 0; i < 2; i++) {
        vhdx_io io;
        uint64_t before = digest_of(CHILD);
        cr_assert_eq(host->open(host->context, paths[i], VHDX_OPEN_WRITE, &io, &err), VHDX_OK);
        cr_assert_eq(relink_to(CHILD, MOVED, true), VHDX_BUSY);
        cr_assert_str_eq(err.path, paths[i]);
        io.ops->close(io.file);
        cr_assert_eq(digest_of(CHILD), before);
    }
    free_pair(&pair);
}

Test(relink, arguments_that_make_no_sense_are_refused)
{
    cr_assert_eq(vhdx_relink(NULL, MOVED, NULL, &err), VHDX_ARG);
    cr_assert_eq(vhdx_relink(CHILD, NULL, NULL, &err), VHDX_ARG);
    cr_assert_eq(vhdx_relink(CHILD, NULL, NULL, NULL), VHDX_ARG);
}
