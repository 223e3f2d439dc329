/*
 * The protocol of a merge in place. Its invariants are stated in run.c; shared with flatten.c are only the report and the room check.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_RUN_H
#define VX_MERGE_RUN_H

#include "merge/copy.h"
#include "merge/plan.h"

/* Progress of a copier towards the caller's callback. */
struct vx_teller {
    const vhdx_merge_options *options;
    uint64_t total, told;
};
/* For vx_copier.tell; `context` is a struct vx_teller. */
vhdx_status vx_tell_copied(void *context, uint64_t copied, vhdx_error *err);

/*
 * Free space that carrying out `totals` on a file of this host takes, and whether the volume of `path` has it and may hold a file so long (`file_end`: as long as it
 * is now): NO_SPACE or LIMIT with the numbers.
 */
vhdx_status vx_check_room(const vhdx_host *host, const char *path, const struct vx_image *target,
                          const struct vx_totals *totals, uint64_t further, vhdx_merge_report *report, vhdx_error *err);

#endif
