/* What the suites of models share: a random chain on a host beside the model of what it reads as. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_PARTS_H
#define TESTS_MODEL_PARTS_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vhdx.h>

#include "base/guid.h"
#include "files.h"
#include "io/io.h"
#include "memory.h"
#include "look.h"
#include "model.h"

/* ---- a chain on a host ------------------------------------------------------------------------------------------ */

struct scene {
    struct model *m;
    struct vx_memory_host *memory; /* NULL: real files in `directory` */
    const vhdx_host *host;
    char *directory;
    uint64_t chance;
    uint64_t digests[MODEL_MAX_LAYERS]; /* of the files as the builder made them */
};

static inline void fail(const struct scene *s, const char *what, const vhdx_error *err)
{
    char text[2048] = "";
    if (err)
        vhdx_error_format(err, text, sizeof(text));
    cr_assert_fail("%s: %s (%s)", what, text, model_text(s->m));
}

static inline void must(const struct scene *s, vhdx_status status, const vhdx_error *err, const char *what)
{
    if (status != VHDX_OK)
        fail(s, what, err);
}

static inline void demand(const struct scene *s, bool condition, const char *what)
{
    if (!condition)
        fail(s, what, NULL);
}

static inline struct scene begin(uint64_t seed, const struct model_wishes *wishes, bool real)
{
    struct scene s = {.chance = seed ^ 0x5EED};
    vhdx_error err;
    if (real)
        s.directory = files_directory();
    else
        s.memory = vx_memory_host_new(seed);
    s.host = real ? NULL : vx_memory_host_interface(s.memory);
    s.m = model_new(seed, wishes, real ? s.directory : "/disks");
    must(&s, model_write(s.m, s.host, &err), &err, "building the chain");
    for (size_t n = 0; n < s.m->count; n++)
        demand(&s, files_digest(s.host, s.m->layers[n].path, &s.digests[n]), "digest of a built file");
    return s;
}

static inline void end(struct scene *s)
{
    model_free(s->m);
    vx_memory_host_free(s->memory);
    files_remove_directory(s->directory);
}

static inline uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && text[0] ? strtoull(text, NULL, 0) : otherwise;
}

static inline uint64_t first_seed(uint64_t otherwise)
{
    return number_from("VHDX_MODEL_FIRST", otherwise);
}

static inline uint64_t seed_count(uint64_t otherwise)
{
    uint64_t slow = getenv("VHDX_SANITIZED") ? 2 : 1;
    return number_from("VHDX_MODEL_SEEDS", (otherwise + slow - 1) / slow);
}

#define FOR_EACH_SEED(seed, first, count)                                                                              \
    for (uint64_t seed = first_seed(first), seed##_end = seed + seed_count(count); seed < seed##_end; seed++)

static inline vhdx_chain *open_path(const struct scene *s, const char *path)
{
    vhdx_open_options options = {.struct_size = sizeof(options), .host = s->host};
    vhdx_chain *chain;
    vhdx_error err;
    must(s, vhdx_chain_open(path, &options, &chain, &err), &err, "opening a chain");
    return chain;
}

static inline vhdx_chain *open_layer(const struct scene *s, size_t layer)
{
    return open_path(s, s->m->layers[layer].path);
}

static inline bool unchanged(const struct scene *s, size_t layer)
{
    uint64_t digest;
    return files_digest(s->host, s->m->layers[layer].path, &digest) && digest == s->digests[layer];
}

/* The whole disk at `path` must read as layer `view` of the model. */
static inline void must_read_as(const struct scene *s, const char *path, size_t view, const char *what)
{
    const struct model_layer *layer = &s->m->layers[view];
    vhdx_chain *chain = open_path(s, path);
    vhdx_error err;
    uint64_t size = vhdx_chain_layer(chain, 0)->virtual_size;
    if (size != layer->virtual_size)
        cr_assert_fail("%s: virtual size is %llu, not %llu (%s)", what, (unsigned long long)size,
                       (unsigned long long)layer->virtual_size, model_text(s->m));
    uint8_t *bytes = malloc(size);
    cr_assert_not_null(bytes);
    must(s, vhdx_chain_read(chain, bytes, size, 0, &err), &err, what);
    if (memcmp(bytes, layer->view, size) != 0) {
        uint64_t at = 0;
        while (bytes[at] == layer->view[at])
            at++;
        cr_assert_fail("%s: byte %llu is %02x, not %02x (%s)", what, (unsigned long long)at, bytes[at], layer->view[at],
                       model_text(s->m));
    }
    free(bytes);
    vhdx_chain_free(chain);
}

#endif
