/*
 * A look at a cleanly closed file with the codecs alone: current header, region table, metadata items. For tests that
 * must see what a file says without asking the code that wrote it. The one thing that is easy to get wrong: nothing is
 * replayed here.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_LOOK_H
#define TESTS_SUPPORT_LOOK_H

#include "format/header.h"
#include "format/metadata.h"
#include "format/region.h"

struct look {
    struct vx_header header; /* the current one */
    bool both_headers;       /* both have a right checksum */
    struct vx_region_table regions;
    struct vx_metadata_table metadata;
    uint64_t metadata_offset;
};

/* To be freed with free(); NULL when something is not as in a sound, clean file. */
struct look *look_at(const vhdx_host *host, const char *path);
/* Copies an item's bytes; the length, or UINT32_MAX when it is not there (or longer than `size`). */
uint32_t look_item(const struct look *look, const vhdx_host *host, const char *path, const vhdx_guid *id, bool user,
                   uint8_t *bytes, uint32_t size);

#endif
