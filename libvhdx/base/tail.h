/*
 * Paths of other machines beside paths of this one. A path in a configuration or a parent locator
 * ("D:\VMs\web\disk.vhdx") is compared by its end, part by part, whatever the letter case: drives, volumes and mount
 * points differ between machines, folders and names mostly do not. Text only; no question to any host.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_TAIL_H
#define VX_BASE_TAIL_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

/* How much of two paths is equal, counted in parts from the end. */
struct vx_tail {
    size_t parts;
    /* all of `path` behind its drive, volume or server; then a mount point may explain the rest of `place` */
    bool whole;
    bool equal; /* both paths are the same, part by part */
};

/* `windows`: in `place`, '\\' separates too. In `path` it always does, and a ".." in it matches nothing. */
struct vx_tail vx_tail_compare(const char *path, const char *place, bool windows);

/* The same of two absolute paths of hosts that are known. */
struct vx_tail vx_tail_of_hosts(const char *path, bool path_windows, const char *place, bool windows);
/* Whether two absolute paths of one host are the same, letter case aside. `windows`: in both. */
bool vx_tail_is_same(const char *path, const char *place, bool windows);

/* The last part of a path of whatever kind, inside of it. */
const char *vx_tail_name(const char *path);
/* The length of what is before it, the separator included. */
size_t vx_tail_directory(const char *path);

/* What follows drive, volume or server: "VMs\a.vhdx" of "\\?\Volume{...}\VMs\a.vhdx". Inside `path`. */
const char *vx_tail_without_root(const char *path);
/* The same, but a server stays: "nas\share\a.vhdx" of "\\nas\share\a.vhdx". Some hosts mount shared folders below its
 * name. */
const char *vx_tail_with_server(const char *path);
/* Takes the last part but "." off [text, *end): moves *end before it and gives its place and length. false: none is
 * left. */
bool vx_tail_last_part(const char *text, size_t *end, bool windows, const char **part, size_t *length);
/* Compares from the ends, each path cut as its host cuts paths. *order: how the first two parts that differ compare;
 * the shorter path comes first. */
struct vx_tail vx_tail_order(const char *path, bool path_windows, const char *place, bool windows, int *order);

/*
 * What `other`, an absolute path of this host, is called on the machine that calls `named` (absolute, of this host) by
 * the Windows path `there`: the directories at the ends of both are the same, so what is below them is too. NULL:
 * `other` is not below such a directory, or no memory.
 */
char *vx_tail_there(struct vx_arena *arena, const char *named, bool windows, const char *there, const char *other);

#endif
