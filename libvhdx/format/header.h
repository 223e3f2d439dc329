/*
 * Header, MS-VHDX 2.2.2: two copies, each 4096 bytes with a checksum of its own. Which copy is current is not decided
 * here (image/survey.c gathers, image/open.c chooses). LogGuid, not LogLength,
 * says whether there is something to replay.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_HEADER_H
#define VX_FORMAT_HEADER_H

#include "base/bytes.h"
#include "format/layout.h"

struct vx_header {
    uint64_t sequence_number;
    vhdx_guid file_write_guid;
    vhdx_guid data_write_guid;
    vhdx_guid log_guid;
    uint16_t log_version;
    uint16_t version;
    uint32_t log_length;
    uint64_t log_offset;
    uint32_t checksum;                     /* as stored */
    uint32_t computed_checksum;            /* as it should be; decode fills it, encode ignores it */
    uint8_t reserved[VX_HEADER_SIZE - 80]; /* kept as found */
};

/* Rules that a header may break */
enum {
    VX_HEADER_BAD_CHECKSUM = 1 << 0,
    VX_HEADER_BAD_VERSION = 1 << 1,     /* Version is not 1 */
    VX_HEADER_BAD_LOG_VERSION = 1 << 2, /* LogVersion is not 0 */
    VX_HEADER_LOG_LENGTH_UNALIGNED = 1 << 3,
    VX_HEADER_LOG_OFFSET_UNALIGNED = 1 << 4,
    VX_HEADER_LOG_OFFSET_LOW = 1 << 5,       /* below 1 MiB with LogLength > 0 */
    VX_HEADER_LOG_OVERFLOW = 1 << 6,         /* LogOffset + LogLength wraps around */
    VX_HEADER_LOG_GUID_WITHOUT_LOG = 1 << 7, /* LogGuid set, LogLength 0 */
    VX_HEADER_SEQUENCE_EXHAUSTED = 1 << 8,   /* 2^64 - 1 */
    VX_HEADER_FILE_WRITE_GUID_ZERO = 1 << 9,
    VX_HEADER_DATA_WRITE_GUID_ZERO = 1 << 10,
    VX_HEADER_RESERVED_SET = 1 << 11,
    /* any of them: no log can be at such a place */
    VX_HEADER_LOG_MISPLACED = VX_HEADER_LOG_LENGTH_UNALIGNED | VX_HEADER_LOG_OFFSET_UNALIGNED |
                              VX_HEADER_LOG_OFFSET_LOW | VX_HEADER_LOG_OVERFLOW,
};

/* TRUNCATED: fewer than VX_HEADER_SIZE bytes. CORRUPT: no signature. Nothing else is judged; a wrong checksum decodes.
 */
vhdx_status vx_header_decode(struct vx_bytes in, struct vx_header *out);
/* VX_HEADER_* bits of the rules that are broken. */
uint32_t vx_header_rules(const struct vx_header *header);
/* Writes VX_HEADER_SIZE bytes with the right checksum. */
void vx_header_encode(const struct vx_header *header, uint8_t *out);

#endif
