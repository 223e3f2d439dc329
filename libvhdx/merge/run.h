/*
 * A merge in place, as the files that carry it out share it: checks.c judges, run.c changes, removal.c takes away what
 * was merged. flatten.c borrows the progress and the room check.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_RUN_H
#define VX_MERGE_RUN_H

#include "chain/link.h"
#include "format/merge_mark.h"
#include "undo/undo_save.h"
#include "merge/copy.h"
#include "merge/guard.h"
#include "merge/merge.h"
#include "merge/totals.h"

/* What an earlier run has done, and this one's mark: resume.h. */
struct vx_resume {
    struct vx_merge_mark mark;
    bool goes_on;                          /* what the mark found says is true: all before mark.done_end is done */
    bool carried;                          /* the target bears this run's mark */
    uint64_t moved_before;                 /* bytes, by earlier runs */
    uint64_t verified_end, verified_moved; /* with `verify`: so far windows were read back */
};

struct vx_merge_run {
    const vhdx_merge_options *options;
    const char *child_path;
    bool plan_only;
    const struct vx_merge_surroundings *around;
    struct vx_chain *chain;
    size_t into;
    struct vx_image *child, *bottom, *target; /* layers 0, into - 1, into */
    struct vx_neighbours neighbours;
    struct vx_guard guard;
    struct vx_image **uppers;
    size_t upper_count;
    struct vx_totals totals;
    struct vx_resume resume;
    uint64_t window_bytes; /* payload between two commits; 0 = the default */
    vhdx_guid identity;    /* the target's new one */
    vhdx_merge_report *report;
    struct vx_undo *undo; /* NULL: none is asked for, or not begun yet */
    bool begun;           /* something was written */
    bool complete;        /* the target holds everything already */
    bool marked;          /* the merged layers say so: M8 */
};

/* Checks everything that can be checked before the first write (M1), opens the layers above, and fills the plan's part
 * of the report. */
vhdx_status vx_merge_check(struct vx_merge_run *run, vhdx_error *err);

/* The part of it that is about other disks: siblings are refused, layers above are opened. */
vhdx_status vx_merge_check_neighbours(struct vx_merge_run *run, vhdx_error *err);
/* The plan's part of the report. */
void vx_merge_fill_report(struct vx_merge_run *run);
/* What was done, into the report. */
void vx_merge_report_done(vhdx_merge_report *report, const struct vx_copier *copier, const struct vx_totals *done);
/* Bytes of the volume that come back when the layers [first, end) are removed. */
uint64_t vx_merge_released(const struct vx_merge_run *run, size_t first, size_t end);

/* What the planner and the appliers need to know. */
struct vx_merge_task vx_merge_task(const struct vx_merge_run *run);

/* Gives the target the child's virtual-disk items, size and ids in place of its own, in one log entry; or only looks
 * whether there is room for them: LIMIT. */
vhdx_status vx_merge_take_items(struct vx_merge_run *run, bool check_only, vhdx_error *err);

/* One link in one layer, as a writable open of its own. */
vhdx_status vx_merge_link(struct vx_merge_run *run, struct vx_image *layer, const struct vx_link *link,
                          vhdx_error *err);

/* What a layer above the child is told, and the child itself before layers below it go. The strings belong to the
 * images. */
struct vx_link vx_merge_upper_link(const struct vx_merge_run *run);
struct vx_link vx_merge_link_past(const struct vx_merge_run *run);

/* Removes what was merged, the child last (M5). The chain is closed by this. */
vhdx_status vx_merge_remove(struct vx_merge_run *run, vhdx_error *err);

/* Removes a file, durably. */
vhdx_status vx_merge_remove_file(const vhdx_host *host, const char *path, vhdx_error *err);
/* Makes the name of the file durable. */
vhdx_status vx_merge_sync_directory(const vhdx_host *host, const char *path, vhdx_error *err);

/* Closes and frees all that the run holds, but not the report. */
void vx_merge_close(struct vx_merge_run *run);

/* Progress of a copier towards the caller's callback. */
struct vx_teller {
    const vhdx_merge_options *options;
    uint64_t total, told;
    uint64_t before; /* moved by earlier runs */
};
/* Makes the copier tell its progress, and what it learns of sharing, to the caller. */
void vx_teller_attach(struct vx_teller *teller, struct vx_copier *copier);

/* What the work takes besides its totals. */
struct vx_room {
    uint64_t further;  /* bytes */
    uint64_t at_most;  /* when space comes back meanwhile; UINT64_MAX = it does not */
    uint64_t released; /* at the end */
};

/*
 * Free space that carrying out `totals` on the target takes, and whether the target's volume has it and may hold a file
 * so long: NO_SPACE or LIMIT with the numbers.
 */
vhdx_status vx_merge_check_room(struct vx_image *target, const struct vx_totals *totals, const struct vx_room *room,
                                vhdx_merge_report *report, vhdx_error *err);

#endif
