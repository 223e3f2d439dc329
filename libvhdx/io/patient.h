/*
 * A file on a failing medium: bytes that cannot be read come as zeros, and which they were is remembered. So whoever
 * examines a disk goes on behind a bad sector, and can say in the end what it could not see. Never for a copy that
 * somebody relies on. Reads only; the one thing that is easy to get wrong: ask vx_patient_bad() before believing zeros.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_PATIENT_H
#define VX_IO_PATIENT_H

#include "io/io.h"

/* What is remembered: sorted, joined ranges without owners. Begins as all zeros; vx_ranges_clear(&bad->ranges)
 * frees. */
struct vx_patient {
    struct vx_ranges ranges;
    bool refused; /* the host failed to read something, which is in `ranges` now */
    bool more;    /* there were more ranges than are kept */
};

/*
 * Opens a read-only file over `base`, which must outlive it and is not closed with it. `patient` is the caller's and
 * must outlive it too. Ranges that stand in it already are not tried at all (a map of bad sectors says so).
 */
vhdx_status vx_patient_open(struct vx_file *base, struct vx_patient *patient, struct vx_file **file, vhdx_error *err);
/* Whether any byte of the range could not be read; the first such in *bad (may be NULL). */
bool vx_patient_bad(const struct vx_patient *patient, uint64_t offset, uint64_t length, uint64_t *bad);

#endif
