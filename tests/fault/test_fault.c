/*
 * Every call that can fail does so once. A command runs on a small chain while its n-th write, flush, read, change of
 * size, change of a name, opening or allocation fails, for each n: then it must say so, leave no file open, leave the
 * child and all layers above it as they were, also when the power fails right after, and go on to the end when it is
 * given once more without faults.
 *
 * A failure prints seed, kind and n. The allocator's names are wrapped by the linker for this program, so the library
 * needs no hook. VHDX_FAULT_SEED=N chooses other chains.
 */
/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include "inside.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- allocations ------------------------------------------------------------------------------------------------ */

static bool armed;
static uint64_t allocations, failing_allocation;
static bool failing_for_good;

static bool refuses(void)
{
    if (!armed || crash_host_allocating > 0)
        return false;
    allocations++;
    return allocations == failing_allocation || (failing_for_good && allocations > failing_allocation);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return refuses() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuses() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return refuses() ? NULL : __real_realloc(memory, size);
}

/* ---- one fault -------------------------------------------------------------------------------------------------- */

struct trial {
    struct scene scene;
    struct crash_host *host; /* as it is before the command */
    const char *kind;
    uint64_t nth, faults, seed;
    bool must_fail; /* a command that succeeds all the same has overlooked it */
};

static void complain(const struct trial *trial, const char *wrong)
{
    cr_assert_fail("%s\n    %s\n    %s number %" PRIu64 " fails", wrong, scene_text(&trial->scene), trial->kind,
                   trial->nth);
}

/* Runs the command again on `host`, which is given up. */
static void complete(const struct trial *trial, struct crash_host *host)
{
    vhdx_error err;
    char text[1200];
    const char *wrong = scene_check_leaves(&trial->scene, host);
    if (wrong)
        complain(trial, wrong);
    if (scene_can_repeat(&trial->scene, host)) {
        if (scene_run(&trial->scene, crash_host_interface(host), &err) != VHDX_OK) {
            size_t used = (size_t)snprintf(text, sizeof text, "the second run fails: ");
            vhdx_error_format(&err, text + used, sizeof text - used);
            complain(trial, text);
        }
        wrong = scene_check_result(&trial->scene, host);
    }
    if (wrong)
        complain(trial, wrong);
    crash_host_free(host);
}

/* What was not flushed when the command gave up may be lost: nothing of it, or a part. */
static void lose_power(const struct trial *trial, const struct crash_host *host, bool part)
{
    struct crash_cut *cut = crash_cut_new(host);
    while (crash_cut_place(cut) < crash_host_trace_length(host))
        crash_cut_advance(cut);
    size_t count = crash_cut_pending(cut);
    uint8_t *fates = bld_alloc(count + 1, 1);
    uint64_t chance = trial->nth * 2 + part;
    for (size_t i = 0; part && i < count; i++)
        fates[i] = (uint8_t)bld_random_below(&chance, 3);
    struct crash_host *after = crash_cut_host(cut, fates, chance);
    crash_cut_free(cut);
    free(fates);
    complete(trial, after);
}

static void check_error(const struct trial *trial, vhdx_status status, const vhdx_error *err)
{
    if (status != err->status || !err->message[0])
        complain(trial, "the command fails without saying why");
    if (strlen(err->message) >= sizeof err->message || strlen(err->path) >= sizeof err->path)
        complain(trial, "the message does not end");
}

/* What holds after the command has ended with `status` on `host`, which is given up. */
static void judge(const struct trial *trial, struct crash_host *host, vhdx_status status, const vhdx_error *err)
{
    crash_host_record_end(host);
    if (crash_host_handles(host) > 0)
        complain(trial, "a file was left open");
    if (status == VHDX_OK) {
        if (trial->must_fail)
            complain(trial, "the command succeeds although something failed");
        const char *wrong = scene_check_result(&trial->scene, host);
        if (wrong)
            complain(trial, wrong);
        crash_host_free(host);
        return;
    }
    check_error(trial, status, err);
    if (crash_host_wrote_after_failed_flush(host))
        complain(trial, "a file was changed after a flush of it had failed");
    lose_power(trial, host, trial->nth % 2);
    complete(trial, host);
}

/* Under sanitizers all this is slow: each test takes some of the numbers then. */
static uint64_t step(void)
{
    return getenv("VHDX_SANITIZED") ? 29 : 1;
}

static void begin(struct trial *trial, const struct scene_recipe *recipe)
{
    const char *seed = getenv("VHDX_FAULT_SEED");
    vhdx_error err;
    trial->seed = seed ? strtoull(seed, NULL, 10) : 11;
    trial->host = crash_host_new(trial->seed);
    scene_build(&trial->scene, recipe, trial->seed, trial->host);
    struct crash_host *host = crash_host_copy(trial->host, 1);
    trial->kind = "nothing";
    if (scene_run(&trial->scene, crash_host_interface(host), &err) != VHDX_OK)
        complain(trial, err.message);
    const char *wrong = scene_check_result(&trial->scene, host);
    if (wrong)
        complain(trial, wrong);
    crash_host_free(host);
}

