/*
 * The same facts told twice: as text for people (report_text.c, at most 80 columns, sizes in units and in bytes) and as
 * JSON for programs (report_json.c, plain bytes, names of the contract). Neither decides anything.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_REPORT_H
#define VHDX_TOOLS_REPORT_H

#include "json.h"

enum { REPORT_SIZE_ROOM = 64 };

/* "8 GiB", "1.5 MiB", "512 bytes". */
void report_size_short(uint64_t bytes, char text[REPORT_SIZE_ROOM]);
/* "8 GiB (8589934592 bytes)", "512 bytes". */
void report_size(uint64_t bytes, char text[REPORT_SIZE_ROOM]);

/* One row "label: value" of a report, indented by `indent`. */
void report_row(FILE *out, int indent, const char *label, const char *value);
void report_size_row(FILE *out, int indent, const char *label, uint64_t bytes);

const char *report_kind(vhdx_kind kind);
const char *report_format(vhdx_format format);
const char *report_log(vhdx_log_state state);
const char *report_extent_state(vhdx_extent_state state);

void report_info_text(FILE *out, const vhdx_info *info, int indent);

/* Writes the members of an object that the caller has begun and will end. */
void report_info_json(struct json *json, const vhdx_info *info);

#endif
