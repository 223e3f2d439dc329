/*
 * What the files scan*.c share: the walk, its tasks and its members.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_SCAN_PARTS_H
#define VX_ORPHANS_SCAN_PARTS_H

#include "estate/estate.h"
#include "io/thread.h"
#include "orphans/probe.h"

#include <stdatomic.h>

#define VX_HANDFUL 64u /* names in one task */

/* A directory, as it is known while something in it is still to be looked at. */
struct vx_folder {
    char *path;     /* as it is told */
    char *absolute; /* as it is compared */
    uint64_t volume;
    uint64_t id[2];
    unsigned depth;
    bool by_link;
    bool by_link_itself; /* met under the name of a link: listed after all that have names of their own */
    atomic_uint users;
};

struct vx_scan_task {
    struct vx_scan_task *next;
    struct vx_folder *folder;
    size_t name_count; /* 0: list the folder */
    struct {
        char *name;
        vhdx_entry_type type;
    } names[VX_HANDFUL];
};

struct vx_seen {
    uint64_t volume, id[2];
};

struct vx_walk {
    struct vx_estate *estate;
    const vhdx_host *host;
    const vhdx_orphans_options *options;
    bool windows, extra;
    struct vx_lock *lock;
    /* under the lock */
    struct vx_scan_task *heap;
    struct vx_scan_task *later; /* directories behind links, until the heap is empty for good */
    unsigned busy;              /* members that work on something */
    struct vx_seen *seen;       /* directories, as a hash table; volume 0 = free */
    size_t seen_count, seen_room;
    vhdx_orphans_progress progress;
    uint64_t told_at;
    atomic_bool stop; /* written under the lock, looked at by everyone */
    vhdx_status status;
    vhdx_error *err;
};

/* One thread. */
struct vx_walker {
    struct vx_walk *walk;
    struct vx_probe *probe;
    unsigned number;
    struct vx_scan_task *gathering; /* names of the folder that is being listed */
    struct vx_folder *folder;
    bool no_memory;
};

struct vx_sighted_paths {
    char *path, *absolute;
};

/* Ends the walk with this status. Under the lock. */
void vx_walk_fail(struct vx_walk *walk, vhdx_status status);
/* A place that was searched, or was not, and why. */
void vx_walk_add_place(struct vx_walk *walk, const char *path, bool searched, const char *reason);
/* A place that is not there. */
void vx_walk_add_nowhere(struct vx_walk *walk, const char *path, const char *reason);
/* Puts into the estate what a look at a file has found. false: no memory. */
bool vx_walker_take(struct vx_walker *walker, const struct vx_sighting *sighting, const struct vx_sighted_paths *paths,
                    bool by_link);

#endif
