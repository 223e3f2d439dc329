/*
 * Calls of the host, and what its failures say. For the files of this room.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_HOST_CALLS_H
#define VX_IO_HOST_CALLS_H

#include "base/status.h"

/* Completes what the host said of its failure: a caller's host fills code and message at most. */
vhdx_status vx_host_failed(vhdx_error *err, vhdx_status status, struct vx_where where, const char *action);

#endif
