/*
 * A JSON document on its way out, written as it comes: a map of a disk may have millions of rows, so nothing is
 * gathered. The writer puts commas, line ends and quotes; the caller keeps begin and end in pairs. A NULL `key` is for
 * elements of an array (and for the document itself).
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_JSON_H
#define VHDX_TOOLS_JSON_H

#include <vhdx.h>

#include <stdbool.h>
#include <stdio.h>

struct json {
    FILE *out;
    unsigned depth;
    unsigned row_depth; /* not 0: inside a row, which stays on one line */
    bool empty;         /* nothing is yet in the innermost object or array */
};

void json_begin(struct json *json, FILE *out);
/* Ends the document with a line end. */
void json_end(struct json *json);

/* A document that is one object; it begins with "format", which changes only when a key changes its meaning. */
void json_document_begin(struct json *json, FILE *out);
void json_document_end(struct json *json);

void json_object_begin(struct json *json, const char *key);
/* As an object, but written on one line. */
void json_row_begin(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *key);
void json_array_end(struct json *json);

/* NULL becomes null. Bytes that are no UTF-8 become U+FFFD. */
void json_text(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
void json_guid(struct json *json, const char *key, const vhdx_guid *value);

/* The member "error": what failed, where, and what to do about it. */
void json_error(struct json *json, const vhdx_error *err);

#endif
