/*
 * Comparing the merged layers with the target. See compare_merged.h. What the layers are silent about is not compared.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/compare_merged.h"

#include "base/alloc.h"
#include "chain/layered.h"

#include <string.h>

#define COMPARE_BUFFER ((size_t)(256 * VX_KIB))

struct comparison {
    const struct vx_merge_run *run;
    struct vx_cursor *cursor;
    uint8_t *buf; /* two of them */
    bool same;
    uint64_t compared;
};

static vhdx_status compare_piece(struct comparison *c, const struct vx_piece *piece, vhdx_error *err)
{
    const struct vx_merge_run *run = c->run;
    uint8_t *other = c->buf + COMPARE_BUFFER;
    for (uint64_t done = 0; c->same && done < piece->length;) {
        size_t here = (size_t)vx_min(COMPARE_BUFFER, piece->length - done);
        if (piece->kind == VX_RUN_DATA)
            VX_TRY(vx_file_read(run->chain->layers[piece->layer]->view, c->buf, here, piece->file_offset + done, err));
        else
            memset(c->buf, 0, here);
        VX_TRY(vx_chain_read(run->chain, run->into, other, here, piece->virtual_offset + done, err));
        c->same = memcmp(c->buf, other, here) == 0;
        c->compared += here;
        done += here;
        VX_TRY(vx_tell_planned(run->options, piece->virtual_offset + done, run->child->geometry.virtual_size, err));
    }
    return VHDX_OK;
}

static vhdx_status compare_range(struct comparison *c, uint64_t begin, uint64_t end, vhdx_error *err)
{
    for (uint64_t at = begin; c->same && at < end;) {
        struct vx_piece piece;
        VX_TRY(vx_cursor_at(c->cursor, at, end - at, &piece, err));
        if (piece.kind != VX_RUN_TRANSPARENT)
            VX_TRY(compare_piece(c, &piece, err));
        at += piece.length;
    }
    return VHDX_OK;
}

vhdx_status vx_compare_merged(const struct vx_merge_run *run, uint64_t begin, uint64_t end, bool *same,
                              uint64_t *compared, vhdx_error *err)
{
    struct comparison c = {.run = run, .same = end <= run->target->geometry.virtual_size};
    c.buf = vx_alloc(2, COMPARE_BUFFER);
    vhdx_status status =
        c.buf ? vx_cursor_open(run->chain, 0, run->into, true, &c.cursor, err) : vx_fail_memory(err, "a buffer");
    if (status == VHDX_OK)
        status = compare_range(&c, begin, end, err);
    vx_cursor_close(c.cursor);
    vx_free(c.buf);
    *same = c.same;
    *compared = c.compared;
    return status;
}
