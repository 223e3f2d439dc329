/*
 * Power cuts in repairs, and in the undo of repairs. In each state the same repair, given again, comes to its end and
 * leaves a disk that reads as it should; and undo gives the damaged file back byte for byte: at once, after the second
 * repair, and after an undo that was cut off. VHDX_CRASH_STATES=N visits N times as many states (VHDX_SLOW: 10 times).
 */
/* SPDX-License-Identifier: MIT */
#include "crash_host.h"
#include "faults.h"
#include "files.h"
#include "guest.h"

#include "base/bytes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK FAULT_PATH
#define PARENT "/d/parent.vhdx"
#define UNDO DISK ".vhdx-undo"
#define STATES 40
#define ROW_STATES 5 /* of each row of the table of faults */

struct scenario {
    const char *name;
    void (*fill)(struct bld *b);
    void (*damage)(const vhdx_host *host, const struct bld *b);
    bool salvage, no_undo;
    struct bld_options options;
    const struct fault *fault; /* instead of all but salvage and no_undo */
};

struct exploration {
    const struct scenario *scenario;
    uint64_t damaged;    /* digest of the file */
    uint8_t content[16]; /* that reading gives after the repair */
    bool leaves_errors;  /* nothing tells where the blocks belong: an empty BAT beside them stays an error */
    uint64_t chance;
    char where[160];
};

static void complain(const struct exploration *e, const char *what, const vhdx_error *err)
{
    char text[2048] = "";
    if (err)
        vhdx_error_format(err, text, sizeof text);
    cr_assert_fail("%s %s\n    %s: %s", what, text, e->scenario->name, e->where);
}

static vhdx_status repair(const struct exploration *e, struct crash_host *host, vhdx_verdict *verdict, vhdx_error *err)
{
    static const char *const parents[] = {PARENT};
    const vhdx_repair_options options = {.struct_size = sizeof options,
                                         .host = crash_host_interface(host),
                                         .parents = parents,
                                         .parent_count = e->scenario->fault && fault_wants_parent(e->scenario->fault),
                                         .salvage = e->scenario->salvage,
                                         .no_undo = e->scenario->no_undo};
    vhdx_report *report;
    vhdx_status status = vhdx_repair(DISK, &options, &report, err);
    if (status != VHDX_OK)
        return status;
    *verdict = vhdx_report_file(report, 0)->verdict;
    vhdx_report_free(report);
    return status;
}

static uint64_t digest(struct crash_host *host)
{
    uint64_t value;
    cr_assert(files_digest(crash_host_interface(host), DISK, &value));
    return value;
}

static bool content(struct crash_host *host, uint8_t hash[16], vhdx_error *err)
{
    static const char *const parents[] = {"/d"};
    const vhdx_open_options options = {
        .struct_size = sizeof options, .host = crash_host_interface(host), .parents = parents, .parent_count = 1};
    vhdx_chain *chain;
    if (vhdx_chain_open(DISK, &options, &chain, err) != VHDX_OK)
        return false;
    bool read = files_content(chain, hash, err);
    vhdx_chain_free(chain);
    return read;
}

static void must_be_mended(const struct exploration *e, struct crash_host *host)
{
    uint8_t hash[16];
    vhdx_verdict verdict = VHDX_VERDICT_CLEAN;
    vhdx_error err;
    if (repair(e, host, &verdict, &err) != VHDX_OK)
        complain(e, "the second repair:", &err);
    if (verdict != VHDX_VERDICT_CLEAN && verdict != VHDX_VERDICT_CORRECTED && !e->leaves_errors)
        complain(e, "the second repair leaves errors", NULL);
    if (!content(host, hash, &err))
        complain(e, "the repaired disk:", &err);
    if (memcmp(hash, e->content, sizeof hash) != 0)
        complain(e, "the repaired disk reads otherwise", NULL);
}

