/*
 * Moving what a source yields into a target: zeros are found and left out, extents shared, the rest copied, all of it
 * hashed where that is wanted.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BUILD_MOVER_H
#define VX_BUILD_MOVER_H

#include "build/build.h"
#include "build/target.h"

#include <xxhash.h>

struct vx_mover {
    struct vx_target *target;
    const vhdx_build_options *options;
    uint64_t at;   /* place of the disk that comes next */
    uint64_t told; /* up to which progress was told */
    uint8_t *buf;
    unsigned refusals;   /* to share, one after the other */
    XXH3_state_t *state; /* of the content; NULL: not wanted */
    uint64_t bytes_data, bytes_shared;
};

vhdx_status vx_mover_open(struct vx_target *target, const vhdx_build_options *options, struct vx_mover *mover,
                          vhdx_error *err);
void vx_mover_close(struct vx_mover *mover);
/* All of the source. LIMIT: it is longer than the target. */
vhdx_status vx_mover_run(struct vx_mover *mover, const struct vx_source *source, vhdx_error *err);
/* Zeros up to the disk's end. */
vhdx_status vx_mover_fill(struct vx_mover *mover, uint64_t virtual_size, vhdx_error *err);
void vx_mover_hash(const struct vx_mover *mover, uint8_t hash[16]);

#endif
