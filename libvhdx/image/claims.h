/*
 * Which MiB of a file are claimed, in one bit each: taken, and taken more than once. The owners of a conflicting claim
 * are found by asking all of them once more; that keeps a file of 64 TiB within 16 MiB of memory. What is beyond the
 * end of the file is not kept.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_CLAIMS_H
#define VX_IMAGE_CLAIMS_H

#include "base/status.h"

struct vx_claims {
    uint64_t slots; /* MiB of the file, the last one perhaps not whole */
    uint8_t *taken;
    uint8_t *contested; /* NULL until something is */
};

vhdx_status vx_claims_open(uint64_t file_size, struct vx_claims *claims, vhdx_error *err);
void vx_claims_close(struct vx_claims *claims);
/* Drops all claims. */
void vx_claims_forget(struct vx_claims *claims);
/* Fails only for want of memory. */
vhdx_status vx_claims_take(struct vx_claims *claims, uint64_t offset, uint64_t length, vhdx_error *err);
/* Whether no part of the range is claimed. */
bool vx_claims_is_free(const struct vx_claims *claims, uint64_t offset, uint64_t length);
/* Whether a part of the range is claimed twice. */
bool vx_claims_contested(const struct vx_claims *claims, uint64_t offset, uint64_t length);
/* MiB that are taken, below slot `end`. */
uint64_t vx_claims_count(const struct vx_claims *claims, uint64_t end);
/* The slot behind the last one that is taken. */
uint64_t vx_claims_end(const struct vx_claims *claims);
/* The first slot at or after `slot` that is not taken; `slots` when there is none. And the first that is. */
uint64_t vx_claims_next_free(const struct vx_claims *claims, uint64_t slot);
uint64_t vx_claims_next_taken(const struct vx_claims *claims, uint64_t slot);

#endif
