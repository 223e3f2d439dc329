/*
 * Repair against the table of faults: for each row, what its class promises. Lossless: corrected, shown no more, read
 * as the builder means it, nothing left for a second repair, and undone to the last byte. Salvage: not touched without
 * being asked for; then corrected, and every byte that reads otherwise than it should lies in a range that is named.
 */
/* SPDX-License-Identifier: MIT */
#include "faults.h"
#include "files.h"

#include "memory.h"
#include "io/rescue_map.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNDO FAULT_PATH ".vhdx-undo"
#define PARENT "/d/parent.vhdx"
#define MAP "/d/map"

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
                                         .map = salvage ? MAP : NULL,
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
    static const char *const parents[] = {PARENT};
    const vhdx_verify_options options = {.struct_size = sizeof options,
                                         .host = bench->host,
                                         .parents = parents,
                                         .parent_count = fault_wants_parent(bench->fault) ? 1 : 0};
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
    if (vhdx_chain_layer(chain, 0)->virtual_size != (bench->scene.size ? bench->scene.size : bench->size))
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

static void must_be(const struct bench *bench, bool what, const char *text, uint64_t at)
{
    char where[128];
    if (what)
        return;
    snprintf(where, sizeof where, "%s at 0x%llx", text, (unsigned long long)at);
    complain(bench, where, NULL);
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* The status of the map at `at`. */
static char status_at(const struct vx_rescue_map *map, uint64_t at)
{
    for (size_t i = 0; i < map->count; i++)
        if (at - map->ranges[i].offset < map->ranges[i].length)
            return map->ranges[i].status;
    return VX_RESCUE_GOOD;
}

static struct vx_rescue_map read_map(const struct bench *bench)
{
    struct vx_rescue_map map = {0};
    uint64_t size = vx_memory_host_size(bench->memory, MAP);
    size_t line;
    if (size == UINT64_MAX)
        return map; /* nothing is lost */
    uint8_t *text = malloc((size_t)size + 1);
    cr_assert_eq(bld_peek(bench->host, MAP, 0, text, (size_t)size), VHDX_OK);
    cr_assert_eq(vx_rescue_map_parse(vx_bytes_of(text, (size_t)size), &map, &line), VHDX_OK);
    free(text);
    return map;
}

/* Where the row says that something may be lost; anywhere, when it does not say. */
static bool may_be_lost(const struct fault *fault, uint64_t at)
{
    return fault->lost_length == 0 || at - fault->lost_offset < fault->lost_length;
}

/*
 * To the sector: good is what it was; lost reads as zeros, not as what anybody else holds; whatever stands there
 * although nobody vouches for it is in doubt. Nothing else is given up than what the damage took. Report and map say
 * the same.
 */
static void must_lose_exactly(const struct bench *bench, const vhdx_report *report)
{
    if (!bench->expected)
        return;
    struct vx_rescue_map map = read_map(bench);
    uint8_t *bytes = read_disk(bench);
    for (uint64_t at = 0; at < bench->size; at += 512) {
        char status = status_at(&map, at);
        bool same = memcmp(bytes + at, bench->expected + at, 512) == 0;
        must_be(bench, is_lost(report, at) == (status != VX_RESCUE_GOOD), "report and map differ", at);
        must_be(bench, same || status != VX_RESCUE_GOOD, "what is called good reads otherwise", at);
        must_be(bench, status != VX_RESCUE_LOST || is_zero(bytes + at, 512), "what is lost does not read as zeros", at);
        must_be(bench, status == VX_RESCUE_GOOD || may_be_lost(bench->fault, at),
                "more is given up than the damage took", at);
    }
    vx_rescue_map_clear(&map);
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
    must_lose_exactly(bench, report);
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
