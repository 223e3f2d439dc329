/*
 * Names of virtual disks in bytes of unknown structure, or in remains of older values: text that ends in .vhd,
 * .vhdx, .avhd, .avhdx or .vhds. Such a hit may be half a name or long out of use. It says "perhaps", never more.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_DISK_NAMES_H
#define VX_CONFIG_DISK_NAMES_H

#include "config/config_build.h"

enum {
    VX_NAMES_UTF16 = 1 << 0, /* little-endian, at even and odd places */
    VX_NAMES_UTF8 = 1 << 1,
};

/* Adds the names to `list`, which belongs to `config`. false: the list is full, there may be more. */
bool vx_disk_names_find(struct vx_bytes in, unsigned encodings, struct vx_config *config, vhdx_texts *list);

#endif
