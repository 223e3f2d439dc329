/*
 * Whether a file system says of itself that it was closed cleanly, or that something is still to be applied or checked.
 * Part of content.c. A disk that was copied while its machine ran says the latter, and is well.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_CLOSED_H
#define VX_GUEST_CLOSED_H

#include "guest/content.h"

/* Of the file system of that kind in the partition; UNKNOWN for kinds that have no such note. */
enum vx_fs_closed vx_fs_look_closed(const struct vx_content_source *source, uint64_t offset, uint64_t length,
                                    enum vx_fs_kind kind);

#endif