/* Where the undo file was not begun nothing was changed. */
static void must_go_back(const struct exploration *e, struct crash_host *host, const char *what)
{
    const vhdx_undo_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    vhdx_error err;
    if (e->scenario->no_undo)
        return;
    vhdx_status status = vhdx_undo(UNDO, &options, NULL, &err);
    if (status != VHDX_OK && status != VHDX_NOT_FOUND && status != VHDX_NOT_VHDX && status != VHDX_TRUNCATED)
        complain(e, what, &err);
    if (digest(host) != e->damaged)
        complain(e, what, NULL);
}

static void undo_cut_off(struct exploration *e, const struct crash_host *host)
{
    struct crash_host *copy = crash_host_copy(host, 1);
    crash_host_record(copy);
    must_go_back(e, copy, "undo:");
    crash_host_record_end(copy);
    struct crash_cut *cut = crash_cut_by_chance(copy, &e->chance);
    struct crash_host *after = crash_cut_host_by_chance(cut, &e->chance);
    must_go_back(e, after, "undo after an undo that was cut off:");
    crash_host_free(after);
    crash_cut_free(cut);
    crash_host_free(copy);
}

static void visit(struct exploration *e, const struct crash_cut *cut)
{
    struct crash_host *after = crash_cut_host_by_chance(cut, &e->chance);
    undo_cut_off(e, after);
    must_be_mended(e, after);
    must_go_back(e, after, "undo after the second repair:");
    crash_host_free(after);
}

static uint64_t state_count(uint64_t states)
{
    const char *text = getenv("VHDX_CRASH_STATES");
    uint64_t factor = text && *text ? strtoull(text, NULL, 10) : getenv("VHDX_SLOW") ? 10 : 1;
    return (getenv("VHDX_SANITIZED") ? (states + 6) / 7 : states) * factor;
}

static void build_parent(const struct bld *child, const vhdx_host *host, const char *path, vhdx_guid identity)
{
    const struct bld_options options = {.virtual_size = FAULT_SIZE,
                                        .seed = 99,
                                        .data_write_guid = identity,
                                        .virtual_disk_id = *bld_virtual_disk_id(child)};
    struct bld *b = bld_new(&options);
    cr_assert_eq(bld_finish(b, host, path, NULL), VHDX_OK);
    bld_free(b);
}

/* With the parents that the children of the table name. */
static void build_row(struct exploration *e, struct crash_host *host)
{
    struct fault_scene scene = {.host = crash_host_interface(host)};
    fault_make(e->scenario->fault, &scene);
    build_parent(scene.b, scene.host, PARENT, (vhdx_guid){{1, 2, 3}});
    build_parent(scene.b, scene.host, "/d/other.vhdx", (vhdx_guid){{4, 3, 2, 1}});
    fault_end(&scene);
    e->damaged = digest(host);
}

static void build(struct exploration *e, struct crash_host *host)
{
    if (e->scenario->fault) {
        build_row(e, host);
        return;
    }
    struct bld *b = bld_new(&e->scenario->options);
    const vhdx_host *files = crash_host_interface(host);
    vhdx_error err;
    bld_write_random(b, 0, 65536, 1);
    bld_write_random(b, 5 << 20, 12288, 2);
    if (e->scenario->fill)
        e->scenario->fill(b);
    cr_assert_eq(bld_finish(b, files, DISK, &err), VHDX_OK, "%s", err.message);
    e->scenario->damage(files, b);
    bld_free(b);
    e->damaged = digest(host);
}

