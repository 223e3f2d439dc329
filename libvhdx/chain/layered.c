/*
 * Putting the layers' runs together. See layered.h.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/layered.h"

#include "base/alloc.h"
#include "base/notice.h"

#include <string.h>

#define ZEROS_AT_ONCE (256 * VX_MIB)
#define STREAM_BUFFER ((size_t)VX_MIB)
#define READ_AHEAD (8 * VX_MIB)
/* Of a cursor that stays: 2,048 entries of each layer, and a megabyte for all layers. */
#define LASTING_WINDOW (16u * 1024u)
#define LASTING_WINDOWS VX_MIB

struct layer_state {
    struct vx_run_reader reader;
    struct vx_run run; /* length 0: none is remembered */
};

struct vx_cursor {
    struct vx_chain *chain;
    size_t first, end;
    bool walking;
    struct layer_state *states; /* of the layers first .. end - 1 */
};

static vhdx_status open_states(struct vx_cursor *cursor, uint32_t window, vhdx_error *err)
{
    for (size_t i = cursor->first; i < cursor->end; i++)
        VX_TRY(vx_run_reader_open(cursor->chain->layers[i], window, &cursor->states[i - cursor->first].reader, err));
    return VHDX_OK;
}

static vhdx_status open_cursor(struct vx_chain *chain, size_t first, size_t end, bool walking, uint32_t window,
                               struct vx_cursor **out, vhdx_error *err)
{
    struct vx_cursor *cursor = vx_alloc(1, sizeof *cursor);
    if (!cursor)
        return vx_fail_memory(err, "a walk over a chain");
    *cursor = (struct vx_cursor){.chain = chain, .first = first, .end = end, .walking = walking};
    cursor->states = vx_alloc(end - first, sizeof *cursor->states);
    vhdx_status status = cursor->states ? open_states(cursor, window, err) : vx_fail_memory(err, "a walk over a chain");
    if (status == VHDX_OK)
        *out = cursor;
    else
        vx_cursor_close(cursor);
    return status;
}

vhdx_status vx_cursor_open(struct vx_chain *chain, size_t first, size_t end, bool walking, struct vx_cursor **cursor,
                           vhdx_error *err)
{
    uint32_t window = walking ? VX_BAT_WINDOW_LARGE : VX_BAT_WINDOW_SMALL;
    return open_cursor(chain, first, end, walking, window, cursor, err);
}

vhdx_status vx_cursor_open_lasting(struct vx_chain *chain, size_t first, size_t end, struct vx_cursor **cursor,
                                   vhdx_error *err)
{
    uint32_t fair = (uint32_t)vx_round_down(LASTING_WINDOWS / (end - first), VX_PAGE);
    uint32_t window = (uint32_t)vx_min(vx_max(fair, VX_BAT_WINDOW_SMALL), LASTING_WINDOW);
    return open_cursor(chain, first, end, false, window, cursor, err);
}

void vx_cursor_forget(struct vx_cursor *cursor, size_t layer)
{
    struct layer_state *state = &cursor->states[layer - cursor->first];
    state->run.length = 0;
    vx_run_reader_forget(&state->reader);
}

void vx_cursor_close(struct vx_cursor *cursor)
{
    if (!cursor)
        return;
    for (size_t i = 0; cursor->states && i < cursor->end - cursor->first; i++)
        vx_run_reader_close(&cursor->states[i].reader);
    vx_free(cursor->states);
    vx_free(cursor);
}

/* Makes `state` remember the run that holds `virtual_offset`. */
static vhdx_status remember_run(const struct vx_cursor *cursor, struct layer_state *state, uint64_t virtual_offset,
                                uint64_t limit, vhdx_error *err)
{
    struct vx_run *run = &state->run;
    if (run->length > 0 && virtual_offset >= run->virtual_offset && virtual_offset - run->virtual_offset < run->length)
        return VHDX_OK;
    uint64_t rest = state->reader.image->geometry.virtual_size - virtual_offset;
    vhdx_status status =
        vx_run_at(&state->reader, virtual_offset, cursor->walking ? rest : vx_min(rest, limit), run, err);
    if (status != VHDX_OK)
        run->length = 0; /* it says nothing, however often it is asked */
    return status;
}

vhdx_status vx_cursor_at(struct vx_cursor *cursor, uint64_t virtual_offset, uint64_t limit, struct vx_piece *piece,
                         vhdx_error *err)
{
    *piece = (struct vx_piece){.virtual_offset = virtual_offset, .length = limit};
    for (size_t layer = cursor->first; layer < cursor->end; layer++) {
        struct layer_state *state = &cursor->states[layer - cursor->first];
        piece->layer = layer;
        if (virtual_offset >= state->reader.image->geometry.virtual_size) {
            piece->kind = VX_RUN_ZERO;
            piece->beyond_end = true;
            return VHDX_OK;
        }
        VX_TRY(remember_run(cursor, state, virtual_offset, piece->length, err));
        uint64_t into = virtual_offset - state->run.virtual_offset;
        piece->length = vx_min(piece->length, state->run.length - into);
        if (state->run.kind != VX_RUN_TRANSPARENT) {
            piece->kind = state->run.kind;
            piece->file_offset = state->run.kind == VX_RUN_DATA ? state->run.file_offset + into : 0;
            return VHDX_OK;
        }
    }
    piece->kind = VX_RUN_TRANSPARENT;
    return VHDX_OK;
}

