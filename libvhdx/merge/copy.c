/*
 * Carrying out copy jobs. See copy.h. Measured: one thread, 256 KiB buffers, jobs in the order of the source, some MiB
 * announced ahead, and buffered writes whose writing out is begun early reach what the disk gives; larger buffers are
 * slower on virtual machines.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/copy.h"

#include "base/alloc.h"

#include <stdlib.h>

#define READ_AHEAD (8 * VX_MIB)
#define WRITE_OUT (8 * VX_MIB)
#define WRITE_OUT_GAP VX_MIB
#define SHARE_PIECE VX_GIB /* between two checks for a cancellation */
#define SHARED_LOAD 64u    /* sharing costs a window less than this part of copying */

vhdx_status vx_copier_open(struct vx_copier *copier, struct vx_file *target, vhdx_error *err)
{
    *copier = (struct vx_copier){.target = target};
    copier->buf = vx_alloc(VX_COPY_BUFFER, 1);
    return copier->buf ? VHDX_OK : vx_fail_memory(err, "a copy buffer");
}

void vx_copier_close(struct vx_copier *copier)
{
    vx_sharing_clear(&copier->sharing);
    vx_free(copier->jobs);
    vx_free(copier->buf);
    *copier = (struct vx_copier){0};
}

static bool joins(const struct vx_copy_job *last, const struct vx_copy_job *job)
{
    return last->source == job->source && last->target_offset + last->length == job->target_offset &&
           (!job->source || (last->source_offset + last->length == job->source_offset &&
                             last->virtual_offset + last->length == job->virtual_offset));
}

/* No body: all of it is zeros, or will be copied. */
static struct vx_share_parts parts_of(const struct vx_copier *copier, const struct vx_copy_job *job)
{
    if (!job->source || vx_sharing_state(&copier->sharing, job->source) == VX_SHARE_FAILS)
        return (struct vx_share_parts){0};
    return vx_share_parts(copier->target, job->source_offset, job->target_offset, job->length);
}

/* A window is limited by the bytes to be written. Shared bytes count as nearly free only once sharing between these two
 * files has succeeded.
 */
static uint64_t load_of(const struct vx_copier *copier, const struct vx_copy_job *job)
{
    uint64_t body = parts_of(copier, job).body;
    if (body == 0 || vx_sharing_state(&copier->sharing, job->source) != VX_SHARE_WORKS)
        return job->length;
    return job->length - body + body / SHARED_LOAD;
}

vhdx_status vx_copier_add(struct vx_copier *copier, const struct vx_copy_job *job, vhdx_error *err)
{
    copier->load += load_of(copier, job);
    if (copier->job_count > 0 && joins(&copier->jobs[copier->job_count - 1], job)) {
        copier->jobs[copier->job_count - 1].length += job->length;
        return VHDX_OK;
    }
    struct vx_copy_job *jobs = vx_room_for(copier->jobs, copier->job_count, &copier->job_room, sizeof *jobs);
    if (!jobs)
        return vx_fail_memory(err, "the plan of a merge");
    copier->jobs = jobs;
    copier->jobs[copier->job_count++] = *job;
    return VHDX_OK;
}

static int by_source(const void *a, const void *b)
{
    const struct vx_copy_job *left = a, *right = b;
    uintptr_t left_file = (uintptr_t)left->source, right_file = (uintptr_t)right->source;
    if (left_file != right_file)
        return left_file < right_file ? -1 : 1;
    if (left->source_offset != right->source_offset)
        return left->source_offset < right->source_offset ? -1 : 1;
    return (left->target_offset > right->target_offset) - (left->target_offset < right->target_offset);
}

/* Announces jobs until READ_AHEAD bytes in front of job `at` are under way; *ahead is the first job not announced. */
static void announce(const struct vx_copier *copier, size_t at, size_t *ahead, uint64_t *announced, uint64_t done)
{
    if (*ahead < at)
        *ahead = at;
    while (*ahead < copier->job_count && *announced < done + READ_AHEAD) {
        const struct vx_copy_job *job = &copier->jobs[(*ahead)++];
        if (job->source && parts_of(copier, job).body == 0)
            vx_file_will_need(job->source, job->source_offset, vx_min(job->length, READ_AHEAD));
        *announced += job->length;
    }
}

/*
 * The target's new bytes are not read soon: at this hint Linux begins to write them out, while copying goes on;
 * otherwise all of them wait for the flush at the window's end. What is far apart is announced apart, so that no
 * other page of the target leaves the cache.
 */
static void add_written(struct vx_copier *copier, uint64_t offset, uint64_t length)
{
    bool is_near = offset >= copier->written_offset && offset <= copier->written_end + WRITE_OUT_GAP;
    if (!is_near || copier->written_end - copier->written_offset >= WRITE_OUT) {
        vx_file_dont_need(copier->target, copier->written_offset, copier->written_end - copier->written_offset);
        copier->written_offset = copier->written_end = offset;
    }
    copier->written_end = vx_max(copier->written_end, offset + length);
}

static vhdx_status tell(const struct vx_copier *copier, vhdx_error *err)
{
    return copier->tell ? copier->tell(copier->tell_context, copier->copied + copier->shared, err) : VHDX_OK;
}

