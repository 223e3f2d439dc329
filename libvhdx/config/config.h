/*
 * Configurations of virtual machines, for reading only: VMCX and VMRS (the HyperVStorage container), the XML of Server
 * 2012 R2 and before, and VHD sets as far as their format is known. Whatever the file's kind, the outcome is one
 * struct. What the disks that are named here look like, and where they are on this host, is not known in this file.
 *
 * A configuration that was not read whole (`info.complete` false) proves that a disk is needed, and
 * never that one is not.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_CONFIG_H
#define VX_CONFIG_CONFIG_H

#include "base/bytes.h"
#include "base/status.h"

struct vx_config_memory;

/* What vhdx.h shows, and whom it belongs to. Only what config.c does changes it. */
struct vx_config {
    vhdx_machine_info info;
    vhdx_drive *disks; /* info.drive_count of them */
    struct vx_config_memory *memory;
};

/* Bytes of a file's beginning that vx_config_recognize() wants to see; fewer when the file is shorter. */
#define VX_CONFIG_FIRST 512u

/*
 * Which kind of configuration a file seems to be: by its first bytes, and, where these tell nothing, by its name (so
 * that a damaged .vmcx is not overlooked; a VHD set has no known signature). 0: none. What is recognized as XML may
 * still turn out to belong to another program; see NOT_CONFIG below. `windows`: separators of `path`.
 */
int vx_config_recognize(struct vx_bytes first, const char *path, bool windows);

enum {
    VX_CONFIG_ALONE = 1 << 0, /* do not look at the runtime state beside it */
};

/*
 * Reads one configuration. The file is looked at without locks and never written. NOT_CONFIG: it is none. UNSUPPORTED
 * (an unknown version), CORRUPT, TRUNCATED, LIMIT and the host's errors: it is one and cannot be read at all, so the
 * disks that it names are unknown. With damage in a part of it: OK, and info.complete is false. Takes a few reads of
 * small pieces; memory is bounded by VX_CONFIG_MEMORY. Any number of threads, one call each.
 */
#define VX_CONFIG_MEMORY (UINT64_C(128) << 20)
vhdx_status vx_config_read(const vhdx_host *host, const char *path, unsigned flags, struct vx_config **config,
                           vhdx_error *err);
/* Takes NULL. */
void vx_config_free(struct vx_config *config);

#endif
