/*
 * A file that can be read to its end whatever its medium says: bytes that are known to be bad (a map of ddrescue) or
 * that the host refuses to read come as zeros, and are remembered, so that whoever uses them can ask afterwards how far
 * to trust them. Never writable. What the bytes mean is nobody's business here.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_TOLERANT_H
#define VX_IO_TOLERANT_H

#include "io/io.h"
#include "io/rescue_map.h"

struct vx_tolerant;

/*
 * Opens the file at `path` for reading. `bad` (may be NULL) is copied by reference: it must outlive the file. A range
 * that cannot be read is tried again in pieces down to 4096 bytes. Only a host that fails otherwise (BUSY, memory)
 * fails here.
 */
vhdx_status vx_tolerant_open(const vhdx_host *host, const char *path, vhdx_open_mode access,
                             const struct vx_rescue_map *bad, struct vx_file **file, struct vx_tolerant **tolerant,
                             vhdx_error *err);

/* The first bytes in [offset, end) that are bad by the map, or could not be read when somebody asked for them. Valid
 * while the file is open. */
bool vx_tolerant_next_bad(const struct vx_tolerant *tolerant, uint64_t offset, uint64_t end, uint64_t *bad_offset,
                          uint64_t *bad_length);

/* Reads and parses a map of ddrescue. CORRUPT names the line; LIMIT: larger than 256 MiB. */
vhdx_status vx_rescue_map_load(const vhdx_host *host, const char *path, struct vx_rescue_map *map, vhdx_error *err);
/* EXISTS when something lies at `path` that a map must not replace: whatever is neither empty nor a map of this
 * library. ddrescue's own map is such a thing: without it, all that it has read must be read again from a dying medium.
 */
vhdx_status vx_rescue_map_check_output(const vhdx_host *host, const char *path, vhdx_error *err);

#endif