static void explore(const struct scenario *scenario, uint64_t wanted_states)
{
    static struct exploration e;
    e = (struct exploration){.scenario = scenario, .chance = 11};
    struct crash_host *host = crash_host_new(5);
    vhdx_verdict verdict = VHDX_VERDICT_CLEAN;
    vhdx_error err;
    build(&e, host);
    crash_host_record(host);
    if (repair(&e, host, &verdict, &err) != VHDX_OK)
        complain(&e, "the repair:", &err);
    crash_host_record_end(host);
    e.leaves_errors = verdict == VHDX_VERDICT_ERRORS && scenario->fault &&
                      scenario->fault->kind == VX_FIND_BAT_NONSENSE && scenario->salvage;
    if (verdict != VHDX_VERDICT_CORRECTED && !e.leaves_errors)
        complain(&e, "the repair corrects nothing, or not all", NULL);
    if (!content(host, e.content, &err))
        complain(&e, "the repaired disk:", &err);
    if (getenv("VHDX_CRASH_TRACE"))
        for (size_t n = 0; n < crash_host_trace_length(host); n++)
            fprintf(stderr, "%s %zu: %s\n", scenario->name, n, crash_host_trace_text(host, n));
    uint64_t calls = crash_host_trace_length(host), states = state_count(wanted_states);
    struct crash_cut *cut = crash_cut_new(host);
    for (uint64_t i = 0; i < states; i++) {
        uint64_t place = i * (calls + 1) / states;
        while (crash_cut_place(cut) < place)
            crash_cut_advance(cut);
        snprintf(e.where, sizeof e.where, "cut before call %llu of %llu", (unsigned long long)place,
                 (unsigned long long)calls);
        visit(&e, cut);
    }
    crash_cut_free(cut);
    crash_host_free(host);
}

/* ---- what is wrong with the disk -------------------------------------------------------------------------------- */

static void first_header(const vhdx_host *host, const struct bld *b)
{
    (void)b;
    bld_poke_int(host, DISK, 0x10010, 0x55, 1);
}

static void current_header(const vhdx_host *host, const struct bld *b)
{
    (void)b;
    bld_poke_int(host, DISK, 0x20010, 0x55, 1);
}

static void both_headers(const vhdx_host *host, const struct bld *b)
{
    first_header(host, b);
    current_header(host, b);
}

static void both_headers_and_signature(const vhdx_host *host, const struct bld *b)
{
    both_headers(host, b);
    bld_poke_int(host, DISK, 0, 0, 8);
}

static void sequence_numbers(const vhdx_host *host, const struct bld *b)
{
    uint8_t bytes[8];
    (void)b;
    vx_put64(bytes, UINT64_MAX);
    bld_poke_header(host, DISK, 2, 8, bytes, 8);
}

static void region_table(const vhdx_host *host, const struct bld *b)
{
    (void)b;
    bld_poke_int(host, DISK, 0x30020, 0x5566, 2);
}

static void log_place(const vhdx_host *host, const struct bld *b)
{
    uint8_t bytes[8];
    (void)b;
    vx_put64(bytes, 0x10000);
    bld_poke_header(host, DISK, 3, 72, bytes, 8);
}

static void many(const vhdx_host *host, const struct bld *b)
{
    first_header(host, b);
    region_table(host, b);
    bld_poke_int(host, DISK, 0, 0x1111, 2);
}

static void dirty(struct bld *b)
{
    bld_log_dirty(b, &(struct bld_log){.what = BLD_LOG_ALL, .entries = 3, .home = BLD_HOME_OLDER});
}

/* A child whose locator leads nowhere and remembers a merge of long ago; its parent lies beside it. */
static void misled(struct bld *b)
{
    bld_parent(b, &(vhdx_guid){{1, 2, 3}}, &(vhdx_guid){{8, 8}}, "..\\former\\base.vhdx", NULL, NULL);
}

static void parent_beside(const vhdx_host *host, const struct bld *b)
{
    build_parent(b, host, "/d/base.vhdx", (vhdx_guid){{1, 2, 3}});
}

/* The child of a disk that was written to since; a partition table lies in one of them, its backup in the other. */
static void disowned(struct bld *b)
{
    guest_gpt(b, bld_virtual_size(b), 7, GUEST_HEADER | GUEST_ENTRIES);
    bld_parent(b, &(vhdx_guid){{1, 2, 3}}, NULL, ".\\base.vhdx", NULL, NULL);
}

