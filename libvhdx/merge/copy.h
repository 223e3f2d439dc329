/*
 * Moving bytes from the layers into the target: jobs are gathered for a window, sorted by source, and carried out:
 * shared where the host can, else copied with read-ahead. Where bytes go and when they count is merge_apply.c's.
 * Nothing here is durable until the journal's next flush, shared or not.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_COPY_H
#define VX_MERGE_COPY_H

#include "base/checked.h"
#include "io/io.h"
#include "merge/share.h"

#define VX_COPY_BUFFER ((size_t)(256 * VX_KIB)) /* larger ones are slower on virtual machines */

struct vx_copy_job {
    struct vx_file *source; /* NULL: zeros */
    uint64_t source_offset, target_offset, length;
    uint64_t virtual_offset; /* what these bytes are on the virtual disk; for zeros of no meaning */
};

struct vx_copier {
    struct vx_file *target;
    struct vx_copy_job *jobs;
    size_t job_count, job_room;
    uint64_t load;           /* of the jobs: bytes to be written, and a little for what will be shared */
    uint64_t copied, shared; /* so far, in all */
    struct vx_sharing sharing;
    uint64_t written_offset, written_end; /* of the target: copied, not yet announced to the host for writing out */
    uint8_t *buf;
    /* called after each piece; not VHDX_OK ends the work with it */
    vhdx_status (*tell)(void *context, uint64_t moved, vhdx_error *err);
    void *tell_context;
    /* called with the bytes of each piece of data, shared ones too; NULL: not wanted */
    vhdx_status (*moved)(void *context, uint64_t virtual_offset, const void *buf, size_t length, vhdx_error *err);
    void *moved_context;
};

static inline uint64_t vx_copier_moved(const struct vx_copier *copier)
{
    return copier->copied + copier->shared;
}

vhdx_status vx_copier_open(struct vx_copier *copier, struct vx_file *target, vhdx_error *err);
void vx_copier_close(struct vx_copier *copier);
/* Adds a job; joined with the last one where both continue. */
vhdx_status vx_copier_add(struct vx_copier *copier, const struct vx_copy_job *job, vhdx_error *err);
/* Carries out all jobs and forgets them. Their targets must not overlap. */
vhdx_status vx_copier_run(struct vx_copier *copier, vhdx_error *err);

#endif
