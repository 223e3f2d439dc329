/* Sorting numbers of entries: every length, every kind of order before. */
/* SPDX-License-Identifier: MIT */
#include "base/sort_indices.h"

#include <criterion/criterion.h>

static bool smaller(const void *context, uint16_t a, uint16_t b)
{
    const uint32_t *values = context;
    return values[a] < values[b];
}

static void expect_sorted(const uint32_t *values, size_t count)
{
    static uint16_t order[2047];
    static bool seen[2047];
    vx_sort_indices(order, count, smaller, values);
    for (size_t i = 0; i < count; i++)
        seen[i] = false;
    for (size_t i = 0; i < count; i++) {
        cr_assert_lt(order[i], count);
        cr_assert_not(seen[order[i]], "%u twice", order[i]);
        seen[order[i]] = true;
        cr_assert(i == 0 || values[order[i - 1]] <= values[order[i]], "place %zu of %zu", i, count);
    }
}

Test(sort_indices, any_order_of_any_length_becomes_sorted)
{
    static uint32_t values[2047];
    uint32_t state = 7;
    for (size_t count = 0; count <= 2047; count += count < 40 ? 1 : 223) {
        for (int kind = 0; kind < 5; kind++) {
            for (size_t i = 0; i < count; i++) {
                state = state * 1664525 + 1013904223;
                const uint32_t kinds[] = {(uint32_t)i, (uint32_t)(count - i), 5, state >> 30, state};
                values[i] = kinds[kind];
            }
            expect_sorted(values, count);
        }
    }
}

static unsigned asked;

static bool counted(const void *context, uint16_t a, uint16_t b)
{
    asked++;
    return smaller(context, a, b);
}

Test(sort_indices, a_full_table_costs_no_square_of_comparisons)
{
    static uint32_t values[2047];
    static uint16_t order[2047];
    for (size_t i = 0; i < 2047; i++)
        values[i] = (uint32_t)i;
    vx_sort_indices(order, 2047, counted, values);
    cr_assert_lt(asked, 2047 * 2 * 12);
}
