/*
 * The machines whose configurations mention the disks of a command, and what is to be done in Hyper-V for exactly them.
 * Configurations are looked for before anything is changed, so that warnings come in time; the lines for afterwards
 * name machine, controller and path as they are.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_MACHINES_H
#define VHDX_TOOLS_MACHINES_H

#include "notices.h"

/* A machine or a checkpoint, and the drive that is one of the disks. Texts are owned. */
struct machine {
    size_t disk; /* number of the disk that it names */
    bool checkpoint, name_only, saved_state, replicated, merge_pending, clustered;
    bool has_id;
    vhdx_guid id; /* of the machine, in a checkpoint too */
    vhdx_controller controller;
    unsigned controller_number, location;
    char *name, *config, *drive;
};

struct machines {
    struct machine *items;
    size_t count, room;
    const char **disks; /* of the caller; [0] is the child */
    size_t disk_count;
    struct texts unread;
    struct texts empty; /* places that were named with --config and have none */
    bool no_memory;
};

/* What the command did, or would do. */
struct machine_change {
    const char *target; /* where the content of disk 0 is afterwards; NULL: nothing moved */
    size_t touched;     /* disks, from 0 on, that read otherwise afterwards or lose their meaning */
    bool new_file;
};

/*
 * Looks for configurations beside the disks and at the places in `configs`. false: a place that was given is not there,
 * or memory ran out; that has been told on standard error.
 */
bool machines_find(struct machines *machines, const struct cli *cli, const char **disks, size_t disk_count,
                   const struct cli_list *configs);
void machines_free(struct machines *machines);

/* Whether a machine (no checkpoint) surely names disk 0. */
bool machines_own_child(const struct machines *machines);

/* What to know before anything is changed, as warnings. `touched` as above; `unfit`: a saved state does not fit
 * afterwards. */
void machines_warn(const struct machines *machines, struct notices *notices, size_t touched, bool unfit);
/* What is to be done afterwards, as notices of kind NEXT. */
void machines_next(const struct machines *machines, struct notices *notices, const struct machine_change *change);

/* Member "machines" of an object. */
void machines_json(struct json *json, const struct machines *machines);

#endif
