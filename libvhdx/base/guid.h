/*
 * GUIDs: 16 bytes on disk, the first three groups little-endian; text in lower case. Version and variant bits are never
 * looked at.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_GUID_H
#define VX_BASE_GUID_H

#include <vhdx.h>

#define VX_GUID_TEXT 37 /* 36 characters and a NUL */

bool vx_guid_is_zero(const vhdx_guid *guid);
bool vx_guid_equal(const vhdx_guid *a, const vhdx_guid *b);
/* "2dc27766-f623-4200-9d64-115e9bfd4a08" */
void vx_guid_format(const vhdx_guid *guid, char text[VX_GUID_TEXT]);
/* That form in either case, with or without braces around it, and nothing else. */
bool vx_guid_parse(const char *text, size_t length, vhdx_guid *guid);

#endif
