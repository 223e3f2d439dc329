/* Undo files: is it the disk, going on after an interruption, failures and power cuts, merges. */
/* SPDX-License-Identifier: MIT */
#include "undo_parts.h"

/* ---- is it the disk? -------------------------------------------------------------------------------------------- */

static void overwrite(struct bench *b, const void *bytes, size_t length, uint64_t offset)
{
    bench_open(b);
    must(vx_file_write(b->file, bytes, length, offset, NULL), NULL);
    bench_close(b);
}

Test(undo_again, refuses_a_disk_that_somebody_else_has_written_to)
{
    struct bench b = bench_new(10);
    struct vx_identity other = identity_of(2, 9);
    uint8_t bytes[CARD];
    vhdx_undo_report report;
    vhdx_error err;
    protect(&b, 1);
    work(&b, 10);
    bench_close(&b);
    put_identity(bytes, &other, 100);
    overwrite(&b, bytes, sizeof bytes, 0);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_UNDO_MISMATCH);
    must(apply_with(b.host, UNDO, true, &report, &err), &err); /* its content has kept its identity */
    cr_expect(is_old(&b, b.host));
    other = identity_of(9, 9);
    put_identity(bytes, &other, 101);
    overwrite(&b, bytes, sizeof bytes, 0);
    cr_expect_eq(apply_with(b.host, UNDO, true, &report, &err), VHDX_UNDO_MISMATCH);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_UNDO_MISMATCH);
    bench_free(&b);
}

Test(undo_again, knows_a_disk_by_its_old_beginning_when_one_page_of_that_is_torn)
{
    struct bench b = bench_new(11);
    uint8_t rubbish[4096];
    vhdx_undo_report report;
    vhdx_error err;
    memset(rubbish, 0xEE, sizeof rubbish);
    protect(&b, 1);
    random_change(&b);
    bench_close(&b);
    must_apply(b.host);
    overwrite(&b, rubbish, sizeof rubbish, SLOT); /* where it says who it is */
    must_apply(b.host);
    cr_expect(is_old(&b, b.host));
    overwrite(&b, rubbish, sizeof rubbish, SLOT);
    overwrite(&b, rubbish, sizeof rubbish, 10 * SLOT);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_UNDO_MISMATCH);
    bench_free(&b);
}

Test(undo_again, refuses_a_disk_in_use_and_names_one_that_is_gone)
{
    struct bench b = bench_new(12);
    vhdx_undo_report report;
    vhdx_error err;
    protect(&b, 1);
    random_change(&b);
    bench_close(&b);
    bench_open(&b);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_BUSY);
    bench_close(&b);
    must(b.host->rename(b.host->context, DISK, "/elsewhere", NULL), NULL);
    cr_expect_eq(apply_with(b.host, UNDO, false, &report, &err), VHDX_NOT_FOUND);
    cr_expect_str_eq(err.path, DISK);
    bench_free(&b);
}

Test(undo_again, follows_a_disk_that_moved_together_with_the_undo_file)
{
    struct bench b = bench_new(13);
    uint64_t size, undo_size;
    vhdx_undo_report report;
    vhdx_error err;
    protect(&b, 1);
    work(&b, 10);
    bench_close(&b);
    uint8_t *disk = contents(b.host, DISK, &size);
    uint8_t *undo = contents(b.host, UNDO, &undo_size);
    cr_assert(vx_memory_host_put(b.memory, "/copy/disk", disk, size));
    cr_assert(vx_memory_host_put(b.memory, "/copy/undo", undo, undo_size));
    must(apply_with(b.host, "/copy/undo", false, &report, &err), &err);
    uint64_t now_size;
    uint8_t *now = contents(b.host, DISK, &now_size);
    cr_expect(now_size == size && memcmp(now, disk, size) == 0, "the copy's undo file changed the original");
    free(now);
    now = contents(b.host, "/copy/disk", &now_size);
    cr_expect(now_size == b.old_size && memcmp(now, b.old, b.old_size) == 0);
    free(now);
    free(disk);
    free(undo);
    bench_free(&b);
}

