/*
 * Random operations on a disk that is written through its chain, and what may be read after a power cut: each sector
 * of the medium (512 bytes) is as it was at the last flush, or as one of the operations since has made it. The rules
 * are those of vhdx.h, applied to plain bytes; nothing here knows how a file holds them.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_LIVE_OPS_H
#define TESTS_SUPPORT_LIVE_OPS_H

#include <vhdx.h>

struct live_ops;

/* `view`: what the disk reads before; copied. `place` gives the number of host calls so far, and may be NULL. */
struct live_ops *live_ops_new(uint64_t seed, const vhdx_info *info, const uint8_t *view,
                              size_t (*place)(const void *context), const void *context);
void live_ops_free(struct live_ops *ops);

/* One random operation; the disk must do it as it should. Reads are compared. A failure of the disk is passed on; what
 * the operation wrote may be there or not from then on. NULL in *wrong, or what was read wrongly, static storage. */
vhdx_status live_ops_step(struct live_ops *ops, vhdx_disk *disk, const char **wrong, vhdx_error *err);
/* The same operation as before, which had failed. */
vhdx_status live_ops_again(struct live_ops *ops, vhdx_disk *disk, const char **wrong, vhdx_error *err);
/* The disk was closed with success: that is a flush. */
void live_ops_closed(struct live_ops *ops);

/* What reading gives now; size as in the facts. Only where nothing failed. */
const uint8_t *live_ops_view(const struct live_ops *ops);
/* Whether `bytes` may be read after a cut before host call number `place`. NULL, or what is wrong, static storage. */
const char *live_ops_check(const struct live_ops *ops, const uint8_t *bytes, size_t place);

#endif
