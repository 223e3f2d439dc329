/*
 * Zeros that are stored as data: what a merge makes of holes and of blocks full of zeros, and what sharing leaves to be
 * copied.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <vhdx.h>

#include "base/checked.h"
#include "builder.h"
#include "with_memory.h"
#include "merge/share.h"
#include "merge/zeros.h"

static vhdx_error err;

MEMORY_SUITE(zeros);

static struct bld *new_disk(vhdx_kind kind)
{
    struct bld_options options = {.kind = kind, .virtual_size = 8 * VX_MIB, .block_size = VX_MIB, .seed = 1};
    return bld_new(&options);
}

/*
 * A base that holds block 1, and a child: block 0 all zeros that are there, block 1 the same, block 2 zeros but for its
 * last byte, block 3 a hole but for its middle.
 */
static void build(void)
{
    struct bld *base = new_disk(VHDX_KIND_DYNAMIC), *child = new_disk(VHDX_KIND_DIFFERENCING);
    uint8_t *bytes = calloc(1, VX_MIB);
    memset(bytes, 7, VX_MIB);
    bld_state(base, 1, VX_PAYLOAD_FULLY_PRESENT);
    bld_write(base, VX_MIB, bytes, VX_MIB);
    bld_parent(child, bld_data_write_guid(base), NULL, ".\\base.vhdx", NULL, NULL);
    for (uint64_t block = 0; block < 4; block++)
        bld_state(child, block, VX_PAYLOAD_FULLY_PRESENT);
    bld_write(child, 3 * VX_MIB - 1, bytes, 1);
    bld_write(child, 3 * VX_MIB + 512 * VX_KIB, bytes, 65536);
    free(bytes);
    cr_assert_eq(bld_finish(base, host, "/base.vhdx", &err), VHDX_OK);
    cr_assert_eq(bld_finish(child, host, "/child.avhdx", &err), VHDX_OK);
    bld_free(base);
    bld_free(child);
}

static vhdx_merge_report merge(vhdx_zero_detect zero_detect, bool plan)
{
    vhdx_merge_options options = {.struct_size = sizeof options, .host = host, .zero_detect = zero_detect};
    vhdx_merge_report report = {.struct_size = sizeof report};
    options.direction = VHDX_DIRECTION_DOWN;
    vhdx_status status = plan ? vhdx_merge_plan("/child.avhdx", &options, &report, &err)
                              : vhdx_merge("/child.avhdx", &options, &report, &err);
    cr_assert_eq(status, VHDX_OK, "%s", err.message);
    return report;
}

static void check_content(void)
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    vhdx_chain *chain;
    uint8_t *bytes = malloc(8 * VX_MIB);
    cr_assert_eq(vhdx_chain_open("/base.vhdx", &options, &chain, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(vhdx_chain_read(chain, bytes, 8 * VX_MIB, 0, &err), VHDX_OK, "%s", err.message);
    uint64_t sum = 0;
    for (size_t i = 0; i < 8 * VX_MIB; i++)
        sum += bytes[i];
    cr_expect_eq(sum, 7u * 65537);
    cr_expect_eq(bytes[3 * VX_MIB - 1], 7);
    cr_expect_eq(bytes[3 * VX_MIB + 512 * VX_KIB], 7);
    free(bytes);
    vhdx_chain_free(chain);
}

Test(zeros, blocks_of_zeros_are_not_allocated)
{
    build();
    vhdx_merge_report plan = merge(VHDX_ZERO_DETECT_AUTO, true), report = merge(VHDX_ZERO_DETECT_AUTO, false);
    cr_expect_eq(report.blocks_to_allocate, 2u, "blocks 2 and 3");
    cr_expect_eq(report.blocks_to_zero, 2u, "block 0 and, because the file has a hole there, block 1");
    cr_expect_eq(plan.blocks_to_allocate, report.blocks_to_allocate);
    cr_expect_eq(plan.blocks_to_zero, report.blocks_to_zero);
    cr_expect_lt(report.bytes_copied + report.bytes_shared, VX_MIB, "holes of block 3 stay holes");
    check_content();
}

Test(zeros, when_off_all_is_data)
{
    build();
    vhdx_merge_report report = merge(VHDX_ZERO_DETECT_OFF, false);
    cr_expect_eq(report.blocks_to_allocate, 3u);
    cr_expect_eq(report.blocks_to_zero, 0u);
    cr_expect_eq(report.bytes_copied + report.bytes_shared, 4 * VX_MIB);
    check_content();
}

Test(zeros, a_hole_is_asked_for_once)
{
    struct vx_file *file;
    struct vx_extents extents = {0};
    uint64_t end;
    cr_assert_eq(vx_file_open(host, "/f", VHDX_OPEN_CREATE, &file, &err), VHDX_OK);
    cr_assert_eq(vx_file_write(file, "x", 1, 200000, &err), VHDX_OK);
    extents.file = file;
    cr_expect(vx_extents_is_hole(&extents, 10, &end));
    cr_expect_eq(end, 196608u, "the host's pages have 64 KiB");
    cr_expect_not(vx_extents_is_hole(&extents, 196608, &end));
    cr_expect_eq(end, 200001u);
    cr_expect_eq(vx_extents_holes(&extents, 0, 300000), 196608u + 99999u, "behind the end, too, writing takes space");
    cr_expect_eq(vx_extents_holes(&extents, 196608, 3), 0u);
    vx_file_close(file);
}

Test(zeros, shared_are_whole_units_of_both_files)
{
    struct vx_file *file;
    cr_assert_eq(vx_file_open(host, "/f", VHDX_OPEN_CREATE, &file, &err), VHDX_OK);
    struct vx_share_parts parts = vx_share_parts(file, 512, 8192 + 512, 3 * 4096);
    cr_expect_eq(parts.head, 4096u - 512);
    cr_expect_eq(parts.body, 2u * 4096);
    cr_expect_eq(vx_share_parts(file, 512, 1024, 1 << 20).body, 0u, "not alike in both files");
    cr_expect_eq(vx_share_parts(file, 512, 512, 4096).body, 0u, "no whole unit");
    cr_expect_eq(vx_share_parts(file, 4096, 0, 4096).body, 4096u);
    vx_file_close(file);
}
