/*
 * Sorting 64-bit numbers in place: without memory, and never slower than n log n, whatever is in them.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_SORT_NUMBERS_H
#define VX_BASE_SORT_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* Ascending. */
void vx_sort_numbers(uint64_t *numbers, size_t count);

#endif