vhdx_status vx_cursor_read(struct vx_cursor *cursor, void *buf, size_t length, uint64_t virtual_offset, vhdx_error *err)
{
    uint8_t *to = buf;
    while (length > 0) {
        struct vx_piece piece;
        VX_TRY(vx_cursor_at(cursor, virtual_offset, length, &piece, err));
        if (piece.kind == VX_RUN_DATA)
            VX_TRY(vx_file_read(cursor->chain->layers[piece.layer]->view, to, (size_t)piece.length, piece.file_offset,
                                err));
        else
            memset(to, 0, (size_t)piece.length);
        to += piece.length;
        length -= (size_t)piece.length;
        virtual_offset += piece.length;
    }
    return VHDX_OK;
}

vhdx_status vx_chain_read(struct vx_chain *chain, size_t first, void *buf, size_t length, uint64_t virtual_offset,
                          vhdx_error *err)
{
    struct vx_cursor *cursor;
    if (length == 0)
        return VHDX_OK;
    VX_TRY(vx_cursor_open(chain, first, chain->count, false, &cursor, err));
    vhdx_status status = vx_cursor_read(cursor, buf, length, virtual_offset, err);
    vx_cursor_close(cursor);
    return status;
}

struct stream {
    struct vx_cursor *cursor;
    vhdx_sink_fn sink;
    void *context;
    const vhdx_stream_options *options;
    uint8_t *buf;
    uint64_t size;
    uint64_t told; /* place up to which progress was told */
};

static vhdx_status tell(struct stream *stream, uint64_t virtual_offset, vhdx_error *err)
{
    vhdx_progress progress = {VHDX_PHASE_READ, virtual_offset, stream->size};
    if (!stream->options || !stream->options->progress)
        return VHDX_OK;
    if (virtual_offset - stream->told < 16 * VX_MIB && virtual_offset != stream->size)
        return VHDX_OK;
    stream->told = virtual_offset;
    return vx_progress(stream->options->progress, stream->options->progress_context, &progress,
                       vx_image_path(vx_chain_leaf(stream->cursor->chain)), "reading", err);
}

static vhdx_status send(struct stream *stream, const void *buf, uint64_t length, uint64_t virtual_offset,
                        vhdx_error *err)
{
    VX_TRY(stream->sink(stream->context, buf, length, virtual_offset, err));
    if (stream->options && stream->options->end)
        *stream->options->end = virtual_offset + length;
    return VHDX_OK;
}

static vhdx_status send_data(struct stream *stream, const struct vx_piece *piece, vhdx_error *err)
{
    struct vx_file *view = stream->cursor->chain->layers[piece->layer]->view;
    for (uint64_t done = 0; done < piece->length;) {
        size_t here = (size_t)vx_min(STREAM_BUFFER, piece->length - done);
        if (done % READ_AHEAD == 0)
            vx_file_will_need(view, piece->file_offset + done, vx_min(2 * READ_AHEAD, piece->length - done));
        VX_TRY(vx_file_read(view, stream->buf, here, piece->file_offset + done, err));
        VX_TRY(send(stream, stream->buf, here, piece->virtual_offset + done, err));
        done += here;
        VX_TRY(tell(stream, piece->virtual_offset + done, err));
    }
    return VHDX_OK;
}

/* In pieces, because a run of zeros may be terabytes and the caller may want to stop meanwhile. */
static vhdx_status send_zeros(struct stream *stream, const struct vx_piece *piece, vhdx_error *err)
{
    for (uint64_t done = 0; done < piece->length;) {
        uint64_t here = vx_min(ZEROS_AT_ONCE, piece->length - done);
        VX_TRY(send(stream, NULL, here, piece->virtual_offset + done, err));
        done += here;
        VX_TRY(tell(stream, piece->virtual_offset + done, err));
    }
    return VHDX_OK;
}

static vhdx_status stream_all(struct stream *stream, vhdx_error *err)
{
    for (uint64_t at = stream->options ? stream->options->begin : 0; at < stream->size;) {
        struct vx_piece piece;
        VX_TRY(vx_cursor_at(stream->cursor, at, stream->size - at, &piece, err));
        if (piece.kind == VX_RUN_DATA)
            VX_TRY(send_data(stream, &piece, err));
        else
            VX_TRY(send_zeros(stream, &piece, err));
        at += piece.length;
        VX_TRY(tell(stream, at, err));
    }
    return VHDX_OK;
}

vhdx_status vx_chain_stream(struct vx_chain *chain, size_t first, vhdx_sink_fn sink, void *context,
                            const vhdx_stream_options *options, vhdx_error *err)
{
    struct stream stream = {
        .sink = sink, .context = context, .options = options, .size = chain->layers[first]->geometry.virtual_size};
    stream.buf = vx_alloc(STREAM_BUFFER, 1);
    if (!stream.buf)
        return vx_fail_memory(err, "a buffer");
    vhdx_status status = vx_cursor_open(chain, first, chain->count, true, &stream.cursor, err);
    if (status == VHDX_OK)
        status = stream_all(&stream, err);
    vx_cursor_close(stream.cursor);
    vx_free(stream.buf);
    return status;
}
