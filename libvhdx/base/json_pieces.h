/*
 * A long JSON document, piece by piece: the values of its root object, and of those that are arrays each item by
 * itself. So much memory is needed as the longest piece takes, whatever the document's length.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_JSON_PIECES_H
#define VX_BASE_JSON_PIECES_H

#include "base/json.h"

#define VX_JSON_PIECE_MAX ((size_t)16 << 20)

struct vx_json_source {
    void *context;
    /* Fills at most `room` bytes; *got 0: the document ends. */
    vhdx_status (*read)(void *context, void *buf, size_t room, size_t *got, vhdx_error *err);
    const char *path; /* for errors */
};

/*
 * `value` NULL: the member is an array, whose items come next; `item`: it is one of them. The value lives during the
 * call only. What it returns ends the reading unless it is OK.
 */
typedef vhdx_status vx_json_piece_fn(void *context, const char *key, const struct vx_json *value, bool item,
                                     vhdx_error *err);

/* Refuses what vx_json_read() refuses, and a root that is no object. */
vhdx_status vx_json_read_pieces(const struct vx_json_source *source, vx_json_piece_fn *piece, void *context,
                                vhdx_error *err);

#endif
