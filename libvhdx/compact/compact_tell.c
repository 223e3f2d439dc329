/*
 * Progress of a compaction, and the wish to stop it.
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact_run.h"

void vx_compact_tell(struct vx_compact_run *run, vhdx_phase phase, uint64_t done, uint64_t total)
{
    const vhdx_progress now = {phase, done, total};
    run->told = done;
    if (run->options->progress && !run->options->progress(run->options->progress_context, &now))
        run->cancelled = true;
}
