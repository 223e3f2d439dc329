/*
 * A file that gets its name when it is complete: whether the name is free, and giving it. What is in the file
 * meanwhile is its writer's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_NEW_FILE_H
#define VX_IO_NEW_FILE_H

#include "io/io.h"

/*
 * Nothing that has content is overwritten, an empty file is: EXISTS. With `replace` a file with content may be there,
 * if nobody has it in use (BUSY) and it may be written to; *replaces: there is one.
 */
vhdx_status vx_new_file_check(const vhdx_host *host, const char *path, bool replace, bool *replaces, vhdx_error *err);
/* Moves the closed file `unfinished` to `path`, durably. On failure it is removed. */
vhdx_status vx_new_file_give_name(const vhdx_host *host, const char *unfinished, const char *path, vhdx_error *err);

#endif
