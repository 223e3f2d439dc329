/*
 * What is to be done outside of the library after a merge: a few plain lines for the person who runs Hyper-V. Words
 * only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_AFTERMATH_H
#define VX_MERGE_AFTERMATH_H

#include "base/status.h"

struct vx_aftermath {
    const char *child;  /* the layer that was merged */
    const char *target; /* where its content is now */
    bool new_file;      /* the target was made by this merge */
    bool in_place;      /* the child's own file now holds everything */
    bool has_upper;     /* a layer above the child goes on being the leaf */
    bool between;       /* layers between child and target are left */
    bool deleted;       /* the merged layers were removed */
    bool owner_known;   /* what the machine's configuration needs is told elsewhere */
};

/* Sends the lines as notices of kind NEXT. `notice` may be NULL. */
void vx_tell_aftermath(const struct vx_aftermath *aftermath, vhdx_notice_fn notice, void *context);

#endif
