/*
 * File type identifier, MS-VHDX 2.2.1. See file_id.h. The creator is text for people; nothing may depend on it.
 */
/* SPDX-License-Identifier: MIT */
#include "format/file_id.h"

#include <string.h>

#define CREATOR_OFFSET 8u

vhdx_status vx_file_id_decode(struct vx_bytes in, struct vx_file_id *out)
{
    if (in.size < VX_FILE_ID_SIZE)
        return VHDX_TRUNCATED;
    if (vx_get64(in.data) != VX_SIG_FILE)
        return VHDX_NOT_VHDX;
    vx_utf16_to_utf8(vx_bytes_of(in.data + CREATOR_OFFSET, VX_CREATOR_SIZE), out->creator);
    return VHDX_OK;
}

/* How much of the text goes into the field: all of it, or what fits without the first half of a surrogate pair at the
 * end. */
static size_t cut_creator(const uint8_t *units, size_t size)
{
    if (size <= VX_CREATOR_SIZE)
        return size;
    uint16_t last = vx_get16(units + VX_CREATOR_SIZE - 2);
    return (last & 0xFC00) == 0xD800 ? VX_CREATOR_SIZE - 2 : VX_CREATOR_SIZE;
}

void vx_file_id_encode(const struct vx_file_id *id, uint8_t *out)
{
    uint8_t units[2 * sizeof id->creator];
    size_t size = vx_utf8_to_utf16(id->creator, units, sizeof units);
    if (size > sizeof units)
        size = 0; /* no UTF-8: rather no name than a wrong one */
    memset(out, 0, VX_FILE_ID_SIZE);
    vx_put64(out, VX_SIG_FILE);
    memcpy(out + CREATOR_OFFSET, units, cut_creator(units, size));
}
