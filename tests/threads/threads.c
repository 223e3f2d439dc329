/*
 * Several threads at once, for ThreadSanitizer: each merges a chain of its own (down, several layers, upwards, giving
 * space back), into a new file, takes merges back; all of them read one chain that they share, at random places, while
 * that goes on. What is read is compared with what the builder wrote. Then several threads use one disk at once.
 *
 * Not a Criterion test, whose processes and pipes the sanitizer does not follow. Ends with 0 when all is right; a
 * race is the sanitizer's to report, and ends the program with another status.
 */
/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "files.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MERGERS = 4,
    READERS = 4,
    ROUNDS = 3,
    LAYERS = 4,
    DISK = 8 << 20,
    PIECE = 70000,
};

static atomic_bool stop;       /* the readers may end */
static atomic_uint reads_done; /* of all readers */

static void fail(const char *what, const vhdx_error *err)
{
    fprintf(stderr, "threads: %s: %s\n", what, err ? err->message : "");
    exit(1);
}

struct chain {
    char *directory;
    char *paths[LAYERS]; /* base first */
    uint8_t *view;       /* what the topmost layer shows */
};

static void build(struct chain *chain, uint64_t seed)
{
    struct bld *below = NULL;
    vhdx_error err;
    chain->directory = files_directory();
    chain->view = calloc(DISK, 1);
    for (size_t i = 0; i < LAYERS; i++) {
        char name[64], parent[64];
        struct bld_options options = {.kind = i == 0 ? VHDX_KIND_DYNAMIC : VHDX_KIND_DIFFERENCING,
                                      .virtual_size = DISK,
                                      .block_size = 1 << 20,
                                      .seed = seed * 100 + i + 1};
        struct bld *layer = bld_new(&options);
        snprintf(name, sizeof name, "layer%zu.vhdx", i);
        snprintf(parent, sizeof parent, ".\\layer%zu.vhdx", i - 1);
        if (below)
            bld_parent(layer, bld_data_write_guid(below), NULL, parent, NULL, NULL);
        bld_fill_random(layer, seed + i, 3 << 20);
        if (i % 2 == 1)
            bld_log_dirty(layer, &(struct bld_log){.what = BLD_LOG_ALL, .percent = 50});
        chain->paths[i] = files_path(chain->directory, name);
        if (bld_finish(layer, NULL, chain->paths[i], &err) != VHDX_OK)
            fail("building a disk", &err);
        bld_apply(layer, chain->view);
        bld_free(below);
        below = layer;
    }
    bld_free(below);
}

static void demolish(struct chain *chain)
{
    for (size_t i = 0; i < LAYERS; i++)
        free(chain->paths[i]);
    files_remove_directory(chain->directory);
    free(chain->view);
}

static void compare(const char *path, const uint8_t *view)
{
    vhdx_chain *chain;
    vhdx_error err;
    uint8_t *bytes = malloc(DISK);
    if (vhdx_chain_open(path, NULL, &chain, &err) != VHDX_OK)
        fail("opening what was merged", &err);
    if (vhdx_chain_read(chain, bytes, DISK, 0, &err) != VHDX_OK)
        fail("reading what was merged", &err);
    if (memcmp(bytes, view, DISK) != 0)
        fail("a merged disk reads differently", NULL);
    vhdx_chain_free(chain);
    free(bytes);
}

static bool go_on(void *context, const vhdx_progress *progress)
{
    unsigned *calls = context;
    ++*calls;
    return progress->bytes_total == 0 || progress->bytes_done <= progress->bytes_total;
}

static void take_back(const struct chain *chain, const char *undo)
{
    vhdx_error err;
    if (vhdx_undo(undo, NULL, NULL, &err) != VHDX_OK)
        fail("taking a merge back", &err);
    compare(chain->paths[LAYERS - 1], chain->view);
}

