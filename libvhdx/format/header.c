/*
 * Header, MS-VHDX 2.2.2. See header.h. Whether a broken rule matters is not known here: LogVersion, for one, only
 * counts when there is something to replay.
 */
/* SPDX-License-Identifier: MIT */
#include "format/header.h"

#include "base/crc32c.h"
#include "base/guid.h"

#include <string.h>

enum {
    CHECKSUM = 4,
    SEQUENCE_NUMBER = 8,
    FILE_WRITE_GUID = 16,
    DATA_WRITE_GUID = 32,
    LOG_GUID = 48,
    LOG_VERSION = 64,
    VERSION = 66,
    LOG_LENGTH = 68,
    LOG_OFFSET = 72,
    RESERVED = 80,
};

vhdx_status vx_header_decode(struct vx_bytes in, struct vx_header *out)
{
    if (in.size < VX_HEADER_SIZE)
        return VHDX_TRUNCATED;
    const uint8_t *p = in.data;
    if (vx_get32(p) != VX_SIG_HEADER)
        return VHDX_CORRUPT;
    out->checksum = vx_get32(p + CHECKSUM);
    out->computed_checksum = vx_crc32c_without(p, VX_HEADER_SIZE, CHECKSUM);
    out->sequence_number = vx_get64(p + SEQUENCE_NUMBER);
    memcpy(&out->file_write_guid, p + FILE_WRITE_GUID, sizeof out->file_write_guid);
    memcpy(&out->data_write_guid, p + DATA_WRITE_GUID, sizeof out->data_write_guid);
    memcpy(&out->log_guid, p + LOG_GUID, sizeof out->log_guid);
    out->log_version = vx_get16(p + LOG_VERSION);
    out->version = vx_get16(p + VERSION);
    out->log_length = vx_get32(p + LOG_LENGTH);
    out->log_offset = vx_get64(p + LOG_OFFSET);
    memcpy(out->reserved, p + RESERVED, sizeof out->reserved);
    return VHDX_OK;
}

/* The rules about the place of the log, MS-VHDX 2.2.2 and 2.3 */
static uint32_t log_rules(const struct vx_header *header)
{
    uint32_t broken = 0;
    uint64_t end;
    if (header->log_length % VX_OBJECT_ALIGNMENT != 0)
        broken |= VX_HEADER_LOG_LENGTH_UNALIGNED;
    if (header->log_offset % VX_OBJECT_ALIGNMENT != 0)
        broken |= VX_HEADER_LOG_OFFSET_UNALIGNED;
    if (header->log_length > 0 && header->log_offset < VX_HEADER_SECTION_SIZE)
        broken |= VX_HEADER_LOG_OFFSET_LOW;
    if (!vx_add(header->log_offset, header->log_length, &end))
        broken |= VX_HEADER_LOG_OVERFLOW;
    if (header->log_length == 0 && !vx_guid_is_zero(&header->log_guid))
        broken |= VX_HEADER_LOG_GUID_WITHOUT_LOG;
    return broken;
}

uint32_t vx_header_rules(const struct vx_header *header)
{
    uint32_t broken = log_rules(header);
    if (header->checksum != header->computed_checksum)
        broken |= VX_HEADER_BAD_CHECKSUM;
    if (header->version != VX_HEADER_VERSION)
        broken |= VX_HEADER_BAD_VERSION;
    if (header->log_version != VX_LOG_VERSION)
        broken |= VX_HEADER_BAD_LOG_VERSION;
    if (header->sequence_number == UINT64_MAX)
        broken |= VX_HEADER_SEQUENCE_EXHAUSTED;
    if (vx_guid_is_zero(&header->file_write_guid))
        broken |= VX_HEADER_FILE_WRITE_GUID_ZERO;
    if (vx_guid_is_zero(&header->data_write_guid))
        broken |= VX_HEADER_DATA_WRITE_GUID_ZERO;
    if (!vx_is_zero(header->reserved, sizeof header->reserved))
        broken |= VX_HEADER_RESERVED_SET;
    return broken;
}

void vx_header_encode(const struct vx_header *header, uint8_t *out)
{
    vx_put32(out, VX_SIG_HEADER);
    vx_put64(out + SEQUENCE_NUMBER, header->sequence_number);
    memcpy(out + FILE_WRITE_GUID, &header->file_write_guid, sizeof header->file_write_guid);
    memcpy(out + DATA_WRITE_GUID, &header->data_write_guid, sizeof header->data_write_guid);
    memcpy(out + LOG_GUID, &header->log_guid, sizeof header->log_guid);
    vx_put16(out + LOG_VERSION, header->log_version);
    vx_put16(out + VERSION, header->version);
    vx_put32(out + LOG_LENGTH, header->log_length);
    vx_put64(out + LOG_OFFSET, header->log_offset);
    memcpy(out + RESERVED, header->reserved, sizeof header->reserved);
    vx_put32(out + CHECKSUM, vx_crc32c_without(out, VX_HEADER_SIZE, CHECKSUM));
}
