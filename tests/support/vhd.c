/*
 * Disks of the format before VHDX. See vhd.h.
 */
/* SPDX-License-Identifier: MIT */
#include "vhd.h"

#include <string.h>

static void put_be32(uint8_t *p, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void put_be64(uint8_t *p, uint64_t value)
{
    put_be32(p, (uint32_t)(value >> 32));
    put_be32(p + 4, (uint32_t)value);
}

void vhd_sum(uint8_t *bytes, size_t size, size_t field)
{
    uint32_t sum = 0;
    memset(bytes + field, 0, 4);
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    put_be32(bytes + field, ~sum);
}

static void put_footer(const struct vhd_disk *disk, uint8_t *at)
{
    memcpy(at, "conectix", 8);
    put_be32(at + 8, 2);
    put_be32(at + 12, 0x10000);
    put_be64(at + 16, VHD_HEADER_AT);
    memcpy(at + 28, "test", 4);
    put_be64(at + 40, 4 << 20);
    put_be64(at + 48, 4 << 20);
    put_be32(at + 56, 120u << 16 | 4 << 8 | 17);
    put_be32(at + 60, disk->parent_id ? 4 : 3);
    memset(at + 68, disk->id, 16);
    vhd_sum(at, 512, 64);
}

/* `index` of the locator; the text begins at `place` in the file. */
static void put_path(uint8_t *out, size_t index, const char *platform, const char *text, size_t place)
{
    uint8_t *entry = out + VHD_HEADER_AT + 576 + index * 24;
    if (!text)
        return;
    memcpy(entry, platform, 4);
    put_be32(entry + 4, 512);
    put_be32(entry + 8, (uint32_t)strlen(text) * 2);
    put_be64(entry + 16, place);
    for (size_t i = 0; text[i]; i++)
        out[place + 2 * i] = (uint8_t)text[i];
}

void vhd_make(const struct vhd_disk *disk, uint8_t out[VHD_BYTES])
{
    uint8_t *header = out + VHD_HEADER_AT;
    memset(out, 0, VHD_BYTES);
    memcpy(header, "cxsparse", 8);
    put_be64(header + 8, UINT64_MAX);
    put_be64(header + 16, 1536);
    put_be32(header + 24, 0x10000);
    put_be32(header + 28, 2);
    put_be32(header + 32, 2 << 20);
    memset(header + 40, disk->parent_id, 16);
    for (size_t i = 0; disk->name && disk->name[i]; i++)
        header[64 + 2 * i + 1] = (uint8_t)disk->name[i];
    memset(out + 1536, 0xFF, 8);
    put_path(out, 0, "W2ru", disk->relative, 2048);
    put_path(out, 1, "W2ku", disk->absolute, 2560);
    vhd_sum(header, 1024, 36);
    put_footer(disk, out);
    put_footer(disk, out + VHD_BYTES - 512);
}
