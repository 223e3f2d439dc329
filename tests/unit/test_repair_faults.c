/*
 * Repair against the table of faults: for each row, what its class promises. Lossless: corrected, shown no more, read as
 * the builder means it, nothing left for a second repair, and undone to the last byte. Salvage: not touched without
 * being asked for; then corrected, and every byte that reads otherwise than it should lies in a range that is named.
 */
/* SPDX-License-Identifier: MIT */
#include "faults.h"
#include "files.h"

#include "io/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNDO FAULT_PATH ".vhdx-undo"
#define PARENT "/d/parent.vhdx"

struct bench {
    const struct fault *fault;
    struct vx_memory_host *memory;
    const vhdx_host *host;
    struct fault_scene scene;
    uint8_t *expected; /* what the disk should read as; NULL = the builder does not know */
    uint64_t size;
    uint64_t damaged; /* digest of the file */
};

static void complain(const struct bench *bench, const char *what, const vhdx_error *err)
{
    char text[2048] = "";
    if (err)
        vhdx_error_format(err, text, sizeof text);
    cr_assert_fail("%s (%s): %s %s", vx_finding_kind(bench->fault->kind)->id, bench->fault->text, what, text);
}

static uint64_t digest(const struct bench *bench)
{
    uint64_t value;
    cr_assert(files_digest(bench->host, FAULT_PATH, &value));
    return value;
}

/* An empty disk with an identity that children of the table name, and the id of the same virtual disk. */
static void make_parent(const struct bench *bench, const char *path, vhdx_guid identity)
{
    const struct bld_options options = {.virtual_size = FAULT_SIZE,
                                        .seed = 99,
                                        .data_write_guid = identity,
                                        .virtual_disk_id = *bld_virtual_disk_id(bench->scene.b)};
    struct bld *b = bld_new(&options);
    vhdx_error err;
    cr_assert_eq(bld_finish(b, bench->host, path, &err), VHDX_OK);
    bld_free(b);
}

static struct bench begin(const struct fault *fault)
{
    struct bench bench = {.fault = fault, .memory = vx_memory_host_new(3)};
    bench.host = vx_memory_host_interface(bench.memory);
    bench.scene.host = bench.host;
    fault_make(fault, &bench.scene);
    if (bench.scene.b) {
        make_parent(&bench, PARENT, (vhdx_guid){{1, 2, 3}});
        make_parent(&bench, "/d/other.vhdx", (vhdx_guid){{4, 3, 2, 1}});
    }
    bench.damaged = digest(&bench);
    bench.size = bench.scene.b ? bld_virtual_size(bench.scene.b) : 0;
    if (bench.size > 0 && bench.size <= FAULT_SIZE) {
        bench.expected = calloc(1, (size_t)bench.size);
        bld_apply(bench.scene.b, bench.expected);
    }
    return bench;
}

static void end(struct bench *bench)
{
    free(bench->expected);
    fault_end(&bench->scene);
    vx_memory_host_free(bench->memory);
}

static vhdx_report *repair(const struct bench *bench, bool salvage)
{
    static const char *const parents[] = {PARENT};
    const vhdx_repair_options options = {.struct_size = sizeof options,
                                         .host = bench->host,
                                         .salvage = salvage,
                                         .parents = parents,
                                         .parent_count = fault_wants_parent(bench->fault) ? 1 : 0};
    vhdx_report *report;
    vhdx_error err;
    if (vhdx_repair(FAULT_PATH, &options, &report, &err) != VHDX_OK)
        complain(bench, "repair", &err);
    return report;
}

static vhdx_report *verify(const struct bench *bench)
{
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_report *report;
    vhdx_error err;
    if (vhdx_verify(FAULT_PATH, &options, &report, &err) != VHDX_OK)
        complain(bench, "verify", &err);
    return report;
}

static const vhdx_finding *find(const vhdx_report *report, enum vx_find kind)
{
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (finding->number == kind)
            return finding;
    return NULL;
}

static void undo(const struct bench *bench)
{
    const vhdx_undo_options options = {.struct_size = sizeof options, .host = bench->host};
    vhdx_error err;
    if (vhdx_undo(UNDO, &options, NULL, &err) != VHDX_OK)
        complain(bench, "undo", &err);
    if (digest(bench) != bench->damaged)
        complain(bench, "undo does not lead back", NULL);
}

static uint8_t *read_disk(const struct bench *bench)
{
    static const char *const parents[] = {"/d"};
    const vhdx_open_options options = {
        .struct_size = sizeof options, .host = bench->host, .parents = parents, .parent_count = 1};
    uint8_t *bytes = malloc((size_t)bench->size);
    vhdx_chain *chain;
    vhdx_error err;
    if (vhdx_chain_open(FAULT_PATH, &options, &chain, &err) != VHDX_OK)
        complain(bench, "the repaired disk:", &err);
    if (vhdx_chain_layer_info(chain, 0)->virtual_size != bench->size)
        complain(bench, "the repaired disk has another size", NULL);
    if (vhdx_chain_read(chain, bytes, (size_t)bench->size, 0, &err) != VHDX_OK)
        complain(bench, "the repaired disk:", &err);
    vhdx_chain_free(chain);
    return bytes;
}

