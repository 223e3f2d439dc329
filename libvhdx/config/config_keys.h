/*
 * What the keys of a configuration mean, whichever file format they came from: names, ids, disks, states. Reads a tree,
 * fills a configuration; no file, no bytes.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_CONFIG_KEYS_H
#define VX_CONFIG_CONFIG_KEYS_H

#include "config/config_build.h"
#include "config/key_tree.h"

enum vx_config_sort {
    VX_CONFIG_OF_MACHINE, /* or of a checkpoint */
    VX_CONFIG_OF_STATE,   /* runtime or saved state */
    VX_CONFIG_OF_HOST,    /* list of registered machines */
    VX_CONFIG_OF_EXPORT,  /* what an old export wrote beside the machine: former places only */
    VX_CONFIG_OF_NOTHING, /* has none of the keys that belong to these */
};

enum vx_config_sort vx_config_sort(const struct vx_tree *tree);

/* Fills all of `config->info` that the tree tells, for whichever sort it is. `format` and `path` are set by the
 * caller. */
void vx_config_fill(const struct vx_tree *tree, struct vx_config *config);

#endif
