/*
 * Paths as text: no question to the host, nothing about whether a file exists. `windows` is the host's
 * `windows_paths`: '\\' separates as '/' does, and a drive ("C:") may be in front. Strings that are returned as
 * `char *` are for vx_free(); NULL means that memory ran out.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_PATH_H
#define VX_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include <vhdx.h>

bool vx_path_is_separator(char c, bool windows);
/* Whether the meaning does not depend on a current directory: "/x", "C:\x", "\\server\share\x", also "\x". */
bool vx_path_is_absolute(const char *path, bool windows);
/* The part behind the last separator (or drive), inside `path`: "b" of "a/b", "" of "a/". */
const char *vx_path_name(const char *path, bool windows);
/* What is before the name, without separators at its end unless it is a root: "a" of "a/b", "/" of "/b", "." of
 * "b". */
char *vx_path_directory(const char *path, bool windows);
/* "directory/name". `name` alone when it is absolute or `directory` is empty or ".". */
char *vx_path_join(const char *directory, const char *name, bool windows);
/* "b/c" of "a/../b/c" and "./b/c": shorter, and the same file where no link is on the way, which only the host
 * knows. */
char *vx_path_straight(const char *path, bool windows);
/* The name's last part from its '.' on, "" when there is none: ".avhdx" of "a/b.c.avhdx". Inside `path`. */
const char *vx_path_extension(const char *path, bool windows);
/* Whether the extension is this one (with its '.'), whatever the case of ASCII letters. */
bool vx_path_has_extension(const char *path, const char *extension, bool windows);
/* Whether a name promises a disk: .vhdx, .avhdx, .vhd, .avhd. */
bool vx_path_is_disk_name(const char *path, bool windows);

/*
 * A name beside `path` for what is to become that file: with ".unfinished" behind it, or, of a long name, as much of
 * the beginning as makes room for that and for a number made of the whole. Where `path` is not too long, it is not
 * either.
 */
char *vx_path_unfinished(const char *path, bool windows);
/* Copies the path, or makes `text` empty when it does not fit: half a path is another one. */
void vx_path_put(char text[VHDX_PATH_ROOM], const char *path);
/* The length of what a VHD set and its members have in common: "disk" of the names "disk.vhds" and
 * "disk_<GUID>.avhdx"; of any other name what is before its extension. */
size_t vx_path_family_length(const char *name, bool windows);

#endif
