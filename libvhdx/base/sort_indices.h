/*
 * Sorting numbers of entries, for rules that look at all pairs of a table: in place, without memory, and never slower
 * than n log n, whatever a hostile table contains. The entries themselves stay where they are.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_SORT_INDICES_H
#define VX_BASE_SORT_INDICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether entry `a` of what `context` points to belongs before entry `b`. */
typedef bool vx_comes_before(const void *context, uint16_t a, uint16_t b);

/* Fills `numbers` with 0 to `count` - 1 (`count` <= 65536), sorted. Equal ones come in any order. */
void vx_sort_indices(uint16_t *numbers, size_t count, vx_comes_before *before, const void *context);

#endif
