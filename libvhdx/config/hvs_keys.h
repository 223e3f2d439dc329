/*
 * The key tables of the HyperVStorage container: entries packed one behind the other, each a key with its value. No
 * I/O; a file object that holds a long value is named here and read elsewhere.
 *
 * An entry is usually longer than its name and value need, and what follows them (and all of a free
 * entry) are remains of older values. Only the value's own length says where it ends.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_HVS_KEYS_H
#define VX_CONFIG_HVS_KEYS_H

#include "base/status.h"
#include "config/hvs.h"

struct vx_hvs_keys {
    uint16_t signature;
    uint16_t index; /* from 1; how entries name the table */
    uint16_t sequence;
    uint32_t checksum, actual_checksum; /* of these 10 bytes alone */
};

enum {
    VX_HVS_KEYS_BAD_SIGNATURE = 1 << 0,
    VX_HVS_KEYS_BAD_CHECKSUM = 1 << 1,
    VX_HVS_KEYS_BAD_INDEX = 1 << 2,
};

/* CORRUPT: shorter than the header. */
vhdx_status vx_hvs_keys_decode(struct vx_bytes in, struct vx_hvs_keys *out);
uint32_t vx_hvs_keys_rules(const struct vx_hvs_keys *keys);

/* Types of entries beside those of enum vx_key_type. */
#define VX_HVS_ENTRY_FREE 1u

enum {
    VX_HVS_ENTRY_IN_FILE = 0x01,     /* the value is in a file object */
    VX_HVS_ENTRY_IDENTIFYING = 0x02, /* tells its parent from others of the same name */
    VX_HVS_ENTRY_TRACKED = 0x04,
};

struct vx_hvs_entry {
    uint8_t type, flags;
    uint32_t size;         /* with all that belongs to it: the next one begins there */
    uint16_t parent_table; /* 0 with offset 0: a child of the root */
    uint32_t parent_offset;
    uint32_t checksum, actual_checksum; /* of header, name and value, without slack */
    uint32_t order;
    struct vx_bytes name;  /* without its NUL */
    struct vx_bytes value; /* of strings and arrays; empty when it is in a file object */
    struct vx_bytes slack; /* remains; in a free entry all of it */
    uint64_t number;       /* of numbers and bools */
    uint32_t object_size;  /* of the value in a file object */
    uint64_t object_offset;
    bool misshapen; /* the name or the value does not fit in, or the name is not ended */
};

enum {
    VX_HVS_ENTRY_BAD_SHAPE = 1 << 0,
    VX_HVS_ENTRY_BAD_CHECKSUM = 1 << 1,
    VX_HVS_ENTRY_BAD_TYPE = 1 << 2,
};

/* The entry at `offset` of the table. CORRUPT: its size makes no sense, so that nothing behind it can be found. */
vhdx_status vx_hvs_entry_decode(struct vx_bytes table, size_t offset, struct vx_hvs_entry *out);
/* A free entry breaks no rule: it means nothing. */
uint32_t vx_hvs_entry_rules(const struct vx_hvs_entry *entry);

#endif
