/*
 * GUID partition tables on a disk that lies in memory, in sectors of any size: made, and checked by rules of their own,
 * without the library's code.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TABLE_H
#define TESTS_SUPPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_disk {
    uint8_t *bytes;
    uint64_t size;
    uint32_t sector;
};

struct table_partition {
    uint64_t first, last; /* sectors */
};

struct table_shape {
    uint32_t entry_count, entry_size; /* 0 = 128, 128 */
    const struct table_partition *partitions;
    size_t partition_count;
};

/* Sectors of one array. */
uint64_t table_array_sectors(const struct table_shape *shape, uint32_t sector);
/* Writes both copies and the record that protects them. The disk must have room. */
void table_put(const struct table_disk *disk, const struct table_shape *shape);
/* The first header's checksum again, after a test has changed it; `backup`: the one in the last sector. */
void table_sign(const struct table_disk *disk, bool backup);

/* NULL, or what is wrong with it as the table of a disk of that size. */
const char *table_wrong(const struct table_disk *disk);
/* Whether the copy in the first sectors (or the one in the last sector) is valid by itself: its header and its array.
 */
bool table_copy_is_valid(const struct table_disk *disk, bool backup);
/* Gives `other` the bytes that `disk` has in the sectors of its table, for comparing all the rest. */
void table_copy_sectors(const struct table_disk *disk, const struct table_disk *other);

#endif
