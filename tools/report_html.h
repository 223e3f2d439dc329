/*
 * The outcome of a search for orphans as one HTML page: no network, no other files, readable without scripts. It tells
 * what report_orphans tells as text, from the same records, and decides nothing.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_REPORT_HTML_H
#define VHDX_TOOLS_REPORT_HTML_H

#include <vhdx.h>

#include <stdio.h>

/* Writes the page. false: memory ran out on the way, the page is not whole. Whether `out` took all of it is for the
 * caller to ask. */
bool report_html(FILE *out, const vhdx_orphans *orphans);

#endif
