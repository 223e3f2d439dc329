/* Geometry: sizes of block allocation tables, and places there and back. MS-VHDX 2.5 */
/* SPDX-License-Identifier: MIT */
#include "format/geometry.h"

#include <criterion/criterion.h>

static struct vx_geometry geometry_of(uint64_t size, uint64_t block_size, uint32_t sector, bool has_parent)
{
    struct vx_geometry geometry;
    cr_assert(vx_geometry_init(&geometry, size, (uint32_t)block_size, sector, has_parent));
    return geometry;
}

Test(geometry, sizes_of_the_table)
{
    static const struct {
        uint64_t size;
        uint32_t block_mib, sector;
        uint64_t payload, ratio, chunks, base, base_mib, child, child_mib;
    } rows[] = {
        {VX_GIB, 1, 512, 1024, 4096, 1, 1024, 1, 4097, 1},
        {VX_GIB, 2, 512, 512, 2048, 1, 512, 1, 2049, 1},
        {VX_GIB, 32, 512, 32, 128, 1, 32, 1, 129, 1},
        {127 * VX_GIB, 1, 512, 130048, 4096, 32, 130079, 1, 131104, 2},
        {127 * VX_GIB, 2, 512, 65024, 2048, 32, 65055, 1, 65568, 1},
        {127 * VX_GIB, 32, 512, 4064, 128, 32, 4095, 1, 4128, 1},
        {VX_TIB, 1, 512, 1048576, 4096, 256, 1048831, 9, 1048832, 9},
        {VX_TIB, 2, 512, 524288, 2048, 256, 524543, 5, 524544, 5},
        {VX_TIB, 32, 512, 32768, 128, 256, 33023, 1, 33024, 1},
        {VX_TIB, 256, 512, 4096, 16, 256, 4351, 1, 4352, 1},
        {2 * VX_TIB, 2, 512, 1048576, 2048, 512, 1049087, 9, 1049088, 9},
        {16 * VX_TIB, 2, 512, 8388608, 2048, 4096, 8392703, 65, 8392704, 65},
        {16 * VX_TIB, 32, 512, 524288, 128, 4096, 528383, 5, 528384, 5},
        {64 * VX_TIB, 1, 512, 67108864, 4096, 16384, 67125247, 513, 67125248, 513},
        {64 * VX_TIB, 2, 512, 33554432, 2048, 16384, 33570815, 257, 33570816, 257},
        {64 * VX_TIB, 8, 512, 8388608, 512, 16384, 8404991, 65, 8404992, 65},
        {64 * VX_TIB, 32, 512, 2097152, 128, 16384, 2113535, 17, 2113536, 17},
        {64 * VX_TIB, 256, 512, 262144, 16, 16384, 278527, 3, 278528, 3},
        {127 * VX_GIB, 1, 4096, 130048, 32768, 4, 130051, 1, 131076, 2},
        {64 * VX_TIB, 1, 4096, 67108864, 32768, 2048, 67110911, 513, 67110912, 513},
        {64 * VX_TIB, 32, 4096, 2097152, 1024, 2048, 2099199, 17, 2099200, 17},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vx_geometry base = geometry_of(rows[i].size, rows[i].block_mib * VX_MIB, rows[i].sector, false);
        struct vx_geometry child = geometry_of(rows[i].size, rows[i].block_mib * VX_MIB, rows[i].sector, true);
        cr_expect_eq(base.payload_count, rows[i].payload, "row %zu", i);
        cr_expect_eq(base.chunk_ratio, rows[i].ratio, "row %zu", i);
        cr_expect_eq(base.chunk_count, rows[i].chunks, "row %zu", i);
        cr_expect_eq(base.entry_count, rows[i].base, "row %zu", i);
        cr_expect_eq(vx_geometry_bat_region_length(&base), rows[i].base_mib * VX_MIB, "row %zu", i);
        cr_expect_eq(child.entry_count, rows[i].child, "row %zu", i);
        cr_expect_eq(vx_geometry_bat_region_length(&child), rows[i].child_mib * VX_MIB, "row %zu", i);
    }
}