/* One of the ways to merge a chain, on a chain of its own. */
static void merge(uint64_t seed, unsigned way)
{
    struct chain chain;
    vhdx_error err;
    unsigned calls = 0;
    build(&chain, seed);
    char *new = files_path(chain.directory, "new.vhdx"), *undo = files_path(chain.directory, "undo");
    const char *child = chain.paths[LAYERS - 1], *result = chain.paths[0];
    vhdx_merge_options options = {.struct_size = sizeof options,
                                  .into = chain.paths[0],
                                  .progress = go_on,
                                  .progress_context = &calls,
                                  .window_bytes = 1 << 20};
    switch (way % 5) {
    case 0:
        break;
    case 1:
        options.direction = VHDX_DIRECTION_UP;
        result = child;
        break;
    case 2:
        options.reclaim = options.verify = true;
        break;
    case 3:
        options.undo = undo;
        break;
    case 4:
        options.into = NULL;
        result = new;
        break;
    }
    vhdx_status status =
        result == new ? vhdx_flatten(child, new, &options, NULL, &err) : vhdx_merge(child, &options, NULL, &err);
    if (status != VHDX_OK)
        fail("merging", &err);
    compare(result, chain.view);
    if (options.undo)
        take_back(&chain, undo);
    free(new);
    free(undo);
    demolish(&chain);
}

static void *merger(void *argument)
{
    unsigned number = *(unsigned *)argument;
    for (unsigned round = 0; round < ROUNDS; round++)
        merge(10 + number * ROUNDS + round, number * ROUNDS + round);
    return NULL;
}

struct reader {
    vhdx_chain *chain;
    const uint8_t *view;
    uint64_t chance;
};

static void walk(vhdx_chain *chain)
{
    vhdx_walk *walk;
    vhdx_extent extent = {.length = 1};
    vhdx_error err;
    uint64_t at = 0;
    if (vhdx_walk_new(chain, 0, &walk, &err) != VHDX_OK)
        fail("walking", &err);
    while (extent.length > 0) {
        if (vhdx_walk_next(walk, &extent, &err) != VHDX_OK || extent.virtual_offset != at)
            fail("walking", &err);
        at += extent.length;
    }
    if (at != DISK)
        fail("a walk ends too early", NULL);
    vhdx_walk_free(walk);
}

static void *read_on(void *argument)
{
    struct reader *reader = argument;
    uint8_t bytes[PIECE], hash[16];
    vhdx_error err;
    for (unsigned i = 0; !stop || i < 50; i++) {
        size_t length = 1 + (size_t)bld_random_below(&reader->chance, PIECE);
        uint64_t at = bld_random_below(&reader->chance, DISK - length + 1);
        if (vhdx_chain_read(reader->chain, bytes, length, at, &err) != VHDX_OK)
            fail("reading", &err);
        if (memcmp(bytes, reader->view + at, length) != 0)
            fail("a shared chain reads differently", NULL);
        if (i % 16 == 0)
            walk(reader->chain);
        if (i % 64 == 0 && vhdx_chain_hash(reader->chain, hash, NULL, &err) != VHDX_OK)
            fail("hashing", &err);
        reads_done++;
    }
    return NULL;
}

/* ---- one disk, several writers and readers ---- */

/* A stripe of the disk, written and read back by one thread while others have theirs. */
struct striped {
    vhdx_disk *disk;
    uint8_t *view; /* of the whole disk; each thread has its own part of it */
    uint64_t begin, end, chance;
};

static void change(struct striped *striped, uint64_t at, size_t length, vhdx_error *err)
{
    uint8_t *view = striped->view + at;
    bool zero = bld_random_below(&striped->chance, 4) == 0;
    for (size_t i = 0; i < length; i++)
        view[i] = zero ? 0 : (uint8_t)bld_random(&striped->chance);
    vhdx_status status = zero ? vhdx_disk_zero(striped->disk, at, length, false, err)
                              : vhdx_disk_write(striped->disk, view, length, at, err);
    if (status != VHDX_OK)
        fail("changing a disk", err);
}

