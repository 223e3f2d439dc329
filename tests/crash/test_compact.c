/*
 * A disk with a file system in it, FAT16 made by hand and full of garbage wherever a cluster is free, is compacted, and
 * the power fails. In every state each sector that the file system uses reads as it did, any other one too or as zeros;
 * the same call goes on, and ends where an undisturbed one does.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <vhdx.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "builder.h"
#include "crash_host.h"
#include "inside.h"

#define DISK (9 * VX_MIB)
#define SECTOR 512u
#define CLUSTER 2048u
#define TABLE_SECTORS 20u
#define DATA_SECTOR (1 + 2 * TABLE_SECTORS + 32)
#define CLUSTERS ((DISK / SECTOR - DATA_SECTOR) / 4)
#define PATH "/vm/fat.vhdx"
#define STATES 500

struct fat_disk {
    uint8_t bytes[DISK];
    bool used[DISK / SECTOR];
    vhdx_guid identity;
};

static struct fat_disk *disk;
static vhdx_error err;

static void put_boot_sector(uint8_t *p)
{
    memset(p, 0, SECTOR);
    memcpy(p, "\xEB\x3C\x90mkfs.fat", 11);
    vx_put16(p + 11, SECTOR);
    p[13] = CLUSTER / SECTOR;
    vx_put16(p + 14, 1);
    p[16] = 2;
    vx_put16(p + 17, 512);
    vx_put16(p + 19, DISK / SECTOR);
    p[21] = 0xF8;
    vx_put16(p + 22, TABLE_SECTORS);
    memcpy(p + 54, "FAT16   ", 8);
    vx_put16(p + 510, 0xAA55);
}

/* Of every second MiB nothing is in use, of the others runs are. */
static void make_fat(uint64_t seed)
{
    uint64_t chance = seed;
    disk = bld_alloc(1, sizeof *disk);
    for (uint64_t i = 0; i < DISK; i += 8)
        vx_put64(disk->bytes + i, bld_random(&chance) | 1);
    memset(disk->bytes, 0, DATA_SECTOR * SECTOR);
    put_boot_sector(disk->bytes);
    uint8_t *table = disk->bytes + SECTOR;
    vx_put32(table, 0xFFFFFFF8);
    memset(disk->used, true, DATA_SECTOR);
    bool used = false;
    for (uint64_t i = 0; i < CLUSTERS; i++) {
        uint64_t sector = DATA_SECTOR + i * 4;
        used = bld_random_below(&chance, 40) == 0 ? !used : used;
        bool here = used && sector / (VX_MIB / SECTOR) % 2 == 0 && (sector + 3) / (VX_MIB / SECTOR) % 2 == 0;
        vx_put16(table + (i + 2) * 2, here ? 0xFFFF : 0);
        memset(disk->used + sector, here, 4);
    }
    memset(disk->used + DATA_SECTOR + CLUSTERS * 4, true, DISK / SECTOR - DATA_SECTOR - CLUSTERS * 4);
    memcpy(table + TABLE_SECTORS * SECTOR, table, TABLE_SECTORS * SECTOR);
}

static struct bld *put_disk(struct crash_host *host, uint64_t seed)
{
    struct bld_options options = {.virtual_size = DISK,
                                  .block_size = (uint32_t)VX_MIB,
                                  .seed = seed,
                                  .layout = BLD_LAYOUT_MIXED,
                                  .shuffle_blocks = true,
                                  .gap_percent = 30};
    make_fat(seed);
    struct bld *b = bld_new(&options);
    bld_write(b, 0, disk->bytes, DISK);
    cr_assert_eq(bld_finish(b, crash_host_interface(host), PATH, &err), VHDX_OK, "%s", err.message);
    disk->identity = *bld_data_write_guid(b);
    return b;
}

