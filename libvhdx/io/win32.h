/*
 * What the files of the Windows host share among themselves; no other file includes this. win32.c has the open file,
 * win32_text.c words and paths, win32_holders.c which other processes have a file open, win32_names.c everything else.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_WIN32_H
#define VX_IO_WIN32_H

#include "base/status.h"

#include <wchar.h>
#include <windows.h>

#define VX_WIN32_SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* UTF-8 of `length` units, to be freed with vx_free(); NULL: no memory. */
char *vx_win32_narrow(const wchar_t *wide, size_t length);

vhdx_status vx_win32_status(DWORD code, bool writing);
/* `action` completes "cannot ...". `path` may be NULL: the wrappers know it. Returns the status that `code`
 * (GetLastError) means. */
vhdx_status vx_win32_fail(vhdx_error *err, DWORD code, bool writing, const char *path, const char *action);

/* Names of the programs that have the file open, with their process ids. false: none can be seen, or the system has no
 * Restart Manager (Windows PE). */
bool vx_win32_holders(const char *path, char *text, size_t room);

/* The path as system calls want it: absolute, and free of the limit of 260 characters. To be freed with vx_free(). */
vhdx_status vx_win32_path(const char *path, wchar_t **wide, vhdx_error *err);

/* As vhdx_host's open. */
vhdx_status vx_win32_open(void *context, const char *path, vhdx_open_mode access, vhdx_io *io, vhdx_error *err);

/* The identity of the open file, when it was written to, the space it takes; nothing else of the facts is touched. */
void vx_win32_identify(HANDLE handle, const BY_HANDLE_FILE_INFORMATION *info, vhdx_file_facts *facts);

#endif
