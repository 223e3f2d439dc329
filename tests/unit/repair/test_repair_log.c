/*
 * Where the log may be through which a repair changes a disk: never in space of a block, and not over old entries by
 * which something is known. Nor does a mark in the metadata make a file longer.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "base/bytes.h"
#include "format/layout.h"
#include "memory.h"

#include <criterion/criterion.h>
#include <string.h>

#define DISK "/vm/disk.vhdx"
#define MIB (UINT64_C(1) << 20)
#define BLOCKS 24u

enum { HEADER_LOG_OFFSET = 72 };

struct bench {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *b;
};

static struct bench begin(vhdx_kind kind, enum bld_layout layout, uint64_t seed, bool dirty)
{
    const struct bld_options options = {.kind = kind,
                                        .virtual_size = BLOCKS * MIB,
                                        .block_size = MIB,
                                        .seed = seed,
                                        .layout = layout,
                                        .shuffle_blocks = layout == BLD_LAYOUT_MIXED};
    struct bench t = {.memory = vx_memory_host_new(3)};
    vhdx_error err;
    t.host = vx_memory_host_interface(t.memory);
    t.b = bld_new(&options);
    for (uint64_t block = 0; block < 8; block++)
        bld_write_random(t.b, block * MIB, MIB, block + 1);
    bld_write_random(t.b, (BLOCKS - 1) * MIB, MIB, 99); /* the disk is as large as it says */
    if (dirty)
        bld_log_dirty(t.b, &(struct bld_log){.what = BLD_LOG_BAT, .entries = 1, .home = BLD_HOME_OLDER});
    cr_assert_eq(bld_finish(t.b, t.host, DISK, &err), VHDX_OK, "%s", err.message);
    return t;
}

static void end(struct bench *t)
{
    bld_free(t->b);
    vx_memory_host_free(t->memory);
}

static vhdx_report *repair(const struct bench *t, bool salvage)
{
    const vhdx_repair_options options = {.struct_size = sizeof options, .host = t->host, .salvage = salvage};
    vhdx_report *report = NULL;
    vhdx_error err;
    cr_assert_eq(vhdx_repair(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

/* Each block still has its bytes in its place of the file. */
static void must_keep_blocks(const struct bench *t, uint64_t seed)
{
    static uint8_t view[BLOCKS << 20], bytes[1 << 20];
    memset(view, 0, sizeof view);
    bld_apply(t->b, view);
    for (uint64_t block = 0; block < 8; block++) {
        cr_assert_eq(bld_peek(t->host, DISK, bld_payload_offset(t->b, block), bytes, sizeof bytes), VHDX_OK);
        cr_assert(memcmp(bytes, view + block * MIB, sizeof bytes) == 0, "seed %llu: block %llu is written over",
                  (unsigned long long)seed, (unsigned long long)block);
    }
}

static void wipe(const struct bench *t, uint64_t offset, size_t length)
{
    static const uint8_t zeros[65536];
    cr_assert_eq(bld_poke(t->host, DISK, offset, zeros, length), VHDX_OK);
}

Test(repair_log, a_new_header_has_its_log_in_new_space)
{
    for (uint64_t seed = 1; seed < 12; seed++) {
        struct bench t = begin(VHDX_KIND_DYNAMIC, BLD_LAYOUT_MIXED, seed, false);
        wipe(&t, VX_HEADER1_OFFSET, 4096);
        wipe(&t, VX_HEADER2_OFFSET, 4096);
        wipe(&t, bld_item_offset(t.b, &vx_guid_logical_sector_size, false), 4); /* something for the journal */
        vhdx_report_free(repair(&t, true));
        must_keep_blocks(&t, seed);
        end(&t);
    }
}

/* Two headers with good checksums name two places: the one where a block is, too, is not written to. */
Test(repair_log, a_log_that_a_block_contests_is_not_written)
{
    for (int copies = 1; copies < 4; copies++)
        for (int salvage = 0; salvage < 2; salvage++) {
            struct bench t = begin(VHDX_KIND_DYNAMIC, BLD_LAYOUT_WINDOWS, 5, false);
            uint8_t place[8];
            vx_put64(place, bld_payload_offset(t.b, 3));
            cr_assert_eq(bld_poke_header(t.host, DISK, copies, HEADER_LOG_OFFSET, place, sizeof place), VHDX_OK);
            wipe(&t, bld_item_offset(t.b, &vx_guid_logical_sector_size, false), 4);
            vhdx_report_free(repair(&t, salvage));
            must_keep_blocks(&t, 5);
            end(&t);
        }
}

/* The BAT is garbage, and an idle log has its entries still. A plain repair has other things to do. */
Test(repair_log, old_entries_by_which_something_is_known_are_not_overwritten)
{
    static uint8_t before[1 << 20], after[1 << 20], garbage[4096];
    struct bench t = begin(VHDX_KIND_DYNAMIC, BLD_LAYOUT_WINDOWS, 5, true);
    vhdx_report_free(repair(&t, false));
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (uint8_t)(i * 37 + 11 + i / 256);
    cr_assert_eq(bld_poke(t.host, DISK, bld_bat_entry_offset(t.b, 0), garbage, sizeof garbage), VHDX_OK);
    cr_assert_eq(bld_peek(t.host, DISK, bld_log_offset(t.b), before, sizeof before), VHDX_OK);
    vhdx_report_free(repair(&t, false));
    cr_assert_eq(bld_peek(t.host, DISK, bld_log_offset(t.b), after, sizeof after), VHDX_OK);
    cr_assert(memcmp(before, after, sizeof before) == 0, "the log was written");
    end(&t);
}

/* LeaveBlockAllocated in a disk that has never had most of its blocks. */
Test(repair_log, a_mark_alone_makes_no_file_longer)
{
    struct bench t = begin(VHDX_KIND_DYNAMIC, BLD_LAYOUT_WINDOWS, 5, false);
    uint64_t offset = bld_item_offset(t.b, &vx_guid_file_parameters, false);
    cr_assert_eq(bld_poke_int(t.host, DISK, offset + 4, VX_PARAMETER_LEAVE_BLOCK_ALLOCATED, 4), VHDX_OK);
    vhdx_report *report = repair(&t, false);
    const vhdx_finding *finding, *fixed = NULL;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        fixed = strcmp(finding->id, "VHDX-BAT-FIXED-SHORT") == 0 ? finding : fixed;
    cr_assert(fixed, "the finding is missing");
    cr_assert_eq(fixed->repair, VHDX_REPAIR_NONE);
    cr_assert_not(fixed->corrected);
    vhdx_report_free(report);
    end(&t);
}
