/*
 * Putting old bytes back. Everything is checked before the first byte is written: all records, that each target is
 * there, is not in use at the moment, and is the disk that the undo file knows. After that the work may be cut off
 * at any place and done again from its beginning.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_UNDO_UNDO_APPLY_H
#define VX_UNDO_UNDO_APPLY_H

#include "io/io.h"

/* The identity of the file now. *readable = false: it does not say so in any form that can be trusted. */
typedef vhdx_status vx_identify_fn(struct vx_file *file, struct vx_identity *identity, bool *readable, vhdx_error *err);

/* As vhdx_undo; `options` and `report` are never NULL here. */
vhdx_status vx_undo_apply(const char *path, const vhdx_undo_options *options, vx_identify_fn *identify,
                          vhdx_undo_report *report, vhdx_error *err);

#endif
