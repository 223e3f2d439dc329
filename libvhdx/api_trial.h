/*
 * Whether commands that the search for orphans is about to propose would work: asked of the planners themselves, dry,
 * because what they would refuse at the time of the report is no advice. Reads only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_API_TRIAL_H
#define VX_API_TRIAL_H

#include "estate/trial.h"

struct vx_trials {
    const vhdx_orphans_options *options; /* of the search: its host, and what may cancel it */
    uint64_t count;
};

/* A vx_trial_fn; `context` is a struct vx_trials. */
vhdx_status vx_trial_ask(void *context, const struct vx_trial *trial, vhdx_error *err);

#endif
