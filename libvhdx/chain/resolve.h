/*
 * From a child's parent locator to the file of its parent. Names in an image are hostile input and mostly belong to
 * another machine: they only suggest where to look; a file is the parent when its DataWriteGuid says so (MS-VHDX 2.2.4,
 * 2.6.2.6.3).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_RESOLVE_H
#define VX_CHAIN_RESOLVE_H

#include "image/image.h"

/* Where the caller says that ancestors may be. */
struct vx_search {
    const char *const *places; /* files or directories */
    size_t place_count;
};

/* Whether `data_write_guid` is the parent's that the image names: by linkage, or by a linkage2 that is set. */
bool vx_is_parent(const struct vx_image *child, const vhdx_guid *data_write_guid);

/*
 * The path of the parent, for vx_free(). PARENT_MISSING, PARENT_MISMATCH (expected and found id in the message), or why
 * the only candidate could not be looked at.
 */
vhdx_status vx_resolve_parent(struct vx_image *child, const struct vx_search *search, char **path, vhdx_error *err);
/* The same; on PARENT_MISMATCH *candidate is the file that was found instead, also for vx_free(), else NULL. */
vhdx_status vx_resolve_parent_or(struct vx_image *child, const struct vx_search *search, char **path, char **candidate,
                                 vhdx_error *err);
/* Whether the path that the locator gives relative to the child leads to the parent, taken alone. */
bool vx_resolve_relative(struct vx_image *child);

#endif
