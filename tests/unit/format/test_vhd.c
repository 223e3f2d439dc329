/*
 * VHD: who a disk says it is, and who its parent is.
 */
/* SPDX-License-Identifier: MIT */
#include "format/vhd.h"

#include "base/utf.h"
#include "vhd.h"

#include <criterion/criterion.h>
#include <string.h>

static uint8_t bytes[VHD_BYTES];

static void make(uint8_t parent)
{
    vhd_make(&(struct vhd_disk){.id = 0x11, .parent_id = parent, .name = "C:\\base.vhd", .relative = ".\\base.vhd"},
             bytes);
}

static struct vx_vhd_footer footer_of(const uint8_t *at)
{
    struct vx_vhd_footer footer;
    cr_assert_eq(vx_vhd_footer_decode(vx_bytes_of(at, VX_VHD_FOOTER_SIZE), &footer), VHDX_OK);
    return footer;
}

static struct vx_vhd_header header_of(const uint8_t *at)
{
    struct vx_vhd_header header;
    cr_assert_eq(vx_vhd_header_decode(vx_bytes_of(at, VX_VHD_HEADER_SIZE), &header), VHDX_OK);
    return header;
}

Test(vhd, a_footer_says_what_kind_how_large_and_who)
{
    make(0x22);
    bytes[VHD_BYTES - 512 + 68] = 0x01; /* an id is written as it is read */
    vhd_sum(bytes + VHD_BYTES - 512, 512, 64);
    struct vx_vhd_footer footer = footer_of(bytes + VHD_BYTES - 512);
    cr_expect_eq(vx_vhd_footer_rules(&footer), 0);
    cr_expect_eq(footer.type, VX_VHD_DIFFERENCING);
    cr_expect_eq(footer.current_size, 4 << 20);
    cr_expect_eq(footer.data_offset, VHD_HEADER_AT);
    cr_expect_eq(footer.id.bytes[3], 0x01);
    cr_expect_eq(footer.id.bytes[0], 0x11);
}

Test(vhd, a_header_names_the_parent)
{
    char name[VX_UTF8_ROOM(VX_VHD_NAME_SIZE)];
    make(0x22);
    struct vx_vhd_header header = header_of(bytes + VHD_HEADER_AT);
    cr_expect_eq(vx_vhd_header_rules(&header), 0);
    cr_expect_eq(header.parent_id.bytes[7], 0x22);
    vx_vhd_name(header.parent_name, name);
    cr_expect_str_eq(name, "C:\\base.vhd");
    const struct vx_vhd_locator *relative = vx_vhd_locator_find(&header, VX_VHD_W2RU);
    cr_assert_not_null(relative);
    cr_expect_eq(relative->length, 20);
    cr_expect_eq(relative->offset, 2048);
    cr_expect_null(vx_vhd_locator_find(&header, VX_VHD_W2KU));
}

Test(vhd, broken_rules_are_told_one_by_one)
{
    make(0x22);
    bytes[70] ^= 1;
    struct vx_vhd_footer footer = footer_of(bytes);
    cr_expect_eq(vx_vhd_footer_rules(&footer), VX_VHD_BAD_CHECKSUM);
    bytes[63] = 9;
    bytes[13] = 7;
    vhd_sum(bytes, 512, 64);
    footer = footer_of(bytes);
    cr_expect_eq(vx_vhd_footer_rules(&footer), VX_VHD_BAD_TYPE | VX_VHD_BAD_VERSION);
    bytes[VHD_HEADER_AT + 35] = 3;
    vhd_sum(bytes + VHD_HEADER_AT, 1024, 36);
    struct vx_vhd_header header = header_of(bytes + VHD_HEADER_AT);
    cr_expect_eq(vx_vhd_header_rules(&header), VX_VHD_BAD_BLOCK_SIZE);
    bytes[VHD_HEADER_AT + 36] ^= 1;
    header = header_of(bytes + VHD_HEADER_AT);
    cr_expect_eq(vx_vhd_header_rules(&header), VX_VHD_BAD_BLOCK_SIZE | VX_VHD_BAD_CHECKSUM);
}

Test(vhd, what_is_too_short_or_something_else_is_refused)
{
    struct vx_vhd_footer footer;
    struct vx_vhd_header header;
    make(0);
    cr_expect_eq(vx_vhd_footer_decode(vx_bytes_of(bytes, 511), &footer), VHDX_TRUNCATED);
    cr_expect_eq(vx_vhd_header_decode(vx_bytes_of(bytes + 512, 1023), &header), VHDX_TRUNCATED);
    cr_expect_eq(vx_vhd_footer_decode(vx_bytes_of(bytes + 512, 512), &footer), VHDX_NOT_VHDX);
    cr_expect_eq(vx_vhd_header_decode(vx_bytes_of(bytes, 1024), &header), VHDX_NOT_VHDX);
}

