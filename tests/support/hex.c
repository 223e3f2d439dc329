/*
 * Hexadecimal text to bytes. See hex.h.
 */
/* SPDX-License-Identifier: MIT */
#include "hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c ? strchr(digits, c) : NULL;
    if (!found) {
        fprintf(stderr, "hex_into: '%c' is no hexadecimal digit\n", c);
        abort();
    }
    return (unsigned)(found - digits) & 15;
}

size_t hex_into(uint8_t *out, size_t size, const char *text)
{
    size_t length = 0;
    memset(out, 0, size);
    while (*text) {
        if (*text == ' ' || *text == '\n') {
            text++;
            continue;
        }
        unsigned high = digit(text[0]);
        unsigned low = digit(text[1]);
        if (length == size)
            abort();
        out[length++] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return length;
}
