/*
 * The disks that are in a directory: what is said about one disk may mean something for those beside it. Only read,
 * without locks; a file that is no disk, or cannot be looked at, is passed over, for it is not what was asked about.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_BESIDE_H
#define VX_CHAIN_BESIDE_H

#include "image/image.h"

typedef vhdx_status vx_beside_fn(void *context, const struct vx_image *image, const char *path, vhdx_error *err);

/* A directory that cannot be listed has nothing to say. */
vhdx_status vx_disks_in(const vhdx_host *host, const char *directory, vx_beside_fn *visit, void *context,
                        vhdx_error *err);
/*
 * *known: whether a disk in the directory (or the disk, when it is a file's path), other than the one at `path`, has
 * this DataWriteGuid, or may have it because it cannot be told.
 */
vhdx_status vx_identity_in(const vhdx_host *host, const char *directory, const char *path, const vhdx_guid *id,
                           bool *known, vhdx_error *err);
/* The children of a disk in its own directory: how many, and the names of the first ones as part of a sentence. */
struct vx_children {
    size_t count;
    char names[400];
};
/* Those of the disk at `path` with this DataWriteGuid. */
vhdx_status vx_children_beside(const vhdx_host *host, const char *path, const vhdx_guid *id,
                               struct vx_children *children, vhdx_error *err);
/*
 * Tells, as what is to be done next, of the disks beside `path` that were made on it as it was (`id`, its
 * DataWriteGuid) and will refuse it as it is to be.
 */
vhdx_status vx_tell_children(const vhdx_host *host, const char *path, const vhdx_guid *id, vhdx_notice_fn notice,
                             void *context, vhdx_error *err);

#endif
