/*
 * What one file says about a piece of the virtual disk: it holds the data, it says zeros, or it says nothing and the
 * parent is asked (MS-VHDX 2.5.1.1, all payload states, base and differencing). The chain puts the answers of several
 * files together. UNDEFINED and UNMAPPED hide the parent; only NOT_PRESENT and
 * clear bits are transparent.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_RUNS_H
#define VX_IMAGE_RUNS_H

#include "base/disk_run.h"
#include "image/bat_window.h"
#include "vhd/vhd_runs.h"

/* Reads runs of one image; belongs to one thread, any number of them may be open on an image that is not written. */
struct vx_run_reader {
    struct vx_image *image;
    struct vx_bat_window bat;
    uint8_t *bits; /* a window on a sector bitmap */
    uint64_t bits_offset;
    uint32_t bits_length;   /* bytes held */
    struct vx_vhd_runs vhd; /* of a VHD with blocks, instead of all these */
};

/* `window`: VX_BAT_WINDOW_LARGE or _SMALL. */
vhdx_status vx_run_reader_open(struct vx_image *image, uint32_t window, struct vx_run_reader *reader, vhdx_error *err);
void vx_run_reader_close(struct vx_run_reader *reader);
/* Entries and bits have changed since they were read. */
void vx_run_reader_forget(struct vx_run_reader *reader);

/*
 * The run at `virtual_offset`, at most `limit` bytes of it (limit > 0); both are on the image's virtual disk.
 * Neighbouring blocks are joined where they say the same and, for data, are side by side in the file. CORRUPT: an entry
 * or bitmap that makes no sense.
 */
vhdx_status vx_run_at(struct vx_run_reader *reader, uint64_t virtual_offset, uint64_t limit, struct vx_run *run,
                      vhdx_error *err);

#endif
