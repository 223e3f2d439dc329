/*
 * Sector bitmap, MS-VHDX 2.5.2: one bit a logical sector, least significant bit first; 1 = this file holds the sector.
 * Works on any piece of a bitmap; places are bit numbers from the piece's first byte.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_BITMAP_H
#define VX_FORMAT_BITMAP_H

#include "base/bytes.h"

/* The value of the bit at `first`, and how many bits from there on (at least 1, at most `limit`) share it. */
uint64_t vx_bitmap_run(const uint8_t *bits, uint64_t first, uint64_t limit, bool *value);
void vx_bitmap_fill(uint8_t *bits, uint64_t first, uint64_t count, bool value);
uint64_t vx_bitmap_count(const uint8_t *bits, uint64_t first, uint64_t count);

#endif
