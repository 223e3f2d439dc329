/*
 * A heap sort. See sort_indices.h. Not qsort(): that may take memory behind our back, or square time, and passes no
 * context.
 */
/* SPDX-License-Identifier: MIT */
#include "base/sort_indices.h"

/* Lets the number at `place` sink until both numbers below it come before it. */
static void sink(uint16_t *numbers, size_t place, size_t count, vx_comes_before *before, const void *context)
{
    uint16_t moved = numbers[place];
    for (size_t below = 2 * place + 1; below < count; below = 2 * place + 1) {
        if (below + 1 < count && before(context, numbers[below], numbers[below + 1]))
            below++;
        if (!before(context, moved, numbers[below]))
            break;
        numbers[place] = numbers[below];
        place = below;
    }
    numbers[place] = moved;
}

void vx_sort_indices(uint16_t *numbers, size_t count, vx_comes_before *before, const void *context)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint16_t)i;
    for (size_t i = count / 2; i > 0; i--)
        sink(numbers, i - 1, count, before, context);
    for (size_t last = count; last > 1; last--) {
        uint16_t largest = numbers[0];
        numbers[0] = numbers[last - 1];
        numbers[last - 1] = largest;
        sink(numbers, 0, last - 1, before, context);
    }
}
