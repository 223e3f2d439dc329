/*
 * Cutting a document into pieces. See json_pieces.h. Where a piece ends is told by quotation marks and brackets alone;
 * whether it is JSON is for the reader of json.c to say. Easy to get wrong: a bracket in a text is none, and a
 * quotation mark behind a backslash ends no text.
 */
/* SPDX-License-Identifier: MIT */
#include "base/json_pieces.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <string.h>

#define WINDOW ((size_t)65536)

struct cutter {
    const struct vx_json_source *source;
    vx_json_piece_fn *piece;
    void *context;
    vhdx_error *err;
    uint8_t *window;
    size_t at, size;   /* in the window */
    uint64_t consumed; /* bytes of the document before the window */
    uint8_t *bytes;    /* of the piece */
    size_t used, room;
    struct vx_arena arena;
};

static vhdx_status fail(const struct cutter *c, vhdx_status status, const char *what)
{
    return vx_fail(c->err, status, vx_at(c->source->path, "JSON", c->consumed + c->at), "%s", what);
}

/* The next byte, not taken yet; -1: the document ends. */
static vhdx_status peek(struct cutter *c, int *byte)
{
    if (c->at == c->size) {
        c->consumed += c->size;
        c->at = c->size = 0;
        VX_TRY(c->source->read(c->source->context, c->window, WINDOW, &c->size, c->err));
    }
    *byte = c->size ? c->window[c->at] : -1;
    return VHDX_OK;
}

/* The same, behind white space. */
static vhdx_status peek_mark(struct cutter *c, int *byte)
{
    for (;; c->at++) {
        VX_TRY(peek(c, byte));
        if (*byte != ' ' && *byte != '\t' && *byte != '\n' && *byte != '\r')
            return VHDX_OK;
    }
}

static vhdx_status expect(struct cutter *c, int wanted, const char *what)
{
    int byte;
    VX_TRY(peek_mark(c, &byte));
    if (byte != wanted)
        return fail(c, VHDX_CORRUPT, what);
    c->at++;
    return VHDX_OK;
}

static vhdx_status keep(struct cutter *c, int byte)
{
    if (c->used == c->room) {
        size_t room = c->room ? c->room * 2 : 4096;
        if (room > VX_JSON_PIECE_MAX)
            return fail(c, VHDX_LIMIT, "a value is too long");
        uint8_t *bytes = vx_resize(c->bytes, room, 1);
        if (!bytes)
            return vx_fail_memory(c->err, "a report");
        c->bytes = bytes;
        c->room = room;
    }
    c->bytes[c->used++] = (uint8_t)byte;
    c->at++;
    return VHDX_OK;
}

/* From the quotation mark to the one that ends it. */
static vhdx_status keep_text(struct cutter *c)
{
    bool escaped = false;
    int byte;
    for (bool first = true;; first = false) {
        VX_TRY(peek(c, &byte));
        if (byte < 0)
            return fail(c, VHDX_CORRUPT, "a text has no end");
        VX_TRY(keep(c, byte));
        if (byte == '"' && !escaped && !first)
            return VHDX_OK;
        escaped = byte == '\\' && !escaped;
    }
}

static bool ends_value(int byte)
{
    return byte < 0 || byte == ',' || byte == ']' || byte == '}';
}

/* One value, whatever it is. Brackets are counted; whether they fit each other the reader sees. */
static vhdx_status keep_value(struct cutter *c)
{
    size_t depth = 0;
    int byte;
    c->used = 0;
    VX_TRY(peek_mark(c, &byte));
    for (;;) {
        VX_TRY(peek(c, &byte));
        if (byte < 0 || (depth == 0 && ends_value(byte)))
            return VHDX_OK;
        if (byte == '"') {
            VX_TRY(keep_text(c));
            continue;
        }
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        VX_TRY(keep(c, byte));
    }
}

static vhdx_status read_piece(struct cutter *c, const struct vx_json **value)
{
    uint64_t begin = c->consumed + c->at - c->used;
    vx_arena_clear(&c->arena);
    c->arena = (struct vx_arena){0};
    vhdx_status status = vx_json_read(&c->arena, vx_bytes_of(c->bytes, c->used), c->source->path, value, c->err);
    if (status != VHDX_OK && c->err && c->err->offset != VHDX_NOWHERE)
        c->err->offset += begin;
    return status;
}

static vhdx_status cut_array(struct cutter *c, const char *key)
{
    const struct vx_json *value;
    int byte;
    VX_TRY(c->piece(c->context, key, NULL, false, c->err));
    c->at++; /* the bracket */
    VX_TRY(peek_mark(c, &byte));
    while (byte != ']') {
        VX_TRY(keep_value(c));
        VX_TRY(read_piece(c, &value));
        VX_TRY(c->piece(c->context, key, value, true, c->err));
        VX_TRY(peek_mark(c, &byte));
        if (byte != ']')
            VX_TRY(expect(c, ',', "a ',' is missing"));
    }
    c->at++;
    return VHDX_OK;
}

static vhdx_status cut_member(struct cutter *c)
{
    struct vx_arena names = {0};
    const struct vx_json *value;
    int byte;
    c->used = 0;
    VX_TRY(peek_mark(c, &byte));
    if (byte != '"')
        return fail(c, VHDX_CORRUPT, "the name of a member is missing");
    VX_TRY(keep_text(c));
    VX_TRY(read_piece(c, &value));
    const char *key = vx_arena_text(&names, value->text);
    vhdx_status status = key ? expect(c, ':', "a ':' is missing") : vx_fail_memory(c->err, "a report");
    if (status == VHDX_OK)
        status = peek_mark(c, &byte);
    if (status == VHDX_OK && byte == '[') {
        status = cut_array(c, key);
    } else if (status == VHDX_OK) {
        status = keep_value(c);
        if (status == VHDX_OK)
            status = read_piece(c, &value);
        if (status == VHDX_OK)
            status = c->piece(c->context, key, value, false, c->err);
    }
    vx_arena_clear(&names);
    return status;
}

static vhdx_status cut(struct cutter *c)
{
    int byte;
    VX_TRY(expect(c, '{', "the document is no object"));
    VX_TRY(peek_mark(c, &byte));
    while (byte != '}') {
        VX_TRY(cut_member(c));
        VX_TRY(peek_mark(c, &byte));
        if (byte != '}')
            VX_TRY(expect(c, ',', "a ',' is missing"));
    }
    c->at++;
    VX_TRY(peek_mark(c, &byte));
    return byte < 0 ? VHDX_OK : fail(c, VHDX_CORRUPT, "something follows the end of the document");
}

vhdx_status vx_json_read_pieces(const struct vx_json_source *source, vx_json_piece_fn *piece, void *context,
                                vhdx_error *err)
{
    struct cutter c = {.source = source, .piece = piece, .context = context, .err = err};
    c.window = vx_alloc(WINDOW, 1);
    vhdx_status status = c.window ? cut(&c) : vx_fail_memory(err, "a report");
    vx_arena_clear(&c.arena);
    vx_free(c.bytes);
    vx_free(c.window);
    return status;
}