static void *use_stripe(void *argument)
{
    struct striped *striped = argument;
    uint8_t bytes[PIECE];
    vhdx_error err;
    for (unsigned i = 0; i < 60; i++) {
        size_t length = 1 + (size_t)bld_random_below(&striped->chance, PIECE);
        uint64_t at = striped->begin + bld_random_below(&striped->chance, striped->end - striped->begin - length + 1);
        if (i % 3 == 0)
            change(striped, at, length, &err);
        if (i % 20 == 0 && vhdx_disk_flush(striped->disk, &err) != VHDX_OK)
            fail("flushing a disk", &err);
        if (vhdx_disk_read(striped->disk, bytes, length, at, &err) != VHDX_OK)
            fail("reading a disk", &err);
        if (memcmp(bytes, striped->view + at, length) != 0)
            fail("a disk in use reads differently", NULL);
    }
    return NULL;
}

static bool pass_over(void *context, const vhdx_extent *extent)
{
    *(uint64_t *)context += extent->length;
    return true;
}

static void *look_on(void *argument)
{
    vhdx_disk *disk = argument;
    vhdx_error err;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t seen = 0;
        if (vhdx_disk_extents(disk, 0, DISK, pass_over, &seen, &err) != VHDX_OK || seen != DISK)
            fail("looking at a disk in use", &err);
    }
    return NULL;
}

static void use_one_disk(void)
{
    struct chain chain;
    struct striped stripes[READERS];
    pthread_t threads[READERS + 1];
    vhdx_disk_options options = {.struct_size = sizeof options, .write = true};
    vhdx_disk *disk;
    vhdx_error err;
    build(&chain, 900);
    if (vhdx_disk_open(chain.paths[LAYERS - 1], &options, &disk, &err) != VHDX_OK)
        fail("opening a disk", &err);
    for (unsigned i = 0; i < READERS; i++) {
        uint64_t length = DISK / READERS;
        stripes[i] = (struct striped){disk, chain.view, i * length, (i + 1) * length, i};
        if (pthread_create(&threads[i], NULL, use_stripe, &stripes[i]) != 0)
            fail("starting a thread", NULL);
    }
    if (pthread_create(&threads[READERS], NULL, look_on, disk) != 0)
        fail("starting a thread", NULL);
    for (unsigned i = 0; i <= READERS; i++)
        pthread_join(threads[i], NULL);
    if (vhdx_disk_close(disk, &err) != VHDX_OK)
        fail("closing a disk", &err);
    compare(chain.paths[LAYERS - 1], chain.view);
    demolish(&chain);
}

int main(void)
{
    pthread_t mergers[MERGERS], readers[READERS];
    unsigned numbers[MERGERS];
    struct reader each[READERS];
    struct chain shared;
    vhdx_chain *chain;
    vhdx_error err;
    build(&shared, 1);
    if (vhdx_chain_open(shared.paths[LAYERS - 1], NULL, &chain, &err) != VHDX_OK)
        fail("opening the shared chain", &err);
    for (unsigned i = 0; i < READERS; i++) {
        each[i] = (struct reader){chain, shared.view, i};
        if (pthread_create(&readers[i], NULL, read_on, &each[i]) != 0)
            fail("starting a thread", NULL);
    }
    for (unsigned i = 0; i < MERGERS; i++) {
        numbers[i] = i;
        if (pthread_create(&mergers[i], NULL, merger, &numbers[i]) != 0)
            fail("starting a thread", NULL);
    }
    for (unsigned i = 0; i < MERGERS; i++)
        pthread_join(mergers[i], NULL);
    stop = true;
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    vhdx_chain_free(chain);
    demolish(&shared);
    use_one_disk();
    printf("%d merges in %d threads beside %u reads in %d threads\n", MERGERS * ROUNDS, MERGERS, (unsigned)reads_done,
           READERS);
    return 0;
}
