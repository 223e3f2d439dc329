/*
 * VHD sets. The format of .vhds files is not published; it is known to be small and to name the .avhdx files of the
 * set. So all that is done is to look for such names. Bytes in, no file.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_CONFIG_VHDS_H
#define VX_CONFIG_CONFIG_VHDS_H

#include "config/config_build.h"

/* Every name found becomes a disk of `config`, which is thereby never complete. */
void vx_vhds_read(struct vx_bytes in, struct vx_config *config);

#endif
