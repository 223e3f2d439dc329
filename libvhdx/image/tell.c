/*
 * What a reader, or a writer, of a disk is told of its log: one that was never begun, and one that is older than the
 * disk. The judgement itself is log_past.c; the words for a report are in the table of findings.
 */
/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include "base/notice.h"

#include <inttypes.h>
#include <stdio.h>

#define LINE 4096 /* a path, and a sentence */

void vx_image_tell(const struct vx_image *image, vhdx_notice_fn notice, void *context)
{
    char line[LINE];
    const char *path = vx_image_path(image);
    vhdx_notice told = {.kind = VHDX_NOTICE_WARNING, .text = line};
    if (image->log == VHDX_LOG_STATE_UNBEGUN)
        snprintf(line, sizeof line,
                 "%s: the log is marked as in use, but nothing was ever logged (a program was killed): the disk is "
                 "read as it is",
                 path);
    else if (image->log == VHDX_LOG_STATE_STALE)
        snprintf(line, sizeof line,
                 "%s: its log is older than the disk: a replay would take away %" PRIu64
                 " blocks that were added since, so it was not replayed",
                 path, image->log_age.newer_blocks);
    else if (image->log_age.newer_blocks > 0)
        snprintf(line, sizeof line,
                 "%s: its log was replayed in memory, and that takes away %" PRIu64
                 " blocks to which the disk itself leads",
                 path, image->log_age.newer_blocks);
    else
        return;
    if (image->log_age.newer_blocks > 0)
        told.advice = image->log == VHDX_LOG_STATE_STALE ? VHDX_ADVICE_REPAIR_EMPTIES_LOG : VHDX_ADVICE_VERIFY;
    vx_notice_advised(notice, context, &told);
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
        return vx_advise_code(err, VHDX_REFUSED, VHDX_ADVICE_REPAIR_LOG_FIRST, NULL);
    return vx_advise_code(err, VHDX_REFUSED, VHDX_ADVICE_SALVAGE_THEN_REPAIR, NULL);
}
