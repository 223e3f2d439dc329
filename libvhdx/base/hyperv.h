/*
 * Lines to be typed on the Hyper-V host. Names and paths come from files of strangers, so each is quoted for PowerShell
 * here and nowhere else. Which line is due, and for which machine, is decided by the callers.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_HYPERV_H
#define VX_BASE_HYPERV_H

#include "base/arena.h"

/* Where a machine has a disk attached. */
struct vx_hyperv_slot {
    const char *machine; /* its name; NULL = not known, and the line says NAME */
    vhdx_controller controller;
    uint32_t number, location;
};

/* "Set-VMHardDiskDrive ...": the slot gets the disk at `path`. An unknown kind of controller becomes SCSI, which the
 * reader has to check. NULL: no memory. */
char *vx_hyperv_set_drive(struct vx_arena *arena, const struct vx_hyperv_slot *slot, const char *path);
/* "icacls ...": the machine with that id (NULL = not known, to be filled in) may open the file. NULL: no memory. */
char *vx_hyperv_grant(struct vx_arena *arena, const char *path, const vhdx_guid *machine_id);

#endif
