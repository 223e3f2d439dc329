/*
 * The file header of the HyperVStorage container, of which there are two copies, and the choice between them. No I/O.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_HVS_HEADER_H
#define VX_CONFIG_HVS_HEADER_H

#include "base/status.h"
#include "config/hvs.h"

struct vx_hvs_header {
    uint32_t signature, checksum;
    uint32_t actual_checksum; /* what it should be */
    uint16_t sequence;
    uint32_t version, data_version, flags;
    uint32_t alignment;
    uint64_t log_offset, log_size;
    uint32_t log_header_size; /* of the log's header and entries; payloads come behind */
};

enum {
    VX_HVS_HEADER_BAD_SIGNATURE = 1 << 0,
    VX_HVS_HEADER_BAD_CHECKSUM = 1 << 1,
    VX_HVS_HEADER_BAD_VERSION = 1 << 2,
    VX_HVS_HEADER_BAD_ALIGNMENT = 1 << 3, /* no power of two between 4 KiB and 64 KiB */
};

/* CORRUPT: shorter than a header. */
vhdx_status vx_hvs_header_decode(struct vx_bytes in, struct vx_hvs_header *out);
uint32_t vx_hvs_header_rules(const struct vx_hvs_header *header);
/* Whether signature and checksum are right: the rest can then be believed. */
bool vx_hvs_header_valid(const struct vx_hvs_header *header);
/*
 * 0 or 1: the valid copy with the newer sequence number, which wraps around; -1 when none is valid. `tie`: both are
 * valid with one number, which no writer leaves behind; then it is copy 0.
 */
int vx_hvs_header_choose(const struct vx_hvs_header copies[2], bool *tie);

#endif
