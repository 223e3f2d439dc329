/*
 * vhdx_set on disks in memory: which bytes change, what keeps its value, whose children stand against it. The files are
 * looked at with the codecs alone afterwards.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/set.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guid.h"
#include "builder.h"
#include "files.h"
#include "format/file_id.h"
#include "look.h"
#include "memory.h"

#define BLOCK ((uint32_t)(2 * VX_MIB))
#define SIZE (4 * (uint64_t)BLOCK)
#define DISK "/vm/disk.vhdx"
#define COPY "/vm/copy.vhdx"
#define CHILD "/vm/child.avhdx"

static struct vx_memory_host *memory;
static const vhdx_host *host;
static vhdx_error err;
static char said[4096]; /* by notices */

static void begin(void)
{
    memory = vx_memory_host_new(1);
    host = vx_memory_host_interface(memory);
    said[0] = '\0';
}

static void end(void)
{
    vx_memory_host_free(memory);
}

TestSuite(set, .init = begin, .fini = end);

static void hear(void *context, const vhdx_notice *notice)
{
    size_t used = strlen(said);
    (void)context;
    snprintf(said + used, sizeof said - used, "%s\n", notice->text);
}

static void put_disk(const char *path, uint64_t seed, const char *parent, uint64_t parent_seed)
{
    struct bld_options options = {.kind = parent ? VHDX_KIND_DIFFERENCING : VHDX_KIND_DYNAMIC,
                                  .virtual_size = SIZE,
                                  .block_size = BLOCK,
                                  .seed = seed,
                                  .layout = BLD_LAYOUT_MIXED,
                                  .scattered_items = true};
    struct bld *b = bld_new(&options);
    bld_write_random(b, (seed % 4) * BLOCK, 64 * 512, seed);
    if (parent) {
        struct bld_options below = {.virtual_size = SIZE, .seed = parent_seed};
        struct bld *other = bld_new(&below);
        bld_parent(b, bld_data_write_guid(other), NULL, parent, NULL, NULL);
        bld_free(other);
    }
    cr_assert_eq(bld_finish(b, host, path, &err), VHDX_OK, "%s", err.message);
    bld_free(b);
}

static vhdx_set_options wish(void)
{
    return (vhdx_set_options){.struct_size = sizeof(vhdx_set_options), .host = host, .notice = hear};
}

static uint64_t digest_of(const char *path)
{
    uint64_t digest = 0;
    cr_assert(files_digest(host, path, &digest), "%s", path);
    return digest;
}

static uint64_t content_of(const char *path)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    uint8_t hash[16];
    vhdx_chain *chain;
    uint64_t number;
    cr_assert_eq(vhdx_chain_open(path, &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_chain_hash(chain, hash, NULL, &err), VHDX_OK, "%s", err.message);
    vhdx_chain_free(chain);
    memcpy(&number, hash, sizeof number);
    return number;
}

static void refused(const vhdx_set_options *options, vhdx_status status, const char *text)
{
    uint64_t before = digest_of(DISK);
    vhdx_status got = vhdx_set(DISK, options, NULL, &err);
    cr_assert_eq(got, status, "%s: %s", vhdx_status_name(got), err.message);
    cr_assert(strstr(err.message, text), "%s", err.message);
    cr_assert_eq(digest_of(DISK), before, "a refused change has written");
}

