/*
 * The map that GNU ddrescue keeps beside a copy ("mapfile"): which ranges of a medium or disk are good and which are
 * not. Text in lines, ranges one behind the other without gaps. Read, because it says which bytes of a rescued disk
 * file are no bytes of the disk; written, because people have tools that read it. Pure: no file, no policy. Everything
 * that is not '+' is not known to be good, also '?' (never tried), and so is all that is behind the last range.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_RESCUE_MAP_H
#define VX_IO_RESCUE_MAP_H

#include "base/bytes.h"
#include "base/status.h"

enum vx_rescue_status {
    VX_RESCUE_UNTRIED = '?', /* in maps of a virtual disk: held by a layer that is not there */
    VX_RESCUE_DOUBTFUL =
        '*', /* not trimmed; in maps of a virtual disk: filled in by evidence, not by the disk's own tables */
    VX_RESCUE_UNSCRAPED = '/',
    VX_RESCUE_LOST = '-', /* a bad sector; in maps of a virtual disk: lost */
    VX_RESCUE_GOOD = '+',
};

struct vx_rescue_range {
    uint64_t offset, length;
    char status; /* vx_rescue_status */
};

#define VX_RESCUE_RANGES_MAX (1u << 22) /* of a map that is read; 96 MiB of memory */
#define VX_RESCUE_LINE_ROOM 64u
#define VX_RESCUE_MAP_FIRST_LINE "# Mapfile. Created by vhdx\n" /* ddrescue names itself in its own */

/* Begins as all zeros; vx_rescue_map_clear() gives its memory back and makes it so again. */
struct vx_rescue_map {
    struct vx_rescue_range *ranges; /* ascending, without gaps */
    size_t count, room;
};

/* Appends a range behind the last one; equal neighbours are joined, an empty range is left out. NOMEM, LIMIT. */
vhdx_status vx_rescue_map_append(struct vx_rescue_map *map, uint64_t length, char status);
/*
 * Reads a map. CORRUPT: `*bad_line` (from 1) is no line of a map, or its range does not begin where the one before it
 * ends; a file that holds no range at all gives line 0. NOMEM, LIMIT. On failure the map is empty.
 */
vhdx_status vx_rescue_map_parse(struct vx_bytes text, struct vx_rescue_map *map, size_t *bad_line);
void vx_rescue_map_clear(struct vx_rescue_map *map);

/* The first bytes in [offset, end) that are not known to be good; false when all are. A map without ranges knows of
 * nothing bad. */
bool vx_rescue_map_next_bad(const struct vx_rescue_map *map, uint64_t offset, uint64_t end, uint64_t *bad_offset,
                            uint64_t *bad_length);

/* The lines that every map begins with; `what` is one line of comment. Returns the length; cut when `room` is too
 * small. */
size_t vx_rescue_map_begin_text(const char *what, char *text, size_t room);
/* The line of one range with its line end, terminated. Returns its length. */
size_t vx_rescue_map_range_text(const struct vx_rescue_range *range, char text[VX_RESCUE_LINE_ROOM]);

/* Reads and parses a map of ddrescue. CORRUPT names the line; LIMIT: larger than 256 MiB. */
vhdx_status vx_rescue_map_load(const vhdx_host *host, const char *path, struct vx_rescue_map *map, vhdx_error *err);
/* EXISTS when something is at `path` that a map must not replace: whatever is neither empty nor a map of this
 * library. ddrescue's own map is such a thing: without it, all that it has read must be read again from a dying medium.
 */
vhdx_status vx_rescue_map_check_output(const vhdx_host *host, const char *path, vhdx_error *err);

#endif
