/* What the files that build configurations share. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_VMCX_PARTS_H
#define TESTS_SUPPORT_VMCX_PARTS_H

#include "vmcx.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct key {
    int parent;
    uint8_t type, flags;
    char name[256];
    uint8_t *value; /* without the count before strings and arrays */
    size_t size;
    uint8_t *slack;
    size_t slack_size;
    uint32_t order;
    size_t table;  /* in tables[] */
    size_t offset; /* in its table */
    size_t object; /* where the file object is; 0 = none */
    bool in_file;
};

struct table {
    uint16_t index, sequence;
    size_t size, place;
};

struct vmcx {
    struct key *keys;
    size_t count;
    struct table tables[64];
    size_t table_count, current, split;
};

struct object {
    uint8_t type;
    uint64_t offset;
    uint32_t size;
};

void *vmcx_need(void *memory);
uint8_t *vmcx_utf16(const char *text, size_t *size);

#endif
