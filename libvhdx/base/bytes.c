/*
 * Bytes: the questions about them that are worth a loop of their own. See bytes.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <string.h>

#define ZERO_STEP ((size_t)256)

bool vx_is_zero(const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    /* A block that equals itself shifted by one byte, and begins with zero, is all zeros; memcmp does it in wide
     * steps. */
    return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

size_t vx_zero_run(const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    size_t at = 0;
    while (size - at >= ZERO_STEP && vx_is_zero(p + at, ZERO_STEP))
        at += ZERO_STEP;
    while (at < size && p[at] == 0)
        at++;
    return at;
}
