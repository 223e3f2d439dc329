/*
 * What begins at a place of the virtual disk: a file system, a volume of a volume manager, swap space. Part of
 * content.c. Each kind is recognized by its boot block; then its own further structures (checksums, copies, the next
 * structure that it points to) are looked up, which is what a wrong parent or a lost block upsets.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_FILESYSTEMS_H
#define VX_GUEST_FILESYSTEMS_H

#include "guest/content.h"

/* `fs->kind` is NONE when nothing is recognized. `length`: of the partition, UINT64_MAX = not known. */
void vx_fs_look(const struct vx_content_source *source, uint64_t offset, uint64_t length, struct vx_fs *fs);

#endif
