/*
 * Every call that can fail does so once in a repair: reads, writes, flushes, changes of size, names, openings,
 * allocations. Then it must say so and leave no file open; the power fails on top of it; and the same repair, given
 * again without faults, mends the disk as if nothing had been, and undo leads back to the damaged file.
 */
/* SPDX-License-Identifier: MIT */
#include "crash_host.h"
#include "faults.h"
#include "files.h"
#include "base/bytes.h"
#include "io/io.h"
#include "memory.h"
#include "guest.h"

#include "allocations.h"
#include "inside.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DISK FAULT_PATH
#define UNDO DISK ".vhdx-undo"

struct trial {
    const struct fault *fault;
    bool salvage;
    struct crash_host *host; /* as it is before the repair */
    uint64_t damaged;
    uint8_t content[16];
    const char *kind;
    uint64_t stride; /* of all calls only each so many-th one fails */
    uint64_t nth, faults;
};

static void complain(const struct trial *trial, const char *what, const vhdx_error *err)
{
    char text[2048] = "";
    if (err)
        vhdx_error_format(err, text, sizeof text);
    cr_assert_fail("%s %s\n    %s, %s number %" PRIu64 " fails", what, text, trial->fault->text, trial->kind,
                   trial->nth);
}

static vhdx_status repair(const struct trial *trial, struct crash_host *host, vhdx_verdict *verdict, vhdx_error *err)
{
    const vhdx_repair_options options = {
        .struct_size = sizeof options, .host = crash_host_interface(host), .salvage = trial->salvage};
    vhdx_report *report;
    vhdx_status status = vhdx_repair(DISK, &options, &report, err);
    if (status == VHDX_OK) {
        *verdict = vhdx_report_file(report, 0)->verdict;
        vhdx_report_free(report);
    }
    return status;
}

static bool read_content(struct crash_host *host, uint8_t hash[16], vhdx_error *err)
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

static uint64_t digest(struct crash_host *host)
{
    uint64_t value;
    cr_assert(files_digest(crash_host_interface(host), DISK, &value));
    return value;
}

/* Without faults, on `host`, which is given up. */
static void complete(const struct trial *trial, struct crash_host *host)
{
    const vhdx_undo_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    vhdx_verdict verdict = VHDX_VERDICT_CLEAN;
    uint8_t hash[16];
    vhdx_error err;
    if (repair(trial, host, &verdict, &err) != VHDX_OK)
        complain(trial, "the second repair:", &err);
    if (verdict == VHDX_VERDICT_ERRORS)
        complain(trial, "the second repair leaves errors", NULL);
    if (!read_content(host, hash, &err) || memcmp(hash, trial->content, sizeof hash) != 0)
        complain(trial, "the repaired disk reads otherwise", NULL);
    vhdx_status status = vhdx_undo(UNDO, &options, NULL, &err);
    if (status != VHDX_OK)
        complain(trial, "undo:", &err);
    if (digest(host) != trial->damaged)
        complain(trial, "undo does not lead back", NULL);
    crash_host_free(host);
}

/* What was not flushed when the repair gave up may be lost: nothing of it, or a part. */
static void lose_power(const struct trial *trial, const struct crash_host *host)
{
    struct crash_cut *cut = crash_cut_new(host);
    while (crash_cut_place(cut) < crash_host_trace_length(host))
        crash_cut_advance(cut);
    size_t count = crash_cut_pending(cut);
    uint8_t *fates = bld_alloc(count + 1, 1);
    uint64_t chance = trial->nth;
    for (size_t i = 0; trial->nth % 2 && i < count; i++)
        fates[i] = (uint8_t)bld_random_below(&chance, 3);
    struct crash_host *after = crash_cut_host(cut, fates, chance);
    crash_cut_free(cut);
    free(fates);
    complete(trial, after);
}

static void judge(const struct trial *trial, struct crash_host *host, vhdx_status status, const vhdx_error *err)
{
    crash_host_record_end(host);
    if (crash_host_handles(host) > 0)
        complain(trial, "a file was left open", NULL);
    if (status != VHDX_OK && (status != err->status || !err->message[0]))
        complain(trial, "the repair fails without saying why:", err);
    if (crash_host_wrote_after_failed_flush(host))
        complain(trial, "a file was changed after a flush of it had failed", NULL);
    if (status != VHDX_OK)
        lose_power(trial, host);
    complete(trial, host);
}

