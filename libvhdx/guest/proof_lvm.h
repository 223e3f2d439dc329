/*
 * Logical volumes of LVM2 as volumes of one piece, for the proofs that compare two layers. Only linear ones; what is
 * striped, mirrored, thin or a snapshot cannot be asked. Both views are mapped by what the metadata
 * say through the child.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_PROOF_LVM_H
#define VX_GUEST_PROOF_LVM_H

#include "guest/lvm.h"
#include "guest/two_views.h"

struct vx_lvm_view {
    const struct vx_volume *disk; /* the physical volume */
    const struct vx_lvm_volume *volume;
    struct vx_two_views views; /* of the logical volume */
};

/* *lvm: allocated; NULL = it cannot be read. Only NOMEM is a failure. */
vhdx_status vx_lvm_open(const struct vx_volume *disk, struct vx_lvm **lvm, vhdx_error *err);
/* `view` must not move while it is used. */
void vx_lvm_view(const struct vx_volume *disk, const struct vx_lvm_volume *volume, struct vx_lvm_view *view);

#endif
