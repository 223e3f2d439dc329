/*
 * The key tables of the HyperVStorage container. See hvs_keys.h.
 */
/* SPDX-License-Identifier: MIT */
#include "config/hvs_keys.h"

#include "config/key_tree.h"

enum { INDEX = 2, SEQUENCE = 4, KEYS_CHECKSUM = 6 };
enum { FLAGS = 1, SIZE = 2, PARENT_TABLE = 6, PARENT_OFFSET = 8, ENTRY_CHECKSUM = 12, ORDER = 16, NAME_LENGTH = 20 };
enum { NODE_VALUE_SIZE = 12, OBJECT_VALUE_SIZE = 12 };

vhdx_status vx_hvs_keys_decode(struct vx_bytes in, struct vx_hvs_keys *out)
{
    if (!vx_bytes_part(in, 0, VX_HVS_KEYS_HEADER_SIZE, &in))
        return VHDX_CORRUPT;
    *out = (struct vx_hvs_keys){.signature = vx_get16(in.data),
                                .index = vx_get16(in.data + INDEX),
                                .sequence = vx_get16(in.data + SEQUENCE),
                                .checksum = vx_get32(in.data + KEYS_CHECKSUM),
                                .actual_checksum = vx_hvs_checksum(in, KEYS_CHECKSUM)};
    return VHDX_OK;
}

uint32_t vx_hvs_keys_rules(const struct vx_hvs_keys *keys)
{
    uint32_t broken = 0;
    if (keys->signature != VX_HVS_KEYS_SIGNATURE)
        broken |= VX_HVS_KEYS_BAD_SIGNATURE;
    if (keys->checksum != keys->actual_checksum)
        broken |= VX_HVS_KEYS_BAD_CHECKSUM;
    if (keys->index == 0)
        broken |= VX_HVS_KEYS_BAD_INDEX;
    return broken;
}

/* Takes `size` bytes from the front of `rest`; false when there are not so many. */
static bool take(struct vx_bytes *rest, size_t size, struct vx_bytes *out)
{
    if (!vx_bytes_part(*rest, 0, size, out))
        return false;
    *rest = vx_bytes_of(rest->data + size, rest->size - size);
    return true;
}

static bool take_name(struct vx_bytes *rest, uint8_t length, struct vx_bytes *name)
{
    if (length == 0 || !take(rest, length, name) || name->data[length - 1] != 0)
        return false;
    name->size--;
    return true;
}

static bool take_number(struct vx_bytes *rest, size_t size, uint64_t *number)
{
    struct vx_bytes bytes;
    if (!take(rest, size, &bytes))
        return false;
    *number = size == 4 ? vx_get32(bytes.data) : vx_get64(bytes.data);
    return true;
}

static bool take_counted(struct vx_bytes *rest, struct vx_bytes *value)
{
    struct vx_bytes count;
    return take(rest, 4, &count) && take(rest, vx_get32(count.data), value);
}

static bool take_object(struct vx_bytes *rest, struct vx_hvs_entry *out)
{
    struct vx_bytes bytes;
    if (!take(rest, OBJECT_VALUE_SIZE, &bytes))
        return false;
    out->object_size = vx_get32(bytes.data);
    out->object_offset = vx_get64(bytes.data + 4);
    return true;
}

static bool take_value(struct vx_bytes *rest, struct vx_hvs_entry *out)
{
    struct vx_bytes unused;
    if (out->flags & VX_HVS_ENTRY_IN_FILE)
        return take_object(rest, out);
    switch (out->type) {
    case VX_KEY_INT:
    case VX_KEY_UINT:
    case VX_KEY_DOUBLE:
        return take_number(rest, 8, &out->number);
    case VX_KEY_BOOL:
        return take_number(rest, 4, &out->number);
    case VX_KEY_STRING:
    case VX_KEY_ARRAY:
        return take_counted(rest, &out->value);
    case VX_KEY_NODE:
        return take(rest, NODE_VALUE_SIZE, &unused);
    default:
        return true; /* the length of its value is unknown */
    }
}

vhdx_status vx_hvs_entry_decode(struct vx_bytes table, size_t offset, struct vx_hvs_entry *out)
{
    struct vx_bytes entry;
    if (offset > table.size || table.size - offset < VX_HVS_FREE_HEADER_SIZE)
        return VHDX_CORRUPT;
    const uint8_t *p = table.data + offset;
    *out = (struct vx_hvs_entry){.type = p[0], .flags = p[FLAGS], .size = vx_get32(p + SIZE)};
    bool is_free = out->type == VX_HVS_ENTRY_FREE;
    if (out->size < (is_free ? VX_HVS_FREE_HEADER_SIZE : VX_HVS_ENTRY_HEADER_SIZE) ||
        !vx_bytes_part(table, offset, out->size, &entry))
        return VHDX_CORRUPT;
    out->slack = vx_bytes_of(p + VX_HVS_FREE_HEADER_SIZE, entry.size - VX_HVS_FREE_HEADER_SIZE);
    if (is_free)
        return VHDX_OK;
    out->parent_table = vx_get16(p + PARENT_TABLE);
    out->parent_offset = vx_get32(p + PARENT_OFFSET);
    out->checksum = vx_get32(p + ENTRY_CHECKSUM);
    out->order = vx_get32(p + ORDER);
    struct vx_bytes rest = vx_bytes_of(p + VX_HVS_ENTRY_HEADER_SIZE, entry.size - VX_HVS_ENTRY_HEADER_SIZE);
    out->misshapen = !take_name(&rest, p[NAME_LENGTH], &out->name) || !take_value(&rest, out);
    out->slack = rest;
    out->actual_checksum = vx_hvs_checksum(vx_bytes_of(p, entry.size - rest.size), ENTRY_CHECKSUM);
    return VHDX_OK;
}

uint32_t vx_hvs_entry_rules(const struct vx_hvs_entry *entry)
{
    uint32_t broken = 0;
    if (entry->type == VX_HVS_ENTRY_FREE)
        return 0;
    if (entry->type < VX_KEY_INT || entry->type > VX_KEY_NODE)
        broken |= VX_HVS_ENTRY_BAD_TYPE;
    else if (entry->checksum != entry->actual_checksum)
        broken |= VX_HVS_ENTRY_BAD_CHECKSUM;
    if (entry->misshapen)
        broken |= VX_HVS_ENTRY_BAD_SHAPE;
    return broken;
}