static void fail_each_call(struct trial *trial, const char *kind, struct crash_fault fault)
{
    vhdx_error err;
    trial->kind = kind;
    for (fault.nth = 1;; fault.nth += step()) {
        struct crash_host *host = crash_host_copy(trial->host, fault.nth);
        trial->nth = fault.nth;
        trial->must_fail = (fault.calls & (CRASH_READ | CRASH_OPEN)) == 0;
        crash_host_record(host);
        crash_host_fault(host, &fault);
        vhdx_status status = scene_run(&trial->scene, crash_host_interface(host), &err);
        bool reached = crash_host_calls(host) >= fault.nth;
        fault.nth = trial->nth;
        crash_host_fault(host, &(struct crash_fault){0});
        if (!reached) {
            cr_assert_eq(status, VHDX_OK, "%s: %s", scene_text(&trial->scene), err.message);
            crash_host_free(host);
            return;
        }
        judge(trial, host, status, &err);
        trial->faults++;
    }
}

static void fail_each_allocation(struct trial *trial, bool for_good)
{
    vhdx_error err;
    trial->kind = for_good ? "from allocation on, each from" : "allocation";
    trial->must_fail = false;
    for (uint64_t nth = 1;; nth += step()) {
        struct crash_host *host = crash_host_copy(trial->host, nth);
        trial->nth = nth;
        crash_host_record(host);
        failing_allocation = nth;
        failing_for_good = for_good;
        allocations = 0;
        armed = true;
        vhdx_status status = scene_run(&trial->scene, crash_host_interface(host), &err);
        armed = false;
        if (allocations < nth) {
            cr_assert_eq(status, VHDX_OK, "%s: %s", scene_text(&trial->scene), err.message);
            crash_host_free(host);
            return;
        }
        judge(trial, host, status, &err);
        trial->faults++;
    }
}

static void fail_everything(struct scene_recipe recipe)
{
    struct trial trial = {0};
    begin(&trial, &recipe);
    const struct crash_fault full = {
        .calls = CRASH_WRITE | CRASH_SET_SIZE, .status = VHDX_NO_SPACE, .for_good = true};
    const struct crash_fault late = {.calls = CRASH_FLUSH, .status = VHDX_NO_SPACE, .for_good = true};
    fail_each_call(&trial, "write", (struct crash_fault){.calls = CRASH_WRITE, .status = VHDX_IO, .torn = true});
    fail_each_call(&trial, "write on a full volume", full);
    fail_each_call(&trial, "flush", (struct crash_fault){.calls = CRASH_FLUSH, .status = VHDX_IO});
    fail_each_call(&trial, "flush on a full volume", late);
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

Test(fault, a_merge_below_another_layer)
{
    fail_everything((struct scene_recipe){.layers = 3, .child = 1, .features = SCENE_DIRTY});
}

Test(fault, a_merge_of_several_layers_that_are_removed)
{
    fail_everything((struct scene_recipe){.layers = 5, .child = 3, .into = 1, .features = SCENE_DELETE});
}

Test(fault, a_merge_into_a_disk_that_grows)
{
    fail_everything((struct scene_recipe){.layers = 3, .child = 2, .into = 1, .features = SCENE_LARGER});
}

Test(fault, a_merge_into_a_fixed_disk_that_grows)
{
    fail_everything((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_FIXED_BASE | SCENE_LARGER});
}

Test(fault, a_merge_where_sparse_files_do_harm)
{
    fail_everything(
        (struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_NTFS | SCENE_LARGER | SCENE_DELETE});
}

Test(fault, a_merge_that_gives_space_back_on_the_way)
{
    fail_everything((struct scene_recipe){.layers = 4, .child = 3, .features = SCENE_RECLAIM | SCENE_VERIFY});
}

Test(fault, a_merge_upwards_that_takes_a_name)
{
    fail_everything((struct scene_recipe){.layers = 4, .child = 2, .features = SCENE_UP | SCENE_DELETE});
}

Test(fault, a_chain_written_to_a_new_disk)
{
    fail_everything((struct scene_recipe){.command = SCENE_FLATTEN, .layers = 3, .child = 2, .features = SCENE_DIRTY});
}

Test(fault, a_new_disk)
{
    fail_everything((struct scene_recipe){.command = SCENE_CREATE, .layers = 1});
}

Test(fault, a_new_differencing_disk)
{
    fail_everything((struct scene_recipe){.command = SCENE_FORK, .layers = 2, .child = 1});
}