Test(set, a_new_id_comes_with_a_new_identity_and_nothing_else)
{
    vhdx_set_options options = wish();
    vhdx_set_report report = {.struct_size = sizeof report};
    uint8_t before[16], after[16], sector[4];
    put_disk(DISK, 1, NULL, 0);
    uint64_t content = content_of(DISK);
    struct look *old = look_at(host, DISK);
    look_item(old, host, DISK, &vx_guid_virtual_disk_id, false, before, 16);
    options.new_id = true;
    cr_assert_eq(vhdx_set(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    struct look *new = look_at(host, DISK);
    cr_assert(new &&vx_guid_is_zero(&new->header.log_guid));
    cr_assert_eq(look_item(new, host, DISK, &vx_guid_virtual_disk_id, false, after, 16), 16u);
    cr_assert_neq(memcmp(before, after, 16), 0);
    cr_assert_eq(memcmp(report.virtual_disk_id.bytes, after, 16), 0);
    cr_assert(!vx_guid_equal(&old->header.data_write_guid, &new->header.data_write_guid));
    cr_assert(vx_guid_equal(&report.data_write_guid, &new->header.data_write_guid));
    cr_assert(vx_guid_equal(&report.old_data_write_guid, &old->header.data_write_guid));
    cr_assert_eq(look_item(new, host, DISK, &vx_guid_physical_sector_size, false, sector, 4), 4u);
    cr_assert_eq(vx_get32(sector), 4096u);
    cr_assert_eq(content_of(DISK), content);
    cr_assert(report.changed && strstr(said, "page 83"));
    free(old);
    free(new);
}

Test(set, a_physical_sector_size)
{
    vhdx_set_options options = wish();
    vhdx_set_report report = {.struct_size = sizeof report};
    uint8_t sector[4];
    put_disk(DISK, 1, NULL, 0);
    options.physical_sector_size = 512;
    cr_assert_eq(vhdx_set(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    struct look *look = look_at(host, DISK);
    look_item(look, host, DISK, &vx_guid_physical_sector_size, false, sector, 4);
    cr_assert_eq(vx_get32(sector), 512u);
    free(look);
    /* Once more: nothing is to be done, and nothing is done. */
    uint64_t before = digest_of(DISK);
    cr_assert_eq(vhdx_set(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_assert(!report.changed);
    cr_assert_eq(digest_of(DISK), before);
}

Test(set, a_creator_changes_no_identity_and_asks_no_child)
{
    vhdx_set_options options = wish();
    uint8_t bytes[VX_FILE_ID_SIZE];
    struct vx_file_id id;
    put_disk(DISK, 1, NULL, 0);
    put_disk(CHILD, 2, ".\\disk.vhdx", 1);
    struct look *old = look_at(host, DISK);
    uint64_t content = content_of(CHILD);
    options.creator = "by hand ü";
    cr_assert_eq(vhdx_set(DISK, &options, NULL, &err), VHDX_OK, "%s", err.message);
    struct look *new = look_at(host, DISK);
    cr_assert(vx_guid_equal(&old->header.data_write_guid, &new->header.data_write_guid));
    cr_assert(!vx_guid_equal(&old->header.file_write_guid, &new->header.file_write_guid));
    cr_assert_eq(bld_peek(host, DISK, 0, bytes, sizeof bytes), VHDX_OK);
    cr_assert_eq(vx_file_id_decode(vx_bytes_of(bytes, sizeof bytes), &id), VHDX_OK);
    cr_assert_str_eq(id.creator, "by hand ü");
    cr_assert_eq(content_of(CHILD), content);
    free(old);
    free(new);
    options.creator = "\xff";
    refused(&options, VHDX_ARG, "UTF-8");
    char longest[254];
    memset(longest, 'x', 253);
    longest[253] = '\0';
    options.creator = longest;
    refused(&options, VHDX_ARG, "252");
    longest[252] = '\0';
    cr_assert_eq(vhdx_set(DISK, &options, NULL, &err), VHDX_OK, "%s", err.message);
}

Test(set, a_disk_with_children_is_refused_and_named)
{
    vhdx_set_options options = wish();
    put_disk(DISK, 1, NULL, 0);
    put_disk(CHILD, 2, ".\\disk.vhdx", 1);
    uint64_t content = content_of(CHILD);
    options.new_id = true;
    refused(&options, VHDX_REFUSED, CHILD);
    cr_assert_eq(err.advice, VHDX_ADVICE_SET_LEAF_OR_FORCE);
    cr_assert_eq(content_of(CHILD), content);
    /* Forced, the child is named; linked again it reads as before. */
    said[0] = '\0';
    options.force = true;
    cr_assert_eq(vhdx_set(DISK, &options, NULL, &err), VHDX_OK, "%s", err.message);
    cr_assert(strstr(said, CHILD));
    vhdx_relink_options relink = {.struct_size = sizeof relink, .host = host, .force = true};
    cr_assert_eq(vhdx_relink(CHILD, DISK, &relink, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(content_of(CHILD), content);
}

/* The child's own path leads to the original: the copy beside it may change. The other way round it may not. */
Test(set, a_copy_beside_its_original_has_none_of_its_children)
{
    vhdx_set_options options = wish();
    put_disk(DISK, 1, NULL, 0);
    put_disk(COPY, 1, NULL, 0);
    put_disk(CHILD, 2, ".\\disk.vhdx", 1);
    uint64_t content = content_of(CHILD);
    options.new_id = true;
    refused(&options, VHDX_REFUSED, CHILD);
    cr_assert_eq(vhdx_set(COPY, &options, NULL, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(content_of(CHILD), content);
}

Test(set, a_disk_that_may_be_a_child_counts_as_one)
{
    static const uint8_t ruin[3 << 20] = {1};
    vhdx_set_options options = wish();
    put_disk(DISK, 1, NULL, 0);
    cr_assert(vx_memory_host_put(memory, "/vm/ruin.avhdx", ruin, sizeof ruin));
    options.new_id = true;
    refused(&options, VHDX_REFUSED, "may have been made on this disk");
}

Test(set, a_dry_run_writes_nothing_and_refuses_the_same)
{
    vhdx_set_options options = wish();
    vhdx_set_report report = {.struct_size = sizeof report};
    put_disk(DISK, 1, NULL, 0);
    uint64_t before = digest_of(DISK);
    options.new_id = true;
    options.dry_run = true;
    options.undo = "/vm/undo";
    cr_assert_eq(vhdx_set(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_assert(report.changed && vx_guid_is_zero(&report.virtual_disk_id));
    cr_assert_eq(digest_of(DISK), before);
    cr_assert_eq(vx_memory_host_size(memory, "/vm/undo"), UINT64_MAX);
    options.undo = DISK;
    refused(&options, VHDX_ARG, "the output is a layer");
    options.undo = NULL;
    put_disk(CHILD, 2, ".\\disk.vhdx", 1);
    refused(&options, VHDX_REFUSED, CHILD);
}

Test(set, the_undo_file_gives_every_byte_back)
{
    vhdx_set_options options = wish();
    const vhdx_undo_options undo = {.struct_size = sizeof undo, .host = host};
    put_disk(DISK, 1, NULL, 0);
    uint64_t before = digest_of(DISK);
    options.new_id = true;
    options.physical_sector_size = 512;
    options.creator = "x";
    options.undo = "/vm/undo";
    cr_assert_eq(vhdx_set(DISK, &options, NULL, &err), VHDX_OK, "%s", err.message);
    cr_assert_neq(digest_of(DISK), before);
    cr_assert_eq(vhdx_undo("/vm/undo", &undo, NULL, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(digest_of(DISK), before);
}

Test(set, arguments_that_make_no_sense)
{
    vhdx_set_options options = wish();
    put_disk(DISK, 1, NULL, 0);
    refused(&options, VHDX_ARG, "nothing is to be changed");
    options.physical_sector_size = 1024;
    refused(&options, VHDX_ARG, "512 or 4096");
    cr_assert_eq(vhdx_set(NULL, &options, NULL, &err), VHDX_ARG);
}
