/*
 * The outcome of 'vhdx orphans' in its forms: text for people (report_orphans_text.c), one JSON document or one JSON
 * object a line (report_orphans_json.c). All of them tell the same records and decide nothing.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_REPORT_ORPHANS_H
#define VHDX_TOOLS_REPORT_ORPHANS_H

#include "json.h"

/* `colour`: the terminal understands it. `verbose`: also families in which all is well, in full. */
void report_orphans_text(FILE *out, const vhdx_orphans *orphans, bool colour, bool verbose);
void report_orphans_json(FILE *out, const vhdx_orphans *orphans, const vhdx_error *failure);
void report_orphans_lines(FILE *out, const vhdx_orphans *orphans);

/* "error", "warning", "info". */
const char *report_severity(vhdx_severity severity);
/* "note", "look", "relink", "copy", "merge", "quarantine", "delete", "hyperv". */
const char *report_step_kind(vhdx_step_kind kind);
/* What a step does, in a few words; "" for a note. */
const char *report_step_title(vhdx_step_kind kind);
/* A machine's or checkpoint's name; its path for want of one. */
const char *report_machine_name(const vhdx_found_config *config);

#endif
