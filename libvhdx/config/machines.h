/*
 * The machines whose configurations name the disks of an operation, kept while it is done: what to know before, and
 * what is to be done in Hyper-V afterwards for exactly these machines. Which disks an operation touches is for its
 * caller.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_MACHINES_H
#define VX_CONFIG_MACHINES_H

#include "base/arena.h"

struct vx_machine_texts {
    const char **items;
    size_t count, room;
};

/* The handle of the public interface. Texts belong to the arena. */
struct vhdx_machines {
    struct vx_arena arena;
    const vhdx_host *host;
    const char **disks; /* their absolute paths */
    size_t disk_count;
    vhdx_machine *items;
    size_t count, room;
    struct vx_machine_texts unread; /* configurations that cannot be read whole, each with the reason */
    struct vx_machine_texts empty;  /* places that the caller named and that have none */
    bool no_memory;
};

/* As vhdx_machines_find. */
vhdx_status vx_machines_find(const char *const *disks, size_t disk_count, const vhdx_config_find_options *options,
                             struct vhdx_machines **machines, vhdx_error *err);
/* Takes NULL. */
void vx_machines_free(struct vhdx_machines *machines);
/* Whether a machine (no checkpoint) certainly uses disk 0. */
bool vx_machines_own_first(const struct vhdx_machines *machines);
/* The number of the disk at `path`; their count when it is none of them. */
size_t vx_machines_number(const struct vhdx_machines *machines, const char *path);

/* machine_notices.c: as vhdx_machines_warn and vhdx_machines_next. */
void vx_machines_warn(const struct vhdx_machines *machines, const vhdx_machine_change *change, vhdx_notice_fn notice,
                      void *context);
void vx_machines_next(const struct vhdx_machines *machines, const vhdx_machine_change *change, vhdx_notice_fn notice,
                      void *context);

#endif
