/*
 * VHDs as disks: which footer counts, chains, and files that lie about themselves.
 */
/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include "vhd.h"

#include <criterion/criterion.h>
#include <string.h>

static struct vx_memory_host *memory;
static uint8_t bytes[VHD_BYTES];
static vhdx_error err;

static void begin(void)
{
    memory = vx_memory_host_new(1);
}

static void end(void)
{
    vx_memory_host_free(memory);
}

TestSuite(vhd_file, .init = begin, .fini = end);

static void put(const char *path, const void *content, size_t size)
{
    cr_assert(vx_memory_host_put(memory, path, content, size));
}

static vhdx_status open_chain(const char *path, vhdx_chain **chain)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = vx_memory_host_interface(memory)};
    return vhdx_chain_open(path, &options, chain, &err);
}

/* Opens, and reads the whole disk. */
static vhdx_status read_all(const char *path)
{
    vhdx_chain *chain;
    uint8_t hash[16];
    vhdx_status status = open_chain(path, &chain);
    if (status != VHDX_OK)
        return status;
    status = vhdx_chain_hash(chain, hash, NULL, &err);
    vhdx_chain_free(chain);
    return status;
}

static void make(uint8_t id, uint8_t parent)
{
    vhd_make(&(struct vhd_disk){.id = id, .parent_id = parent, .name = "base.vhd"}, bytes);
}

Test(vhd_file, the_copy_serves_when_the_footer_is_gone_or_damaged)
{
    make(0x11, 0);
    put("/d/whole.vhd", bytes, sizeof bytes);
    put("/d/cut.vhd", bytes, sizeof bytes - 512);
    bytes[VHD_BYTES - 512 + 50] ^= 1;
    put("/d/damaged.vhd", bytes, sizeof bytes);
    cr_expect_eq(read_all("/d/whole.vhd"), VHDX_OK, "%s", err.message);
    cr_expect_eq(read_all("/d/cut.vhd"), VHDX_OK, "%s", err.message);
    cr_expect_eq(read_all("/d/damaged.vhd"), VHDX_OK, "%s", err.message);
    bytes[50] ^= 1; /* now both copies */
    put("/d/damaged.vhd", bytes, sizeof bytes);
    cr_expect_eq(read_all("/d/damaged.vhd"), VHDX_CORRUPT);
    cr_expect_not_null(strstr(err.message, "footer is damaged"));
}

Test(vhd_file, a_footer_of_511_bytes_ends_an_old_disk)
{
    make(0x11, 0);
    uint8_t *footer = bytes + 1024;
    memmove(footer, bytes, 512);
    memset(bytes, 0xEE, 1024);
    footer[63] = 2; /* fixed */
    memset(footer + 48, 0, 8);
    footer[54] = 4; /* 1024 bytes */
    vhd_sum(footer, 512, 64);
    put("/d/old.vhd", bytes, 1024 + 511);
    cr_expect_eq(read_all("/d/old.vhd"), VHDX_OK, "%s", err.message);
    put("/d/short.vhd", bytes + 512, 512 + 511);
    cr_expect_eq(read_all("/d/short.vhd"), VHDX_TRUNCATED, "a disk that is longer than its file");
}

Test(vhd_file, what_writes_in_place_refuses_a_vhd)
{
    make(0x11, 0);
    put("/d/base.vhd", bytes, sizeof bytes);
    make(0x22, 0x11);
    put("/d/leaf.avhd", bytes, sizeof bytes);
    cr_assert_eq(read_all("/d/leaf.avhd"), VHDX_OK, "%s", err.message);
    const vhdx_merge_options merge = {.struct_size = sizeof merge, .host = vx_memory_host_interface(memory)};
    cr_expect_eq(vhdx_merge("/d/leaf.avhd", &merge, NULL, &err), VHDX_NOT_VHDX);
    cr_expect_not_null(strstr(err.message, "VHD disk"), "%s", err.message);
    const vhdx_relink_options relink = {.struct_size = sizeof relink, .host = merge.host};
    cr_expect_eq(vhdx_relink("/d/leaf.avhd", "/d/base.vhd", &relink, &err), VHDX_NOT_VHDX);
}

Test(vhd_file, a_chain_is_proven_by_ids_and_may_not_be_a_loop)
{
    make(0x33, 0);
    put("/d/base.vhd", bytes, sizeof bytes);
    make(0x22, 0x11);
    put("/d/leaf.avhd", bytes, sizeof bytes);
    cr_expect_eq(read_all("/d/leaf.avhd"), VHDX_PARENT_MISMATCH);
    make(0x11, 0x22);
    put("/d/base.vhd", bytes, sizeof bytes);
    vhd_make(&(struct vhd_disk){.id = 0x11, .parent_id = 0x22, .name = "leaf.avhd"}, bytes);
    put("/d/base.vhd", bytes, sizeof bytes);
    cr_expect_eq(read_all("/d/leaf.avhd"), VHDX_PARENT_LOOP, "%s", err.message);
}

/* Each byte of footer, header and table in turn has other values: a refusal or a disk, never more than that. */
Test(vhd_file, any_byte_may_lie)
{
    static const uint8_t values[] = {0, 1, 0x7F, 0x80, 0xFF};
    make(0x11, 0);
    put("/d/base.vhd", bytes, sizeof bytes);
    for (size_t at = 0; at < 1536 + 16; at++)
        for (size_t i = 0; i < sizeof values; i++) {
            make(0x22, 0x11);
            bytes[at] = values[i];
            vhd_sum(bytes, 512, 64);
            vhd_sum(bytes + VHD_HEADER_AT, 1024, 36);
            put("/d/leaf.avhd", bytes, sizeof bytes - 512);
            vhdx_chain *chain;
            uint8_t sector[512];
            if (open_chain("/d/leaf.avhd", &chain) != VHDX_OK)
                continue;
            uint64_t size = vhdx_chain_layer(chain, 0)->virtual_size;
            vhdx_chain_read(chain, sector, size < 512 ? (size_t)size : 512, 0, NULL);
            vhdx_chain_free(chain);
        }
}