/* NULL, or what is wrong. *freed: sectors that read as zeros now. */
static const char *check_reads(struct crash_host *host, uint64_t *freed)
{
    static const uint8_t zeros[SECTOR];
    const vhdx_open_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    vhdx_chain *chain;
    const char *wrong = NULL;
    *freed = 0;
    if (vhdx_chain_open(PATH, &options, &chain, &err) != VHDX_OK)
        return err.message;
    uint8_t *bytes = bld_alloc(DISK, 1);
    if (vhdx_chain_read(chain, bytes, DISK, 0, &err) != VHDX_OK)
        wrong = err.message;
    for (uint64_t i = 0; !wrong && i < DISK / SECTOR; i++) {
        if (memcmp(bytes + i * SECTOR, disk->bytes + i * SECTOR, SECTOR) == 0)
            continue;
        *freed += 1;
        if (disk->used[i] || memcmp(bytes + i * SECTOR, zeros, SECTOR) != 0)
            wrong = "a sector reads otherwise";
    }
    if (!wrong && *freed > 0 && memcmp(&vhdx_chain_layer(chain, 0)->data_write_guid, &disk->identity, 16) == 0)
        wrong = "content has changed under the old identity";
    free(bytes);
    vhdx_chain_free(chain);
    return wrong;
}

static vhdx_status compact(struct crash_host *host, bool punch, vhdx_compact_report *report)
{
    const vhdx_compact_options options = {
        .struct_size = sizeof options, .host = crash_host_interface(host), .punch = punch, .window_bytes = VX_MIB};
    report->struct_size = sizeof *report;
    return vhdx_compact(PATH, &options, report, &err);
}

static void visit(const struct crash_host *recorded, uint64_t *chance, bool punch, uint64_t wanted_size)
{
    struct crash_cut *cut = crash_cut_by_chance(recorded, chance);
    struct crash_host *after = crash_cut_host_by_chance(cut, chance);
    vhdx_compact_report report = {0};
    uint64_t freed;
    const char *wrong = check_reads(after, &freed);
    cr_assert_null(wrong, "after call %zu: %s", crash_cut_place(cut), wrong);
    cr_assert_eq(compact(after, punch, &report), VHDX_OK, "the second run: %s", err.message);
    wrong = check_reads(after, &freed);
    cr_assert_null(wrong, "after the second run: %s", wrong);
    cr_assert_gt(freed, 3 * (VX_MIB / SECTOR) - 1);
    cr_assert_eq(crash_host_size(after, PATH), wanted_size, "it ends with another size");
    crash_host_free(after);
    crash_cut_free(cut);
}

static void explore(uint64_t seed, bool punch)
{
    struct crash_host *host = crash_host_new(seed);
    vhdx_compact_report report = {0};
    uint64_t freed, chance = seed;
    struct bld *b = put_disk(host, seed);
    crash_host_record(host);
    cr_assert_eq(compact(host, punch, &report), VHDX_OK, "%s", err.message);
    crash_host_record_end(host);
    cr_assert_geq(report.blocks_unused, 3);
    const char *wrong = check_reads(host, &freed);
    cr_assert_null(wrong, "%s", wrong);
    for (int i = 0; i < (getenv("VHDX_SANITIZED") ? STATES / 20 : STATES); i++)
        visit(host, &chance, punch, report.file_size_after);
    bld_free(b);
    free(disk);
    crash_host_free(host);
}

Test(crash_compact, what_a_file_system_uses_reads_the_same_at_every_instant)
{
    explore(1, false);
}

Test(crash_compact, and_where_holes_are_punched)
{
    explore(2, true);
}

/* A child reads the parent's sectors, those too that the parent's file system has freed. */
Test(crash_compact, a_disk_with_a_child_keeps_what_is_free)
{
    struct crash_host *host = crash_host_new(3);
    const vhdx_host *files = crash_host_interface(host);
    const vhdx_create_options child = {.struct_size = sizeof child, .host = files, .parent = PATH};
    vhdx_compact_options options = {.struct_size = sizeof options, .host = files};
    vhdx_compact_report report = {.struct_size = sizeof report};
    uint64_t freed;
    struct bld *b = put_disk(host, 3);
    cr_assert_eq(vhdx_create("/vm/child.avhdx", &child, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_compact(PATH, &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_assert(report.zeros_only && report.blocks_unused == 0);
    const char *wrong = check_reads(host, &freed);
    cr_assert(!wrong && freed == 0);
    options.force = true; /* and its children stay linked to it */
    cr_assert_eq(vhdx_compact(PATH, &options, &report, &err), VHDX_OK, "%s", err.message);
    cr_assert_geq(report.blocks_unused, 3);
    const vhdx_open_options open = {.struct_size = sizeof open, .host = files};
    vhdx_chain *chain;
    cr_assert_eq(vhdx_chain_open("/vm/child.avhdx", &open, &chain, &err), VHDX_OK, "%s", err.message);
    vhdx_chain_free(chain);
    bld_free(b);
    free(disk);
    crash_host_free(host);
}
