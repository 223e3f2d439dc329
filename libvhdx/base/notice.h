/*
 * What the caller is told while the work goes on: notices in words, and the progress, which may end the work.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_NOTICE_H
#define VX_BASE_NOTICE_H

#include "base/status.h"

/* Sends one formatted notice. `notice` may be NULL. */
void vx_notice(vhdx_notice_fn notice, void *context, vhdx_notice_kind kind, const char *format, ...) VX_PRINTF(4, 5);
/* Sends one with an advice, whose words are added here. */
void vx_notice_advised(vhdx_notice_fn notice, void *context, const vhdx_notice *given);

/* Tells the progress. CANCELLED, "`what` was cancelled", when the listener wants no more of it. `progress` may be NULL;
 * `path` as in vx_at_file(). */
vhdx_status vx_progress(vhdx_progress_fn progress, void *context, const vhdx_progress *now, const char *path,
                        const char *what, vhdx_error *err);

/* Whether a status ends all work, whatever file it was about. */
static inline bool vx_ends_all(vhdx_status status)
{
    return status == VHDX_NOMEM || status == VHDX_CANCELLED;
}

#endif
