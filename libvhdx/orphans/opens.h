/*
 * Whether a child opens with the parent that its own paths lead to, asked of the files themselves.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_ORPHANS_OPENS_H
#define VX_ORPHANS_OPENS_H

#include <vhdx.h>

#include <stdbool.h>

/* A vx_opens_fn: the disk at `path` is opened for reading, and the files that its locator names. */
bool vx_opens_here(const vhdx_host *host, const char *path, bool *no_memory);

#endif
