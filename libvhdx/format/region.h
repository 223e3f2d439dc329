/*
 * Region table, MS-VHDX 2.2.3: where the BAT, the metadata and unknown regions are. Two copies, each 64 KiB with a
 * checksum over all of it. qemu writes Required = 0 for the known regions;
 * never insist on it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_REGION_H
#define VX_FORMAT_REGION_H

#include "base/bytes.h"
#include "format/layout.h"

struct vx_region {
    vhdx_guid guid;
    uint64_t file_offset;
    uint32_t length;
    uint32_t required; /* as stored; bit 0 is the flag */
};

/* About 80 KiB: allocate it. */
struct vx_region_table {
    uint32_t count;    /* as stored; entries[] holds the first min(count, VX_REGION_MAX) */
    uint32_t reserved; /* as stored */
    uint32_t checksum; /* as stored */
    uint32_t computed_checksum;
    struct vx_region entries[VX_REGION_MAX];
};

enum {
    VX_REGION_BAD_CHECKSUM = 1 << 0,
    VX_REGION_TOO_MANY = 1 << 1,
    VX_REGION_RESERVED_SET = 1 << 2,
    VX_REGION_DUPLICATE = 1 << 3,
    VX_REGION_UNALIGNED = 1 << 4,  /* FileOffset not a multiple of 1 MiB, or below 1 MiB */
    VX_REGION_BAD_LENGTH = 1 << 5, /* 0 or not a multiple of 1 MiB */
    VX_REGION_OVERFLOW = 1 << 6,   /* FileOffset + Length wraps around */
    VX_REGION_OVERLAP = 1 << 7,    /* two regions share bytes */
    VX_REGION_NO_BAT = 1 << 8,
    VX_REGION_NO_METADATA = 1 << 9,
    VX_REGION_UNKNOWN_REQUIRED = 1 << 10,
    VX_REGION_REQUIRED_BITS = 1 << 11, /* bits 1-31 of Required */
};

/* TRUNCATED: fewer than VX_REGION_TABLE_SIZE bytes. CORRUPT: no signature. */
vhdx_status vx_region_table_decode(struct vx_bytes in, struct vx_region_table *out);
/*
 * From the table's first bytes alone, without its checksum: for a look at many files, when the outcome is not to be
 * relied on. Statuses as above; TRUNCATED also when an entry is behind these bytes.
 */
vhdx_status vx_region_table_glance(struct vx_bytes in, struct vx_region_table *out);
uint32_t vx_region_table_rules(const struct vx_region_table *table);
/* The rules of one entry on its own: UNALIGNED, BAD_LENGTH, OVERFLOW, REQUIRED_BITS, UNKNOWN_REQUIRED. */
uint32_t vx_region_rules(const struct vx_region *region);
/* NULL when no entry has that GUID. */
const struct vx_region *vx_region_find(const struct vx_region_table *table, const vhdx_guid *guid);
/* Writes VX_REGION_TABLE_SIZE bytes with the right checksum; space behind the last entry becomes zeros. */
void vx_region_table_encode(const struct vx_region_table *table, uint8_t *out);

#endif
