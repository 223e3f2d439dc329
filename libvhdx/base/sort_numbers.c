/*
 * A heap sort. See sort_numbers.h, and sort_indices.c for why it is not qsort().
 */
/* SPDX-License-Identifier: MIT */
#include "base/sort_numbers.h"

static void sink(uint64_t *numbers, size_t place, size_t count)
{
    uint64_t moved = numbers[place];
    for (size_t below = 2 * place + 1; below < count; below = 2 * place + 1) {
        if (below + 1 < count && numbers[below] < numbers[below + 1])
            below++;
        if (moved >= numbers[below])
            break;
        numbers[place] = numbers[below];
        place = below;
    }
    numbers[place] = moved;
}

void vx_sort_numbers(uint64_t *numbers, size_t count)
{
    for (size_t i = count / 2; i > 0; i--)
        sink(numbers, i - 1, count);
    for (size_t last = count; last > 1; last--) {
        uint64_t largest = numbers[0];
        numbers[0] = numbers[last - 1];
        numbers[last - 1] = largest;
        sink(numbers, 0, last - 1);
    }
}
