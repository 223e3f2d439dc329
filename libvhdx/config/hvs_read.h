/*
 * A HyperVStorage file becomes a tree of keys. Here the codecs meet the file; what the keys mean is not known.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_HVS_READ_H
#define VX_CONFIG_HVS_READ_H

#include "io/io.h"
#include "config/config_build.h"
#include "config/key_tree.h"

/*
 * Fills `tree` (begun by the caller) and links it. A pending log is replayed in memory. What cannot be read, and
 * remains of paths, are told to `config`. CORRUPT: neither header is valid, or the first object table cannot be read;
 * UNSUPPORTED: another version; the host's errors.
 */
vhdx_status vx_hvs_read(struct vx_file *file, struct vx_tree *tree, struct vx_config *config, vhdx_error *err);

#endif
