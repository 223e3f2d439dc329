/*
 * A command that is about to be proposed, as a question to the planner that can answer it: would it work, as things are
 * now? The plans of merges and repairs are made in rooms that this one may not see, so the answer comes over a callback
 * from above. Nothing is written by it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ESTATE_TRIAL_H
#define VX_ESTATE_TRIAL_H

#include <vhdx.h>

enum vx_trial_kind {
    VX_TRIAL_INFO = 1, /* vhdx info DISK */
    VX_TRIAL_VERIFY,   /* vhdx verify DISK: can it be read at all */
    VX_TRIAL_CHAIN,    /* vhdx info --chain DISK */
    VX_TRIAL_COPY,     /* vhdx merge -o OTHER DISK */
    VX_TRIAL_MERGE,    /* vhdx merge --into OTHER DISK; NULL: into its parent */
    VX_TRIAL_RELINK,   /* vhdx relink --parent OTHER DISK */
    VX_TRIAL_REPAIR,   /* vhdx repair DISK: does it write anything */
    VX_TRIAL_SALVAGE,  /* vhdx repair --salvage DISK: likewise */
};

struct vx_trial {
    enum vx_trial_kind kind;
    const char *disk, *other;
    const char *const *parents; /* as given with --parent */
    size_t parent_count;
};

/* OK: it would work. NOMEM and CANCELLED end the search; whatever else is why it would not. */
typedef vhdx_status vx_trial_fn(void *context, const struct vx_trial *trial, vhdx_error *err);

struct vx_trier {
    vx_trial_fn *call; /* NULL: nothing is tried, and everything believed */
    void *context;
};

#endif
