/*
 * What the files of the image builder share among themselves; nobody else includes it. builder.c keeps the wishes
 * (content, items, locator), layout.c turns them into places and pages, ring.c into log entries; damage.c knows
 * nothing of a builder.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_INSIDE_H
#define TESTS_SUPPORT_INSIDE_H

#include "builder.h"

#define BLD_CONTENT_PAGE 65536u

/* Numbers to things; a thing that is NULL is not there. Never shrinks. */
struct bld_map {
    uint64_t *keys; /* key + 1; 0 = free */
    void **values;
    size_t capacity, count;
};

void *bld_map_get(const struct bld_map *map, uint64_t key);
void bld_map_put(struct bld_map *map, uint64_t key, void *value);
/* The keys that have a value, ascending, to be freed with free(). */
uint64_t *bld_map_keys(const struct bld_map *map, size_t *count);
/* Frees values and map. */
void bld_map_clear(struct bld_map *map);

/* malloc family that ends the program instead of failing. */
void *bld_alloc(size_t count, size_t size);
void *bld_resized(void *memory, size_t count, size_t size);
#define BLD_DEMAND(condition, what)                                                                                    \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            bld_die(what);                                                                                             \
    } while (0)
void bld_die(const char *what);

struct bld_block {
    uint64_t stray; /* offset without meaning */
    uint64_t file_offset;
    uint8_t *bits; /* of the sectors owned in state 7; NULL = none */
    uint8_t state;
    bool anchor, stale_bits;
};

struct bld_chunk {
    uint64_t file_offset;
};

struct bld_item {
    vhdx_guid id;
    uint32_t flags, length, offset; /* offset in the region, from the layout */
    uint8_t *bytes;
};

struct bld_pair {
    char *key, *value;
};

struct bld_region {
    vhdx_guid id;
    uint64_t file_offset;
    uint32_t length, required;
};

/* A page of metadata as it shall be after replay */
struct bld_page {
    unsigned what; /* BLD_LOG_* */
    bool logged;
    uint8_t bytes[VX_PAGE];
};

struct bld {
    struct bld_options options;
    char creator[257];
    uint64_t state; /* of the chance that is used up while calls come in; the layout starts from the seed anew */
    uint64_t chunk_ratio, block_count, chunk_count, entry_count;
    uint32_t sectors_per_block;

    struct bld_map blocks;  /* payload block -> struct bld_block */
    struct bld_map content; /* virtual offset / BLD_CONTENT_PAGE -> bytes */
    struct bld_map chunks;  /* chunk -> struct bld_chunk, where a bitmap block is allocated */
    struct bld_map raw;     /* BAT index -> uint64_t */

    struct bld_item *items;
    size_t item_count;
    struct bld_pair *pairs;
    size_t pair_count;
    uint8_t *locator;
    size_t locator_length;
    struct bld_region *regions; /* [0] BAT, [1] metadata, then the others */
    size_t region_count;

    bool dirty;
    struct bld_log log;

    /* from the layout */
    struct bld_map pages; /* file offset / VX_PAGE -> struct bld_page */
    uint64_t log_offset, log_length;
    uint64_t end;       /* of the last object */
    uint64_t file_size; /* as written */
    struct bld_hole {
        uint64_t offset, length;
    } * holes;
    size_t hole_count;

    /* from the ring */
    vhdx_guid log_guid;
    uint8_t *ring;
    uint64_t *entry_offsets; /* in the file */
    unsigned entry_total;
    unsigned pages_logged;
};

struct bld_block *bld_block_of(struct bld *b, uint64_t payload_block);
bool bld_owns_space(const struct bld_block *block);
const struct bld_item *bld_item_find(const struct bld *b, const vhdx_guid *id, bool user);

/* layout.c: places for everything, and all pages of metadata. */
void bld_lay_out(struct bld *b);
/* The page at that place of the file, made when there is none. */
struct bld_page *bld_page_at(struct bld *b, uint64_t offset, unsigned what);
/* ring.c: chooses the pages that are logged and fills b->ring. `written_end`: where the file's content at home ends. */
void bld_choose_logged(struct bld *b, uint64_t *chance);
void bld_fill_ring(struct bld *b, uint64_t *chance);
/* The bytes that stand at the home of a logged page. */
void bld_home_bytes(const struct bld *b, const struct bld_page *page, uint64_t offset, uint8_t out[VX_PAGE]);

#endif