static bool is_lost(const vhdx_report *report, uint64_t offset)
{
    const vhdx_lost_range *range;
    for (size_t i = 0; (range = vhdx_report_lost(report, 0, i)) != NULL; i++)
        if (offset >= range->offset && offset - range->offset < range->length)
            return true;
    return false;
}

/* Whatever reads otherwise than it should must be named as lost. `report` NULL: nothing may. */
static void must_read_well(const struct bench *bench, const vhdx_report *report)
{
    if (!bench->expected)
        return;
    uint8_t *bytes = read_disk(bench);
    for (uint64_t at = 0; at < bench->size; at += 512)
        if (memcmp(bytes + at, bench->expected + at, 512) != 0 && !(report && is_lost(report, at))) {
            char text[64];
            snprintf(text, sizeof text, "reads otherwise at 0x%llx", (unsigned long long)at);
            complain(bench, text, NULL);
        }
    free(bytes);
}

static void must_be_quiet(const struct bench *bench)
{
    uint64_t before = digest(bench);
    vhdx_report *report = verify(bench);
    const vhdx_finding *finding;
    for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
        if (finding->severity == VHDX_SEVERITY_ERROR || finding->number == bench->fault->kind)
            complain(bench, finding->message, NULL);
    vhdx_report_free(report);
    report = repair(bench, true);
    if (digest(bench) != before || vhdx_report_file(report, 0)->undo)
        complain(bench, "a second repair writes", NULL);
    vhdx_report_free(report);
}

static void must_be_lossless(const struct bench *bench)
{
    vhdx_report *report = repair(bench, false);
    const vhdx_finding *finding = find(report, bench->fault->kind);
    if (!finding || !finding->corrected)
        complain(bench, "is not corrected", NULL);
    if (vhdx_report_file(report, 0)->verdict != VHDX_VERDICT_CORRECTED)
        complain(bench, "errors are left", NULL);
    if (vhdx_report_file(report, 0)->lost_count > 0)
        complain(bench, "something is lost", NULL);
    vhdx_report_free(report);
    must_be_quiet(bench);
    must_read_well(bench, NULL);
    undo(bench);
}

static void must_be_salvaged(const struct bench *bench)
{
    vhdx_report *report = repair(bench, false);
    if (!find(report, bench->fault->kind) || find(report, bench->fault->kind)->corrected)
        complain(bench, "is corrected without being asked for", NULL);
    vhdx_report_free(report);
    if (digest(bench) != bench->damaged)
        undo(bench);
    report = repair(bench, true);
    if (!find(report, bench->fault->kind) || !find(report, bench->fault->kind)->corrected)
        complain(bench, "is not corrected", NULL);
    must_be_quiet(bench);
    must_read_well(bench, report);
    vhdx_report_free(report);
    undo(bench);
}

/* Nothing can be done about it, and nothing is. What comes with it may have a repair, and take it away. */
static void must_be_left(const struct bench *bench)
{
    if (bench->fault->with[0])
        return;
    vhdx_report *report = repair(bench, false);
    const vhdx_finding *finding = find(report, bench->fault->kind);
    if (finding && finding->corrected)
        complain(bench, "has no repair, but is corrected", NULL);
    if (vhdx_report_file(report, 0)->undo)
        undo(bench);
    vhdx_report_free(report);
}

static vhdx_repair_class class_of(const struct bench *bench)
{
    vhdx_report *report = verify(bench);
    const vhdx_finding *finding = find(report, bench->fault->kind);
    vhdx_repair_class class = finding ? finding->repair : VHDX_REPAIR_NONE;
    vhdx_report_free(report);
    return class;
}

static void try_all(vhdx_repair_class class, void (*judge)(const struct bench *bench))
{
    const char *only = getenv("VHDX_FAULT_ROW");
    size_t count = 0, step = getenv("VHDX_SANITIZED") && !only ? 3 : 1; /* a sanitizer makes it slow */
    for (size_t row = 0; row < fault_count(); row += step) {
        struct bench bench = {.fault = fault_at(row)};
        if (only && *only && strcmp(only, vx_finding_kind(bench.fault->kind)->id) != 0)
            continue;
        bench = begin(bench.fault);
        if (bench.scene.bad_length == 0 && !bench.scene.chain && class_of(&bench) == class) {
            judge(&bench);
            count++;
        }
        end(&bench);
    }
    cr_assert(count > 0 || only);
    printf("%zu rows\n", count);
}

Test(repair_faults, what_is_lossless_is_corrected_and_undone)
{
    try_all(VHDX_REPAIR_LOSSLESS, must_be_lossless);
}

Test(repair_faults, what_is_salvaged_names_all_that_is_lost)
{
    try_all(VHDX_REPAIR_SALVAGE, must_be_salvaged);
}

Test(repair_faults, what_has_no_repair_is_left)
{
    try_all(VHDX_REPAIR_NONE, must_be_left);
}
