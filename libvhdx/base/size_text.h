/*
 * A number of bytes as people read it: exactly, and in the unit that fits. For messages; nothing reads it back.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_SIZE_TEXT_H
#define VX_BASE_SIZE_TEXT_H

#include <stdint.h>

/* Room for every text of vx_size_text(). */
#define VX_SIZE_TEXT 48

/* Writes "104857600 bytes (100.0 MiB)", or only "512 bytes" below 1 KiB; returns `text`. */
const char *vx_size_text(uint64_t bytes, char text[VX_SIZE_TEXT]);

#endif
