/*
 * Partition tables: GUID partition tables (UEFI specification, chapter 5) and the older ones in a boot record. Part of
 * content.c, which says what it is for; a repair also asks it about single sectors. Places are in
 * logical sectors, whose size the table does not say.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_PARTITIONS_H
#define VX_GUEST_PARTITIONS_H

#include "base/bytes.h"
#include "guest/content.h"

#define VX_GPT_SIGNATURE UINT64_C(0x5452415020494645) /* "EFI PART" */

/* A read that is on the disk as far as its size is known; false: it does not, or the source fails. */
bool vx_content_read(const struct vx_content_source *source, void *buf, size_t length, uint64_t virtual_offset);

/* Decodes the header in one sector; `found` says whether it is one. `sector` has at least 92 bytes. The array is not
 * looked at. */
void vx_gpt_decode(struct vx_bytes sector, uint32_t sector_size, struct vx_gpt *gpt);

/* Finds table and partitions; sets the members of `content` about them, and adds to the counters. */
void vx_partitions_find(const struct vx_content_source *source, struct vx_content *content);

#endif
