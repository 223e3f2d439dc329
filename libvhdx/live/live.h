/*
 * A chain as a disk: read by any number of threads, its leaf written block by block. Nothing is written before the
 * first change. Invariants; the lines that uphold them name them:
 *
 *  L1  A payload byte that is visible changes in place only where its sector belongs to the leaf already; everything
 *      else is written to a place that no committed entry or bit leads to, and becomes visible with a commit of the
 *      journal. So after a power cut each sector is old or new, and what was flushed is new.
 *  L2  A flush that succeeded has made everything durable that was written before it: payload first, then the entries
 *      and bits that lead to it (J1 and J2 of image/journal.h).
 *  L3  The space of a block that was dropped is given to no other block, nor back to the volume, before the commit that
 *      dropped it is durable (J5).
 *  L4  What failed for want of space has changed nothing that is visible, and may be tried again.
 *  L5  The leaf gets a new FileWriteGuid and DataWriteGuid before its first change (MS-VHDX 2.2.2).
 *
 * Writers take turns: one lock for all that change, flushes included. Readers pass a gate, which is closed only while
 * entries and bits change in memory.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_LIVE_LIVE_H
#define VX_LIVE_LIVE_H

#include "chain/layered.h"

struct vx_live;

struct vx_live_options {
    const vhdx_host *host;
    struct vx_search search;
    bool write; /* the leaf is opened for this process alone; nothing is written before the first change */
    bool even_with_children;
    size_t layer; /* to be read as if it were the leaf; 0 with `write` */
    vhdx_notice_fn notice;
    void *notice_context;
};

/* Fails as vx_chain_open() does; REFUSED: the leaf has children, which are named; CORRUPT, LIMIT: it cannot be
 * written safely. */
vhdx_status vx_live_open(const char *path, const struct vx_live_options *options, struct vx_live **live,
                         vhdx_error *err);
/* Makes everything durable, empties the log, and frees it all, also on failure: then the log stays and is replayed by
 * whoever opens the disk next. Takes NULL. No other thread may use it any more. */
vhdx_status vx_live_close(struct vx_live *live, vhdx_error *err);

/* The chain: for its facts, which do not change but for the GUIDs of the leaf. */
const struct vx_chain *vx_live_chain(const struct vx_live *live);
size_t vx_live_layer(const struct vx_live *live);

/* Ranges must lie on the disk (the caller has checked). Any number of threads. */
vhdx_status vx_live_read(struct vx_live *live, void *buf, size_t length, uint64_t virtual_offset, vhdx_error *err);
/* The piece at `virtual_offset`, as of now, at most `limit` bytes. */
vhdx_status vx_live_piece(struct vx_live *live, uint64_t virtual_offset, uint64_t limit, struct vx_piece *piece,
                          vhdx_error *err);

/* STATE unless opened for writing. After a failure each sector of the range is old or new. */
vhdx_status vx_live_write(struct vx_live *live, const void *buf, size_t length, uint64_t virtual_offset,
                          vhdx_error *err);
/* The range reads as zeros. Whole blocks give their space back unless `keep_space`. */
vhdx_status vx_live_zero(struct vx_live *live, uint64_t virtual_offset, uint64_t length, bool keep_space,
                         vhdx_error *err);
/* Whole blocks inside the range give their space back and read as zeros; the rest stays as it is. */
vhdx_status vx_live_trim(struct vx_live *live, uint64_t virtual_offset, uint64_t length, vhdx_error *err);
/* L2. */
vhdx_status vx_live_flush(struct vx_live *live, vhdx_error *err);

#endif
