/*
 * What a guest has written: partition tables in pieces, so that layers can share one. Made by hand, byte by byte the
 * same each time.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_GUEST_H
#define TESTS_SUPPORT_GUEST_H

#include "builder.h"

/* Pieces of a GUID partition table in sectors of 512 bytes. */
enum {
    GUEST_HEADER = 1,
    GUEST_ENTRIES = 2,
    GUEST_BACKUP_ENTRIES = 4,
    GUEST_BACKUP_HEADER = 8,
    GUEST_GPT = 15,
};

/* Writes these pieces of the table of a disk of that size; another `name`, another disk. One partition, none when it is
 * 0. */
void guest_gpt(struct bld *b, uint64_t size, uint8_t name, unsigned pieces);

#endif
