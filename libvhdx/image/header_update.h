/*
 * The headers' safe update (MS-VHDX 2.2.2.1): the copy that is not current is written with a higher sequence number and
 * flushed, then the other one. That one is flushed with whatever comes next: until then the first one is current, and
 * says the same. Which GUID changes when is the callers' matter (open.c, merge/). Nothing else writes to a header.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_HEADER_UPDATE_H
#define VX_IMAGE_HEADER_UPDATE_H

#include "image/image.h"

/*
 * Makes `values` (its sequence number is ignored) the current header, in both copies. Flushes first, so that all that
 * the new header makes reachable is durable; when it returns the new header is durable in one copy, and in both after
 * the caller's next flush. On failure the disk has the old or the new header, and image->header says nothing certain
 * any more.
 */
vhdx_status vx_header_update(struct vx_image *image, const struct vx_header *values, vhdx_error *err);

/* A fresh random GUID, never zero. */
vhdx_status vx_new_guid(const vhdx_host *host, vhdx_guid *guid, vhdx_error *err);

#endif
