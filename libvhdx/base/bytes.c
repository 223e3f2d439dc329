/*
 * Bytes: the one question about them that is worth a loop of its own. See bytes.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <string.h>

bool vx_is_zero(const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    /* A block that equals itself shifted by one byte, and begins with zero, is all zeros; memcmp does it in wide steps. */
    return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}
