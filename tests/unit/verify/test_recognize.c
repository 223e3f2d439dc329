/*
 * What is taken for a VHDX when its first MiB is gone, and what is not, whatever lies in it: a repair makes a disk of
 * the one and must not touch the other.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "files.h"

#include "base/bytes.h"
#include "memory.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct vx_memory_host *memory;
static const vhdx_host *host;
static struct bld *disk;
static vhdx_error err;

/* A disk of some blocks whose beginning is gone. */
static void lose_beginning(const char *path, const struct bld_options *options, unsigned blocks, uint64_t lost)
{
    uint8_t *zeros = calloc(1, (size_t)lost);
    if (!memory) {
        memory = vx_memory_host_new(3);
        host = vx_memory_host_interface(memory);
    }
    bld_free(disk);
    disk = bld_new(options);
    for (unsigned i = 0; i < blocks; i++)
        bld_write_random(disk, i * (uint64_t)(2 * VX_MIB), 4096, i + 1);
    cr_assert_eq(bld_finish(disk, host, path, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(bld_poke(host, path, 0, zeros, (size_t)lost), VHDX_OK);
    free(zeros);
}

static void end(void)
{
    bld_free(disk);
    vx_memory_host_free(memory);
}

static vhdx_status verify(const char *path, const char *evidence)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    vhdx_report *report;
    vhdx_status status = vhdx_verify(path, &options, &report, &err);
    if (status != VHDX_OK)
        return status;
    const vhdx_finding *finding = vhdx_report_finding(report, 0, 0);
    for (size_t i = 0; finding && strcmp(finding->id, "VHDX-FILE-BEGINNING-LOST") != 0; i++)
        finding = vhdx_report_finding(report, 0, i);
    cr_assert(finding, "%s: nothing is said of its beginning", path);
    cr_expect(strstr(finding->message, evidence), "%s", finding->message);
    vhdx_report_free(report);
    return VHDX_OK;
}

static vhdx_status repair(const char *path)
{
    const vhdx_repair_options options = {.struct_size = sizeof options, .host = host, .salvage = true, .no_undo = true};
    vhdx_report *report;
    vhdx_status status = vhdx_repair(path, &options, &report, &err);
    if (status == VHDX_OK)
        vhdx_report_free(report);
    return status;
}

static void must_be_refused(const char *path, const char *what)
{
    uint64_t before, after;
    cr_assert(files_digest(host, path, &before));
    cr_expect_eq(verify(path, ""), VHDX_NOT_VHDX, "%s is examined", what);
    cr_expect_eq(repair(path), VHDX_NOT_VHDX, "%s is repaired", what);
    cr_assert(files_digest(host, path, &after));
    cr_expect_eq(before, after, "%s was written to", what);
}

static const struct bld_options plain = {.virtual_size = 16 * VX_MIB, .block_size = 2 * VX_MIB, .seed = 5};

Test(recognize, a_metadata_table_or_a_bat_or_a_log_entry_proves_a_disk)
{
    lose_beginning("d", &plain, 5, VX_MIB);
    cr_expect_eq(verify("d", "a metadata table at 0x200000, a BAT with 5 blocks at 0x300000"), VHDX_OK, "%s",
                 err.message);
    lose_beginning("d", &plain, 1, VX_MIB);
    cr_expect_eq(verify("d", "a metadata table at 0x200000"), VHDX_OK, "%s", err.message);
    lose_beginning("d", &plain, 5, 3 * VX_MIB);
    cr_expect_eq(verify("d", "a BAT with 5 blocks at 0x300000"), VHDX_OK, "%s", err.message);
    struct bld_options logged = plain;
    logged.log_residue = true;
    lose_beginning("d", &logged, 1, VX_MIB);
    cr_expect_eq(verify("d", "a whole log entry at 0x100000"), VHDX_OK, "%s", err.message);
    end();
}

Test(recognize, what_proves_nothing_is_refused_and_not_touched)
{
    lose_beginning("d.vhdx", &plain, 3, 3 * VX_MIB);
    must_be_refused("d.vhdx", "a BAT of three blocks");
    lose_beginning("d.vhdx", &plain, 5, 3 * VX_MIB);
    bld_poke_int(host, "d.vhdx", bld_payload_entry_offset(disk, 4), bld_payload_offset(disk, 0) | 6, 8);
    must_be_refused("d.vhdx", "a BAT with two blocks in one place");
    lose_beginning("d.vhdx", &plain, 5, 3 * VX_MIB);
    bld_poke_int(host, "d.vhdx", bld_payload_entry_offset(disk, 4), (uint64_t)VX_GIB | 6, 8);
    must_be_refused("d.vhdx", "a BAT with a block behind the end");
    end();
}

Test(recognize, a_table_with_two_items_is_no_table)
{
    lose_beginning("d.vhdx", &plain, 1, VX_MIB);
    const vhdx_guid *const items[] = {&vx_guid_virtual_disk_size, &vx_guid_virtual_disk_id,
                                      &vx_guid_logical_sector_size};
    for (size_t i = 0; i < 3; i++)
        bld_poke_int(host, "d.vhdx", bld_item_entry_offset(disk, items[i], false), 0, 8);
    must_be_refused("d.vhdx", "a table with two known items");
    end();
}

/* Whatever proof lies in the file: what begins as something else contains a VHDX, and is none. */
Test(recognize, what_begins_as_something_else_is_refused_whatever_is_in_it)
{
    static const struct {
        uint64_t at;
        const char *bytes;
        size_t size;
    } beginnings[] = {{510, "\x55\xAA", 2}, {512, "EFI PART", 8},   {4096, "EFI PART", 8}, {1080, "\x53\xEF", 2},
                      {0, "XFSB", 4},       {65600, "_BHRfS_M", 8}, {0, "QFI\xFB", 4},     {64, "\x7F\x10\xDA\xBE", 4},
                      {0, "conectix", 8},   {257, "ustar", 5},      {0, "vhdxundo", 8}};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        lose_beginning("d.vhdx", &plain, 5, VX_MIB);
        bld_poke(host, "d.vhdx", beginnings[i].at, beginnings[i].bytes, beginnings[i].size);
        must_be_refused("d.vhdx", beginnings[i].bytes);
        cr_expect(strstr(err.message, "it is "), "%s", err.message);
    }
    end();
}

