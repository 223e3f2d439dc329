/*
 * Sizes and kinds of disks that nothing settles: the end of the disk is doubtful in a salvage, verify is not silent,
 * and no repair makes the file longer for the sake of a number.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "guest.h"
#include "look.h"

#include "base/bytes.h"
#include "base/guid.h"
#include "format/metadata.h"
#include "io/io.h"
#include "with_memory.h"

#include <criterion/criterion.h>
#include <string.h>

#define DISK "/d/disk.vhdx"
#define BLOCK ((uint64_t)VX_MIB)
#define SIZE (40 * VX_MIB)

static struct bld *disk;

static void make(vhdx_kind kind, bool gpt)
{
    const struct bld_options options = {.kind = kind, .virtual_size = SIZE, .block_size = (uint32_t)BLOCK, .seed = 5};
    begin_memory();
    disk = bld_new(&options);
    if (gpt)
        guest_gpt(disk, SIZE, 3, GUEST_GPT);
    bld_write_random(disk, 5 * BLOCK, (size_t)BLOCK, 1);
    bld_write_random(disk, 9 * BLOCK, (size_t)BLOCK, 2);
    cr_assert_eq(bld_finish(disk, host, DISK, NULL), VHDX_OK);
}

static void end(void)
{
    bld_free(disk);
    end_memory();
}

static void set(const vhdx_guid *id, uint64_t value, size_t size)
{
    cr_assert_eq(bld_poke_int(host, DISK, bld_item_offset(disk, id, false), value, size), VHDX_OK);
}

static void mark_as_fixed(void)
{
    uint64_t offset = bld_item_offset(disk, &vx_guid_file_parameters, false) + 4;
    cr_assert_eq(bld_poke_int(host, DISK, offset, VX_PARAMETER_LEAVE_BLOCK_ALLOCATED, 4), VHDX_OK);
}

static vhdx_salvage_report salvage(void)
{
    const vhdx_salvage_options options = {.struct_size = sizeof options, .host = host};
    vhdx_salvage_report report = {.struct_size = sizeof report};
    vhdx_error err;
    cr_assert_eq(vhdx_salvage(DISK, "/d/raw", &options, &report, &err), VHDX_OK, "%s", err.message);
    return report;
}

static void warns(const char *id)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = host};
    const vhdx_finding *finding;
    vhdx_report *report;
    vhdx_error err;
    bool found = false;
    cr_assert_eq(vhdx_verify(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        found = found || (strcmp(finding->id, id) == 0 && finding->severity == VHDX_SEVERITY_WARNING);
    cr_expect(found, "no warning %s", id);
    vhdx_report_free(report);
}

static uint64_t file_size(void)
{
    struct vx_file *file;
    uint64_t size;
    cr_assert_eq(vx_file_open(host, DISK, VHDX_OPEN_READ, &file, NULL), VHDX_OK);
    cr_assert_eq(vx_file_size(file, &size, NULL), VHDX_OK);
    vx_file_close(file);
    return size;
}

static void keeps_its_length(void)
{
    uint64_t before = file_size();
    for (int with_losses = 0; with_losses < 2; with_losses++) {
        const vhdx_repair_options options = {
            .struct_size = sizeof options, .host = host, .salvage = with_losses != 0, .no_undo = true};
        vhdx_report *report;
        vhdx_error err;
        cr_assert_eq(vhdx_repair(DISK, &options, &report, &err), VHDX_OK, "%s", err.message);
        vhdx_report_free(report);
        cr_expect_eq(file_size(), before);
    }
}

Test(size_doubt, a_fixed_disk_whose_last_blocks_are_missing_may_be_smaller)
{
    make(VHDX_KIND_FIXED, false);
    set(&vx_guid_virtual_disk_size, SIZE + 3 * BLOCK, 8);
    warns("VHDX-BAT-FIXED-ABSENT");
    vhdx_salvage_report report = salvage();
    cr_expect_eq(report.bytes_good, SIZE);
    cr_expect_eq(report.bytes_doubtful, 3 * BLOCK);
    keeps_its_length();
    end();
}

Test(size_doubt, a_dynamic_disk_that_is_marked_as_fixed_keeps_file_and_size)
{
    make(VHDX_KIND_DYNAMIC, false);
    mark_as_fixed();
    warns("VHDX-BAT-FIXED-SHORT");
    vhdx_salvage_report report = salvage();
    cr_expect_eq(report.virtual_size, SIZE);
    cr_expect_eq(report.bytes_good + report.bytes_doubtful, SIZE); /* a fixed disk has no empty entries */
    keeps_its_length();
    end();
}

Test(size_doubt, a_size_that_the_last_entry_says_ends_in_doubt)
{
    make(VHDX_KIND_DYNAMIC, false);
    set(&vx_guid_virtual_disk_size, 0, 8);
    vhdx_salvage_report report = salvage();
    cr_expect_eq(report.virtual_size, 10 * BLOCK);
    cr_expect_eq(report.bytes_good, 9 * BLOCK);
    cr_expect_eq(report.bytes_doubtful, BLOCK);
    end();
}

Test(size_doubt, a_lost_item_does_not_hide_that_the_others_contradict)
{
    make(VHDX_KIND_DYNAMIC, true);
    set(&vx_guid_virtual_disk_size, SIZE - 4096, 8);
    set(&vx_guid_logical_sector_size, 0, 4);
    vhdx_salvage_report report = salvage();
    cr_expect_gt(report.bytes_doubtful, 0);
    end();
}
