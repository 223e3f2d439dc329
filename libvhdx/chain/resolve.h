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

/* What a child says of its parent; of a damaged one no image can be opened. */
struct vx_child {
    const vhdx_host *host;
    const char *path;
    vhdx_guid id; /* its own, to which a second linkage may point: see vx_is_merged_mark() */
    const vhdx_parent_names *names;
    const struct vx_locator *locator; /* NULL: not usable */
    uint64_t metadata_offset;
    bool is_vhd; /* then it has no locator, and its parent is a VHD */
};

static inline struct vx_child vx_child_of(const struct vx_image *image)
{
    return (struct vx_child){.host = image->host,
                             .path = vx_image_path(image),
                             .id = image->header.data_write_guid,
                             .names = &image->parent_names,
                             .locator = image->items.locator,
                             .metadata_offset = image->metadata.file_offset,
                             .is_vhd = image->vhd != NULL};
}

/* Whether `data_write_guid` is the parent's that the child names: by linkage, or by a linkage2 that is set. */
bool vx_is_parent(const struct vx_child *child, const vhdx_guid *data_write_guid);

/*
 * The path of the parent, for vx_free(). PARENT_MISSING, PARENT_MISMATCH (expected and found id in the message), or why
 * the only candidate could not be looked at.
 */
vhdx_status vx_resolve_parent(const struct vx_child *child, const struct vx_search *search, char **path,
                              vhdx_error *err);
/* The same; on PARENT_MISMATCH *candidate is the file that was found instead, also for vx_free(), else NULL. */
vhdx_status vx_resolve_parent_or(const struct vx_child *child, const struct vx_search *search, char **path,
                                 char **candidate, vhdx_error *err);
/* Whether the path that the locator gives relative to the child leads to the parent, taken alone. */
bool vx_resolve_relative(const struct vx_child *child);

#endif
