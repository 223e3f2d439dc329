/*
 * What a dynamic or differencing VHD says about a piece of its disk; a fixed one is its file (image/runs.c). Easy to
 * get wrong: the bits in front of a block count only in a differencing disk. In a dynamic one Windows and QEMU read the
 * sector whatever its bit says, and so do we, although the specification (and libvhdi, 7-Zip, VirtualBox) has zeros
 * where a bit is clear.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_VHD_VHD_RUNS_H
#define VX_VHD_VHD_RUNS_H

#include "base/disk_run.h"
#include "vhd/vhd_file.h"

/* Belongs to one thread; any number of them may read one VHD. */
struct vx_vhd_runs {
    const struct vx_vhd *vhd;
    uint8_t *table;  /* a window */
    uint32_t window; /* entries that it may hold */
    uint64_t first;
    uint32_t count; /* entries held */
    uint8_t *bits;  /* a window on the bitmap of one block */
    uint64_t bits_offset;
    uint32_t bits_length;
};

/* `window`: bytes of the table to hold at once. */
vhdx_status vx_vhd_runs_open(const struct vx_vhd *vhd, uint32_t window, struct vx_vhd_runs *runs, vhdx_error *err);
void vx_vhd_runs_close(struct vx_vhd_runs *runs);
/* The run at `virtual_offset`, at most `limit` bytes of it (limit > 0); both lie on the disk. */
vhdx_status vx_vhd_run_at(struct vx_vhd_runs *runs, uint64_t virtual_offset, uint64_t limit, struct vx_run *run,
                          vhdx_error *err);
/* The entry of a block (VX_VHD_NO_BLOCK: it has none), in sectors of the file. */
vhdx_status vx_vhd_entry(struct vx_vhd_runs *runs, uint64_t block, uint32_t *sector, vhdx_error *err);

#endif
