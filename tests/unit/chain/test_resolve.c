/*
 * Where a parent is looked for, on disks in memory: paths of other machines below the directories of this one.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>

#include "builder.h"
#include "with_memory.h"

#define BLOCK ((uint32_t)(1 * VX_MIB))

static vhdx_error err;

static struct bld *disk_of(vhdx_kind kind, uint64_t seed)
{
    struct bld_options options = {.kind = kind, .virtual_size = 4 * BLOCK, .block_size = BLOCK, .seed = seed};
    return bld_new(&options);
}

/* A base at `place`, and a child of it that knows it by `path` only. */
static void put_pair(const char *place, const char *child, const char *path)
{
    struct bld *base = disk_of(VHDX_KIND_DYNAMIC, 1), *leaf = disk_of(VHDX_KIND_DIFFERENCING, 2);
    bld_parent(leaf, bld_data_write_guid(base), NULL, NULL, NULL, path);
    cr_assert_eq(bld_finish(base, host, place, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(bld_finish(leaf, host, child, &err), VHDX_OK, "%s", err.message);
    bld_free(base);
    bld_free(leaf);
}

static vhdx_status open_chain(const char *child, const char *directory)
{
    const char *const parents[] = {directory};
    vhdx_open_options options = {
        .struct_size = sizeof options, .host = host, .parents = parents, .parent_count = directory ? 1 : 0};
    vhdx_chain *chain = NULL;
    vhdx_status status = vhdx_chain_open(child, &options, &chain, &err);
    vhdx_chain_free(chain);
    return status;
}

static void expect_found(const char *place, const char *child, const char *path, const char *directory)
{
    begin_memory();
    put_pair(place, child, path);
    cr_expect_eq(open_chain(child, directory), VHDX_OK, "%s at %s from %s: %s", path, place, child, err.message);
    end_memory();
}

/* A server's name is a directory on hosts that mount all its folders below it, and on no others. */
Test(resolve, a_shared_folder_is_found_where_it_is_mounted)
{
    static const char *const paths[] = {"\\\\nas\\share\\VMs\\base.vhdx", "\\\\?\\UNC\\nas\\share\\VMs\\base.vhdx",
                                        "\\\\?\\unc\\nas\\share\\VMs\\base.vhdx"};
    for (size_t i = 0; i < 3; i++) {
        expect_found("/mnt/share/VMs/base.vhdx", "/mnt/local/leaf.avhdx", paths[i], NULL);
        expect_found("/net/nas/share/VMs/base.vhdx", "/net/other/x/leaf.avhdx", paths[i], NULL);
        expect_found("/mnt/share/VMs/base.vhdx", "/x/leaf.avhdx", paths[i], "/mnt");
        expect_found("/net/nas/share/VMs/base.vhdx", "/x/leaf.avhdx", paths[i], "/net");
    }
}

Test(resolve, a_drive_is_found_where_its_volume_is_mounted)
{
    expect_found("/mnt/d/VMs/base.vhdx", "/mnt/d/leafs/leaf.avhdx", "D:\\VMs\\base.vhdx", NULL);
    expect_found("/mnt/d/VMs/base.vhdx", "/mnt/d/leafs/leaf.avhdx", "\\\\?\\D:\\vms\\Base.vhdx", NULL);
    expect_found("/mnt/d/VMs/base.vhdx", "/x/leaf.avhdx", "\\\\?\\D:\\VMs\\base.vhdx", "/mnt/d");
}

Test(resolve, another_disk_of_that_name_is_not_the_parent)
{
    begin_memory();
    put_pair("/mnt/share/VMs/base.vhdx", "/mnt/local/leaf.avhdx", "\\\\nas\\share\\VMs\\base.vhdx");
    struct bld *other = disk_of(VHDX_KIND_DYNAMIC, 7);
    cr_assert_eq(bld_finish(other, host, "/mnt/share/VMs/base.vhdx", &err), VHDX_OK, "%s", err.message);
    bld_free(other);
    cr_expect_eq(open_chain("/mnt/local/leaf.avhdx", NULL), VHDX_PARENT_MISMATCH);
    end_memory();
}
