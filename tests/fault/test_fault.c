/*
 * Every call that can fail does so once. A command runs on a small chain while its n-th write, flush, read, change of
 * size, change of a name, opening or allocation fails, for each n: then it must say so, leave no file open, leave the
 * child and all layers above it as they were, also when the power fails right after, and go on to the end when it is
 * given once more without faults.
 *
 * A failure prints seed, kind and n. VHDX_FAULT_SEED=N chooses other chains.
 */
/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include "fault/allocations.h"
#include "files.h"
#include "inside.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one fault -------------------------------------------------------------------------------------------------- */

struct trial {
    struct scene scene;
    struct crash_host *host; /* as it is before the command */
    const char *kind;
    uint64_t nth, faults, seed;
    uint64_t files[SCENE_MAX_LAYERS]; /* digests of their bytes before */
    bool must_fail;                   /* a command that succeeds all the same has overlooked it */
};

static void complain(const struct trial *trial, const char *wrong)
{
    cr_assert_fail("%s\n    %s\n    %s number %" PRIu64 " fails", wrong, scene_text(&trial->scene), trial->kind,
                   trial->nth);
}

/* With an undo file: at every stop it gives back what was there before. `host` stays as it is. */
static void take_back(const struct trial *trial, const struct crash_host *host)
{
    struct crash_host *copy = crash_host_copy(host, 3);
    const vhdx_undo_options options = {.struct_size = sizeof options, .host = crash_host_interface(copy)};
    uint64_t digest;
    vhdx_error err;
    vhdx_status status = vhdx_undo(SCENE_UNDO_FILE, &options, NULL, &err);
    /* Where the undo file was not begun nothing was changed. */
    if (status != VHDX_OK && status != VHDX_NOT_FOUND && status != VHDX_NOT_VHDX && status != VHDX_TRUNCATED)
        complain(trial, err.message);
    for (size_t i = 0; i < trial->scene.recipe.layers; i++)
        if (!files_digest(crash_host_interface(copy), trial->scene.layers[i].path, &digest) ||
            digest != trial->files[i])
            complain(trial, "the undo file does not give back what was there");
    crash_host_free(copy);
}

/* Runs the command again on `host`, which is given up. */
static void complete(const struct trial *trial, struct crash_host *host)
{
    vhdx_error err;
    char text[1200];
    bool has_undo = (trial->scene.recipe.features & SCENE_UNDO) != 0;
    const char *wrong = scene_check_leaves(&trial->scene, host);
    if (wrong)
        complain(trial, wrong);
    if (has_undo)
        take_back(trial, host);
    if (scene_can_repeat(&trial->scene, host)) {
        if (scene_run(&trial->scene, crash_host_interface(host), &err) != VHDX_OK) {
            size_t used = (size_t)snprintf(text, sizeof text, "the second run fails: ");
            vhdx_error_format(&err, text + used, sizeof text - used);
            complain(trial, text);
        }
        wrong = scene_check_leaves(&trial->scene, host);
        if (!wrong && has_undo)
            take_back(trial, host); /* before the judgement, which writes */
        if (!wrong)
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

/* Under sanitizers all this is slow, and so is what packs and unpacks undo files: each test takes some of the numbers
 * then. VHDX_SLOW: all of them. */
static uint64_t step(const struct trial *trial)
{
    bool packs = (trial->scene.recipe.features & SCENE_UNDO) != 0;
    if (getenv("VHDX_SANITIZED"))
        return packs ? 131 : 29;
    return packs && !getenv("VHDX_SLOW") ? 13 : 1;
}

static void begin(struct trial *trial, const struct scene_recipe *recipe)
{
    const char *seed = getenv("VHDX_FAULT_SEED");
    vhdx_error err;
    trial->seed = seed ? strtoull(seed, NULL, 10) : 11;
    trial->host = crash_host_new(trial->seed);
    scene_build(&trial->scene, recipe, trial->seed, trial->host);
    for (size_t i = 0; i < trial->scene.recipe.layers; i++)
        cr_assert(files_digest(crash_host_interface(trial->host), trial->scene.layers[i].path, &trial->files[i]));
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
    for (fault.nth = 1;; fault.nth += step(trial)) {
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
    for (uint64_t nth = 1;; nth += step(trial)) {
        struct crash_host *host = crash_host_copy(trial->host, nth);
        trial->nth = nth;
        crash_host_record(host);
        allocations_fail(nth, for_good);
        vhdx_status status = scene_run(&trial->scene, crash_host_interface(host), &err);
        if (allocations_end() < nth) {
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
    const struct crash_fault full = {.calls = CRASH_WRITE | CRASH_SET_SIZE, .status = VHDX_NO_SPACE, .for_good = true};
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

Test(fault, a_merge_that_shares_bytes)
{
    fail_everything((struct scene_recipe){.layers = 4, .child = 3, .features = SCENE_SHARE | SCENE_VERIFY});
}

Test(fault, a_merge_upwards_that_takes_a_name)
{
    fail_everything((struct scene_recipe){.layers = 4, .child = 2, .features = SCENE_UP | SCENE_DELETE});
}

Test(fault, a_chain_written_to_a_new_disk)
{
    fail_everything((struct scene_recipe){.command = SCENE_FLATTEN, .layers = 3, .child = 2, .features = SCENE_DIRTY});
}

Test(fault, a_chain_converted)
{
    fail_everything((struct scene_recipe){
        .command = SCENE_CONVERT, .layers = 3, .child = 2, .features = SCENE_DIRTY | SCENE_VERIFY});
}

Test(fault, a_chain_converted_to_a_fixed_disk_where_sparse_files_do_harm)
{
    fail_everything(
        (struct scene_recipe){.command = SCENE_CONVERT_FIXED, .layers = 2, .child = 1, .features = SCENE_NTFS});
}

Test(fault, a_chain_converted_to_a_vhd_that_shares_bytes)
{
    fail_everything((struct scene_recipe){
        .command = SCENE_CONVERT_VHD, .layers = 3, .child = 2, .features = SCENE_SHARE | SCENE_VERIFY});
}

Test(fault, a_new_disk)
{
    fail_everything((struct scene_recipe){.command = SCENE_CREATE, .layers = 1});
}

Test(fault, a_new_differencing_disk)
{
    fail_everything((struct scene_recipe){.command = SCENE_FORK, .layers = 2, .child = 1});
}

Test(fault, a_merge_with_an_undo_file)
{
    fail_everything((struct scene_recipe){.layers = 3, .child = 1, .features = SCENE_UNDO | SCENE_DIRTY_TARGET});
}

Test(fault, a_merge_upwards_with_an_undo_file)
{
    fail_everything((struct scene_recipe){.layers = 3, .child = 2, .features = SCENE_UNDO | SCENE_UP});
}

Test(fault, a_child_linked_to_another_place)
{
    fail_everything(
        (struct scene_recipe){.command = SCENE_RELINK, .layers = 3, .child = 1, .features = SCENE_DIRTY_CHILD});
}

Test(fault, a_disk_compacted)
{
    fail_everything((struct scene_recipe){
        .command = SCENE_COMPACT, .layers = 3, .child = 1, .features = SCENE_SCATTERED | SCENE_DIRTY_CHILD});
}

Test(fault, a_base_compacted_with_an_undo_file)
{
    fail_everything((struct scene_recipe){
        .command = SCENE_COMPACT, .layers = 1, .features = SCENE_SCATTERED | SCENE_UNDO | SCENE_NTFS});
}
