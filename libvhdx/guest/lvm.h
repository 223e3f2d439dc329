/*
 * The metadata of LVM2 on a physical volume, as far as logical volumes are pieces of it one behind the other (linear):
 * its label, the header of its metadata area, and the text in which they are described. Bytes to values; they come
 * from a callback. Knows nothing of VHDX. The text is in a ring and may go round, and extents
 * count sectors of 512 bytes whatever the disk is made of.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_LVM_H
#define VX_GUEST_LVM_H

#include "base/bytes.h"

#define VX_LVM_TEXT_MAX (256u * 1024)
#define VX_LVM_VOLUMES 64u
#define VX_LVM_SEGMENTS 32u
#define VX_LVM_NAME 64u

/* A piece of a logical volume on the physical one, in bytes. */
struct vx_lvm_segment {
    uint64_t start, length, place;
};

struct vx_lvm_volume {
    char name[VX_LVM_NAME];
    bool visible; /* not a part of another logical volume */
    bool linear;  /* all of it is on this physical volume, in order, without gaps */
    uint64_t size;
    uint32_t count;
    struct vx_lvm_segment segments[VX_LVM_SEGMENTS];
};

struct vx_lvm {
    uint32_t count;
    bool more;      /* there are more volumes than are remembered */
    bool snapshots; /* of the old kind: they go on reading the origin's blocks */
    struct vx_lvm_volume volumes[VX_LVM_VOLUMES];
};

struct vx_lvm_source {
    void *context;
    bool (*read)(void *context, void *buf, size_t length, uint64_t offset); /* of the physical volume */
};

/* What the text says of the physical volume with that id (32 characters, without hyphens). false: it is none. */
bool vx_lvm_decode(struct vx_bytes text, const char id[33], struct vx_lvm *lvm);
/* Finds the text and its id. `text` has room for VX_LVM_TEXT_MAX bytes; *size of it are set. */
bool vx_lvm_find(const struct vx_lvm_source *source, char id[33], uint8_t *text, size_t *size);

#endif
