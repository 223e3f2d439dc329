/*
 * A file on a failing medium: bytes that are known to be bad (a map of ddrescue), or that the host refuses to read,
 * come as zeros, and which they were is remembered. So the examination of a disk goes on behind a bad sector, and can
 * say in the end what it could not see. Never for a copy that is relied on. Reads only. Ask
 * vx_patient_bad() before believing zeros.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_PATIENT_H
#define VX_IO_PATIENT_H

#include "io/io.h"
#include "io/rescue_map.h"

/* Begins as all zeros; vx_ranges_clear(&bad->ranges) frees. */
struct vx_patient {
    struct vx_ranges ranges;         /* without owners, ascending, apart from each other: all that are remembered */
    const struct vx_rescue_map *map; /* NULL, or more of them */
    bool refused;                    /* the host failed to read something, which is in `ranges` now */
};

/*
 * Opens a read-only file over `base`, which must outlive it and is not closed with it. `patient` is the caller's and
 * must outlive it too. Ranges that are in it already, or bad by its map, are not tried at all; one that cannot be read
 * is tried again in pieces down to a page. Only a host that fails otherwise (BUSY, memory) fails here.
 */
vhdx_status vx_patient_open(struct vx_file *base, struct vx_patient *patient, struct vx_file **file, vhdx_error *err);
/* The same of the file at `path`, which is closed with it. *patient is valid as long as the file is open; `map` (may be
 * NULL) must outlive it. */
vhdx_status vx_patient_open_path(const vhdx_host *host, const char *path, vhdx_open_mode mode,
                                 const struct vx_rescue_map *map, struct vx_file **file,
                                 const struct vx_patient **patient, vhdx_error *err);

/* The first bytes in [offset, end) that are bad by the map, or could not be read when they were asked for. */
bool vx_patient_next_bad(const struct vx_patient *patient, uint64_t offset, uint64_t end, uint64_t *bad_offset,
                         uint64_t *bad_length);
/* Whether any byte of the range is such a one; the first in *bad (may be NULL). */
bool vx_patient_bad(const struct vx_patient *patient, uint64_t offset, uint64_t length, uint64_t *bad);

#endif
