/*
 * The style and the script of the HTML report, which the build makes from tools/html/, and their hashes as a
 * Content-Security-Policy takes them ("sha256-..."). Both are in the page byte for byte as they are here, or the
 * browser refuses them.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_HTML_PAGE_H
#define VHDX_TOOLS_HTML_PAGE_H

extern const char html_style[], html_style_hash[];
extern const char html_script[], html_script_hash[];

#endif
