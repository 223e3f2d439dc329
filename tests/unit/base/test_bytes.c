/* Views and numbers: what is inside, what is not, and in which order bytes stand. */
/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

Test(bytes, a_part_lies_inside_up_to_the_last_byte)
{
    const uint8_t data[4] = {1, 2, 3, 4};
    struct vx_bytes part;
    cr_assert(vx_bytes_part(vx_bytes_of(data, 4), 1, 3, &part));
    cr_assert_eq(part.data, data + 1);
    cr_assert_eq(part.size, 3);
    cr_assert(vx_bytes_part(vx_bytes_of(data, 4), 4, 0, &part));
    cr_assert_eq(part.size, 0);
}

Test(bytes, a_part_that_reaches_out_is_refused_and_leaves_the_output_alone)
{
    const uint8_t data[4] = {0};
    const uint64_t hostile[][2] = {{1, 4}, {5, 0}, {4, 1}, {UINT64_MAX, 1}, {1, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}};
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        struct vx_bytes part = {data + 2, 77};
        cr_assert_not(vx_bytes_part(vx_bytes_of(data, 4), hostile[i][0], hostile[i][1], &part), "case %zu", i);
        cr_assert_eq(part.size, 77);
    }
}

Test(bytes, numbers_are_little_endian_at_any_address)
{
    const uint8_t data[9] = {0xFF, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xF1};
    cr_assert_eq(vx_get16(data + 1), 0x9988);
    cr_assert_eq(vx_get32(data + 1), 0xBBAA9988);
    cr_assert_eq(vx_get64(data + 1), 0xF1EEDDCCBBAA9988);
    uint8_t out[9] = {0xFF};
    vx_put64(out + 1, 0xF1EEDDCCBBAA9988);
    cr_assert_arr_eq(out, data, 9);
    vx_put32(out + 1, 0x01020304);
    cr_assert_eq(vx_get64(out + 1), 0xF1EEDDCC01020304);
    vx_put16(out + 1, 0x0506);
    cr_assert_eq(vx_get32(out + 1), 0x01020506);
}

Test(bytes, numbers_of_other_formats_are_big_endian)
{
    const uint8_t data[9] = {0xFF, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xF1};
    cr_assert_eq(vx_get16_be(data + 1), 0x8899);
    cr_assert_eq(vx_get32_be(data + 1), 0x8899AABB);
    cr_assert_eq(vx_get64_be(data + 1), 0x8899AABBCCDDEEF1);
}

Test(bytes, zeros_are_found_out_wherever_the_other_byte_is)
{
    uint8_t data[700] = {0};
    cr_assert(vx_is_zero(data, sizeof data));
    cr_assert(vx_is_zero(data, 0));
    cr_assert_eq(vx_zero_run(data, sizeof data), sizeof data);
    cr_assert_eq(vx_zero_run(data, 0), 0);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = 1;
        cr_assert_eq(vx_zero_run(data, sizeof data), i);
        cr_assert_not(vx_is_zero(data, sizeof data), "byte %zu", i);
        cr_assert(vx_is_zero(data, i));
        data[i] = 0;
    }
}
