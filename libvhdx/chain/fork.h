/*
 * An empty differencing disk on a parent: what it inherits (IsVirtualDisk items, sizes, identity of the virtual disk;
 * MS-VHDX 2.6.1.2) and how it names it. Laying out the file is image/create.c's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_FORK_H
#define VX_CHAIN_FORK_H

#include "chain/link.h"
#include "image/create.h"

/* The IsVirtualDisk items of an image other than the ones that every disk has. Both arrays are for
 * vx_fork_free_items(). */
struct vx_fork_items {
    struct vx_item_change *items;
    size_t count;
    uint8_t *bytes;
};
vhdx_status vx_fork_read_items(struct vx_image *image, struct vx_fork_items *items, vhdx_error *err);
void vx_fork_free_items(struct vx_fork_items *items);

/* What a child's spec points to. */
struct vx_fork {
    struct vx_fork_items items;
    uint8_t *locator;
};
/* Fills zero members of `spec` from the parent, and its parent locator; `fork` is for vx_fork_free(). */
vhdx_status vx_fork_prepare(const vhdx_host *host, const char *path, const char *parent_path,
                            struct vx_create_spec *spec, struct vx_fork *fork, vhdx_error *err);
void vx_fork_free(struct vx_fork *fork);

/* Makes the child at `path`; zero members of `spec` are the parent's or the defaults. As vhdx_create. */
vhdx_status vx_fork(const vhdx_host *host, const char *path, const char *parent_path, struct vx_create_spec *spec,
                    vhdx_error *err);

#endif
