/*
 * Numbers of the HyperVStorage container (.vmcx, .vmrs), and its checksum. The container is a small transactional store
 * of keys and values. Everything is little-endian and packed; offsets are from the start of the file.
 * docs/format-notes.md says what is known about it.
 *
 * The checksum is CRC-32 as zlib computes it, not the CRC-32C of VHDX, and is in the middle of
 * what it covers.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_HVS_H
#define VX_CONFIG_HVS_H

#include "base/bytes.h"

#define VX_HVS_SIGNATURE 0x01282014u
#define VX_HVS_VERSION 0x0400u       /* the only one that released Windows versions write */
#define VX_HVS_SECOND_HEADER 0x1000u /* the first is at 0 */
#define VX_HVS_FIRST_TABLE 0x2000u   /* the first object table, whatever the alignment */
#define VX_HVS_HEADER_SIZE 46u
#define VX_HVS_ALIGNMENT_MIN 0x1000u
#define VX_HVS_ALIGNMENT_MAX 0x10000u

#define VX_HVS_OBJECTS_SIGNATURE 0x01110001u
#define VX_HVS_OBJECTS_HEADER_SIZE 8u
#define VX_HVS_OBJECT_SIZE 18u

#define VX_HVS_KEYS_SIGNATURE 0x0002u
#define VX_HVS_KEYS_HEADER_SIZE 10u /* the first entry's offset, too */
#define VX_HVS_ENTRY_HEADER_SIZE 21u
#define VX_HVS_FREE_HEADER_SIZE 6u /* what of a free entry means anything */

#define VX_HVS_LOG_SIGNATURE 0x01110003u
#define VX_HVS_LOG_HEADER_SIZE 34u
#define VX_HVS_LOG_ENTRY_SIZE 28u

/* Limits of this reader, far beyond what Hyper-V writes. */
#define VX_HVS_TABLES_MAX 4096u            /* object tables in the chain */
#define VX_HVS_OBJECTS_MAX (1u << 18)      /* entries in all of them */
#define VX_HVS_KEYS_BYTES_MAX (16u << 20)  /* all key tables together */
#define VX_HVS_TEXT_MAX (64u << 10)        /* one string: a Windows path is shorter */
#define VX_HVS_FILE_OBJECTS_MAX (4u << 20) /* strings in file objects, together */
#define VX_HVS_LOG_BYTES_MAX (16u << 20)   /* payloads of a pending log, together */

/* CRC-32 of the bytes, those 4 at `field` taken for zeros. `field` + 4 <= in.size. */
uint32_t vx_hvs_checksum(struct vx_bytes in, size_t field);

#endif