/* Reads and allocations are many, and what a repair does after each is the same for most. VHDX_SLOW: all of them. */
static uint64_t step(const struct trial *trial, bool many)
{
    if (getenv("VHDX_SANITIZED"))
        return 29;
    return many && !getenv("VHDX_SLOW") ? trial->stride * 5 : trial->stride;
}

static void fail_each_call(struct trial *trial, const char *kind, struct crash_fault fault)
{
    trial->kind = kind;
    for (fault.nth = 1;; fault.nth += step(trial, (fault.calls & CRASH_READ) != 0)) {
        struct crash_host *host = crash_host_copy(trial->host, fault.nth);
        vhdx_verdict verdict = VHDX_VERDICT_CLEAN;
        vhdx_error err;
        trial->nth = fault.nth;
        crash_host_record(host);
        crash_host_fault(host, &fault);
        vhdx_status status = repair(trial, host, &verdict, &err);
        bool reached = crash_host_calls(host) >= fault.nth;
        crash_host_fault(host, &(struct crash_fault){0});
        if (!reached) {
            crash_host_free(host);
            return;
        }
        /* reads may fail when all is written: then the report says that something cannot be read */
        if (status == VHDX_OK && !(fault.calls & (CRASH_READ | CRASH_OPEN)))
            complain(trial, "the repair succeeds although something failed", NULL);
        judge(trial, host, status, &err);
        trial->faults++;
    }
}

static void fail_each_allocation(struct trial *trial, bool for_good)
{
    trial->kind = for_good ? "from allocation on, each from" : "allocation";
    for (uint64_t nth = 1;; nth += step(trial, true)) {
        struct crash_host *host = crash_host_copy(trial->host, nth);
        vhdx_verdict verdict = VHDX_VERDICT_CLEAN;
        vhdx_error err;
        trial->nth = nth;
        crash_host_record(host);
        allocations_fail(nth, for_good);
        vhdx_status status = repair(trial, host, &verdict, &err);
        if (allocations_end() < nth) {
            crash_host_free(host);
            return;
        }
        judge(trial, host, status, &err);
        trial->faults++;
    }
}

static void build(struct trial *trial)
{
    struct fault_scene scene = {.host = crash_host_interface(trial->host)};
    vhdx_verdict verdict = VHDX_VERDICT_CLEAN;
    vhdx_error err;
    fault_make(trial->fault, &scene);
    fault_end(&scene);
    trial->damaged = digest(trial->host);
    struct crash_host *host = crash_host_copy(trial->host, 1);
    trial->kind = "nothing";
    if (repair(trial, host, &verdict, &err) != VHDX_OK)
        complain(trial, "the repair:", &err);
    if (verdict != VHDX_VERDICT_CORRECTED || !read_content(host, trial->content, &err))
        complain(trial, "the repair mends nothing", NULL);
    crash_host_free(host);
}

static void fail_at(const struct fault *fault, bool salvage, uint64_t stride)
{
    struct trial trial = {.fault = fault, .salvage = salvage, .stride = stride, .host = crash_host_new(3)};
    build(&trial);
    fail_each_call(&trial, "write", (struct crash_fault){.calls = CRASH_WRITE, .status = VHDX_IO, .torn = true});
    fail_each_call(
        &trial, "write on a full volume",
        (struct crash_fault){.calls = CRASH_WRITE | CRASH_SET_SIZE, .status = VHDX_NO_SPACE, .for_good = true});
    fail_each_call(&trial, "flush", (struct crash_fault){.calls = CRASH_FLUSH, .status = VHDX_IO});
    fail_each_call(&trial, "change of size", (struct crash_fault){.calls = CRASH_SET_SIZE, .status = VHDX_NO_SPACE});
    fail_each_call(&trial, "change of a name", (struct crash_fault){.calls = CRASH_NAME, .status = VHDX_IO});
    fail_each_call(&trial, "read", (struct crash_fault){.calls = CRASH_READ, .status = VHDX_IO});
    fail_each_call(&trial, "opening", (struct crash_fault){.calls = CRASH_OPEN, .status = VHDX_IO});
    fail_each_call(&trial, "call", (struct crash_fault){.calls = CRASH_ALL, .status = VHDX_IO, .for_good = true});
    fail_each_allocation(&trial, false);
    fail_each_allocation(&trial, true);
    cr_log_info("%" PRIu64 " faults", trial.faults);
    crash_host_free(trial.host);
}

