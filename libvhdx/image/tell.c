/*
 * What a reader, or a writer, of a disk is told of its log: one that was never begun, and one that is older than the
 * disk. The judgement itself is log_past.c; the words for a report are in the table of findings.
 */
/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include <inttypes.h>
#include <stdio.h>

#define LINE 4096 /* a path, and a sentence */

void vx_image_tell(const struct vx_image *image, vhdx_notice_fn notice, void *context)
{
    char line[LINE];
    const char *path = vx_image_path(image);
    if (image->log == VHDX_LOG_STATE_UNBEGUN)
        snprintf(line, sizeof line,
                 "%s: the log is marked as in use, but nothing was ever logged (a program was killed): the disk is "
                 "read as it is",
                 path);
    else if (image->log == VHDX_LOG_STATE_STALE)
        snprintf(line, sizeof line,
                 "%s: its log is older than the disk: a replay would take away %" PRIu64
                 " blocks that were added since, so it was not replayed; 'vhdx repair' empties the log",
                 path, image->log_age.newer_blocks);
    else if (image->log_age.newer_blocks > 0)
        snprintf(line, sizeof line,
                 "%s: its log was replayed in memory, and that takes away %" PRIu64
                 " blocks to which the disk itself leads; see 'vhdx verify'",
                 path, image->log_age.newer_blocks);
    else
        return;
    if (notice)
        notice(context, VHDX_NOTICE_WARNING, line);
}

vhdx_status vx_image_check_log(const struct vx_image *image, vhdx_error *err)
{
    struct vx_where where = vx_at(vx_image_path(image), "log", image->header.log_offset);
    if (image->log_age.newer_blocks == 0 ||
        (image->log != VHDX_LOG_STATE_STALE && image->log != VHDX_LOG_STATE_REPLAYED))
        return VHDX_OK;
    vx_fail(err, VHDX_REFUSED, where,
            "the log and the disk contradict each other: a replay would take away %" PRIu64 " blocks that were added "
            "behind the log's back",
            image->log_age.newer_blocks);
    if (image->log == VHDX_LOG_STATE_STALE)
        return vx_advise(err, VHDX_REFUSED,
                         "nothing was changed; 'vhdx repair' keeps these blocks and empties the log");
    return vx_advise(err, VHDX_REFUSED,
                     "nothing was changed; save the disk with 'vhdx export --salvage', then 'vhdx repair --salvage'");
}
