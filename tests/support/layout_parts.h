/* What the files that lay out a disk share. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_LAYOUT_PARTS_H
#define TESTS_SUPPORT_LAYOUT_PARTS_H

#include "builder.h"
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/guid.h"
#include "base/utf.h"
#include "format/bat.h"
#include "format/file_id.h"
#include "format/header.h"
#include "format/locator.h"
#include "format/metadata.h"
#include "format/region.h"
#include "io/io.h"

struct object {
    uint64_t length;
    uint64_t *place;
    bool block; /* payload or bitmap block: gaps may come before it */
};

uint64_t layout_up(uint64_t value, uint64_t unit);
uint64_t layout_payload_index(const struct bld *b, uint64_t n);
uint64_t layout_bitmap_index(const struct bld *b, uint64_t chunk);

#endif