static vhdx_status copy_job(struct vx_copier *copier, const struct vx_copy_job *job, vhdx_error *err)
{
    for (uint64_t done = 0; done < job->length;) {
        size_t here = (size_t)vx_min(VX_COPY_BUFFER, job->length - done);
        if (done > 0 && done % READ_AHEAD == 0)
            vx_file_will_need(job->source, job->source_offset + done, vx_min(READ_AHEAD, job->length - done));
        VX_TRY(vx_file_read(job->source, copier->buf, here, job->source_offset + done, err));
        VX_TRY(vx_file_write(copier->target, copier->buf, here, job->target_offset + done, err));
        add_written(copier, job->target_offset + done, here);
        if (copier->moved)
            VX_TRY(copier->moved(copier->moved_context, job->virtual_offset + done, copier->buf, here, err));
        done += here;
        copier->copied += here;
        VX_TRY(tell(copier, err));
    }
    return VHDX_OK;
}

/* Where the bytes of what is shared are wanted, they are read. */
static vhdx_status show_job(const struct vx_copier *copier, const struct vx_copy_job *job, vhdx_error *err)
{
    for (uint64_t done = 0; copier->moved && done < job->length;) {
        size_t here = (size_t)vx_min(VX_COPY_BUFFER, job->length - done);
        VX_TRY(vx_file_read(job->source, copier->buf, here, job->source_offset + done, err));
        VX_TRY(copier->moved(copier->moved_context, job->virtual_offset + done, copier->buf, here, err));
        done += here;
    }
    return VHDX_OK;
}

static struct vx_copy_job part_of(const struct vx_copy_job *job, uint64_t from, uint64_t length)
{
    return (struct vx_copy_job){.source = job->source,
                                .source_offset = job->source_offset + from,
                                .target_offset = job->target_offset + from,
                                .length = length,
                                .virtual_offset = job->virtual_offset + from};
}

/* A body that the host can share; what it refuses is copied. */
static vhdx_status share_job(struct vx_copier *copier, const struct vx_copy_job *job, vhdx_error *err)
{
    for (uint64_t done = 0; done < job->length;) {
        struct vx_copy_job piece = part_of(job, done, vx_min(SHARE_PIECE, job->length - done));
        vhdx_status status = vx_sharing_try(&copier->sharing, copier->target, piece.target_offset, piece.source,
                                            piece.source_offset, piece.length, err);
        if (status == VHDX_UNSUPPORTED) {
            VX_TRY(copy_job(copier, &piece, err));
        } else if (status == VHDX_OK) {
            copier->shared += piece.length;
            VX_TRY(show_job(copier, &piece, err));
            VX_TRY(tell(copier, err));
        } else {
            return status;
        }
        done += piece.length;
    }
    return VHDX_OK;
}

static vhdx_status run_job(struct vx_copier *copier, const struct vx_copy_job *job, vhdx_error *err)
{
    if (!job->source)
        return vx_file_zero(copier->target, job->target_offset, job->length, err);
    struct vx_share_parts parts = parts_of(copier, job);
    if (parts.body == 0)
        return copy_job(copier, job, err);
    uint64_t tail = parts.head + parts.body;
    struct vx_copy_job head_job = part_of(job, 0, parts.head), body_job = part_of(job, parts.head, parts.body),
                       tail_job = part_of(job, tail, job->length - tail);
    VX_TRY(copy_job(copier, &head_job, err));
    VX_TRY(share_job(copier, &body_job, err));
    return copy_job(copier, &tail_job, err);
}

/* What the jobs overwrite is saved at once, where an undo file protects the target. */
static vhdx_status announce_changes(const struct vx_copier *copier, vhdx_error *err)
{
    struct vx_ranges ranges = {0};
    bool added = true;
    if (!vx_file_is_protected(copier->target))
        return VHDX_OK;
    for (size_t i = 0; i < copier->job_count && added; i++)
        added = vx_ranges_add(
            &ranges, &(struct vx_range){.offset = copier->jobs[i].target_offset, .length = copier->jobs[i].length});
    vx_ranges_sort(&ranges);
    vhdx_status status = added ? vx_file_will_change(copier->target, ranges.items, ranges.count, err)
                               : vx_fail_memory(err, "the plan of a merge");
    vx_ranges_clear(&ranges);
    return status;
}

/* In the order of the source, what is side by side in both files is one job: one call shares it. */
static void join_sorted(struct vx_copier *copier)
{
    size_t count = 0;
    for (size_t i = 0; i < copier->job_count; i++) {
        struct vx_copy_job *last = count > 0 ? &copier->jobs[count - 1] : NULL, *job = &copier->jobs[i];
        if (last && last->source == job->source && job->source &&
            last->source_offset + last->length == job->source_offset &&
            last->target_offset + last->length == job->target_offset)
            last->length += job->length;
        else
            copier->jobs[count++] = *job;
    }
    copier->job_count = count;
}

vhdx_status vx_copier_run(struct vx_copier *copier, vhdx_error *err)
{
    size_t ahead = 0;
    uint64_t announced = 0, done = 0;
    VX_TRY(announce_changes(copier, err));
    if (copier->job_count > 1)
        qsort(copier->jobs, copier->job_count, sizeof *copier->jobs, by_source);
    if (!copier->moved) /* a caller that wants the bytes also wants to know where each of them is on the virtual disk */
        join_sorted(copier);
    for (size_t i = 0; i < copier->job_count; i++) {
        announce(copier, i, &ahead, &announced, done);
        VX_TRY(run_job(copier, &copier->jobs[i], err));
        done += copier->jobs[i].length;
    }
    copier->job_count = 0;
    copier->load = 0;
    return VHDX_OK;
}
