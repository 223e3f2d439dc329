/*
 * Numbers are sorted, in whatever order they come.
 */
/* SPDX-License-Identifier: MIT */
#include "base/sort_numbers.h"

#include <criterion/criterion.h>

Test(sort_numbers, any_order_becomes_the_ascending_one)
{
    uint64_t numbers[1000], seed = 1;
    for (size_t count = 0; count <= 1000; count += count < 20 ? 1 : 97) {
        uint64_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1;
            numbers[i] = count % 2 ? seed : seed >> 60;
            sum += numbers[i];
        }
        vx_sort_numbers(numbers, count);
        for (size_t i = 0; i < count; i++) {
            cr_assert(i == 0 || numbers[i - 1] <= numbers[i]);
            sum -= numbers[i];
        }
        cr_assert_eq(sum, 0);
    }
}
