/*
 * Bytes in words. See size_text.h. Rounding up would say that a full volume has room.
 */
/* SPDX-License-Identifier: MIT */
#include "base/size_text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

const char *vx_size_text(uint64_t bytes, char text[VX_SIZE_TEXT])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    uint64_t whole = bytes;
    if (bytes < 1024) {
        snprintf(text, VX_SIZE_TEXT, "%" PRIu64 " bytes", bytes);
        return text;
    }
    while (whole / 1024 >= 1024) {
        whole /= 1024;
        unit++;
    }
    unsigned tenths = (unsigned)(whole % 1024 * 10 / 1024);
    snprintf(text, VX_SIZE_TEXT, "%" PRIu64 " bytes (%u.%u %s)", bytes, (unsigned)(whole / 1024), tenths, units[unit]);
    return text;
}
