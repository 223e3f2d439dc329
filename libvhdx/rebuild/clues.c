/*
 * What the files rebuild*.c say while they look: who the witness of a part is, and how far they are. See
 * rebuild_parts.h.
 */
/* SPDX-License-Identifier: MIT */
#include "base/notice.h"
#include "rebuild/rebuild_parts.h"

#include <stdarg.h>
#include <stdio.h>

void vx_clue_set(struct vx_rebuilding *work, enum vx_part part, enum vx_witness witness, bool lossless,
                 const char *format, ...)
{
    struct vx_clue *clue = &work->out->clues[part];
    va_list values;
    clue->witness = witness;
    clue->lossless = lossless || witness == VX_WITNESS_STORED;
    va_start(values, format);
    vsnprintf(clue->evidence, sizeof clue->evidence, format, values);
    va_end(values);
}

vhdx_status vx_rebuild_progress(const struct vx_rebuilding *work, uint64_t done, uint64_t total, vhdx_error *err)
{
    const vhdx_progress now = {VHDX_PHASE_PLAN, done, total};
    return vx_progress(work->options->progress, work->options->progress_context, &now, vx_file_path(work->file),
                       "the search", err);
}
