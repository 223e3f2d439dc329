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
    size_t drawn; /* columns of the line that the bar takes now */
    bool ever_drawn;
    double drawn_at;
    vhdx_phase phase;
    double phase_began;
    uint64_t phase_base; /* bytes that were done when the phase began to be timed */
};

/* Also turns interrupts into a wish to stop, which progress_step passes on. */
void progress_begin(struct progress *progress, const struct cli *cli);

/* A vhdx_progress_fn; `context` is the struct progress. */
bool progress_step(void *context, const vhdx_progress *now);

/* The same for work that counts something else: one line of text, when it is time for one. */
void progress_say(struct progress *progress, const char *format, ...) TOOL_PRINTF(2, 3);

/* Wipes the bar, before something else is written, wherever to, and at the end. */
void progress_clear(struct progress *progress);

/* Replaces the advice of a cancelled operation by `advice`: what was asked for is no reason to look at the medium. */
void progress_advise(vhdx_error *err, const char *advice);

#endif
