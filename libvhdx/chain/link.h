/*
 * A child's parent locator: made for a new child, changed when its parent changes name or identity (MS-VHDX 2.6.2.6).
 * Says what is to be in it; when that is right is merge's or the caller's to know.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_LINK_H
#define VX_CHAIN_LINK_H

#include "image/image.h"

struct vx_link {
    vhdx_guid linkage;
    vhdx_guid linkage2;      /* all zero: not set */
    const char *parent_path; /* NULL: the paths stay as they are */
    /* with parent_path: paths in the form of a system that this host is not stay beside the new one */
    bool keep_unknown;
    const char *also_path; /* NULL, or where the parent is until it moves to parent_path: found there too */
};

/*
 * The locator item for a child at `child_path`: *bytes is for vx_free(). `old` (may be NULL) lends keys that are not
 * ours and, when `link` names no path, the paths.
 */
vhdx_status vx_link_encode(const vhdx_host *host, const char *child_path, const struct vx_locator *old,
                           const struct vx_link *link, uint8_t **bytes, uint32_t *size, vhdx_error *err);

/* Refuses what vx_link_write() would refuse for lack of room; writes nothing. */
vhdx_status vx_link_check(struct vx_image *child, const struct vx_link *link, vhdx_error *err);

/* Writes the link into the child, in one log entry. The child must be in writing and have nothing pending. */
vhdx_status vx_link_write(struct vx_image *child, const struct vx_link *link, vhdx_error *err);

#endif
