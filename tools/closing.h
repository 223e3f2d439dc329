/*
 * The last words about a disk: what is on it, and whether Hyper-V would open it. People who cannot tell a broken
 * container from a broken file system look for these two first.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_CLOSING_H
#define VHDX_TOOLS_CLOSING_H

#include "cli.h"
#include "json.h"

enum opening {
    OPENING_YES,
    OPENING_PERHAPS, /* damage of a kind that some programs only meet when they read */
    OPENING_NO,
};

struct closing {
    bool known; /* the content was looked at */
    vhdx_content content;
    vhdx_error why_not; /* the failure of the look */
    enum opening opening;
    char reason[1200]; /* of no and perhaps, and what a yes has not looked at; "": none */
};

/* Looks at the content through the chain; nothing is decided about opening. */
void closing_look(struct closing *closing, const char *path, const vhdx_open_options *options);

/* The same, and what the report of a verify means for it. `chain`: the report is of all layers. */
void closing_of(struct closing *closing, const char *path, const vhdx_open_options *options, const vhdx_report *report,
                bool chain);

/* "GPT with 1 partition: NTFS 59 GiB (clean)", "nothing recognizable is on this disk (...)", as one line. */
void closing_content_text(const struct closing *closing, char *text, size_t size);

/* Two sentences, with an empty line before them. */
void closing_print(FILE *out, const struct closing *closing);

/* Members "content" and, with `opening`, "opens". */
void closing_json(struct json *json, const struct closing *closing, bool opening);
/* The same where nothing was looked at. */
void closing_json_none(struct json *json);

#endif
