/*
 * What compaction would give back of all disks below some directories, in one table.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_ESTIMATE_H
#define VHDX_TOOLS_ESTIMATE_H

#include "cli.h"

/* The directories are the command line's files. Returns the exit status. */
int estimate(const struct cli *cli, bool zeros_only);

#endif