/* ---- content alone ---------------------------------------------------------------------------------------------- */

static uint32_t crc32_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    return ~crc;
}

static void gpt_header(uint8_t sector[512], uint64_t own, uint64_t other)
{
    uint8_t array[16384] = {0};
    memset(sector, 0, 512);
    memcpy(sector, "EFI PART", 8);
    vx_put32(sector + 8, 0x10000);
    vx_put32(sector + 12, 92);
    vx_put64(sector + 24, own);
    vx_put64(sector + 32, other);
    uint64_t last = own > other ? own : other;
    vx_put64(sector + 40, 34);
    vx_put64(sector + 48, last - 33);
    sector[56] = 1;
    vx_put64(sector + 72, own > other ? own - 32 : 2);
    vx_put32(sector + 80, 128);
    vx_put32(sector + 84, 128);
    vx_put32(sector + 88, crc32_of(array, sizeof array));
    vx_put32(sector + 16, crc32_of(sector, 92));
}

/* A fixed disk with a GPT of which only the payload is left. */
static void lose_all_but_content(const char *path)
{
    struct bld_options options = plain;
    uint64_t sectors = options.virtual_size / 512;
    uint8_t sector[512];
    options.kind = VHDX_KIND_FIXED;
    lose_beginning(path, &options, 0, 4 * VX_MIB);
    gpt_header(sector, 1, sectors - 1);
    cr_assert_eq(bld_poke(host, path, 4 * VX_MIB + 512, sector, 512), VHDX_OK);
    gpt_header(sector, sectors - 1, 1);
    cr_assert_eq(bld_poke(host, path, 4 * VX_MIB + options.virtual_size - 512, sector, 512), VHDX_OK);
}

Test(recognize, content_alone_is_believed_in_a_file_of_that_name_with_an_empty_beginning)
{
    uint8_t sector[512], before[512];
    lose_all_but_content("d.vhdx");
    cr_expect_eq(verify("d.vhdx", "both copies of its GPT"), VHDX_OK, "%s", err.message);
    bld_peek(host, "d.vhdx", 4 * VX_MIB + 512, before, sizeof before);
    cr_expect_eq(repair("d.vhdx"), VHDX_OK, "%s", err.message);
    vhdx_chain *chain;
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    cr_assert_eq(vhdx_chain_open("d.vhdx", &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_chain_layer(chain, 0)->virtual_size, plain.virtual_size);
    cr_assert_eq(vhdx_chain_read(chain, sector, 512, 512, &err), VHDX_OK);
    cr_expect_arr_eq(sector, before, 512);
    vhdx_chain_free(chain);

    lose_all_but_content("d.img");
    must_be_refused("d.img", "a disk in one piece of another name");
    lose_all_but_content("d.vhdx");
    bld_poke_int(host, "d.vhdx", 700000, 1, 1);
    must_be_refused("d.vhdx", "a disk in one piece behind something else");
    lose_all_but_content("d.vhdx");
    bld_poke_int(host, "d.vhdx", 4 * VX_MIB + plain.virtual_size - 500, 0, 8);
    must_be_refused("d.vhdx", "a disk without the copy of its GPT");
    end();
}
