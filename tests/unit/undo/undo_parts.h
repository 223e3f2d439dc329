/* What the suites of undo files share: a small file that says who it is, changed under protection. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNDO_PARTS_H
#define TESTS_UNDO_PARTS_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "files.h"
#include "memory.h"
#include "undo/undo.h"
#include "undo/undo_apply.h"
#include "undo/undo_save.h"
#include "crash_host.h"
#include "inside.h"
#include "model.h"

#define DISK "/d/disk"
#define UNDO "/d/undo"
#define ROOM (6u * 1024 * 1024)

/* ---- a file that says who it is --------------------------------------------------------------------------------- */

static const uint8_t mark[8] = {'t', 'o', 'y', ' ', 'd', 'i', 's', 'k'};

#define SLOT 4096u
/* Mark, content, writer, sequence, filling, checksum: more than a sector, so that it can be torn. */
#define CARD 1100u

static inline uint64_t checksum(const uint8_t *bytes)
{
    uint64_t sum = 1;
    for (size_t i = 0; i < CARD - 8; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static inline void put_identity(uint8_t *bytes, const struct vx_identity *identity, uint64_t sequence)
{
    memcpy(bytes, mark, sizeof mark);
    memcpy(bytes + 8, identity->content, 16);
    memcpy(bytes + 24, identity->writer, 16);
    vx_put64(bytes + 40, sequence);
    memset(bytes + 48, identity->writer[0], CARD - 56);
    vx_put64(bytes + CARD - 8, checksum(bytes));
}

static inline vhdx_status find_card(struct vx_file *file, uint8_t *bytes, uint64_t *sequence, vhdx_error *err)
{
    uint8_t card[CARD];
    size_t got;
    *sequence = 0;
    for (uint64_t slot = 0; slot < 2; slot++) {
        VX_TRY(vx_file_read_some(file, card, sizeof card, slot * SLOT, &got, err));
        if (memcmp(card, mark, sizeof mark) != 0 || vx_get64(card + CARD - 8) != checksum(card) ||
            vx_get64(card + 40) <= *sequence)
            continue;
        memcpy(bytes, card, sizeof card);
        *sequence = vx_get64(card + 40);
    }
    return VHDX_OK;
}

static inline vhdx_status identify(struct vx_file *file, struct vx_identity *identity, bool *readable, vhdx_error *err)
{
    uint8_t card[CARD] = {0};
    uint64_t sequence;
    VX_TRY(find_card(file, card, &sequence, err));
    *readable = sequence > 0;
    memcpy(identity->content, card + 8, 16);
    memcpy(identity->writer, card + 24, 16);
    return VHDX_OK;
}

static inline struct vx_identity identity_of(uint8_t content, uint8_t writer)
{
    struct vx_identity identity;
    memset(identity.content, content, sizeof identity.content);
    memset(identity.writer, writer, sizeof identity.writer);
    return identity;
}

struct bench {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct vx_file *file;
    struct vx_undo *undo;
    uint8_t *old;
    size_t old_size;
    uint64_t chance;
};

static inline void must(vhdx_status status, const vhdx_error *err)
{
    char text[2048] = "";
    if (status != VHDX_OK && err)
        vhdx_error_format(err, text, sizeof text);
    cr_assert_eq(status, VHDX_OK, "%s", text);
}

static inline void bench_open(struct bench *b)
{
    vhdx_error err;
    must(vx_file_open(b->host, DISK, VHDX_OPEN_WRITE, &b->file, &err), &err);
}

/* Zeros, runs and noise; a size that ends where it likes. */
static inline struct bench bench_new(uint64_t seed)
{
    struct bench b = {.memory = vx_memory_host_new(seed), .chance = seed * 77 + 1};
    struct vx_identity identity = identity_of(1, 1);
    b.host = vx_memory_host_interface(b.memory);
    b.old_size = (size_t)(2 * VX_MIB + bld_random_below(&b.chance, 2 * VX_MIB));
    b.old = calloc(1, ROOM);
    cr_assert_not_null(b.old);
    for (size_t at = 0; at < b.old_size;) {
        size_t length = (size_t)vx_min(bld_random_below(&b.chance, 200000) + 1, b.old_size - at);
        uint64_t kind = bld_random_below(&b.chance, 3);
        for (size_t i = at; i < at + length; i++)
            b.old[i] = kind == 0 ? 0 : kind == 1 ? (uint8_t)(at / 1000) : (uint8_t)bld_random(&b.chance);
        at += length;
    }
    memset(b.old, 0, 2 * SLOT);
    put_identity(b.old + SLOT, &identity, 1);
    cr_assert(vx_memory_host_put(b.memory, DISK, b.old, b.old_size));
    bench_open(&b);
    return b;
}

static inline void bench_close(struct bench *b)
{
    vx_undo_close(b->undo);
    vx_file_close(b->file);
    b->undo = NULL;
    b->file = NULL;
}

static inline void bench_free(struct bench *b)
{
    bench_close(b);
    vx_memory_host_free(b->memory);
    free(b->old);
}

static inline vhdx_status protect_as(struct bench *b, const struct vx_identity *identity, vhdx_error *err)
{
    struct vx_range ranges[1] = {{.offset = VX_MIB + 5, .length = 9000}};
    struct vx_undo_target target = {.file = b->file, .identity = *identity, .ranges = ranges, .range_count = 1};
    return vx_undo_begin(b->host, UNDO, &target, 1, &b->undo, err);
}

static inline void protect(struct bench *b, uint8_t writer)
{
    struct vx_identity identity = identity_of(1, writer);
    vhdx_error err;
    must(protect_as(b, &identity, &err), &err);
}

/* As an image does it: announced first. */
static inline void become(struct bench *b, uint8_t content, uint8_t writer)
{
    struct vx_identity identity = identity_of(content, writer);
    uint8_t bytes[CARD];
    uint64_t sequence;
    must(find_card(b->file, bytes, &sequence, NULL), NULL);
    put_identity(bytes, &identity, sequence + 1);
    must(vx_file_will_be(b->file, &identity, NULL), NULL);
    must(vx_file_write(b->file, bytes, sizeof bytes, (sequence + 1) % 2 * SLOT, NULL), NULL);
    must(vx_file_flush(b->file, NULL), NULL);
}

static inline void random_change(struct bench *b)
{
    static uint8_t bytes[300000];
    uint64_t size;
    must(vx_file_size(b->file, &size, NULL), NULL);
    uint64_t at = 2 * SLOT + bld_random_below(&b->chance, ROOM - 2 * SLOT - sizeof bytes);
    size_t length = (size_t)(bld_random_below(&b->chance, 4) ? bld_random_below(&b->chance, 9000)
                                                             : bld_random_below(&b->chance, sizeof bytes));
    memset(bytes, (int)bld_random(&b->chance), length);
    switch (bld_random_below(&b->chance, 8)) {
    case 0:
        must(vx_file_zero(b->file, at, length, NULL), NULL);
        break;
    case 1:
        must(vx_file_grow(b->file, size + length, NULL), NULL);
        break;
    case 2:
        must(vx_file_cut(b->file, vx_max(2 * SLOT, size - vx_min(size, length)), NULL), NULL);
        break;
    case 3: {
        struct vx_range ranges[3] = {
            {.offset = at, .length = length}, {.offset = at + 10000, .length = 1}, {.offset = 5000, .length = 99}};
        must(vx_file_will_change(b->file, ranges, 3, NULL), NULL);
        break;
    }
    case 4:
        length = (size_t)vx_round_down(vx_min(length + 4096, size - 4096), 4096);
        must(vx_file_clone(b->file, vx_round_down(at, 4096), b->file, 4096, length, NULL), NULL);
        break;
    default:
        must(vx_file_write(b->file, bytes, length, at, NULL), NULL);
    }
}

static inline vhdx_status apply_with(const vhdx_host *host, const char *path, bool force, vhdx_undo_report *report,
                                     vhdx_error *err)
{
    vhdx_undo_options options = {.struct_size = sizeof options, .host = host, .force = force};
    *report = (vhdx_undo_report){.struct_size = sizeof *report};
    return vx_undo_apply(path, &options, identify, report, err);
}

static inline void must_apply(const vhdx_host *host)
{
    vhdx_undo_report report;
    vhdx_error err;
    must(apply_with(host, UNDO, false, &report, &err), &err);
    cr_expect_eq(report.files, 1u);
}

/* The whole file; to be freed. */
static inline uint8_t *contents(const vhdx_host *host, const char *path, uint64_t *size)
{
    struct vx_file *file;
    must(vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL), NULL);
    must(vx_file_size(file, size, NULL), NULL);
    uint8_t *bytes = malloc((size_t)*size + 1);
    cr_assert_not_null(bytes);
    must(vx_file_read(file, bytes, (size_t)*size, 0, NULL), NULL);
    vx_file_close(file);
    return bytes;
}

static inline bool is_old(const struct bench *b, const vhdx_host *host)
{
    uint64_t size;
    uint8_t *bytes = contents(host, DISK, &size);
    bool same = size == b->old_size && memcmp(bytes, b->old, b->old_size) == 0;
    free(bytes);
    return same;
}

/* Changes, with a new writer and a new content among them. */
static inline void work(struct bench *b, int changes)
{
    for (int i = 0; i < changes; i++) {
        if (i == changes / 3)
            become(b, 1, 2);
        if (i == changes / 2)
            become(b, 2, 3);
        random_change(b);
    }
}

#endif
