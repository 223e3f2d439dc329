/*
 * Looking where a region table leads. See region_look.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/region_look.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/checked.h"
#include "format/bat.h"

#define UNPLACED (VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH | VX_REGION_OVERFLOW)
#define ODD_ONES 8u /* one entry in so many may be damaged */

struct look {
    uint64_t present, bad;
};

static void look_at(const uint8_t *bytes, size_t size, uint64_t file_size, uint64_t offset, struct look *look)
{
    for (size_t i = 0; i + VX_BAT_ENTRY_SIZE <= size; i += VX_BAT_ENTRY_SIZE) {
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(bytes + i));
        bool odd =
            (vx_bat_payload_rules(&entry, true) & (VX_BAT_RESERVED_SET | VX_BAT_BAD_STATE | VX_BAT_NO_PLACE)) != 0;
        bool owner = vx_bat_payload_owns_space(&entry);
        bool nowhere = owner && (entry.file_offset < VX_HEADER_SECTION_SIZE || entry.file_offset == offset ||
                                 entry.file_offset >= file_size);
        look->bad += odd || nowhere;
        look->present += owner && !odd && !nowhere;
    }
}

static void look_at_first(struct vx_file *view, uint64_t file_size, const struct vx_region *region, uint8_t *bytes,
                          struct look *look)
{
    uint64_t at = region->file_offset, data, length;
    uint64_t end = vx_min(file_size, at + vx_min(vx_max(region->length, VX_MIB), file_size));
    while (at < end && look->present == 0 && look->bad == 0) {
        size_t got;
        vx_file_next_data(view, at, &data, &length);
        if (length == 0 || data >= end)
            return;
        at = vx_max(at, vx_round_down(data, VX_BAT_ENTRY_SIZE));
        if (vx_file_read_some(view, bytes, (size_t)vx_min(VX_BAT_LOOK_SIZE, end - at), at, &got, NULL) != VHDX_OK ||
            got == 0)
            return;
        look_at(bytes, got, file_size, region->file_offset, look);
        at += VX_BAT_LOOK_SIZE;
    }
}

enum vx_bat_looks vx_region_bat_looks(struct vx_file *view, uint64_t file_size, const struct vx_region *region)
{
    uint8_t *bytes = vx_alloc(VX_BAT_LOOK_SIZE, 1);
    struct look look = {0};
    if (bytes && region->file_offset < file_size)
        look_at_first(view, file_size, region, bytes, &look);
    vx_free(bytes);
    if (look.present == 0 && look.bad == 0)
        return VX_BAT_LOOKS_EMPTY;
    return look.bad > look.present / ODD_ONES ? VX_BAT_LOOKS_WRONG : VX_BAT_LOOKS_SOUND;
}

bool vx_region_has_metadata(struct vx_file *view, uint64_t offset)
{
    uint8_t bytes[8];
    size_t got;
    return vx_file_read_some(view, bytes, sizeof bytes, offset, &got, NULL) == VHDX_OK && got == sizeof bytes &&
           vx_get64(bytes) == VX_SIG_METADATA;
}

static bool is_inside(const struct vx_region *region, uint64_t file_size)
{
    return !(vx_region_rules(region) & UNPLACED) && region->file_offset <= file_size &&
           region->length <= file_size - region->file_offset;
}

unsigned vx_region_table_weight(struct vx_file *view, const struct vx_region_table *table)
{
    const struct vx_region *metadata = vx_region_find(table, &vx_guid_metadata_region);
    const struct vx_region *bat = vx_region_find(table, &vx_guid_bat_region);
    uint64_t file_size;
    if (!metadata || !bat || vx_file_size(view, &file_size, NULL) != VHDX_OK)
        return 0;
    unsigned weight = vx_region_has_metadata(view, metadata->file_offset) ? 16 : 0;
    weight += 4u * (unsigned)vx_region_bat_looks(view, file_size, bat);
    weight += bat->file_offset < file_size ? 2 : 0;
    return weight + (is_inside(metadata, file_size) && is_inside(bat, file_size) ? 1 : 0);
}
