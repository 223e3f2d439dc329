/*
 * What verify and repair found, told to people (at most 80 columns, the worst first, one group for each kind) and to
 * programs. What is printed here comes from the library's report; nothing is decided.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_FINDINGS_H
#define VHDX_TOOLS_FINDINGS_H

#include "cli.h"
#include "json.h"

/* Findings and lost ranges of one file. With --verbose notes too, and every member of a group. */
void findings_print(FILE *out, const vhdx_report *report, size_t file, const struct cli *cli);

/* The object of one file: path, status, findings, lost; the caller has begun it and will end it. */
void findings_json(struct json *json, const vhdx_report *report, size_t file);

/* The same for a file that could not be checked, or not be repaired. */
void findings_failure_json(struct json *json, const char *path, const vhdx_error *err);

#endif