/* ---- going on --------------------------------------------------------------------------------------------------- */

Test(undo_again, goes_on_with_the_file_of_a_run_that_was_cut_off)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct bench b = bench_new(seed + 100);
        uint64_t size;
        protect(&b, 1);
        work(&b, 12);
        bench_close(&b);
        uint8_t *undo = contents(b.host, UNDO, &size); /* with the beginning of a record that was never finished */
        undo = realloc(undo, size + 500);
        cr_assert_not_null(undo);
        memset(undo + size, 0x5A, 500);
        cr_assert(vx_memory_host_put(b.memory, UNDO, undo, size + 500));
        free(undo);
        bench_open(&b);
        struct vx_identity now = identity_of(2, 3);
        must(protect_as(&b, &now, NULL), NULL);
        become(&b, 2, 4);
        for (int i = 0; i < 12; i++)
            random_change(&b);
        must(vx_undo_end(b.undo, NULL), NULL);
        bench_close(&b);
        must_apply(b.host);
        cr_expect(is_old(&b, b.host), "seed %llu", (unsigned long long)seed);
        bench_free(&b);
    }
}

Test(undo_again, does_not_go_on_with_what_is_not_its_own)
{
    struct bench b = bench_new(14);
    vhdx_error err;
    struct vx_identity identity = identity_of(1, 1);
    cr_assert(vx_memory_host_put(b.memory, UNDO, "something else", 14));
    cr_expect_eq(protect_as(&b, &identity, &err), VHDX_EXISTS);
    cr_expect_eq(vx_memory_host_size(b.memory, UNDO), 14u);
    cr_expect_not(vx_file_is_protected(b.file));
    must(b.host->remove(b.host->context, UNDO, NULL), NULL);
    protect(&b, 1);
    random_change(&b);
    bench_close(&b);
    bench_open(&b);
    identity = identity_of(1, 7); /* somebody else was there */
    cr_expect_eq(protect_as(&b, &identity, &err), VHDX_UNDO_MISMATCH);
    bench_close(&b);
    cr_assert(vx_memory_host_put(b.memory, "/d/other", b.old, b.old_size));
    must(vx_file_open(b.host, "/d/other", VHDX_OPEN_WRITE, &b.file, NULL), NULL);
    identity = identity_of(1, 1);
    cr_expect_eq(protect_as(&b, &identity, &err), VHDX_EXISTS);
    bench_free(&b);
}

/* ---- failures and power cuts ------------------------------------------------------------------------------------ */

static struct crash_host *crash_host_with(const struct bench *b)
{
    struct crash_host *host = crash_host_new(5);
    struct vx_file *file;
    must(vx_file_open(crash_host_interface(host), DISK, VHDX_OPEN_CREATE, &file, NULL), NULL);
    must(vx_file_write(file, b->old, b->old_size, 0, NULL), NULL);
    must(vx_file_flush(file, NULL), NULL);
    vx_file_close(file);
    return host;
}

/* A fixed piece of work that stops at the first failure. */
static vhdx_status short_work(const vhdx_host *host)
{
    struct vx_identity identity = identity_of(1, 1), next = identity_of(2, 2);
    struct vx_file *file = NULL;
    struct vx_undo *undo = NULL;
    uint8_t bytes[CARD], many[20000];
    memset(many, 0xAB, sizeof many);
    put_identity(bytes, &next, 2);
    vhdx_status status = vx_file_open(host, DISK, VHDX_OPEN_WRITE, &file, NULL);
    if (status == VHDX_OK) {
        struct vx_undo_target target = {.file = file, .identity = identity};
        status = vx_undo_begin(host, UNDO, &target, 1, &undo, NULL);
    }
    if (status == VHDX_OK)
        status = vx_file_will_be(file, &next, NULL);
    if (status == VHDX_OK)
        status = vx_file_write(file, bytes, sizeof bytes, 0, NULL);
    if (status == VHDX_OK)
        status = vx_file_flush(file, NULL);
    put_identity(bytes, &next, 3); /* both cards are new then */
    if (status == VHDX_OK)
        status = vx_file_write(file, bytes, sizeof bytes, SLOT, NULL);
    if (status == VHDX_OK)
        status = vx_file_flush(file, NULL);
    for (uint64_t i = 0; i < 4 && status == VHDX_OK; i++)
        status = vx_file_write(file, many, sizeof many, 1100000 + i * 111111, NULL);
    if (status == VHDX_OK)
        status = vx_file_zero(file, 1300000, 70000, NULL);
    if (status == VHDX_OK)
        status = vx_file_grow(file, 5000000, NULL);
    if (status == VHDX_OK)
        status = vx_file_cut(file, 1800000, NULL);
    if (status == VHDX_OK)
        status = vx_file_flush(file, NULL);
    if (status == VHDX_OK)
        status = vx_undo_end(undo, NULL);
    vx_undo_close(undo);
    vx_file_close(file);
    return status;
}

