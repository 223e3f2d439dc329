/*
 * The file header of the HyperVStorage container. See hvs_header.h.
 */
/* SPDX-License-Identifier: MIT */
#include "config/hvs_header.h"

#include "base/checked.h"

enum {
    CHECKSUM = 4,
    SEQUENCE = 8,
    VERSION = 10,
    DATA_VERSION = 14,
    FLAGS = 18,
    ALIGNMENT = 22,
    LOG_OFFSET = 26,
    LOG_SIZE = 34,
    LOG_HEADER_SIZE = 42
};

vhdx_status vx_hvs_header_decode(struct vx_bytes in, struct vx_hvs_header *out)
{
    if (!vx_bytes_part(in, 0, VX_HVS_HEADER_SIZE, &in))
        return VHDX_CORRUPT;
    const uint8_t *p = in.data;
    *out = (struct vx_hvs_header){.signature = vx_get32(p),
                                  .checksum = vx_get32(p + CHECKSUM),
                                  .actual_checksum = vx_hvs_checksum(in, CHECKSUM),
                                  .sequence = vx_get16(p + SEQUENCE),
                                  .version = vx_get32(p + VERSION),
                                  .data_version = vx_get32(p + DATA_VERSION),
                                  .flags = vx_get32(p + FLAGS),
                                  .alignment = vx_get32(p + ALIGNMENT),
                                  .log_offset = vx_get64(p + LOG_OFFSET),
                                  .log_size = vx_get64(p + LOG_SIZE),
                                  .log_header_size = vx_get32(p + LOG_HEADER_SIZE)};
    return VHDX_OK;
}

uint32_t vx_hvs_header_rules(const struct vx_hvs_header *header)
{
    uint32_t broken = 0;
    if (header->signature != VX_HVS_SIGNATURE)
        broken |= VX_HVS_HEADER_BAD_SIGNATURE;
    if (header->checksum != header->actual_checksum)
        broken |= VX_HVS_HEADER_BAD_CHECKSUM;
    if (header->version != VX_HVS_VERSION)
        broken |= VX_HVS_HEADER_BAD_VERSION;
    if (header->alignment < VX_HVS_ALIGNMENT_MIN || header->alignment > VX_HVS_ALIGNMENT_MAX ||
        !vx_is_power_of_two(header->alignment))
        broken |= VX_HVS_HEADER_BAD_ALIGNMENT;
    return broken;
}

bool vx_hvs_header_valid(const struct vx_hvs_header *header)
{
    return !(vx_hvs_header_rules(header) & (VX_HVS_HEADER_BAD_SIGNATURE | VX_HVS_HEADER_BAD_CHECKSUM));
}

int vx_hvs_header_choose(const struct vx_hvs_header copies[2], bool *tie)
{
    bool valid[2] = {vx_hvs_header_valid(&copies[0]), vx_hvs_header_valid(&copies[1])};
    *tie = false;
    if (!valid[0] || !valid[1])
        return valid[0] ? 0 : valid[1] ? 1 : -1;
    uint16_t ahead = (uint16_t)(copies[1].sequence - copies[0].sequence);
    *tie = ahead == 0;
    return ahead != 0 && ahead < 0x8000u ? 1 : 0;
}
