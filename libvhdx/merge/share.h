/*
 * Sharing extents between files of one volume instead of copying bytes (FICLONERANGE and its like): which part of a
 * range can be shared, and what has been learned about each pair of files. Whether a host shares is known only when it
 * has done so once; what a plan says beforehand is a promise of the file system, not of these two files.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_SHARE_H
#define VX_MERGE_SHARE_H

#include "io/io.h"

/* A range in three parts: head and tail are copied, the body between them is shared. */
struct vx_share_parts {
    uint64_t head, body; /* body 0: all of it is copied */
};

/* What suits the target's file system: whole units, and nothing that costs less copied. */
struct vx_share_parts vx_share_parts(const struct vx_file *target, uint64_t source_offset, uint64_t target_offset,
                                     uint64_t length);

enum vx_share_state {
    VX_SHARE_UNTRIED,
    VX_SHARE_WORKS,
    VX_SHARE_FAILS, /* the host has refused the first range; it is not asked again */
};

struct vx_share_pair {
    const struct vx_file *source;
    enum vx_share_state state;
    unsigned refusals; /* one after the other */
};

/* What was learned about one target and its sources. All zero: nothing. */
struct vx_sharing {
    struct vx_share_pair *pairs;
    size_t count;
    vhdx_notice_fn notice; /* hears which pairs share and which do not; may be NULL */
    void *notice_context;
};

void vx_sharing_clear(struct vx_sharing *sharing);
enum vx_share_state vx_sharing_state(const struct vx_sharing *sharing, const struct vx_file *source);
/*
 * Shares the range, as one call. UNSUPPORTED (no error text): it is to be copied; nothing is asked for any more of a
 * pair whose first range was refused, or many in a row.
 */
vhdx_status vx_sharing_try(struct vx_sharing *sharing, struct vx_file *target, uint64_t offset, struct vx_file *source,
                           uint64_t source_offset, uint64_t length, vhdx_error *err);

#endif
