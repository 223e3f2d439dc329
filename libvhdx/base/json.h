/*
 * Reading JSON (RFC 8259), strictly: a tree of values in an arena. Hostile input is expected: depth and number of
 * values are bounded, texts must be UTF-8, numbers are whole and not negative (reports have no others; anything else is
 * refused). Nothing is known here of what the document is.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_JSON_H
#define VX_BASE_JSON_H

#include "base/arena.h"
#include "base/bytes.h"

enum vx_json_type {
    VX_JSON_NULL,
    VX_JSON_BOOL,
    VX_JSON_NUMBER,
    VX_JSON_TEXT,
    VX_JSON_ARRAY,
    VX_JSON_OBJECT,
};

struct vx_json {
    enum vx_json_type type;
    bool truth;
    uint64_t number;
    const char *text;            /* NUL-terminated; a NUL inside is refused */
    const struct vx_json *first; /* of an array or object */
    size_t count;
    const char *key;            /* inside of an object */
    const struct vx_json *next; /* in the same array or object */
};

/*
 * Reads the whole document. CORRUPT, with the place: it is no JSON, or of a kind that is refused. LIMIT: too large or
 * too deep. `path` is for the error.
 */
vhdx_status vx_json_read(struct vx_arena *arena, struct vx_bytes in, const char *path, const struct vx_json **out,
                         vhdx_error *err);

/* The member of an object; NULL when there is none, or `value` is no object (NULL too). The first of several counts. */
const struct vx_json *vx_json_member(const struct vx_json *value, const char *key);
/* Its text, number, truth; the default when it is absent or something else. */
const char *vx_json_text(const struct vx_json *value, const char *key, const char *otherwise);
uint64_t vx_json_number(const struct vx_json *value, const char *key, uint64_t otherwise);
bool vx_json_truth(const struct vx_json *value, const char *key, bool otherwise);

#endif
