/*
 * What a chain says as a whole: for each place of the virtual disk the first layer, from the top, that is not
 * transparent there (MS-VHDX 2.2.4, 2.5.1.1). Beyond the end of a smaller
 * parent there are zeros, never the grandparent's data.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_LAYERED_H
#define VX_CHAIN_LAYERED_H

#include "chain/chain.h"
#include "image/runs.h"

struct vx_piece {
    enum vx_run_kind kind; /* TRANSPARENT: none of the cursor's layers says anything */
    uint64_t virtual_offset, length;
    uint64_t file_offset; /* DATA only */
    size_t layer;         /* the layer that says so; for TRANSPARENT the last one asked */
    bool beyond_end;      /* ZERO only because the layer's disk ends before this place */
};

/* Walks the layers [first, end) of a chain; remembers each layer's run, so that walking costs each layer one pass. */
struct vx_cursor;

/* `walking`: places will come in ascending order and far apart runs are worth finding; otherwise only what is asked for
 * is looked at. */
vhdx_status vx_cursor_open(struct vx_chain *chain, size_t first, size_t end, bool walking, struct vx_cursor **cursor,
                           vhdx_error *err);
/* For many single reads: larger windows than one read needs, smaller ones the more layers there are. */
vhdx_status vx_cursor_open_lasting(struct vx_chain *chain, size_t first, size_t end, struct vx_cursor **cursor,
                                   vhdx_error *err);
/* Takes NULL. */
void vx_cursor_close(struct vx_cursor *cursor);
/* What it knows of that layer is out of date. */
void vx_cursor_forget(struct vx_cursor *cursor, size_t layer);
/* The piece at `virtual_offset`, at most `limit` bytes long (limit > 0); both are on the disk of layer `first`. */
vhdx_status vx_cursor_at(struct vx_cursor *cursor, uint64_t virtual_offset, uint64_t limit, struct vx_piece *piece,
                         vhdx_error *err);

/* Reads a range of the disk of the cursor's first layer. */
vhdx_status vx_cursor_read(struct vx_cursor *cursor, void *buf, size_t length, uint64_t virtual_offset,
                           vhdx_error *err);

/* Reads through the layers [first, last]. The range must are on the disk of layer `first`. Any number of threads. */
vhdx_status vx_chain_read(struct vx_chain *chain, size_t first, void *buf, size_t length, uint64_t virtual_offset,
                          vhdx_error *err);

/* Receives the disk of layer `first` from its first byte to its last; `buf` is NULL for zeros. */
vhdx_status vx_chain_stream(struct vx_chain *chain, size_t first, vhdx_sink_fn sink, void *context,
                            const vhdx_stream_options *options, vhdx_error *err);

#endif
