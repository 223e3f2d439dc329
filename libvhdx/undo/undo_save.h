/*
 * Files whose old bytes are durable in an undo file before new ones reach them. Protection hangs on the open file
 * (vx_file_protect), so that no writer has to think of it; one that knows many ranges beforehand says so with
 * vx_file_will_change() and saves flushes.
 *
 * Invariants (the lines that uphold them name them):
 *  P1  A byte below a target's original size changes only after a record with its old value is durable.
 *  P2  A target gets another identity (vx_file_will_be) only after that identity is durable in the undo file.
 *  P3  Of several records for one byte the first one holds the original. Records are put back in the reverse order, so
 * it wins. P4  After a failure to save nothing changes any more, but for what had been saved when the work began.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_UNDO_UNDO_SAVE_H
#define VX_UNDO_UNDO_SAVE_H

#include "base/ranges.h"
#include "io/io.h"

struct vx_undo;

struct vx_undo_target {
    struct vx_file *file;          /* writable */
    struct vx_identity identity;   /* as it is */
    const struct vx_range *ranges; /* likely to change soon: saved at once, as is the file's first MiB */
    size_t range_count;
};

/*
 * Begins the undo file `path`, and protects the targets until vx_undo_close(). Where the file is there already, and is
 * of the same work (it names the same targets, and they are as they were left, finished or not), it is gone on with:
 * what it holds is not saved again. EXISTS: a file that is no undo file, or of other disks; UNDO_MISMATCH: of these
 * disks, but another program has written to them since. On failure nothing is protected and a file made here is
 * removed.
 */
vhdx_status vx_undo_begin(const vhdx_host *host, const char *path, const struct vx_undo_target *targets, size_t count,
                          struct vx_undo **undo, vhdx_error *err);
/* Refuses what vx_undo_begin() would refuse because of a file that is there; writes nothing. */
vhdx_status vx_undo_check(const vhdx_host *host, const char *path, const struct vx_undo_target *targets, size_t count,
                          vhdx_error *err);
/* The work came to its end. */
vhdx_status vx_undo_end(struct vx_undo *undo, vhdx_error *err);
/* Takes the protection away; the targets must still be open. Takes NULL. */
void vx_undo_close(struct vx_undo *undo);
/* Length of the undo file so far. */
uint64_t vx_undo_length(const struct vx_undo *undo);

#endif
