/*
 * Chains at random, and what reading them must give: every layer's view is kept as plain bytes, computed from the
 * wishes by the rules of reading (states 1 to 3 hide what is below, what nobody holds is zeros, beyond the end of a
 * smaller parent there are zeros), never from the files. The one thing that is easy to get wrong: everything follows
 * from the seed, so a failing test must print it.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_MODEL_H
#define TESTS_SUPPORT_MODEL_H

#include "builder.h"

#define MODEL_MAX_LAYERS 6

/* All zero: everything at random. */
struct model_wishes {
    size_t layers;             /* 0 = 1 to MODEL_MAX_LAYERS */
    uint64_t max_virtual_size; /* 0 = 24 MiB */
    bool same_size;            /* all layers as long as the base */
    bool sector_512;           /* logical sectors of 512 bytes */
    bool clean;                /* no dirty logs */
    bool plain; /* nothing that only this library reads: one directory, right relative paths and linkage, both headers
                   and region tables sound, no unknown regions */
    bool dynamic_base;
    bool one_directory; /* a merge finds the layers above the child only in the directories of child and ancestors */
};

struct model_layer {
    char path[512];
    struct bld *b;
    uint8_t *view; /* virtual_size bytes */
    uint64_t virtual_size;
    uint32_t block_size, logical_sector_size, physical_sector_size;
    vhdx_kind kind;
    bool dirty;
    bool linked_by_second;     /* parent_linkage2 is what names the parent, as when a merge into it was cut off */
    bool disk_item, file_item; /* user items: with IsVirtualDisk (model_disk_item) and without (model_file_item) */
};

struct model {
    uint64_t seed;
    size_t count;
    struct model_layer layers[MODEL_MAX_LAYERS]; /* [0] = leaf, as in vhdx_chain */
};

struct model *model_new(uint64_t seed, const struct model_wishes *wishes, const char *directory);
void model_free(struct model *m);
/* Writes all files. With the operating system's files (host NULL) the directory must exist. */
vhdx_status model_write(struct model *m, const vhdx_host *host, vhdx_error *err);

/* What reading `layer` through its chain gives: layers[layer].virtual_size bytes. */
const uint8_t *model_expected(const struct model *m, size_t layer);
/* Canonical XXH3-128 of that. */
void model_hash(const struct model *m, size_t layer, uint8_t hash[16]);

/*
 * Ids of the user items that layers may have; their content is the layer's data write GUID (as the builder made it),
 * 16 bytes.
 */
vhdx_guid model_disk_item(void);
vhdx_guid model_file_item(void);

/* A line that says how the chain looks, for messages. Static storage. */
const char *model_text(const struct model *m);

#endif
