/*
 * Whether a damaged log can be done without: a proof, not a guess. An entry is not needed when every page in it stands
 * already where it belongs; an entry that cannot be read whole proves nothing, and is needed.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_LOG_NEEDED_H
#define VX_IMAGE_LOG_NEEDED_H

#include "image/log_scan.h"

/*
 * *needed = false: all that entries with the LogGuid of `header` hold, whole or not, stands in `file` where they aim. The
 * range of the log must be a possible one.
 */
vhdx_status vx_log_needed(struct vx_file *file, const struct vx_header *header, bool *needed, vhdx_error *err);

#endif
