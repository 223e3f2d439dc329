/*
 * GUIDs between their 16 bytes on disk and text. See guid.h. In the first
 * three groups the text runs against the order of the bytes.
 */
/* SPDX-License-Identifier: MIT */
#include "base/guid.h"

#include "base/bytes.h"
#include "base/utf.h"

#include <string.h>

/* The byte on disk whose two digits come next in the text; GAP = a hyphen. */
#define GAP 16u
static const uint8_t guid_order[] = {3, 2, 1, 0, GAP, 5, 4, GAP, 7, 6, GAP, 8, 9, GAP, 10, 11, 12, 13, 14, 15};

bool vx_guid_is_zero(const vhdx_guid *guid)
{
    return vx_is_zero(guid->bytes, sizeof guid->bytes);
}

bool vx_guid_equal(const vhdx_guid *a, const vhdx_guid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void vx_guid_format(const vhdx_guid *guid, char text[VX_GUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *t = text;
    for (size_t i = 0; i < sizeof guid_order; i++) {
        if (guid_order[i] == GAP) {
            *t++ = '-';
            continue;
        }
        uint8_t byte = guid->bytes[guid_order[i]];
        *t++ = digits[byte >> 4];
        *t++ = digits[byte & 15];
    }
    *t = '\0';
}

bool vx_guid_parse(const char *text, size_t length, vhdx_guid *guid)
{
    if (length == VX_GUID_TEXT + 1 && text[0] == '{' && text[length - 1] == '}') {
        text++;
        length -= 2;
    }
    if (length != VX_GUID_TEXT - 1)
        return false;
    vhdx_guid read;
    for (size_t i = 0; i < sizeof guid_order; i++) {
        if (guid_order[i] == GAP) {
            if (*text++ != '-')
                return false;
            continue;
        }
        unsigned high = vx_digit_value(*text++);
        unsigned low = vx_digit_value(*text++);
        if (high > 15 || low > 15)
            return false;
        read.bytes[guid_order[i]] = (uint8_t)(high << 4 | low);
    }
    *guid = read;
    return true;
}
