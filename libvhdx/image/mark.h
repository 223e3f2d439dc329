/*
 * The mark of a merge on its way, in the target's metadata (format/merge_mark.h): read, begun, carried forward with the
 * commit of each window. What it proves, and when it is believed, is merge's business.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_MARK_H
#define VX_IMAGE_MARK_H

#include "format/merge_mark.h"
#include "image/image.h"

#define VX_MARK_PAGES 2u /* that carrying it forward takes of a commit, at most */

/* Whether the image bears a mark that is its own: nothing but the merge has written to it since. */
vhdx_status vx_mark_read(struct vx_image *image, bool *found, struct vx_merge_mark *mark, vhdx_error *err);
/* Writes the mark, in one log entry of its own. LIMIT: the metadata region has no room for it; nothing changed. */
vhdx_status vx_mark_begin(struct vx_image *image, const struct vx_merge_mark *mark, vhdx_error *err);
/* Puts the mark, which is there, among the pages of the next commit. */
vhdx_status vx_mark_forward(struct vx_image *image, const struct vx_merge_mark *mark, vhdx_error *err);
/* The change that takes it away. */
struct vx_item_change vx_mark_removal(void);

#endif
