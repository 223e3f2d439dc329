/*
 * What the files of this room share: the state of a chain that is used as a disk.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_LIVE_LIVE_PARTS_H
#define VX_LIVE_LIVE_PARTS_H

#include "live/gate.h"
#include "live/live.h"

#define VX_IDLE_CURSORS 8u

/* A cursor that was used before, and the state of the leaf's entries and bits that it knows. */
struct vx_idle_cursor {
    struct vx_cursor *cursor;
    uint64_t generation;
};

struct vx_live {
    struct vx_chain *chain;
    struct vx_image *leaf; /* the layer that is the top of what is read */
    size_t layer;
    bool writable;
    bool begun;           /* the leaf is in writing */
    bool pending;         /* entries or bits wait for a commit */
    struct vx_lock *turn; /* of those who change anything; taken before the gate */
    struct vx_gate gate;
    uint64_t generation;       /* counts the changes of entries and bits; changes only inside the gate, alone */
    struct vx_lock *idle_lock; /* for the following two */
    struct vx_idle_cursor idle[VX_IDLE_CURSORS];
    size_t idle_count;
    struct vx_ranges dropped; /* places of the file that the pending commit gives up */
    uint8_t *sector;          /* room for one, of whoever has the turn */
};

/* L5. For whoever has the turn. */
vhdx_status vx_live_begin(struct vx_live *live, vhdx_error *err);
/* Makes the pending entries and bits durable. For whoever has the turn. */
vhdx_status vx_live_commit(struct vx_live *live, vhdx_error *err);

#endif
