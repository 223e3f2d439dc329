/*
 * The progress bar of long work, and the wish to stop. The bar is drawn on standard error, only when that is a
 * terminal and nobody asked for quiet; the wish to stop is looked at in every case.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_PROGRESS_H
#define VHDX_TOOLS_PROGRESS_H

#include "cli.h"

struct progress {
    bool visible;
    bool drawn; /* a bar stands on the line */
    vhdx_phase phase;
    double phase_began;
    uint64_t phase_base; /* bytes that were done when the phase began to be timed */
};

/* Also turns interrupts into a wish to stop, which progress_step passes on. */
void progress_begin(struct progress *progress, const struct cli *cli);

/* A vhdx_progress_fn; `context` is the struct progress. */
bool progress_step(void *context, const vhdx_progress *now);

/* Wipes the bar, before something else is written to standard error and at the end. */
void progress_clear(struct progress *progress);

/* Replaces the advice of a cancelled operation by `advice`: what was asked for is no reason to look at the medium. */
void progress_advise(vhdx_error *err, const char *advice);

#endif
