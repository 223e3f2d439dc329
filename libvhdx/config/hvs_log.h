/*
 * The replay log of the HyperVStorage container: a header with a count, entries behind it, payloads further on. No I/O.
 *
 * Entries of former transactions stay where they are. Only the header's count says how many mean
 * anything; 0 is a file that was closed cleanly.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_HVS_LOG_H
#define VX_CONFIG_HVS_LOG_H

#include "base/status.h"
#include "config/hvs.h"

struct vx_hvs_log {
    uint32_t signature, checksum, actual_checksum;
    uint32_t count, max_count;
};

enum {
    VX_HVS_LOG_BAD_SIGNATURE = 1 << 0,
    VX_HVS_LOG_BAD_CHECKSUM = 1 << 1,
    VX_HVS_LOG_BAD_COUNT = 1 << 2, /* more entries than there may be, or none may be */
};

struct vx_hvs_log_entry {
    uint64_t destination;
    uint32_t length;
    uint64_t payload; /* from the start of the log */
    uint32_t checksum, actual_checksum;
    uint32_t payload_checksum;
};

/* CORRUPT: shorter than the header. */
vhdx_status vx_hvs_log_decode(struct vx_bytes in, struct vx_hvs_log *out);
uint32_t vx_hvs_log_rules(const struct vx_hvs_log *log);
/* CORRUPT: shorter than an entry. An entry is right when its two checksums are equal. */
vhdx_status vx_hvs_log_entry_decode(struct vx_bytes in, struct vx_hvs_log_entry *out);

#endif
