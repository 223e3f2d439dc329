/*
 * Where the objects of a file belong so that it becomes short: the last object goes to the lowest hole that has room
 * for it, again and again, until it finds none. On paper, on a map of the space. A file that was packed so stays as it
 * is when it is packed again.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_COMPACT_COMPACT_PACK_H
#define VX_COMPACT_COMPACT_PACK_H

#include "image/image.h"

enum vx_object_kind {
    VX_OBJECT_FIXED, /* does not move */
    VX_OBJECT_BITMAP,
    VX_OBJECT_REGION,
    VX_OBJECT_LOG,
};

/* What is in the file besides payload blocks. There are few of them: a sector bitmap block for each chunk at most. */
struct vx_object {
    enum vx_object_kind kind;
    uint64_t index; /* of a bitmap: its chunk */
    uint64_t from, to, length;
};

struct vx_pack {
    struct vx_object *objects; /* in the order of `from` */
    size_t count, room;
    uint64_t end;           /* of the file, afterwards; payload blocks behind it move */
    uint64_t payload_count; /* that move */
};

vhdx_status vx_pack_add(struct vx_pack *pack, const struct vx_object *object, vhdx_error *err);
/* Plans. The space map, in which whatever leaves the file is free, is used up by it. */
void vx_pack_plan(struct vx_pack *pack, struct vx_space *space, uint64_t block_size);
void vx_pack_clear(struct vx_pack *pack);

#endif
