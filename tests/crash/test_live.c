/*
 * Power cuts while a chain is used as a disk: after each cut the chain opens, each sector is as it was at the last
 * flush or as a later operation has made it, and verification finds nothing. VHDX_CRASH_SEED=N runs that seed only,
 * VHDX_CRASH_STATES=N visits N times as many states (VHDX_SLOW: 20 times).
 */
/* SPDX-License-Identifier: MIT */
#include "crash_host.h"
#include "inside.h"
#include "live_ops.h"
#include "model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 36
#define STATES 60 /* a seed */
#define OPERATIONS 25

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static size_t place_of(const void *context)
{
    return crash_host_trace_length(context);
}

static void complain(uint64_t seed, const char *what, const vhdx_error *err)
{
    char text[2048] = "";
    if (err)
        vhdx_error_format(err, text, sizeof text);
    cr_assert_fail("seed %llu: %s %s", (unsigned long long)seed, what, text);
}

/* Opens the chain as anybody would, and reads all of it. */
static void check_state(const struct model_layer *leaf, struct live_ops *ops, struct crash_host *host, size_t place,
                        uint64_t seed)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    vhdx_chain *chain;
    vhdx_error err;
    uint8_t *bytes = malloc((size_t)leaf->virtual_size);
    if (vhdx_chain_open(leaf->path, &options, &chain, &err) != VHDX_OK)
        complain(seed, "after a cut the chain does not open:", &err);
    if (vhdx_chain_read(chain, bytes, (size_t)leaf->virtual_size, 0, &err) != VHDX_OK)
        complain(seed, "after a cut the chain cannot be read:", &err);
    const char *wrong = live_ops_check(ops, bytes, place);
    if (wrong)
        complain(seed, wrong, NULL);
    vhdx_chain_free(chain);
    free(bytes);
}

/* Nothing that verification calls an error. On disks of a few blocks that a power cut leaves with space that no block
 * owns the distances between blocks may be those of larger ones by chance: that is said, and is no matter of writing.
 */
static void verify_state(const struct model_layer *leaf, struct crash_host *host, uint64_t seed)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    vhdx_report *report;
    vhdx_error err;
    if (vhdx_verify(leaf->path, &options, &report, &err) != VHDX_OK)
        complain(seed, "verification fails:", &err);
    for (size_t i = 0; i < vhdx_report_file(report, 0)->finding_count; i++) {
        const vhdx_finding *finding = vhdx_report_finding(report, 0, i);
        if (finding->severity == VHDX_SEVERITY_ERROR && strcmp(finding->id, "VHDX-METADATA-CONTRADICTED") != 0)
            complain(seed, finding->message, NULL);
    }
    vhdx_report_free(report);
}

static uint64_t explore(const struct model *m, struct live_ops *ops, struct crash_host *host, uint64_t states)
{
    uint64_t chance = m->seed;
    for (uint64_t i = 0; i < states; i++) {
        struct crash_cut *cut = crash_cut_by_chance(host, &chance);
        struct crash_host *after = crash_cut_host_by_chance(cut, &chance);
        check_state(&m->layers[0], ops, after, crash_cut_place(cut), m->seed);
        if (i % 8 == 0)
            verify_state(&m->layers[0], after, m->seed);
        crash_host_free(after);
        crash_cut_free(cut);
    }
    return states;
}

static void operate(const struct model *m, struct live_ops **ops, struct crash_host *host)
{
    const vhdx_disk_options options = {
        .struct_size = sizeof options, .host = crash_host_interface(host), .write = true};
    vhdx_disk *disk;
    vhdx_error err;
    const char *wrong;
    if (vhdx_disk_open(m->layers[0].path, &options, &disk, &err) != VHDX_OK)
        complain(m->seed, "it does not open:", &err);
    *ops = live_ops_new(m->seed, vhdx_disk_layer(disk, 0), model_expected(m, 0), place_of, host);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        if (live_ops_step(*ops, disk, &wrong, &err) != VHDX_OK)
            complain(m->seed, "an operation failed:", &err);
        if (wrong)
            complain(m->seed, wrong, NULL);
    }
    if (vhdx_disk_close(disk, &err) != VHDX_OK)
        complain(m->seed, "it does not close:", &err);
    live_ops_closed(*ops);
}

static uint64_t try_seed(uint64_t seed, uint64_t states)
{
    struct crash_host *host = crash_host_new(seed);
    const struct model_wishes wishes = {.max_virtual_size = 5 << 20};
    struct model *m = model_new(seed, &wishes, "/disks");
    struct live_ops *ops;
    vhdx_error err;
    if (m->layers[0].linked_by_second) { /* as a merge leaves it that stopped half way: not to be written */
        model_free(m);
        crash_host_free(host);
        return 0;
    }
    if (seed % 4 == 3)
        crash_host_attributes(host, VHDX_FILE_SPARSE_HARMS);
    if (model_write(m, crash_host_interface(host), &err) != VHDX_OK)
        complain(seed, "writing the chain:", &err);
    crash_host_record(host);
    operate(m, &ops, host);
    crash_host_record_end(host);
    check_state(&m->layers[0], ops, host, SIZE_MAX, seed);
    verify_state(&m->layers[0], host, seed);
    uint64_t visited = explore(m, ops, host, states);
    live_ops_free(ops);
    model_free(m);
    crash_host_free(host);
    return visited;
}

static void try_seeds(uint64_t first)
{
    uint64_t only = number_from("VHDX_CRASH_SEED", 0);
    uint64_t states = getenv("VHDX_SANITIZED") ? STATES / 10 : STATES, visited = 0;
    states *= number_from("VHDX_CRASH_STATES", getenv("VHDX_SLOW") ? 20 : 1);
    for (uint64_t seed = first; seed < first + SEEDS / 4; seed++)
        if (!only || only == seed)
            visited += try_seed(seed, states);
    cr_log_info("%llu states, 0 of second runs", (unsigned long long)visited);
}

Test(crash_live, each_sector_is_old_or_new_after_a_cut)
{
    try_seeds(1);
}

Test(crash_live, each_sector_is_old_or_new_after_a_cut_further_chains)
{
    try_seeds(1 + SEEDS / 4);
}

Test(crash_live, each_sector_is_old_or_new_after_a_cut_more_chains)
{
    try_seeds(1 + 2 * (SEEDS / 4));
}

Test(crash_live, each_sector_is_old_or_new_after_a_cut_and_yet_more_chains)
{
    try_seeds(1 + 3 * (SEEDS / 4));
}
