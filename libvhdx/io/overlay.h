/*
 * A file seen through changes that stay in memory: reading a disk with a dirty log without writing to it, and every
 * dry run. The base file is never written. Memory grows with what is written into the overlay; ranges of zeros cost
 * next to nothing.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_OVERLAY_H
#define VX_IO_OVERLAY_H

#include "io/io.h"

/*
 * Opens a writable file over `base`, which must outlive it and is not closed with it. Its path is the base's. Flush
 * does nothing; facts are the base's. `memory_limit`: bytes of data the overlay may hold; beyond it a write fails
 * with LIMIT. Any number of threads may read it while no thread writes.
 */
vhdx_status vx_overlay_open(struct vx_file *base, uint64_t memory_limit, struct vx_file **file, vhdx_error *err);

#endif