static void changed_parent(const vhdx_host *host, const struct bld *child)
{
    const struct bld_options options = {
        .virtual_size = bld_virtual_size(child), .seed = 99, .virtual_disk_id = *bld_virtual_disk_id(child)};
    struct bld *b = bld_new(&options);
    guest_gpt(b, options.virtual_size, 7, GUEST_GPT);
    cr_assert_eq(bld_finish(b, host, "/d/base.vhdx", NULL), VHDX_OK);
    bld_free(b);
}

static const struct scenario scenarios[] = {
    {.name = "first header", .damage = first_header},
    {.name = "current header", .damage = current_header},
    {.name = "current header of a dirty disk", .fill = dirty, .damage = current_header},
    {.name = "sequence numbers", .damage = sequence_numbers},
    {.name = "both headers", .damage = both_headers, .salvage = true},
    {.name = "both headers and the signature", .damage = both_headers_and_signature, .salvage = true},
    {.name = "region table", .damage = region_table},
    {.name = "region table of a dirty disk", .fill = dirty, .damage = region_table},
    {.name = "log in the header section", .damage = log_place},
    {.name = "many", .damage = many},
    {.name = "link to the parent",
     .fill = misled,
     .damage = parent_beside,
     .options = {.kind = VHDX_KIND_DIFFERENCING}},
    {.name = "link by content",
     .fill = disowned,
     .damage = changed_parent,
     .salvage = true,
     .options = {.kind = VHDX_KIND_DIFFERENCING}},
    {.name = "many, without an undo file", .damage = many, .no_undo = true},
};

#define SCENARIO_COUNT (sizeof scenarios / sizeof scenarios[0])

static void explore_some(size_t first)
{
    for (size_t i = first; i < SCENARIO_COUNT; i += 2) {
        struct scenario scenario = scenarios[i];
        scenario.options.virtual_size = 16u << 20;
        scenario.options.block_size = 1u << 20;
        scenario.options.seed = i + 1;
        explore(&scenario, STATES);
    }
}

Test(crash_repair, cut_anywhere_is_completed_or_undone)
{
    explore_some(0);
}

Test(crash_repair, cut_anywhere_is_completed_or_undone_in_further_disks)
{
    explore_some(1);
}

/* ---- the table of faults ---------------------------------------------------------------------------------------- */

static vhdx_repair_class class_of(const struct fault *fault)
{
    struct crash_host *host = crash_host_new(1);
    struct fault_scene scene = {.host = crash_host_interface(host)};
    const vhdx_verify_options options = {.struct_size = sizeof options, .host = scene.host};
    vhdx_repair_class class = VHDX_REPAIR_NONE;
    const vhdx_finding *finding;
    vhdx_report *report;
    fault_make(fault, &scene);
    if (scene.bad_length == 0 && !scene.chain && vhdx_verify(DISK, &options, &report, NULL) == VHDX_OK) {
        for (size_t i = 0; (finding = vhdx_report_finding(report, 0, i)) != NULL; i++)
            if (finding->number == fault->kind)
                class = finding->repair;
        vhdx_report_free(report);
    }
    fault_end(&scene);
    crash_host_free(host);
    return class;
}

static void explore_rows(size_t first, size_t step)
{
    const char *only = getenv("VHDX_FAULT_ROW");
    for (size_t row = first; row < fault_count(); row += step) {
        const struct fault *fault = fault_at(row);
        vhdx_repair_class class = class_of(fault);
        if (class == VHDX_REPAIR_NONE || (only && *only && strcmp(only, vx_finding_kind(fault->kind)->id) != 0))
            continue;
        const struct scenario scenario = {.name = fault->text, .fault = fault, .salvage = class == VHDX_REPAIR_SALVAGE};
        explore(&scenario, ROW_STATES);
    }
}

Test(crash_repair, cut_in_the_repair_of_a_fault)
{
    explore_rows(0, getenv("VHDX_SANITIZED") ? 6 : 2);
}

Test(crash_repair, cut_in_the_repair_of_a_further_fault)
{
    explore_rows(1, getenv("VHDX_SANITIZED") ? 6 : 2);
}