Test(vhd, what_is_encoded_is_decoded_again)
{
    uint8_t out[VX_VHD_HEADER_SIZE];
    struct vx_vhd_footer footer = {.features = 2,
                                   .version = 0x10000,
                                   .data_offset = 512,
                                   .time = 77,
                                   .creator = {'w', 'i', 'n', ' '},
                                   .creator_version = 0xA0000,
                                   .creator_host = {'W', 'i', '2', 'k'},
                                   .original_size = UINT64_C(5) << 40,
                                   .current_size = UINT64_C(6) << 40,
                                   .type = VX_VHD_DYNAMIC,
                                   .id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
                                   .saved_state = true};
    vx_vhd_geometry(footer.current_size, &footer);
    vx_vhd_footer_encode(&footer, out);
    struct vx_vhd_footer back = footer_of(out);
    cr_expect_eq(vx_vhd_footer_rules(&back), 0);
    footer.checksum = footer.computed = back.checksum;
    cr_expect_eq(back.current_size, footer.current_size);
    cr_expect_eq(back.original_size, footer.original_size);
    cr_expect_eq(back.time, 77);
    cr_expect_eq(back.creator_version, 0xA0000);
    cr_expect_arr_eq(back.creator, footer.creator, 4);
    cr_expect_arr_eq(back.creator_host, footer.creator_host, 4);
    cr_expect_arr_eq(back.id.bytes, footer.id.bytes, 16);
    cr_expect_eq(back.cylinders, 65535);
    cr_expect(back.saved_state && back.heads == 16 && back.sectors == 255);
    const struct vx_vhd_header header = {
        .table_offset = 1536, .version = 0x10000, .entry_count = 99, .block_size = 2 << 20, .parent_time = 5};
    vx_vhd_header_encode(&header, out);
    struct vx_vhd_header again = header_of(out);
    cr_expect_eq(vx_vhd_header_rules(&again), 0);
    cr_expect_eq(again.table_offset, 1536);
    cr_expect_eq(again.entry_count, 99);
    cr_expect_eq(again.block_size, 2 << 20);
    cr_expect_eq(again.parent_time, 5);
}

/* Values of the specification's appendix, as QEMU computes them. */
Test(vhd, geometries_never_tell_more_than_the_size)
{
    static const struct {
        uint64_t size;
        uint16_t cylinders;
        uint8_t heads, sectors;
    } known[] = {{UINT64_C(4) << 20, 120, 4, 17},
                 {UINT64_C(100) << 20, 1003, 12, 17},
                 {UINT64_C(1) << 30, 2080, 16, 63},
                 {UINT64_C(127) << 30, 65278, 16, 255},
                 {UINT64_C(2040) << 30, 65535, 16, 255}};
    struct vx_vhd_footer footer = {0};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        vx_vhd_geometry(known[i].size, &footer);
        cr_expect_eq(footer.cylinders, known[i].cylinders, "%zu: %u", i, footer.cylinders);
        cr_expect_eq(footer.heads, known[i].heads, "%zu: %u", i, footer.heads);
        cr_expect_eq(footer.sectors, known[i].sectors, "%zu: %u", i, footer.sectors);
    }
    for (uint64_t size = 512; size < UINT64_C(1) << 42; size += size / 3 + 512) {
        vx_vhd_geometry(size, &footer);
        cr_expect_leq(vx_vhd_geometry_size(&footer), size);
    }
}

Test(vhd, a_bitmap_begins_with_the_highest_bit)
{
    const uint8_t bits[] = {0xC0, 0, 0, 0x01, 0xFF, 0xFF, 0x80};
    bool here;
    cr_expect_eq(vx_vhd_bitmap_run(bits, 0, 56, &here), 2);
    cr_expect(here);
    cr_expect_eq(vx_vhd_bitmap_run(bits, 2, 54, &here), 29);
    cr_expect(!here);
    cr_expect_eq(vx_vhd_bitmap_run(bits, 31, 25, &here), 18);
    cr_expect(here);
    cr_expect_eq(vx_vhd_bitmap_run(bits, 31, 5, &here), 5);
    cr_expect_eq(vx_vhd_bitmap_size(2 << 20), 512);
    cr_expect_eq(vx_vhd_bitmap_size(4 << 20), 1024);
    cr_expect_eq(vx_vhd_bitmap_size(512), 512);
}
