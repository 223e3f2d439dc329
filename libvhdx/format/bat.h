/*
 * BAT entry, MS-VHDX 2.5.1: state and place of a payload block or sector bitmap block. Which index means which is
 * geometry.h. In states 0 and 2 the offset means nothing; in 1 and 3 a
 * non-zero one still owns its space.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_BAT_H
#define VX_FORMAT_BAT_H

#include "base/bytes.h"
#include "format/layout.h"

struct vx_bat_entry {
    uint8_t state;
    uint32_t reserved;    /* bits 3-19 */
    uint64_t file_offset; /* bytes, a multiple of 1 MiB */
};

enum {
    VX_BAT_RESERVED_SET = 1 << 0,
    VX_BAT_BAD_STATE = 1 << 1,       /* a reserved state */
    VX_BAT_STATE_FOR_CHILD = 1 << 2, /* PARTIALLY_PRESENT, or a sector bitmap, in a disk without parent */
    VX_BAT_NO_PLACE = 1 << 3,        /* present, but the offset is 0 */
    VX_BAT_STRAY_OFFSET = 1 << 4,    /* states 0 and 2 with an offset: noise */
    VX_BAT_ANCHOR = 1 << 5,          /* states 1 and 3 with an offset: legal, owns its space */
};

struct vx_bat_entry vx_bat_entry_decode(uint64_t raw);
uint64_t vx_bat_entry_encode(const struct vx_bat_entry *entry);
uint32_t vx_bat_payload_rules(const struct vx_bat_entry *entry, bool has_parent);
uint32_t vx_bat_bitmap_rules(const struct vx_bat_entry *entry, bool has_parent);
/* Whether the entry of a payload block owns file space (states 6 and 7; 1 and 3 with an offset). */
bool vx_bat_payload_owns_space(const struct vx_bat_entry *entry);

#endif
