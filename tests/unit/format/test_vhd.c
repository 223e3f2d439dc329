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
