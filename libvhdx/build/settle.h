/*
 * What is to be made, settled before anything is written: sizes that the format allows, defaults, padding.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BUILD_SETTLE_H
#define VX_BUILD_SETTLE_H

#include "build/build.h"
#include "build/target.h"

/* ARG, LIMIT: what was asked for does not go together, or no such disk can have it. `spec` points into `options`. */
vhdx_status vx_build_settle(const char *path, const vhdx_build_options *options, const struct vx_source *source,
                            struct vx_build_spec *spec, vhdx_error *err);
/* The size that a disk of `bytes` gets: padded to what the format wants. LIMIT: more than it may have. */
vhdx_status vx_build_size(const struct vx_build_spec *spec, uint64_t bytes, uint64_t *virtual_size, vhdx_error *err);

#endif
