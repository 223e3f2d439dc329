/*
 * The parent that a disk names, however damaged the disk is: for callers that must know whether a file would lose its
 * meaning when another one changes. Reads only; judges nothing. "cannot be told" is not "has none".
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_LINKAGE_H
#define VX_IMAGE_LINKAGE_H

#include "io/io.h"

enum vx_linkage_kind {
    VX_LINKAGE_NO_DISK, /* nothing of the format is in the file, or a disk that was never finished */
    VX_LINKAGE_NONE,    /* a disk without parent */
    VX_LINKAGE_KNOWN,
    VX_LINKAGE_UNKNOWN, /* a disk that has a parent, or may have one, and does not say which */
};

struct vx_linkage {
    enum vx_linkage_kind kind;
    bool has_identity; /* of the disk itself */
    vhdx_guid data_write_guid;
    bool has_linkage, has_linkage2; /* linkage2: only when it is set */
    vhdx_guid linkage, linkage2;
};

/* `file` stays the caller's. Fails only as the host does, and with NOMEM. */
vhdx_status vx_linkage_read(const vhdx_host *host, struct vx_file *file, struct vx_linkage *linkage, vhdx_error *err);

#endif
