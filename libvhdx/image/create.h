/*
 * A new, empty disk in the layout that Windows writes: log at 1 MiB, metadata at 2 MiB, BAT at 3 MiB, payload behind
 * it. Until vx_create_finish() the file has another name and carries the item that marks it as unfinished, so that what
 * a power cut leaves is not taken for a disk, and the same call may be made again.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_CREATE_H
#define VX_IMAGE_CREATE_H

#include "image/image.h"

struct vx_create_spec {
    uint64_t virtual_size;
    uint32_t block_size;
    uint32_t logical_sector_size, physical_sector_size;
    bool fixed;
    vhdx_guid virtual_disk_id; /* zero: a new one */
    vhdx_guid data_write_guid; /* zero: a new one */
    const uint8_t *locator;    /* the parent locator item of a differencing disk, else NULL */
    uint32_t locator_size;
    const struct vx_item_change *inherited; /* further items (virtual-disk metadata of a parent) */
    size_t inherited_count;
};

/* Makes the file, under a name of its own (see vx_path_unfinished()), and opens it for writing. On failure that is
 * removed. */
vhdx_status vx_create_unfinished(const vhdx_host *host, const char *path, const struct vx_create_spec *spec,
                                 struct vx_image **image, vhdx_error *err);
/* Takes the mark off, closes the image and gives it its name; begins writing first where that was not done. On failure
 * the file is removed. */
vhdx_status vx_create_finish(struct vx_image *image, const char *path, vhdx_error *err);
/* Fills members of the spec that are zero with defaults; ARG when one is not allowed. */
vhdx_status vx_create_settle(struct vx_create_spec *spec, vhdx_error *err);
/* As vx_create_unfinished() of a settled spec: at the path `unfinished`, and the name that it will get is nobody's yet.
 */
vhdx_status vx_create_at(const vhdx_host *host, const char *unfinished, struct vx_create_spec *spec,
                         struct vx_image **image, vhdx_error *err);
/* As vx_create_finish(), and the closed file keeps the unfinished name. */
vhdx_status vx_create_complete(struct vx_image *image, vhdx_error *err);
/* Closes the image and removes its file. */
void vx_create_abandon(struct vx_image *image);
/* Both, and closes. On failure the file is removed. */
vhdx_status vx_create(const vhdx_host *host, const char *path, const struct vx_create_spec *spec, vhdx_error *err);

#endif
