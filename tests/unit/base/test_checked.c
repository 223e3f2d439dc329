/* Arithmetic that says no instead of wrapping around. */
/* SPDX-License-Identifier: MIT */
#include "base/checked.h"

#include <criterion/criterion.h>

Test(checked, sums_up_to_the_last_number_and_not_beyond)
{
    uint64_t sum = 7;
    cr_assert(vx_add(UINT64_MAX - 1, 1, &sum));
    cr_assert_eq(sum, UINT64_MAX);
    cr_assert_not(vx_add(UINT64_MAX, 1, &sum));
    cr_assert_not(vx_add(1, UINT64_MAX, &sum));
    cr_assert_eq(sum, UINT64_MAX);
}

Test(checked, products_up_to_the_last_number_and_not_beyond)
{
    uint64_t product = 7;
    cr_assert(vx_mul(0, UINT64_MAX, &product));
    cr_assert_eq(product, 0);
    cr_assert(vx_mul(UINT64_MAX / 3, 3, &product));
    cr_assert_eq(product, UINT64_MAX / 3 * 3);
    cr_assert_not(vx_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &product));
    cr_assert_not(vx_mul(UINT64_MAX / 3 + 1, 3, &product));
    cr_assert_eq(product, UINT64_MAX / 3 * 3);
}

Test(checked, rounding_stays_when_it_is_round_already)
{
    uint64_t rounded = 7;
    cr_assert_eq(vx_round_down(2 * VX_MIB, VX_MIB), 2 * VX_MIB);
    cr_assert_eq(vx_round_down(2 * VX_MIB - 1, VX_MIB), VX_MIB);
    cr_assert(vx_round_up(2 * VX_MIB, VX_MIB, &rounded));
    cr_assert_eq(rounded, 2 * VX_MIB);
    cr_assert(vx_round_up(2 * VX_MIB + 1, VX_MIB, &rounded));
    cr_assert_eq(rounded, 3 * VX_MIB);
    cr_assert_not(vx_round_up(UINT64_MAX, VX_MIB, &rounded));
    cr_assert_eq(rounded, 3 * VX_MIB);
}

Test(checked, division_upwards_does_not_wrap_around)
{
    cr_assert_eq(vx_ceil_div(0, 8), 0);
    cr_assert_eq(vx_ceil_div(1, 8), 1);
    cr_assert_eq(vx_ceil_div(8, 8), 1);
    cr_assert_eq(vx_ceil_div(UINT64_MAX, 2), UINT64_C(1) << 63);
}

Test(checked, zero_is_no_power_of_two)
{
    cr_assert_not(vx_is_power_of_two(0));
    cr_assert(vx_is_power_of_two(1));
    cr_assert(vx_is_power_of_two(UINT64_C(1) << 63));
    cr_assert_not(vx_is_power_of_two(3));
}

Test(checked, the_smaller_and_the_larger)
{
    cr_assert_eq(vx_min(1, 2), 1);
    cr_assert_eq(vx_min(2, 1), 1);
    cr_assert_eq(vx_max(1, 2), 2);
    cr_assert_eq(vx_max(2, 1), 2);
}
