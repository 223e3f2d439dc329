/*
 * The replay log of the HyperVStorage container. See hvs_log.h.
 */
/* SPDX-License-Identifier: MIT */
#include "config/hvs_log.h"

enum { CHECKSUM = 4, COUNT = 8, MAX_COUNT = 13 };
enum { LENGTH = 8, PAYLOAD = 12, ENTRY_CHECKSUM = 20, PAYLOAD_CHECKSUM = 24 };

vhdx_status vx_hvs_log_decode(struct vx_bytes in, struct vx_hvs_log *out)
{
    if (!vx_bytes_part(in, 0, VX_HVS_LOG_HEADER_SIZE, &in))
        return VHDX_CORRUPT;
    *out = (struct vx_hvs_log){.signature = vx_get32(in.data),
                               .checksum = vx_get32(in.data + CHECKSUM),
                               .actual_checksum = vx_hvs_checksum(in, CHECKSUM),
                               .count = vx_get32(in.data + COUNT),
                               .max_count = vx_get32(in.data + MAX_COUNT)};
    return VHDX_OK;
}

uint32_t vx_hvs_log_rules(const struct vx_hvs_log *log)
{
    uint32_t broken = 0;
    if (log->signature != VX_HVS_LOG_SIGNATURE)
        broken |= VX_HVS_LOG_BAD_SIGNATURE;
    if (log->checksum != log->actual_checksum)
        broken |= VX_HVS_LOG_BAD_CHECKSUM;
    if (log->max_count == 0 || log->count > log->max_count)
        broken |= VX_HVS_LOG_BAD_COUNT;
    return broken;
}

vhdx_status vx_hvs_log_entry_decode(struct vx_bytes in, struct vx_hvs_log_entry *out)
{
    if (!vx_bytes_part(in, 0, VX_HVS_LOG_ENTRY_SIZE, &in))
        return VHDX_CORRUPT;
    *out = (struct vx_hvs_log_entry){.destination = vx_get64(in.data),
                                     .length = vx_get32(in.data + LENGTH),
                                     .payload = vx_get64(in.data + PAYLOAD),
                                     .checksum = vx_get32(in.data + ENTRY_CHECKSUM),
                                     .actual_checksum = vx_hvs_checksum(in, ENTRY_CHECKSUM),
                                     .payload_checksum = vx_get32(in.data + PAYLOAD_CHECKSUM)};
    return VHDX_OK;
}
