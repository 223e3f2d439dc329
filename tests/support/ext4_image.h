/*
 * A small ext4 file system by hand, as far as checksums and counters bind its structures to each other: superblock,
 * descriptors, bitmaps, journal. No file is in it. Shares nothing with the codec that is tested but the CRC.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_EXT4_IMAGE_H
#define TESTS_SUPPORT_EXT4_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    EXT4_IMAGE_SIZE = 2 << 20,
    EXT4_IMAGE_BLOCK = 1024,
    EXT4_IMAGE_GROUPS = 8,
    EXT4_IMAGE_PER_GROUP = 256, /* blocks */
    EXT4_IMAGE_INODES = 128,    /* in a group */
    EXT4_IMAGE_JOURNAL = 64,    /* its first block */
    EXT4_IMAGE_JOURNAL_BLOCKS = 64,
    EXT4_IMAGE_FIRST = 100, /* transaction that a new one waits for */
};

/* A new, unmounted file system in zeroed bytes; another `id`, another uuid. Written at time 1000, 100 KiB in its
 * life. */
void ext4_image_make(uint8_t *bytes, uint8_t id);
/* Places of parts, to be damaged or compared. */
uint64_t ext4_image_descriptor(unsigned group);
uint64_t ext4_image_bitmap(unsigned group, bool of_blocks);
/* Changes bitmaps and descriptor of that group, so that all fits again. Numbers of free things stay. */
void ext4_image_change(uint8_t *bytes, unsigned group, uint8_t value);
/* Sets the checksums of a descriptor or the superblock after a change by hand. */
void ext4_image_seal_group(uint8_t *bytes, unsigned group);
void ext4_image_seal(uint8_t *bytes);
/* A transaction in two blocks of the journal; `block` counts from its first. */
void ext4_image_commit(uint8_t *bytes, unsigned block, uint32_t sequence, uint64_t time);
/* The journal as it is left: what comes next; `start` 0 = nothing is to be replayed. */
void ext4_image_journal(uint8_t *bytes, uint32_t sequence, uint32_t start);
/* The superblock: when it was written, how much in its life, and whether a journal is to be replayed. */
void ext4_image_super(uint8_t *bytes, uint32_t time, uint64_t written_kib, bool dirty);

#endif