static void fail_some(enum vx_find kind, bool salvage, uint64_t stride)
{
    for (size_t row = 0; row < fault_count(); row++)
        if (fault_at(row)->kind == kind) {
            fail_at(fault_at(row), salvage, stride);
            return;
        }
    cr_assert_fail("no row for %u", (unsigned)kind);
}

static void fail_everything(enum vx_find kind, bool salvage)
{
    fail_some(kind, salvage, 1);
}

Test(fault_repair, of_a_header)
{
    fail_everything(VX_FIND_HEADER_DAMAGED, false);
}

Test(fault_repair, of_a_dirty_disk)
{
    fail_everything(VX_FIND_HEADER_DIRTY, false);
}

Test(fault_repair, of_both_region_tables)
{
    fail_everything(VX_FIND_REGION_TABLES_LOST, true);
}

Test(fault_repair, of_a_lost_beginning)
{
    fail_some(VX_FIND_FILE_BEGINNING_LOST, true, 3); /* it takes many steps */
}

Test(fault_repair, of_a_lost_item)
{
    fail_everything(VX_FIND_METADATA_ITEM_MISSING, false);
}

Test(fault_repair, of_items_in_one_place)
{
    fail_everything(VX_FIND_METADATA_ITEM_OVERLAP, false);
}

Test(fault_repair, of_blocks_in_one_place)
{
    fail_everything(VX_FIND_BAT_OVERLAP, true);
}

Test(fault_repair, of_a_cut_file)
{
    fail_everything(VX_FIND_BAT_BEYOND_END, true);
}

