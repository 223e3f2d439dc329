/*
 * The checksum of the HyperVStorage container. See hvs.h.
 */
/* SPDX-License-Identifier: MIT */
#include "config/hvs.h"

#include <assert.h>
#include <zlib.h>

uint32_t vx_hvs_checksum(struct vx_bytes in, size_t field)
{
    static const uint8_t zeros[4] = {0};
    assert(field <= in.size && in.size - field >= sizeof zeros && in.size <= UINT32_MAX);
    uLong crc = crc32(0, in.data, (uInt)field);
    crc = crc32(crc, zeros, sizeof zeros);
    crc = crc32(crc, in.data + field + sizeof zeros, (uInt)(in.size - field - sizeof zeros));
    return (uint32_t)crc;
}
