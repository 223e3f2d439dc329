/*
 * What one layer says about a piece of the virtual disk, whatever its format: it holds the data, it says zeros, or it
 * says nothing and the parent is asked. Only the words; readers are image/runs.h and vhd/vhd_runs.h.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_DISK_RUN_H
#define VX_BASE_DISK_RUN_H

#include <stdint.h>

enum vx_run_kind {
    VX_RUN_TRANSPARENT, /* nothing is said here */
    VX_RUN_ZERO,
    VX_RUN_DATA,
};

struct vx_run {
    enum vx_run_kind kind;
    uint64_t virtual_offset;
    uint64_t length;
    uint64_t file_offset; /* DATA only */
};

#endif
