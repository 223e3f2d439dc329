/*
 * In which order and under which heads the families of a search are told, in text and on the page alike: what is
 * dangerous first, what no machine names apart from what is in use.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_FAMILIES_H
#define VHDX_TOOLS_FAMILIES_H

#include <stdio.h>

#include <vhdx.h>

enum family_group {
    FAMILY_TROUBLED, /* has a problem */
    FAMILY_USED,     /* a machine, a checkpoint or a set needs a disk of it */
    FAMILY_UNNAMED,  /* nothing is wrong with its disks, but no machine names any */
};

enum family_group family_group(const vhdx_orphans *orphans, const vhdx_found_family *family);
/* Numbers of all families, the most dangerous first; for free(). NULL: no memory, or there are none. */
size_t *families_in_order(const vhdx_orphans *orphans);
size_t families_unnamed(const vhdx_orphans *orphans);

enum { FAMILY_MACHINES_SHOWN = 3 };

/* The machines that use its disks, each once and no checkpoints; how many were put into `machines`. */
size_t family_machines(const vhdx_orphans *orphans, const vhdx_found_family *family,
                       const vhdx_found_config *machines[FAMILY_MACHINES_SHOWN]);

#endif
