/*
 * The machines that use the disks of a command, as the library finds them: looked for before anything is changed, and
 * printed.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_MACHINES_H
#define VHDX_TOOLS_MACHINES_H

#include "notices.h"

/* Looks beside the disks and at the places in `configs`. NULL: a place is not there, or memory ran out, as standard
 * error says. */
vhdx_machines *machines_find(const struct cli *cli, const char *const *disks, size_t disk_count,
                             const struct cli_list *configs);
/* Member "machines" of an object; each with the name of its disk among `disks`. */
void machines_json(struct json *json, const vhdx_machines *machines, const char *const *disks);

#endif