Test(geometry, places_of_the_address_vectors)
{
    static const struct {
        uint32_t sector, block_mib;
        uint64_t virtual_offset, payload, chunk, payload_index, bitmap_index;
        uint32_t bit, byte;
        uint64_t offset_in_block;
    } rows[] = {
        {512, 2, 0x13A201000, 2513, 1, 2514, 4097, 1904648, 0x3A201, 0x1000},
        {512, 2, 0xFFFFFE00, 2047, 0, 2047, 2048, 8388607, 0xFFFFF, 0x1FFE00},
        {512, 32, 0x27E000000, 319, 2, 321, 386, 4128768, 0x7E000, 0},
        {512, 1, 0x140000000, 5120, 1, 5121, 8193, 2097152, 0x40000, 0},
        {4096, 1, 0x800000000, 32768, 1, 32769, 65537, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vx_geometry geometry = geometry_of(VX_TIB, rows[i].block_mib * VX_MIB, rows[i].sector, true);
        uint64_t payload = rows[i].virtual_offset / geometry.block_size;
        uint64_t inside = rows[i].virtual_offset % geometry.block_size;
        uint64_t bit = vx_geometry_bitmap_offset(&geometry, payload) * UINT64_C(8) + inside / rows[i].sector;
        cr_expect_eq(payload, rows[i].payload);
        cr_expect_eq(inside, rows[i].offset_in_block);
        cr_expect_eq(payload / geometry.chunk_ratio, rows[i].chunk);
        cr_expect_eq(vx_geometry_payload_index(&geometry, payload), rows[i].payload_index);
        cr_expect_eq(vx_geometry_bitmap_index(&geometry, rows[i].chunk), rows[i].bitmap_index);
        cr_expect_eq(bit, rows[i].bit);
        cr_expect_eq(bit / 8, rows[i].byte);
    }
}

Test(geometry, every_index_is_one_block_and_comes_back)
{
    struct vx_geometry geometry = geometry_of(64 * VX_GIB, 32 * VX_MIB, 512, true);
    uint64_t next_payload = 0, next_chunk = 0;
    for (uint64_t index = 0; index < geometry.entry_count; index++) {
        uint64_t number;
        if (vx_geometry_is_payload(&geometry, index, &number)) {
            cr_assert_eq(number, next_payload++);
            cr_assert_eq(vx_geometry_payload_index(&geometry, number), index);
        } else {
            cr_assert_eq(number, next_chunk++);
            cr_assert_eq(vx_geometry_bitmap_index(&geometry, number), index);
        }
    }
    cr_assert_eq(next_payload, geometry.payload_count);
    cr_assert_eq(next_chunk, geometry.chunk_count);
}

Test(geometry, the_last_entry_of_a_base_is_a_payload_block_and_of_a_child_a_bitmap)
{
    const uint64_t sizes[] = {512, 4 * VX_GIB - 512, 4 * VX_GIB, 4 * VX_GIB + 512, 64 * VX_TIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t number;
        struct vx_geometry base = geometry_of(sizes[i], 2 * VX_MIB, 512, false);
        cr_assert(vx_geometry_is_payload(&base, base.entry_count - 1, &number));
        cr_assert_eq(number, base.payload_count - 1);
        struct vx_geometry child = geometry_of(sizes[i], 2 * VX_MIB, 512, true);
        cr_assert_not(vx_geometry_is_payload(&child, child.entry_count - 1, &number));
        cr_assert_eq(number, child.chunk_count - 1);
    }
}

Test(geometry, the_blocks_of_a_chunk_share_its_bitmap_without_gap_or_overlap)
{
    for (uint64_t block_size = VX_MIB; block_size <= 256 * VX_MIB; block_size *= 2) {
        for (uint32_t sector = 512; sector <= 4096; sector *= 8) {
            struct vx_geometry geometry = geometry_of(64 * VX_TIB, block_size, sector, true);
            uint32_t length = vx_geometry_bitmap_length(&geometry);
            cr_assert_eq(length * UINT64_C(8), geometry.sectors_per_block);
            cr_assert_eq(vx_geometry_bitmap_offset(&geometry, 0), 0);
            cr_assert_eq(vx_geometry_bitmap_offset(&geometry, 1), length);
            cr_assert_eq(vx_geometry_bitmap_offset(&geometry, geometry.chunk_ratio - 1), VX_BITMAP_BLOCK_SIZE - length);
            cr_assert_eq(vx_geometry_bitmap_offset(&geometry, geometry.chunk_ratio), 0);
        }
    }
}

Test(geometry, sizes_that_the_format_does_not_know_are_refused)
{
    struct vx_geometry geometry = {.entry_count = 77};
    cr_assert_not(vx_geometry_init(&geometry, 0, (uint32_t)VX_MIB, 512, false));
    cr_assert_not(vx_geometry_init(&geometry, 64 * VX_TIB + 512, (uint32_t)VX_MIB, 512, false));
    cr_assert_not(vx_geometry_init(&geometry, VX_GIB + 511, (uint32_t)VX_MIB, 512, false));
    cr_assert_not(vx_geometry_init(&geometry, VX_GIB, 0, 512, false));
    cr_assert_not(vx_geometry_init(&geometry, VX_GIB, (uint32_t)VX_MIB / 2, 512, false));
    cr_assert_not(vx_geometry_init(&geometry, VX_GIB, (uint32_t)(512 * VX_MIB), 512, true));
    cr_assert_not(vx_geometry_init(&geometry, VX_GIB, (uint32_t)VX_MIB, 0, false));
    cr_assert_not(vx_geometry_init(&geometry, VX_GIB, (uint32_t)VX_MIB, 1024, true));
    cr_assert_eq(geometry.entry_count, 77);
}
