/*
 * Whether the target holds already what the merged layers say: for runs that go on where an earlier one ended.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_COMPARE_MERGED_H
#define VX_MERGE_COMPARE_MERGED_H

#include "merge/run.h"

/* In [begin, end) of the virtual disk; `compared`: the bytes that were looked at. */
vhdx_status vx_compare_merged(const struct vx_merge_run *run, uint64_t begin, uint64_t end, bool *same,
                              uint64_t *compared, vhdx_error *err);

#endif
