/* What the suites of repair share: a disk in memory, repairs of it, and what must be true afterwards. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_REPAIR_PARTS_H
#define TESTS_REPAIR_PARTS_H

#include "builder.h"
#include "files.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK "/vm/disk.vhdx"
#define UNDO DISK ".vhdx-undo"

struct bench {
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct bld *builder;
};

static inline struct bench begin(const struct bld_options *options, void (*fill)(struct bld *b))
{
    struct bench bench = {.memory = vx_memory_host_new(7)};
    vhdx_error err;
    bench.host = vx_memory_host_interface(bench.memory);
    bench.builder = bld_new(options);
    if (fill)
        fill(bench.builder);
    cr_assert_eq(bld_finish(bench.builder, bench.host, DISK, &err), VHDX_OK, "%s", err.message);
    return bench;
}

static inline void end(struct bench *bench)
{
    bld_free(bench->builder);
    vx_memory_host_free(bench->memory);
}

static inline void fail(const char *what, const vhdx_error *err)
{
    char text[2048];
    vhdx_error_format(err, text, sizeof text);
    cr_assert_fail("%s: %s", what, text);
}

static inline vhdx_report *repair(const struct bench *bench, const vhdx_repair_options *wish)
{
    vhdx_repair_options options = wish ? *wish : (vhdx_repair_options){0};
    vhdx_report *report;
    vhdx_error err;
    options.struct_size = sizeof options;
    options.host = bench->host;
    if (vhdx_repair(DISK, &options, &report, &err) != VHDX_OK)
        fail("repair", &err);
    return report;
}

static inline vhdx_report *verify(const struct bench *bench)
{
    vhdx_verify_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_report *report;
    vhdx_error err;
    if (vhdx_verify(DISK, &options, &report, &err) != VHDX_OK)
        fail("verify", &err);
    return report;
}

static inline const vhdx_finding *find(const vhdx_report *report, const char *id)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (strcmp(finding->id, id) == 0)
            return finding;
    return NULL;
}

static inline uint64_t digest(const struct bench *bench, const char *path)
{
    uint64_t value;
    cr_assert(files_digest(bench->host, path, &value));
    return value;
}

/* XXH3 of what reading gives. */
static inline void content(const struct bench *bench, uint8_t hash[16])
{
    vhdx_open_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_chain *chain;
    vhdx_error err;
    if (vhdx_chain_open(DISK, &options, &chain, &err) != VHDX_OK)
        fail("open", &err);
    if (vhdx_chain_hash(chain, hash, NULL, &err) != VHDX_OK)
        fail("hash", &err);
    vhdx_chain_free(chain);
}

static inline void undo(const struct bench *bench)
{
    vhdx_undo_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_error err;
    if (vhdx_undo(UNDO, &options, NULL, &err) != VHDX_OK)
        fail("undo", &err);
}

/* All that a lossless repair promises, for a disk that has just been damaged so that `id` is found. */
static inline void must_be_lossless(const struct bench *bench, const char *id, const uint8_t before[16])
{
    uint64_t damaged = digest(bench, DISK), repaired;
    uint8_t after[16];
    vhdx_report *report = verify(bench);
    const vhdx_finding *finding = find(report, id);
    cr_assert(finding, "verify does not find %s", id);
    cr_assert_eq(finding->repair, VHDX_REPAIR_LOSSLESS, "%s", id);
    vhdx_report_free(report);

    report = repair(bench, &(vhdx_repair_options){.dry_run = true});
    cr_assert_eq(digest(bench, DISK), damaged, "a dry run writes");
    cr_assert(find(report, id) && !find(report, id)->corrected);
    vhdx_report_free(report);

    report = repair(bench, NULL);
    finding = find(report, id);
    cr_assert(finding && finding->corrected, "%s is not corrected", id);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CORRECTED, "%s", id);
    cr_assert_eq(vhdx_report_file(report, 0)->lost_count, 0);
    cr_assert_str_eq(vhdx_report_file(report, 0)->undo, UNDO);
    vhdx_report_free(report);
    repaired = digest(bench, DISK);

    report = verify(bench);
    cr_assert_not(find(report, id), "%s is still there", id);
    cr_assert_eq(vhdx_report_file(report, 0)->errors + vhdx_report_file(report, 0)->warnings, 0);
    vhdx_report_free(report);
    content(bench, after);
    cr_assert_arr_eq(before, after, 16, "%s: the content is another one", id);

    report = repair(bench, NULL);
    cr_assert_eq(vhdx_report_file(report, 0)->verdict, VHDX_VERDICT_CLEAN);
    cr_assert_null(vhdx_report_file(report, 0)->undo);
    vhdx_report_free(report);
    cr_assert_eq(digest(bench, DISK), repaired, "%s: the second repair writes", id);
    undo(bench);
    cr_assert_eq(digest(bench, DISK), damaged, "%s: undo does not lead back", id);
}

static inline void some_content(struct bld *b)
{
    bld_write_random(b, 0, 65536, 1);
    bld_write_random(b, 5 << 20, 12345, 2);
}

static const struct bld_options plain = {.virtual_size = 64u << 20, .block_size = 1u << 20, .seed = 3};

/* ---- salvage ---------------------------------------------------------------------------------------------------- */

static inline bool is_lost(const vhdx_report *report, uint64_t offset)
{
    const vhdx_lost_range *range;
    for (size_t i = 0; (range = vhdx_report_lost(report, 0, i)) != NULL; i++)
        if (offset >= range->offset && offset - range->offset < range->length)
            return true;
    return false;
}

static inline vhdx_chain *open_disk(const struct bench *bench)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_chain *chain;
    vhdx_error err;
    if (vhdx_chain_open(DISK, &options, &chain, &err) != VHDX_OK)
        fail("open", &err);
    return chain;
}

/* Every MiB that is not named as lost reads as the builder means it. */
static inline void must_read_but_for_lost(const struct bench *bench, const vhdx_report *report)
{
    uint64_t size = bld_virtual_size(bench->builder);
    uint8_t *expected = calloc(1, (size_t)size), *bytes = malloc(4096);
    vhdx_chain *chain = open_disk(bench);
    vhdx_error err;
    bld_apply(bench->builder, expected);
    for (uint64_t at = 0; at < size; at += 4096) {
        if (vhdx_chain_read(chain, bytes, 4096, at, &err) != VHDX_OK)
            fail("read", &err);
        if (!is_lost(report, at))
            cr_assert_arr_eq(bytes, expected + at, 4096, "another content at 0x%llx", (unsigned long long)at);
    }
    vhdx_chain_free(chain);
    free(bytes);
    free(expected);
}

static inline vhdx_report *salvage(const struct bench *bench, const vhdx_repair_options *wish)
{
    vhdx_repair_options options = wish ? *wish : (vhdx_repair_options){0};
    uint64_t damaged = digest(bench, DISK);
    options.salvage = true;
    vhdx_report *report = repair(bench, &options);
    vhdx_report *after = verify(bench);
    if (vhdx_report_file(after, 0)->errors > 0)
        cr_assert_fail("left: %s", vhdx_report_finding(after, 0, 0)->message);
    vhdx_report_free(after);
    must_read_but_for_lost(bench, report);
    undo(bench);
    cr_assert_eq(digest(bench, DISK), damaged);
    vhdx_report_free(repair(bench, &options));
    return report;
}

#endif