Test(fault_repair, of_a_bat_that_is_too_short)
{
    fail_everything(VX_FIND_BAT_SHORT, false);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

#define HUGE (4 * VX_TIB)
#define TABLE_ROOM 20480u    /* protective MBR, header, entries */
#define ENOUGH (80 * VX_MIB) /* the BAT twice, as it will be and as an export sees it: the auditor compares */

/* What a guest has written to a disk of that size: a partition table at both ends. */
static void copy_table(const vhdx_host *host, uint64_t base)
{
    const vhdx_open_options options = {.struct_size = sizeof options, .host = host};
    const struct bld_options small = {.virtual_size = HUGE, .seed = 3};
    struct bld *b = bld_new(&small);
    uint8_t *bytes = bld_alloc(TABLE_ROOM, 1);
    vhdx_chain *chain;
    guest_gpt(b, HUGE, 7, GUEST_GPT);
    cr_assert_eq(bld_finish(b, host, "/d/small.vhdx", NULL), VHDX_OK);
    bld_free(b);
    cr_assert_eq(vhdx_chain_open("/d/small.vhdx", &options, &chain, NULL), VHDX_OK);
    for (uint64_t at = 0; at < HUGE; at += HUGE - TABLE_ROOM) {
        cr_assert_eq(vhdx_chain_read(chain, bytes, TABLE_ROOM, at, NULL), VHDX_OK);
        cr_assert_eq(bld_poke(host, DISK, base + at, bytes, TABLE_ROOM), VHDX_OK);
        if (at > 0)
            break;
    }
    vhdx_chain_free(chain);
    free(bytes);
}

/* A fixed disk with blocks of 1 MiB whose BAT is zeros. */
static void make_without_bat(const vhdx_host *host)
{
    const vhdx_create_options options = {.struct_size = sizeof options,
                                         .host = host,
                                         .virtual_size = HUGE,
                                         .block_size = (uint32_t)VX_MIB,
                                         .fixed = true};
    struct vx_file *file;
    uint8_t bytes[12];
    vhdx_error err;
    cr_assert_eq(vhdx_create(DISK, &options, &err), VHDX_OK, "%s", err.message);
    cr_assert_eq(bld_peek(host, DISK, VX_REGION_TABLE1_OFFSET + VX_REGION_ENTRIES_OFFSET + 16, bytes, 12), VHDX_OK);
    uint64_t bat = vx_get64(bytes), length = vx_get32(bytes + 8);
    cr_assert_eq(bld_peek(host, DISK, bat, bytes, 8), VHDX_OK);
    copy_table(host, vx_round_down(vx_get64(bytes), VX_MIB));
    cr_assert_eq(vx_file_open(host, DISK, VHDX_OPEN_WRITE, &file, NULL), VHDX_OK);
    cr_assert_eq(vx_file_zero(file, bat, length, NULL), VHDX_OK);
    vx_file_close(file);
}

static uint64_t count_doubtful(const vhdx_report *report)
{
    const vhdx_lost_range *range;
    uint64_t sum = 0;
    for (size_t i = 0; (range = vhdx_report_lost(report, 0, i)) != NULL; i++)
        sum += range->doubtful ? range->length : 0;
    return sum;
}

/* Four million blocks are put back by the order in which they stand. */
Test(fault_repair, of_a_large_bat_that_is_lost_takes_little_more_memory_than_two_bats)
{
    struct vx_memory_host *memory = vx_memory_host_new(3);
    const vhdx_host *host = vx_memory_host_interface(memory);
    const vhdx_repair_options options = {.struct_size = sizeof options, .host = host, .salvage = true, .dry_run = true};
    vhdx_report *report;
    vhdx_error err;
    make_without_bat(host);
    allocations_measure();
    vhdx_status status = vhdx_repair(DISK, &options, &report, &err);
    uint64_t peak = allocations_peak();
    cr_assert_eq(status, VHDX_OK, "%s", err.message);
    cr_assert_eq(count_doubtful(report), HUGE);
    cr_assert_leq(peak, ENOUGH, "%" PRIu64 " bytes", peak);
    cr_assert_gt(peak, 32 * VX_MIB, "nothing was put back");
    vhdx_report_free(report);
    vx_memory_host_free(memory);
}

/* A child of a disk that was written to since; a partition table lies in both. */
static void make_disowned(struct fault_scene *scene)
{
    struct bld_options options = {.virtual_size = FAULT_SIZE, .seed = 98, .virtual_disk_id = {{7}}};
    struct bld *base = bld_new(&options);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.seed = 97;
    scene->b = bld_new(&options);
    guest_gpt(base, FAULT_SIZE, 7, GUEST_GPT);
    guest_gpt(scene->b, FAULT_SIZE, 7, GUEST_HEADER);
    bld_parent(scene->b, &(vhdx_guid){{8, 8}}, NULL, ".\\base.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(base, scene->host, "/d/base.vhdx", NULL), VHDX_OK);
    cr_assert_eq(bld_finish(scene->b, scene->host, DISK, NULL), VHDX_OK);
    bld_free(base);
}

Test(fault_repair, of_a_link_that_only_the_content_speaks_for)
{
    const struct fault fault = {.kind = VX_FIND_PARENT_MISMATCH, .text = "a link by content", .make = make_disowned};
    fail_at(&fault, true, 1);
}

/* A parent beside its child, whose locator leads elsewhere and remembers a merge of long ago. */
static void make_misled(struct fault_scene *scene)
{
    struct bld_options options = {.virtual_size = FAULT_SIZE, .seed = 98, .virtual_disk_id = {{7}}};
    struct bld *base = bld_new(&options);
    options.kind = VHDX_KIND_DIFFERENCING;
    options.seed = 97;
    scene->b = bld_new(&options);
    bld_write_random(scene->b, 0, 65536, 1);
    bld_write_random(base, 0, 131072, 2);
    bld_parent(scene->b, bld_data_write_guid(base), &(vhdx_guid){{8, 8}}, "..\\former\\base.vhdx", NULL, NULL);
    cr_assert_eq(bld_finish(base, scene->host, "/d/base.vhdx", NULL), VHDX_OK);
    cr_assert_eq(bld_finish(scene->b, scene->host, DISK, NULL), VHDX_OK);
    bld_free(base);
}

Test(fault_repair, of_a_link_to_the_parent)
{
    const struct fault fault = {.kind = VX_FIND_PARENT_PATH_STALE, .text = "a link", .make = make_misled};
    fail_at(&fault, false, 1);
}
