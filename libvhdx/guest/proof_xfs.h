/*
 * What an XFS file system of version 5, of which a part is in a child and another in the layers below, says about the
 * two: nothing that speaks against the layers below, written to since, or another disk. It never proves a state,
 * because programs that mend an unmounted file system use up no number of the log.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_PROOF_XFS_H
#define VX_GUEST_PROOF_XFS_H

#include "guest/two_views.h"

/* Reads the headers of groups and at most some 100 MiB of the log. Only NOMEM is a failure. */
vhdx_status vx_prove_by_xfs(const struct vx_volume *volume, struct vx_fs_proof *proof, vhdx_error *err);

#endif
