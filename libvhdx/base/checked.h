/*
 * Arithmetic on sizes that came from a file or a user: each function says false instead of wrapping around, and then
 * leaves its output alone. Rounding helpers take powers of two.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_CHECKED_H
#define VX_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

#define VX_KIB UINT64_C(1024)
#define VX_MIB (UINT64_C(1024) * 1024)
#define VX_GIB (UINT64_C(1024) * 1024 * 1024)
#define VX_TIB (UINT64_C(1024) * 1024 * 1024 * 1024)

static inline bool vx_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    if (b > UINT64_MAX - a)
        return false;
    *sum = a + b;
    return true;
}

static inline bool vx_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    if (a != 0 && b > UINT64_MAX / a)
        return false;
    *product = a * b;
    return true;
}

static inline bool vx_is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static inline uint64_t vx_round_down(uint64_t value, uint64_t unit)
{
    return value & ~(unit - 1);
}

static inline bool vx_round_up(uint64_t value, uint64_t unit, uint64_t *rounded)
{
    uint64_t sum;
    if (!vx_add(value, unit - 1, &sum))
        return false;
    *rounded = vx_round_down(sum, unit);
    return true;
}

static inline uint64_t vx_ceil_div(uint64_t value, uint64_t unit)
{
    return value / unit + (value % unit != 0);
}

static inline uint64_t vx_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t vx_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
