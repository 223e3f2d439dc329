/*
 * The object tables of the HyperVStorage container: what is where in the file. A table is a header and entries of 18
 * bytes; its last entry is kept for the place of the next table. No I/O.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_HVS_OBJECTS_H
#define VX_CONFIG_HVS_OBJECTS_H

#include "base/status.h"
#include "config/hvs.h"

enum vx_hvs_object_type {
    VX_HVS_OBJECT_EMPTY = 0,
    VX_HVS_OBJECT_TABLE = 1, /* the next object table; in the last entry only */
    VX_HVS_OBJECT_KEYS = 2,
    VX_HVS_OBJECT_FILE = 3, /* a long value, without any header */
    VX_HVS_OBJECT_FREE = 4, /* marked as in use all the same */
    VX_HVS_OBJECT_HEADER = 5,
    VX_HVS_OBJECT_LOG = 6,
    VX_HVS_OBJECT_TRACKING = 7,
    VX_HVS_OBJECT_LAST = VX_HVS_OBJECT_TRACKING,
};

struct vx_hvs_object {
    uint8_t type, flags;
    uint32_t checksum, actual_checksum;
    uint64_t offset;
    uint32_t size;
};

enum {
    VX_HVS_OBJECT_BAD_CHECKSUM = 1 << 0,
    VX_HVS_OBJECT_BAD_TYPE = 1 << 1,
};

/* Entries of the table whose first 8 bytes are given. CORRUPT: the signature is missing. */
vhdx_status vx_hvs_objects_decode(struct vx_bytes in, uint32_t *count);
/* CORRUPT: shorter than an entry. */
vhdx_status vx_hvs_object_decode(struct vx_bytes in, struct vx_hvs_object *out);
uint32_t vx_hvs_object_rules(const struct vx_hvs_object *object);

#endif
