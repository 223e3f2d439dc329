/*
 * Parent locator, MS-VHDX 2.6.2.6: keys and values in UTF-16LE that give the parent's identity (linkage) and where it
 * was (paths). Finding the file is chain/resolve.c. Keys and values are views into the item: the item must outlive the
 * struct. A parent_linkage2 of all zeros means "not set" and matches nothing.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_LOCATOR_H
#define VX_FORMAT_LOCATOR_H

#include "base/bytes.h"
#include "format/layout.h"

struct vx_locator_pair {
    struct vx_bytes key, value; /* UTF-16LE without terminator */
};

struct vx_locator {
    vhdx_guid type;
    uint16_t reserved;
    uint16_t count;     /* as stored; pairs[] holds the first min(count, VX_LOCATOR_MAX) */
    uint32_t bad_pairs; /* of those: key or value at offset 0 or not inside of the item (both views are then empty) */
    struct vx_locator_pair pairs[VX_LOCATOR_MAX];
};

enum {
    VX_LOCATOR_BAD_TYPE = 1 << 0,
    VX_LOCATOR_NO_PAIRS = 1 << 1,
    VX_LOCATOR_TOO_MANY = 1 << 2,
    VX_LOCATOR_BAD_PLACE = 1 << 3, /* offset 0, outside of the item, length 0 or odd */
    VX_LOCATOR_NUL = 1 << 4,       /* a NUL in a string */
    VX_LOCATOR_DUPLICATE = 1 << 5,
    VX_LOCATOR_NO_LINKAGE = 1 << 6,
    VX_LOCATOR_BAD_LINKAGE = 1 << 7, /* parent_linkage or parent_linkage2 is no GUID */
    VX_LOCATOR_NO_PATH = 1 << 8,
    VX_LOCATOR_RESERVED_SET = 1 << 9,
};

#define VX_KEY_LINKAGE "parent_linkage"
#define VX_KEY_LINKAGE2 "parent_linkage2"
#define VX_KEY_RELATIVE "relative_path"
#define VX_KEY_VOLUME "volume_path"
#define VX_KEY_ABSOLUTE "absolute_win32_path"

/* CORRUPT: shorter than its header and `count` entries. */
vhdx_status vx_locator_decode(struct vx_bytes in, struct vx_locator *out);
uint32_t vx_locator_rules(const struct vx_locator *locator);
/* The first pair with that (ASCII) key; NULL when absent. */
const struct vx_locator_pair *vx_locator_find(const struct vx_locator *locator, const char *key);
/* The GUID that the value of `key` spells; false when absent or no GUID. */
bool vx_locator_guid(const struct vx_locator *locator, const char *key, vhdx_guid *out);
/* Bytes the encoded item takes; writes them when they fit `out_size` (each value directly behind its key, as Windows
 * does). */
size_t vx_locator_encode(const struct vx_locator *locator, uint8_t *out, size_t out_size);

#endif
