/*
 * Whose disks are these? The configurations beside some disks, where Hyper-V puts them, and those that the caller
 * names, are read and their drives compared with the disks. A quick look around a few files; a search through
 * directories is orphans.c.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_CONFIG_FIND_H
#define VX_CONFIG_CONFIG_FIND_H

#include "base/status.h"

/* See vhdx_config_find. */
vhdx_status vx_config_find(const char *const *disks, size_t disk_count, const vhdx_config_find_options *options,
                           vhdx_mention_fn visit, void *context, vhdx_error *err);

#endif
