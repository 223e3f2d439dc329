/*
 * What the files of the POSIX host share among themselves; no other file includes this. posix.c has the open file,
 * posix_facts.c what kind of file it is, posix_holders.c which other processes have it open, posix_names.c everything
 * else.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_POSIX_H
#define VX_IO_POSIX_H

#include "base/status.h"

struct stat;

/* `action` completes "cannot ...". `path` may be NULL: the wrappers know it. Returns the status that `code` (errno)
 * means. */
vhdx_status vx_posix_fail(vhdx_error *err, int code, bool writing, const char *path, const char *action);

/* As vhdx_host's open. */
vhdx_status vx_posix_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err);

/* `fd` -1: not open; what only an open file tells is left out. */
vhdx_file_facts vx_posix_facts(int fd, const struct stat *st);
/* As the members of vhdx_io_ops. */
vhdx_status vx_posix_extents(int fd, uint64_t *count);
vhdx_status vx_posix_security(int fd, void *buf, size_t room, size_t *size);
/* Names of the programs that have the file open too, with their process ids; those that hold a lock on it, if any does.
 * false: none can be seen. */
bool vx_posix_holders(int fd, char *text, size_t room);
/* Of the volume on which `path` is; UINT64_MAX = not known. */
uint64_t vx_posix_largest_file(const char *path);

#endif
