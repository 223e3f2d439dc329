/*
 * What an ext4 file system, of which a part is in a child and another in the layers below, says about the two:
 * whether the layers below are the state of the disk that the child was made on. Bytes come from callbacks, twice: as
 * they read through the child, and as they read without it.
 *
 * Checksums that fit show that two layers belong to one disk and refute most other states, but a
 * state that differs only in what the child has overwritten, or in the content of files, fits as well. Only a counter
 * that moves with every change tells states apart.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_PROOF_EXT4_H
#define VX_GUEST_PROOF_EXT4_H

#include "guest/two_views.h"

/* Reads some tens of MiB at most. Only NOMEM is a failure. */
vhdx_status vx_prove_by_ext4(const struct vx_volume *volume, struct vx_fs_proof *proof, vhdx_error *err);

#endif
