/*
 * Bytes of a VHD to values. See vhd.h. An id is written in the order of its text, where VHDX turns
 * the first three groups around; it is turned here, so that both are compared and shown alike.
 */
/* SPDX-License-Identifier: MIT */
#include "format/vhd.h"

#include "base/utf.h"

#include <string.h>

#define VERSION 0x00010000u
#define FOOTER_CHECKSUM 64u
#define HEADER_CHECKSUM 36u
#define HEADER_NAME 64u
#define HEADER_LOCATORS 576u
#define LOCATOR_SIZE 24u

static vhdx_guid get_id(const uint8_t *p)
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    vhdx_guid id;
    for (size_t i = 0; i < sizeof order; i++)
        id.bytes[i] = p[order[i]];
    return id;
}

/* The complement of the sum of all bytes but those of the checksum itself. */
static uint32_t sum_of(const uint8_t *bytes, size_t size, size_t field)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        if (i < field || i >= field + 4)
            sum += bytes[i];
    return ~sum;
}

vhdx_status vx_vhd_footer_decode(struct vx_bytes in, struct vx_vhd_footer *out)
{
    memset(out, 0, sizeof *out);
    if (in.size < VX_VHD_FOOTER_SIZE)
        return VHDX_TRUNCATED;
    if (memcmp(in.data, "conectix", 8) != 0)
        return VHDX_NOT_VHDX;
    out->features = vx_get32_be(in.data + 8);
    out->version = vx_get32_be(in.data + 12);
    out->data_offset = vx_get64_be(in.data + 16);
    out->time = vx_get32_be(in.data + 24);
    memcpy(out->creator, in.data + 28, 4);
    out->creator_version = vx_get32_be(in.data + 32);
    memcpy(out->creator_host, in.data + 36, 4);
    out->original_size = vx_get64_be(in.data + 40);
    out->current_size = vx_get64_be(in.data + 48);
    out->cylinders = vx_get16_be(in.data + 56);
    out->heads = in.data[58];
    out->sectors = in.data[59];
    out->type = vx_get32_be(in.data + 60);
    out->checksum = vx_get32_be(in.data + FOOTER_CHECKSUM);
    out->computed = sum_of(in.data, VX_VHD_FOOTER_SIZE, FOOTER_CHECKSUM);
    out->id = get_id(in.data + 68);
    out->saved_state = in.data[84] != 0;
    return VHDX_OK;
}

uint32_t vx_vhd_footer_rules(const struct vx_vhd_footer *footer)
{
    uint32_t broken = 0;
    broken |= footer->version >> 16 != VERSION >> 16 ? (uint32_t)VX_VHD_BAD_VERSION : 0u;
    broken |= footer->checksum != footer->computed ? (uint32_t)VX_VHD_BAD_CHECKSUM : 0u;
    broken |= footer->type < VX_VHD_FIXED || footer->type > VX_VHD_DIFFERENCING ? (uint32_t)VX_VHD_BAD_TYPE : 0u;
    return broken;
}

vhdx_status vx_vhd_header_decode(struct vx_bytes in, struct vx_vhd_header *out)
{
    memset(out, 0, sizeof *out);
    if (in.size < VX_VHD_HEADER_SIZE)
        return VHDX_TRUNCATED;
    if (memcmp(in.data, "cxsparse", 8) != 0)
        return VHDX_NOT_VHDX;
    out->table_offset = vx_get64_be(in.data + 16);
    out->version = vx_get32_be(in.data + 24);
    out->entry_count = vx_get32_be(in.data + 28);
    out->block_size = vx_get32_be(in.data + 32);
    out->checksum = vx_get32_be(in.data + HEADER_CHECKSUM);
    out->computed = sum_of(in.data, VX_VHD_HEADER_SIZE, HEADER_CHECKSUM);
    out->parent_id = get_id(in.data + 40);
    out->parent_time = vx_get32_be(in.data + 56);
    out->parent_name = vx_bytes_of(in.data + HEADER_NAME, VX_VHD_NAME_SIZE);
    for (size_t i = 0; i < VX_VHD_LOCATORS; i++) {
        const uint8_t *entry = in.data + HEADER_LOCATORS + i * LOCATOR_SIZE;
        out->locators[i] = (struct vx_vhd_locator){vx_get32_be(entry), vx_get32_be(entry + 8), vx_get64_be(entry + 16)};
    }
    return VHDX_OK;
}

uint32_t vx_vhd_header_rules(const struct vx_vhd_header *header)
{
    uint32_t broken = 0;
    bool power = header->block_size >= VX_VHD_SECTOR && (header->block_size & (header->block_size - 1)) == 0;
    broken |= header->version >> 16 != VERSION >> 16 ? (uint32_t)VX_VHD_BAD_VERSION : 0u;
    broken |= header->checksum != header->computed ? (uint32_t)VX_VHD_BAD_CHECKSUM : 0u;
    broken |= power ? 0u : (uint32_t)VX_VHD_BAD_BLOCK_SIZE;
    return broken;
}

const struct vx_vhd_locator *vx_vhd_locator_find(const struct vx_vhd_header *header, uint32_t platform)
{
    for (size_t i = 0; i < VX_VHD_LOCATORS; i++)
        if (header->locators[i].platform == platform && header->locators[i].length >= 2)
            return &header->locators[i];
    return NULL;
}

void vx_vhd_name(struct vx_bytes in, char *text)
{
    uint8_t turned[VX_VHD_NAME_SIZE];
    size_t size = in.size < sizeof turned ? in.size & ~(size_t)1 : sizeof turned;
    for (size_t i = 0; i < size; i++)
        turned[i] = in.data[i ^ 1];
    vx_utf16_to_utf8(vx_bytes_of(turned, size), text);
}

uint32_t vx_vhd_bitmap_size(uint32_t block_size)
{
    uint32_t bytes = block_size / VX_VHD_SECTOR / 8;
    uint32_t sectors = bytes / VX_VHD_SECTOR + (bytes % VX_VHD_SECTOR != 0);
    return sectors ? sectors * VX_VHD_SECTOR : VX_VHD_SECTOR;
}

static bool bit_at(const uint8_t *bits, uint32_t index)
{
    return (bits[index / 8] >> (7 - index % 8) & 1) != 0;
}

uint32_t vx_vhd_bitmap_run(const uint8_t *bits, uint32_t first, uint32_t limit, bool *value)
{
    uint32_t count = 1;
    *value = bit_at(bits, first);
    const uint8_t alike = *value ? 0xFF : 0;
    while (count < limit) {
        uint32_t at = first + count;
        if (at % 8 == 0 && limit - count >= 8 && bits[at / 8] == alike)
            count += 8;
        else if (bit_at(bits, at) == *value)
            count++;
        else
            break;
    }
    return count;
}
