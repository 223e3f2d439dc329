/*
 * What the caller of a repair or a salvage says of the disk's sizes, where the disk contradicts itself. See sizes.h.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_TOLD_H
#define VX_EVIDENCE_TOLD_H

#include <stdint.h>

/* 0 = nothing is said. */
struct vx_told_sizes {
    uint64_t virtual_size;
    uint32_t block_size, logical_sector;
};

#endif
