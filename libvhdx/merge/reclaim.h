/*
 * Giving the merged layers' space back while a merge is under way: after each window, the blocks of the layers that are
 * wholly in what is done become NOT_PRESENT and are punched out of their files. The lowest layer goes first, durably,
 * or a middle layer's older data would come to light.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_RECLAIM_H
#define VX_MERGE_RECLAIM_H

#include "chain/chain.h"

struct vx_reclaim;

/* Begins writing to the layers [0, into). On failure they are as before but for new FileWriteGuids. */
vhdx_status vx_reclaim_open(struct vx_chain *chain, size_t into, struct vx_reclaim **reclaim, vhdx_error *err);
/* For vx_apply_options.window_done; `context` is the struct vx_reclaim. */
vhdx_status vx_reclaim_window(void *context, uint64_t virtual_end, vhdx_error *err);
/* Closes the layers' logs. */
vhdx_status vx_reclaim_finish(struct vx_reclaim *reclaim, vhdx_error *err);
/* Takes NULL. Without a finish before it: leaves the layers as the last durable window did. */
void vx_reclaim_close(struct vx_reclaim *reclaim);
/* Bytes of blocks that were given back. */
uint64_t vx_reclaim_bytes(const struct vx_reclaim *reclaim);

#endif
