/*
 * What the library has to say while it works: details and warnings are shown at once on standard error, and warnings
 * and what is to be done next are kept for the report at the end.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_NOTICES_H
#define VHDX_TOOLS_NOTICES_H

#include "json.h"
#include "progress.h"

struct texts {
    char **items;
    size_t count, room;
};

/* Appends a copy; false: no memory. */
bool texts_add(struct texts *texts, const char *text);
void texts_free(struct texts *texts);

struct notices {
    const struct cli *cli;
    struct progress *progress; /* its bar is wiped before a line is written */
    struct texts warnings, next;
};

/* A vhdx_notice_fn; `context` is the struct notices. */
void notices_take(void *context, const vhdx_notice *notice);
void notices_free(struct notices *notices);

/* Members "next" and "warnings" of an object. */
void notices_json(struct json *json, const struct notices *notices);
/* In what is to be done next: leaves `part` out of all names, which a file had only while it was written. */
void notices_leave_out(struct notices *notices, const char *part);
/* What is to be done next, under a heading; nothing when there is nothing. */
void notices_print_next(const struct notices *notices, const char *heading);

#endif
