/*
 * Values of a VHD to bytes. See vhd.h. The checksum is the complement of the sum of all other bytes,
 * so it comes last.
 */
/* SPDX-License-Identifier: MIT */
#include "format/vhd.h"

#include "base/checked.h"

#include <string.h>

#define FOOTER_CHECKSUM 64u
#define HEADER_CHECKSUM 36u

static void put16_be(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32_be(uint8_t *p, uint32_t value)
{
    put16_be(p, (uint16_t)(value >> 16));
    put16_be(p + 2, (uint16_t)value);
}

static void put64_be(uint8_t *p, uint64_t value)
{
    put32_be(p, (uint32_t)(value >> 32));
    put32_be(p + 4, (uint32_t)value);
}

/* In the order of its text; see vhd.c. */
static void put_id(uint8_t *p, const vhdx_guid *id)
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < sizeof order; i++)
        p[i] = id->bytes[order[i]];
}

static void put_sum(uint8_t *bytes, size_t size, size_t field)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    put32_be(bytes + field, ~sum);
}

void vx_vhd_footer_encode(const struct vx_vhd_footer *footer, uint8_t out[VX_VHD_FOOTER_SIZE])
{
    memset(out, 0, VX_VHD_FOOTER_SIZE);
    memcpy(out, "conectix", 8);
    put32_be(out + 8, footer->features);
    put32_be(out + 12, footer->version);
    put64_be(out + 16, footer->data_offset);
    put32_be(out + 24, footer->time);
    memcpy(out + 28, footer->creator, 4);
    put32_be(out + 32, footer->creator_version);
    memcpy(out + 36, footer->creator_host, 4);
    put64_be(out + 40, footer->original_size);
    put64_be(out + 48, footer->current_size);
    put16_be(out + 56, footer->cylinders);
    out[58] = footer->heads;
    out[59] = footer->sectors;
    put32_be(out + 60, footer->type);
    put_id(out + 68, &footer->id);
    out[84] = footer->saved_state;
    put_sum(out, VX_VHD_FOOTER_SIZE, FOOTER_CHECKSUM);
}

void vx_vhd_header_encode(const struct vx_vhd_header *header, uint8_t out[VX_VHD_HEADER_SIZE])
{
    memset(out, 0, VX_VHD_HEADER_SIZE);
    memcpy(out, "cxsparse", 8);
    put64_be(out + 8, UINT64_MAX);
    put64_be(out + 16, header->table_offset);
    put32_be(out + 24, header->version);
    put32_be(out + 28, header->entry_count);
    put32_be(out + 32, header->block_size);
    put_id(out + 40, &header->parent_id);
    put32_be(out + 56, header->parent_time);
    put_sum(out, VX_VHD_HEADER_SIZE, HEADER_CHECKSUM);
}

/* Small disks: as many sectors a track and heads as keep the cylinders below 1024. */
static void small_geometry(uint32_t sectors, uint32_t *tracks, struct vx_vhd_footer *footer)
{
    footer->sectors = 17;
    *tracks = sectors / 17;
    uint32_t heads = (*tracks + 1023) / 1024;
    heads = heads < 4 ? 4 : heads;
    if (*tracks >= heads * 1024 || heads > 16) {
        footer->sectors = 31;
        heads = 16;
        *tracks = sectors / 31;
    }
    if (*tracks >= heads * 1024) {
        footer->sectors = 63;
        heads = 16;
        *tracks = sectors / 63;
    }
    footer->heads = (uint8_t)heads;
}

void vx_vhd_geometry(uint64_t size, struct vx_vhd_footer *footer)
{
    uint32_t sectors = (uint32_t)vx_min(size / VX_VHD_SECTOR, UINT32_C(65535) * 16 * 255);
    uint32_t tracks;
    if (sectors >= UINT32_C(65535) * 16 * 63) {
        footer->sectors = 255;
        footer->heads = 16;
        tracks = sectors / 255;
    } else {
        small_geometry(sectors, &tracks, footer);
    }
    footer->cylinders = (uint16_t)(tracks / footer->heads);
}

uint64_t vx_vhd_geometry_size(const struct vx_vhd_footer *footer)
{
    return (uint64_t)footer->cylinders * footer->heads * footer->sectors * VX_VHD_SECTOR;
}
