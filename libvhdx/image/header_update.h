/*
 * The headers' safe update (MS-VHDX 2.2.2.1): the copy that is not current is written with a higher sequence number and
 * flushed, then the other one. That one is flushed with whatever comes next: until then the first one is current, and
 * says the same. Which GUID changes when is the callers' matter (open.c, merge/). Nothing else writes to a header.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_HEADER_UPDATE_H
#define VX_IMAGE_HEADER_UPDATE_H

#include "format/header.h"
#include "io/io.h"

/* All that an update of the headers, or a journal, knows of a disk; of a damaged one there may be no more. */
struct vx_head {
    const vhdx_host *host;
    struct vx_file *file;
    struct vx_header *header; /* the current one, as on disk; each update changes it */
    int *slot;                /* 0 or 1: where it is */
};

/*
 * Makes `values` (its sequence number is ignored) the current header, in both copies. Flushes first, so that all that
 * the new header makes reachable is durable; when it returns the new header is durable in one copy, and in both after
 * the caller's next flush. On failure the disk has the old or the new header, and `head` says nothing certain any more.
 */
vhdx_status vx_header_update(const struct vx_head *head, const struct vx_header *values, vhdx_error *err);

/* A fresh random GUID, never zero. */
vhdx_status vx_new_guid(const vhdx_host *host, vhdx_guid *guid, vhdx_error *err);

#endif
