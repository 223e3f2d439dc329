/*
 * Sector bitmaps that are older than the log: an entry of the log's last session sets bits that the bitmap at home does
 * not have, as when the log was never replayed and its LogGuid was lost. The sectors are the layer's own then, and read
 * as the parent's.
 *
 * Easy to get wrong: bits that home has and the log has not are what a writer leaves that does not log. And a page of
 * an older session says nothing.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_OLD_BITS_H
#define VX_EVIDENCE_OLD_BITS_H

#include "evidence/log_witnesses.h"
#include "image/bat_walk.h"

/* A partially present block of which the log has bits that are not at home; it may be named more than once. */
typedef vhdx_status vx_old_bits_fn(void *context, uint64_t payload_block, vhdx_error *err);

/* `source`: of a disk with a parent. */
vhdx_status vx_old_bits_find(const struct vx_bat_source *source, struct vx_log_witnesses *log, vx_old_bits_fn *visit,
                             void *context, vhdx_error *err);

#endif
