/*
 * A GUID partition table on a disk of another size, as bytes: headers that say where they and their copy lie, and the
 * boot record that protects them (UEFI specification, 5.2.3 and 5.3.2). Partitions are looked at and never changed.
 * Reading headers is partitions.h's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_GPT_BYTES_H
#define VX_GUEST_GPT_BYTES_H

#include "guest/content.h"

#define VX_GPT_NAME 112u /* room for a partition's name in UTF-8 */

/* Where one copy of the table lies, in sectors. */
struct vx_gpt_place {
    uint64_t header, other_header, array, last_usable;
};

/* Changes the places in a header that is right, and its checksum. What else stands in the sector stays. */
void vx_gpt_header_put(uint8_t *sector, const struct vx_gpt_place *place);

/* One entry of the array. */
struct vx_gpt_partition {
    bool used, nonsense; /* nonsense: it ends before it begins */
    uint64_t first, last;
    char name[VX_GPT_NAME]; /* "" = it has none */
};

/* `entry` has 128 bytes at least. */
void vx_gpt_partition_decode(const uint8_t *entry, struct vx_gpt_partition *partition);

/* The checksum of an array is the one that the header gives. */
bool vx_gpt_array_is_right(const struct vx_gpt *gpt, const uint8_t *array);

/*
 * Makes the entry that protects the table cover a disk of so many sectors, where it is the record's only one; other
 * records (hybrid ones) stay. Returns whether a byte has changed.
 */
bool vx_protective_record_fit(uint8_t sector[512], uint64_t sectors);

#endif
