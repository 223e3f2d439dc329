/*
 * A host whose files are memory: for tests, fuzzers, and callers who merge what they hold in memory. Files are sparse
 * (64 KiB pages), so that a disk of terabytes costs what is in it. Locks work as between processes: a file open for
 * writing is BUSY for everyone else. Not for more than one thread at a time.
 */
/* SPDX-License-Identifier: MIT */
#ifndef MEMORY_H
#define MEMORY_H

#include <vhdx.h>

struct vx_memory_host;

/* NULL when memory ran out. `seed` makes the GUIDs of the host's random() repeatable. */
struct vx_memory_host *vx_memory_host_new(uint64_t seed);
/* Frees all files; none may be open. Takes NULL. */
void vx_memory_host_free(struct vx_memory_host *host);
/* The vtable to pass on; lives as long as the host. Paths are '/'-separated; directories exist by being named. */
const vhdx_host *vx_memory_host_interface(struct vx_memory_host *host);
/* Puts a file of these bytes there, replacing one of that name. false: no memory. */
bool vx_memory_host_put(struct vx_memory_host *host, const char *path, const void *bytes, size_t size);
/* Size of the file at `path`, UINT64_MAX when there is none. */
uint64_t vx_memory_host_size(struct vx_memory_host *host, const char *path);

#endif
