/*
 * Every call that can fail does so once while a disk gets another size or another id: the n-th write, flush, read,
 * change of size, change of a name, opening or allocation. Then the command must say so, leave no file open and the
 * disk as it must be at any instant, also when the power fails right after, lead back with its undo file, and go on to
 * the end when it is given once more.
 *
 * A failure prints seed, kind and n. VHDX_FAULT_SEED=N chooses other disks.
 */
/* SPDX-License-Identifier: MIT */
#include "edit_scene.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/allocations.h"
#include "inside.h"

struct trial {
    struct edit_scene scene;
    struct crash_host *host; /* as it is before the command */
    const char *kind;
    uint64_t nth, faults;
    bool must_fail; /* a command that succeeds all the same has overlooked it */
};

static void must(const struct trial *trial, const char *wrong)
{
    cr_assert(!wrong, "%s\n    %s\n    %s number %" PRIu64 " fails", wrong, edit_scene_text(&trial->scene), trial->kind,
              trial->nth);
}

/* `host` is given up. */
static void complete(const struct trial *trial, struct crash_host *host)
{
    vhdx_error err;
    must(trial, edit_scene_check(&trial->scene, host));
    must(trial, edit_scene_check_undo(&trial->scene, host));
    must(trial, edit_scene_run(&trial->scene, crash_host_interface(host), &err) == VHDX_OK ? NULL : err.message);
    must(trial, edit_scene_check_undo(&trial->scene, host));
    must(trial, edit_scene_check_result(&trial->scene, host));
    crash_host_free(host);
}

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

/* `host` is given up. */
static void judge(const struct trial *trial, struct crash_host *host, vhdx_status status, const vhdx_error *err)
{
    crash_host_record_end(host);
    must(trial, crash_host_handles(host) > 0 ? "a file was left open" : NULL);
    if (status == VHDX_OK) {
        must(trial, trial->must_fail ? "the command succeeds although something failed" : NULL);
        must(trial, edit_scene_check_result(&trial->scene, host));
        crash_host_free(host);
        return;
    }
    must(trial, status != err->status || !err->message[0] ? "the command fails without saying why" : NULL);
    must(trial, crash_host_wrote_after_failed_flush(host) ? "a file was changed after a flush of it had failed" : NULL);
    lose_power(trial, host, trial->nth % 2);
    complete(trial, host);
}

static uint64_t step(const struct trial *trial)
{
    bool packs = (trial->scene.features & EDIT_UNDO_FILE) != 0;
    if (getenv("VHDX_SANITIZED"))
        return packs ? 131 : 29;
    return packs && !getenv("VHDX_SLOW") ? 13 : 1;
}

static void fail_each_call(struct trial *trial, const char *kind, struct crash_fault fault)
{
    vhdx_error err;
    trial->kind = kind;
    for (trial->nth = 1;; trial->nth += step(trial)) {
        struct crash_host *host = crash_host_copy(trial->host, trial->nth);
        fault.nth = trial->nth;
        trial->must_fail = (fault.calls & (CRASH_READ | CRASH_OPEN)) == 0;
        crash_host_record(host);
        crash_host_fault(host, &fault);
        vhdx_status status = edit_scene_run(&trial->scene, crash_host_interface(host), &err);
        bool reached = crash_host_calls(host) >= fault.nth;
        crash_host_fault(host, &(struct crash_fault){0});
        if (!reached) {
            cr_assert_eq(status, VHDX_OK, "%s", err.message);
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
    for (trial->nth = 1;; trial->nth += step(trial)) {
        struct crash_host *host = crash_host_copy(trial->host, trial->nth);
        crash_host_record(host);
        allocations_fail(trial->nth, for_good);
        vhdx_status status = edit_scene_run(&trial->scene, crash_host_interface(host), &err);
        if (allocations_end() < trial->nth) {
            cr_assert_eq(status, VHDX_OK, "%s", err.message);
            crash_host_free(host);
            return;
        }
        judge(trial, host, status, &err);
        trial->faults++;
    }
}

static void fail_everything(unsigned features)
{
    const char *seed = getenv("VHDX_FAULT_SEED");
    const struct crash_fault full = {.calls = CRASH_WRITE | CRASH_SET_SIZE, .status = VHDX_NO_SPACE, .for_good = true};
    const struct crash_fault late = {.calls = CRASH_FLUSH, .status = VHDX_NO_SPACE, .for_good = true};
    struct trial trial = {.host = crash_host_new(5)};
    edit_scene_build(&trial.scene, features, seed ? strtoull(seed, NULL, 10) : 11, trial.host);
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
    edit_scene_free(&trial.scene);
    crash_host_free(trial.host);
}

TestSuite(fault_edit, .timeout = 7200);

Test(fault_edit, a_child_with_a_table_that_grows)
{
    fail_everything(EDIT_GROW | EDIT_TABLE | EDIT_CHILD);
}

Test(fault_edit, a_table_that_is_damaged_on_a_disk_that_shrinks)
{
    fail_everything(EDIT_TABLE | EDIT_BROKEN | EDIT_DIRTY);
}

Test(fault_edit, a_fixed_disk_where_sparse_files_do_harm)
{
    fail_everything(EDIT_GROW | EDIT_FIXED | EDIT_NTFS);
}

Test(fault_edit, a_bat_that_must_move)
{
    fail_everything(EDIT_GROW | EDIT_HUGE);
}

Test(fault_edit, an_undo_file)
{
    fail_everything(EDIT_TABLE | EDIT_UNDO_FILE);
}

Test(fault_edit, another_id)
{
    fail_everything(EDIT_SET);
}
