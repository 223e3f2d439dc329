/*
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), the checksum of headers, region tables and log entries.
 * Uses the processor's instruction where it has one (SSE4.2, ARMv8), chosen at run time, else tables. zlib's crc32()
 * is another polynomial.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_CRC32C_H
#define VX_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin with) over more bytes: vx_crc32c(vx_crc32c(0, a), b) is that of a and b joined. */
uint32_t vx_crc32c(uint32_t crc, const void *data, size_t size);

/* The same by table only: what runs where the processor has no instruction. For tests to compare with. */
uint32_t vx_crc32c_table(uint32_t crc, const void *data, size_t size);

/* Of `size` bytes with the 4 bytes at `field` taken as zeros (`field` + 4 <= size). */
uint32_t vx_crc32c_without(const void *data, size_t size, size_t field);

#endif