/* Undo, where there is an undo file that names the disk; without one nothing may have changed. */
static bool comes_back(const struct bench *b, struct crash_host *host)
{
    vhdx_undo_report report;
    vhdx_error err;
    const vhdx_host *interface = crash_host_interface(host);
    vhdx_status status = apply_with(interface, UNDO, false, &report, &err);
    return (status == VHDX_OK || status == VHDX_NOT_FOUND || status == VHDX_NOT_VHDX || status == VHDX_TRUNCATED ||
            status == VHDX_CORRUPT) &&
           is_old(b, interface);
}

Test(undo_again, gives_back_all_after_the_nth_call_failed)
{
    const vhdx_status failures[] = {VHDX_IO, VHDX_NO_SPACE};
    struct bench b = bench_new(15);
    for (size_t kind = 0; kind < 2; kind++)
        for (uint64_t nth = 1;; nth++) {
            struct crash_host *host = crash_host_with(&b);
            struct crash_fault fault = {.calls = CRASH_WRITE | CRASH_FLUSH | CRASH_SET_SIZE | CRASH_NAME,
                                        .nth = nth,
                                        .torn = true,
                                        .for_good = nth % 2 == 0,
                                        .status = failures[kind]};
            crash_host_fault(host, &fault);
            vhdx_status status = short_work(crash_host_interface(host));
            struct crash_fault none = {0};
            crash_host_fault(host, &none);
            bool back = comes_back(&b, host);
            crash_host_free(host);
            cr_assert(back, "call %llu", (unsigned long long)nth);
            if (status == VHDX_OK)
                break;
        }
    bench_free(&b);
}

/* Visits states of the recorded trace: all lost, all kept, all torn, and some at random; more where few calls hang in
 * the air. */
static void for_each_cut(struct crash_host *host, uint64_t seed, void (*visit)(void *context, struct crash_host *after),
                         void *context)
{
    uint64_t chance = seed;
    struct crash_cut *cut = crash_cut_new(host);
    for (;;) {
        for (int turn = 0, turns = crash_cut_pending(cut) <= 2 ? 40 : 8; turn < turns; turn++) {
            uint8_t fates[512];
            size_t pending = crash_cut_pending(cut);
            cr_assert_leq(pending, sizeof fates);
            for (size_t i = 0; i < pending; i++)
                fates[i] = (uint8_t)(turn < 2 ? turn : turn % 2 == 0 ? CRASH_TORN : (int)bld_random_below(&chance, 3));
            struct crash_host *after = crash_cut_host(cut, fates, bld_random(&chance));
            visit(context, after);
            crash_host_free(after);
        }
        if (crash_cut_place(cut) == crash_host_trace_length(host))
            break;
        crash_cut_advance(cut);
    }
    crash_cut_free(cut);
}

static void must_come_back(void *context, struct crash_host *after)
{
    cr_assert(comes_back(context, after));
}

Test(undo_again, gives_back_all_after_a_power_cut_at_any_place)
{
    struct bench b = bench_new(16);
    struct crash_host *host = crash_host_with(&b);
    crash_host_record(host);
    must(short_work(crash_host_interface(host)), NULL);
    crash_host_record_end(host);
    for_each_cut(host, 1, must_come_back, &b);
    crash_host_free(host);
    bench_free(&b);
}

