/*
 * Virtual disk size, block size and logical sector size of an exam that knows all three. See sizes.h.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_CHECK_SIZES_H
#define VX_VERIFY_CHECK_SIZES_H

#include "rebuild/rebuild.h"
#include "verify/verify.h"

/* `sizes` is all zeros on entry. The exam has a geometry and a BAT. */
vhdx_status vx_sizes_ask(struct vx_verification *v, struct vx_size_answer *sizes, vhdx_error *err);
void vx_sizes_tell(struct vx_verification *v, const struct vx_size_answer *sizes);
/* Nothing of the BAT is mended while it is not known by which sizes: what is found of it waits, and its class says
 * so. */
void vx_sizes_hold_back(struct vx_verification *v);

#endif
