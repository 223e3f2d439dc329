/*
 * Which virtual machines may read a layer's file: gathered layer by layer, so that a chain whose layers disagree is
 * noticed. See check_host.c.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VERIFY_HOST_H
#define VX_VERIFY_HOST_H

#include "format/security.h"
#include "verify/verify.h"

struct vx_host_access {
    bool known; /* a security descriptor could be read and understood */
    enum vx_machine_access who;
    struct vx_sid machines[VX_MACHINES_MAX];
    size_t count;
};

vhdx_status vx_host_access(struct vx_exam *exam, struct vx_host_access *access, vhdx_error *err);
/* Reports the machines that may read the `other` layer but not `layer`, which lies at `path`. */
void vx_check_access_of(struct vx_verification *v, const char *path, const struct vx_host_access *layer,
                        const struct vx_host_access *other);

#endif