Test(undo_again, completes_an_undo_that_was_cut_off_at_any_place)
{
    struct bench b = bench_new(17);
    struct crash_host *host = crash_host_with(&b);
    must(short_work(crash_host_interface(host)), NULL);
    crash_host_record(host);
    cr_assert(comes_back(&b, host));
    crash_host_record_end(host);
    for_each_cut(host, 2, must_come_back, &b);
    crash_host_free(host);
    bench_free(&b);
}

/* ---- merges ----------------------------------------------------------------------------------------------------- */

static void merge_and_undo(uint64_t seed, vhdx_direction direction)
{
    struct model_wishes wishes = {.one_directory = true};
    struct model *m = model_new(seed, &wishes, "/disks");
    struct vx_memory_host *memory = vx_memory_host_new(seed);
    const vhdx_host *host = vx_memory_host_interface(memory);
    uint64_t before[MODEL_MAX_LAYERS], after, chance = seed;
    vhdx_error err;
    if (m->count > 1) {
        must(model_write(m, host, &err), &err);
        for (size_t i = 0; i < m->count; i++)
            cr_assert(files_digest(host, m->layers[i].path, &before[i]));
        size_t child = (size_t)bld_random_below(&chance, m->count - 1);
        size_t into = child + 1 + (size_t)bld_random_below(&chance, m->count - child - 1);
        if (direction == VHDX_DIRECTION_UP)
            into = m->count - 1;
        vhdx_merge_options options = {.struct_size = sizeof options,
                                      .host = host,
                                      .into = m->layers[into].path,
                                      .direction = direction,
                                      .undo = "/elsewhere/of/merge"};
        vhdx_undo_options back = {.struct_size = sizeof back, .host = host};
        vhdx_status status =
            vhdx_merge_plan(m->layers[child].path, &options, &(vhdx_merge_report){.struct_size = 0}, &err);
        cr_assert_eq(vx_memory_host_size(memory, options.undo), UINT64_MAX, "a plan made the file");
        if (status == VHDX_OK) {
            must(vhdx_merge(m->layers[child].path, &options, NULL, &err), &err);
            if (seed % 3 == 0)
                must(vhdx_merge(m->layers[child].path, &options, NULL, &err), &err);
            must(vhdx_undo(options.undo, &back, NULL, &err), &err);
        }
        for (size_t i = 0; i < m->count; i++) {
            cr_assert(files_digest(host, m->layers[i].path, &after));
            cr_assert_eq(before[i], after, "layer %zu is not as before: child %zu, into %zu, %s", i, child, into,
                         model_text(m));
        }
    }
    vx_memory_host_free(memory);
    model_free(m);
}

Test(undo_again, a_merge_downwards_is_taken_back)
{
    for (uint64_t seed = 1; seed <= (getenv("VHDX_SANITIZED") ? 20 : 60); seed++)
        merge_and_undo(seed, VHDX_DIRECTION_DOWN);
}

Test(undo_again, a_merge_upwards_is_taken_back)
{
    for (uint64_t seed = 501; seed <= (getenv("VHDX_SANITIZED") ? 510 : 525); seed++)
        merge_and_undo(seed, VHDX_DIRECTION_UP);
}

Test(undo_again, does_not_go_with_what_cannot_be_given_back)
{
    struct vx_memory_host *memory = vx_memory_host_new(1);
    vhdx_merge_options options = {
        .struct_size = sizeof options, .host = vx_memory_host_interface(memory), .undo = UNDO, .delete_merged = true};
    vhdx_error err;
    cr_expect_eq(vhdx_merge("/child", &options, NULL, &err), VHDX_ARG);
    options.delete_merged = false;
    options.reclaim = true;
    cr_expect_eq(vhdx_merge("/child", &options, NULL, &err), VHDX_ARG);
    options.reclaim = false;
    cr_expect_eq(vhdx_flatten("/child", "/new", &options, NULL, &err), VHDX_ARG);
    vx_memory_host_free(memory);
}
