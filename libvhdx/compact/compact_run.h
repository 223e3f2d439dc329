/*
 * A compaction on its way, as the files of this room share it: compact_scan.c finds what goes, compact_pack.c where the
 * rest belongs, compact_move.c carries it out.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_COMPACT_COMPACT_RUN_H
#define VX_COMPACT_COMPACT_RUN_H

#include "base/checked.h"
#include "chain/chain.h"
#include "compact/compact_free.h"
#include "compact/compact_pack.h"
#include "undo/undo_save.h"

struct vx_compact_run {
    const vhdx_compact_options *options;
    const char *path;
    bool plan_only;
    struct vx_chain *chain;
    struct vx_image *disk; /* layer 0 */
    struct vx_free_map free;
    uint8_t *drop;        /* a bit for each entry of the BAT: the block leaves the file */
    bool content_changes; /* what leaves was not all zeros */
    bool keeps_identity;  /* although content changes: its children were told */
    struct vx_pack pack;
    struct vx_undo *undo; /* NULL: none is asked for, or not begun yet */
    bool begun;           /* something was written */
    bool cancelled;       /* the caller wants no more of it; what is done is done */
    uint64_t told;        /* progress, in bytes */
    vhdx_compact_report *report;
};

static inline bool vx_compact_drops(const struct vx_compact_run *run, uint64_t bat_index)
{
    return run->drop[bat_index / 8] >> (bat_index % 8) & 1;
}

/* Progress; remembers that the caller wants no more, and never fails. */
void vx_compact_tell(struct vx_compact_run *run, vhdx_phase phase, uint64_t done, uint64_t total);

/* Which blocks leave the file: fills `drop` and the report's part about them. Only reads. */
vhdx_status vx_compact_scan(struct vx_compact_run *run, vhdx_error *err);
/* Where everything else belongs: fills `pack` and the report's part about it. Only reads. */
vhdx_status vx_compact_plan_places(struct vx_compact_run *run, vhdx_error *err);
/* Punches holes into blocks that stay; or only counts them, and says whether content changes by that. */
vhdx_status vx_compact_punch(struct vx_compact_run *run, bool for_real, vhdx_error *err);
/* Takes the entries of `drop` out of the BAT of the disk, which is in writing. */
vhdx_status vx_compact_drop(struct vx_compact_run *run, vhdx_error *err);
/* Moves what `pack` says, but for the log. */
vhdx_status vx_compact_move(struct vx_compact_run *run, vhdx_error *err);

#endif
