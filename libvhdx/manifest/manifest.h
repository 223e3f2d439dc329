/*
 * Manifest: a text file with a hash for each payload block that a layer itself holds, so that a later run can say which
 * blocks are not what they were. The format is described in docs/manifest.md; this room writes and reads it and knows
 * nothing of disks. Lines come and go in the order of the blocks, one at a time: a manifest of a 64 TiB disk is never
 * in memory. The one thing that is easy to get wrong: its own checksum stands at its end, so a manifest is read twice,
 * the first time for that alone.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MANIFEST_MANIFEST_H
#define VX_MANIFEST_MANIFEST_H

#include "io/io.h"

/* Whose manifest it is. */
struct vx_manifest_head {
    vhdx_guid disk_id, data_write_guid;
    uint64_t virtual_size;
    uint32_t block_size, sector_size;
    bool has_parent;
};

enum vx_manifest_kind {
    VX_MANIFEST_WHOLE, /* the layer holds every sector of the block */
    VX_MANIFEST_PART,  /* those that the sector bitmap names */
    VX_MANIFEST_ZERO,  /* it says that the block reads as zeros */
};

struct vx_manifest_line {
    uint64_t block;
    enum vx_manifest_kind kind;
    /* XXH3-128, canonical, of the block's bytes on the virtual disk, zeros for sectors that are not held; not of
     * ZERO */
    uint8_t hash[16];
    uint8_t bits_hash[8]; /* XXH3-64, canonical, of the block's part of the sector bitmap; of PART only */
};

/* ---- writing: into a file of another name, which takes the wanted one at the end ---- */

struct vx_manifest_writer;

vhdx_status vx_manifest_create(const vhdx_host *host, const char *path, const struct vx_manifest_head *head,
                               struct vx_manifest_writer **writer, vhdx_error *err);
vhdx_status vx_manifest_add(struct vx_manifest_writer *writer, const struct vx_manifest_line *line, vhdx_error *err);
/* Durable under its name. The writer is still to be closed. */
vhdx_status vx_manifest_finish(struct vx_manifest_writer *writer, vhdx_error *err);
/* Takes NULL. Removes what was not finished. */
void vx_manifest_close(struct vx_manifest_writer *writer);

/* ---- reading ---- */

struct vx_manifest_reader;

/* Reads it whole once. CORRUPT: not as it was written, or no manifest. NOT_FOUND. */
vhdx_status vx_manifest_open(const vhdx_host *host, const char *path, struct vx_manifest_reader **reader,
                             vhdx_error *err);
/* Takes NULL. */
void vx_manifest_close_reader(struct vx_manifest_reader *reader);
const struct vx_manifest_head *vx_manifest_head(const struct vx_manifest_reader *reader);
/* The next line; *more = false behind the last one. */
vhdx_status vx_manifest_next(struct vx_manifest_reader *reader, struct vx_manifest_line *line, bool *more,
                             vhdx_error *err);

#endif
