/*
 * BAT entry, MS-VHDX 2.5.1. See bat.h. Whether the space an entry names is free, or inside of the file, is not known
 * here.
 */
/* SPDX-License-Identifier: MIT */
#include "format/bat.h"

#define STATE_MASK UINT64_C(7)
#define RESERVED_SHIFT 3
#define RESERVED_MASK UINT64_C(0x1FFFF)
#define OFFSET_MASK (~(VX_MIB - 1))

struct vx_bat_entry vx_bat_entry_decode(uint64_t raw)
{
    return (struct vx_bat_entry){
        .state = (uint8_t)(raw & STATE_MASK),
        .reserved = (uint32_t)(raw >> RESERVED_SHIFT & RESERVED_MASK),
        .file_offset = raw & OFFSET_MASK,
    };
}

uint64_t vx_bat_entry_encode(const struct vx_bat_entry *entry)
{
    return (entry->state & STATE_MASK) | (entry->reserved & RESERVED_MASK) << RESERVED_SHIFT |
           (entry->file_offset & OFFSET_MASK);
}

uint32_t vx_bat_payload_rules(const struct vx_bat_entry *entry, bool has_parent)
{
    uint32_t broken = entry->reserved != 0 ? VX_BAT_RESERVED_SET : 0;
    bool has_offset = entry->file_offset != 0;
    switch (entry->state) {
    case VX_PAYLOAD_NOT_PRESENT:
    case VX_PAYLOAD_ZERO:
        return has_offset ? broken | VX_BAT_STRAY_OFFSET : broken;
    case VX_PAYLOAD_UNDEFINED:
    case VX_PAYLOAD_UNMAPPED:
        return has_offset ? broken | VX_BAT_ANCHOR : broken;
    case VX_PAYLOAD_PARTIALLY_PRESENT:
        if (!has_parent)
            broken |= VX_BAT_STATE_FOR_CHILD;
        return has_offset ? broken : broken | VX_BAT_NO_PLACE;
    case VX_PAYLOAD_FULLY_PRESENT:
        return has_offset ? broken : broken | VX_BAT_NO_PLACE;
    default:
        return broken | VX_BAT_BAD_STATE;
    }
}

uint32_t vx_bat_bitmap_rules(const struct vx_bat_entry *entry, bool has_parent)
{
    uint32_t broken = entry->reserved != 0 ? VX_BAT_RESERVED_SET : 0;
    bool has_offset = entry->file_offset != 0;
    switch (entry->state) {
    case VX_BITMAP_NOT_PRESENT:
        return has_offset ? broken | VX_BAT_STRAY_OFFSET : broken;
    case VX_BITMAP_PRESENT:
        if (!has_parent)
            broken |= VX_BAT_STATE_FOR_CHILD;
        return has_offset ? broken : broken | VX_BAT_NO_PLACE;
    default:
        return broken | VX_BAT_BAD_STATE;
    }
}

bool vx_bat_payload_owns_space(const struct vx_bat_entry *entry)
{
    switch (entry->state) {
    case VX_PAYLOAD_FULLY_PRESENT:
    case VX_PAYLOAD_PARTIALLY_PRESENT:
        return true;
    case VX_PAYLOAD_UNDEFINED:
    case VX_PAYLOAD_UNMAPPED:
        return entry->file_offset != 0;
    default:
        return false;
    }
}
