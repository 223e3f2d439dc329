/*
 * The object tables of the HyperVStorage container. See hvs_objects.h.
 */
/* SPDX-License-Identifier: MIT */
#include "config/hvs_objects.h"

enum { COUNT = 4 };
enum { CHECKSUM = 1, OFFSET = 5, SIZE = 13, FLAGS = 17 };

vhdx_status vx_hvs_objects_decode(struct vx_bytes in, uint32_t *count)
{
    if (in.size < VX_HVS_OBJECTS_HEADER_SIZE || vx_get32(in.data) != VX_HVS_OBJECTS_SIGNATURE)
        return VHDX_CORRUPT;
    *count = vx_get32(in.data + COUNT);
    return VHDX_OK;
}

vhdx_status vx_hvs_object_decode(struct vx_bytes in, struct vx_hvs_object *out)
{
    if (!vx_bytes_part(in, 0, VX_HVS_OBJECT_SIZE, &in))
        return VHDX_CORRUPT;
    *out = (struct vx_hvs_object){.type = in.data[0],
                                  .flags = in.data[FLAGS],
                                  .checksum = vx_get32(in.data + CHECKSUM),
                                  .actual_checksum = vx_hvs_checksum(in, CHECKSUM),
                                  .offset = vx_get64(in.data + OFFSET),
                                  .size = vx_get32(in.data + SIZE)};
    return VHDX_OK;
}

uint32_t vx_hvs_object_rules(const struct vx_hvs_object *object)
{
    uint32_t broken = 0;
    if (object->checksum != object->actual_checksum)
        broken |= VX_HVS_OBJECT_BAD_CHECKSUM;
    if (object->type > VX_HVS_OBJECT_LAST)
        broken |= VX_HVS_OBJECT_BAD_TYPE;
    return broken;
}
