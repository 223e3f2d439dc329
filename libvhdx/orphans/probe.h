/*
 * One file, looked at: what it is, by its content, and if it is a disk, its identity and its parent's. A fixed number
 * of small reads (some 4 KiB each, eight of a plain disk), no locks kept, nothing written. It is no check: checksums of
 * region and metadata tables are left to a verifier. Whatever is out of the ordinary (a dirty log, a table of unusual
 * shape) goes through the strict opener instead.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_PROBE_H
#define VX_ORPHANS_PROBE_H

#include "estate/estate.h"

/* Buffers of one thread, and the memory for what it finds. */
struct vx_probe;
struct vx_probe *vx_probe_new(const vhdx_host *host);
/* Takes NULL. What was found stays valid: the arena is joined to another before, see vx_probe_arena(). */
void vx_probe_free(struct vx_probe *probe);
struct vx_arena *vx_probe_arena(struct vx_probe *probe);

enum vx_sight {
    VX_SIGHT_NOTHING, /* of no interest */
    VX_SIGHT_DISK,    /* `disk` is filled but for its path */
    VX_SIGHT_CONFIG,  /* a configuration, or what looks like one */
    VX_SIGHT_SIDE,    /* `side_kind` */
    VX_SIGHT_BLOCKED, /* cannot be read, and its name does not tell what it is; `reason` */
};

struct vx_sighting {
    enum vx_sight sight;
    struct vx_disk disk;
    vhdx_side_kind side_kind;
    uint64_t file_size;
    vhdx_file_facts facts;
    const char *reason;
};

/* NOMEM is the only failure. */
vhdx_status vx_probe_file(struct vx_probe *probe, const char *path, struct vx_sighting *out, vhdx_error *err);

#endif
