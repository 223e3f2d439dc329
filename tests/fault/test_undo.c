/*
 * Every call that `vhdx undo` makes fails once, and every allocation: of a merge that came to its end and of one that
 * did not. It says so, leaves no file open, and the same call, given once more, also after the power failed, gives
 * back every file byte for byte.
 */
/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include "fault/allocations.h"
#include "files.h"
#include "inside.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

struct taking_back {
    struct scene scene;
    struct crash_host *host; /* before the undo */
    uint64_t digests[SCENE_MAX_LAYERS];
    const char *kind;
    uint64_t nth, faults;
};

static void complain(const struct taking_back *t, const char *wrong)
{
    cr_assert_fail("%s\n    undo of %s\n    %s number %" PRIu64 " fails", wrong, scene_text(&t->scene), t->kind,
                   t->nth);
}

static vhdx_status undo(struct crash_host *host, vhdx_error *err)
{
    const vhdx_undo_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    return vhdx_undo(SCENE_UNDO_FILE, &options, NULL, err);
}

static void check_files(const struct taking_back *t, struct crash_host *host)
{
    for (size_t i = 0; i < t->scene.recipe.layers; i++) {
        uint64_t digest;
        if (!files_digest(crash_host_interface(host), t->scene.layers[i].path, &digest) || digest != t->digests[i])
            complain(t, "a file is not as it was before the merge");
    }
}

/* Once more without faults, on `host`, which is given up. */
static void again(const struct taking_back *t, struct crash_host *host)
{
    vhdx_error err;
    if (undo(host, &err) != VHDX_OK)
        complain(t, err.message);
    check_files(t, host);
    crash_host_free(host);
}

static void judge(const struct taking_back *t, struct crash_host *host, vhdx_status status, const vhdx_error *err)
{
    crash_host_record_end(host);
    if (crash_host_handles(host) > 0)
        complain(t, "a file was left open");
    if (status == VHDX_OK) {
        check_files(t, host);
        crash_host_free(host);
        return;
    }
    if (status != err->status || !err->message[0])
        complain(t, "the undo fails without saying why");
    if (crash_host_wrote_after_failed_flush(host))
        complain(t, "a file was changed after a flush of it had failed");
    struct crash_cut *cut = crash_cut_new(host);
    while (crash_cut_place(cut) < crash_host_trace_length(host))
        crash_cut_advance(cut);
    size_t count = crash_cut_pending(cut);
    uint8_t *fates = bld_alloc(count + 1, 1);
    uint64_t chance = t->nth;
    for (size_t i = 0; i < count; i++)
        fates[i] = (uint8_t)bld_random_below(&chance, 3);
    struct crash_host *after = crash_cut_host(cut, fates, chance);
    free(fates);
    crash_cut_free(cut);
    again(t, after);
    again(t, host);
}

/* Unpacking takes its time: with VHDX_SLOW each number, else some. */
static uint64_t step(void)
{
    return getenv("VHDX_SANITIZED") ? 97 : getenv("VHDX_SLOW") ? 1 : 17;
}

static void fail_each_call(struct taking_back *t, const char *kind, struct crash_fault fault)
{
    vhdx_error err;
    t->kind = kind;
    for (fault.nth = 1;; fault.nth += step()) {
        struct crash_host *host = crash_host_copy(t->host, fault.nth);
        t->nth = fault.nth;
        crash_host_record(host);
        crash_host_fault(host, &fault);
        vhdx_status status = undo(host, &err);
        bool reached = crash_host_calls(host) >= fault.nth;
        crash_host_fault(host, &(struct crash_fault){0});
        judge(t, host, status, &err);
        if (!reached)
            return;
        t->faults++;
    }
}

static void fail_each_allocation(struct taking_back *t, bool for_good)
{
    vhdx_error err;
    bool reached = true;
    t->kind = for_good ? "from allocation on, each from" : "allocation";
    for (t->nth = 1; reached; t->nth += step()) {
        struct crash_host *host = crash_host_copy(t->host, t->nth);
        crash_host_record(host);
        allocations_fail(t->nth, for_good);
        vhdx_status status = undo(host, &err);
        reached = allocations_end() >= t->nth;
        judge(t, host, status, &err);
        t->faults += reached;
    }
}

/* `cut_off`: after so many writes of the merge the host fails for good; UINT64_MAX: it does not. */
static void fail_everything(struct scene_recipe recipe, uint64_t cut_off)
{
    struct taking_back t = {0};
    struct crash_fault end = {.calls = CRASH_WRITE, .nth = cut_off, .for_good = true, .status = VHDX_IO};
    vhdx_error err;
    recipe.features |= SCENE_UNDO;
    t.host = crash_host_new(5);
    scene_build(&t.scene, &recipe, 5, t.host);
    for (size_t i = 0; i < t.scene.recipe.layers; i++)
        cr_assert(files_digest(crash_host_interface(t.host), t.scene.layers[i].path, &t.digests[i]));
    if (cut_off != UINT64_MAX)
        crash_host_fault(t.host, &end);
    vhdx_status status = scene_run(&t.scene, crash_host_interface(t.host), &err);
    cr_assert_eq(status == VHDX_OK, cut_off == UINT64_MAX, "the merge: %s", err.message);
    crash_host_fault(t.host, &(struct crash_fault){0});
    fail_each_call(&t, "write", (struct crash_fault){.calls = CRASH_WRITE, .status = VHDX_IO, .torn = true});
    fail_each_call(
        &t, "write on a full volume",
        (struct crash_fault){.calls = CRASH_WRITE | CRASH_SET_SIZE, .status = VHDX_NO_SPACE, .for_good = true});
    fail_each_call(&t, "flush", (struct crash_fault){.calls = CRASH_FLUSH, .status = VHDX_IO});
    fail_each_call(&t, "change of size", (struct crash_fault){.calls = CRASH_SET_SIZE, .status = VHDX_NO_SPACE});
    fail_each_call(&t, "read", (struct crash_fault){.calls = CRASH_READ, .status = VHDX_IO});
    fail_each_call(&t, "opening", (struct crash_fault){.calls = CRASH_OPEN, .status = VHDX_IO});
    fail_each_call(&t, "call", (struct crash_fault){.calls = CRASH_ALL, .status = VHDX_IO, .for_good = true});
    fail_each_allocation(&t, false);
    fail_each_allocation(&t, true);
    cr_log_info("%" PRIu64 " faults", t.faults);
    crash_host_free(t.host);
}

Test(fault_undo, of_a_merge_that_came_to_its_end)
{
    fail_everything((struct scene_recipe){.layers = 3, .child = 1, .features = SCENE_LARGER}, UINT64_MAX);
}

Test(fault_undo, of_a_merge_that_was_cut_off)
{
    fail_everything((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_DIRTY_TARGET}, 40);
}

Test(fault_undo, of_a_merge_upwards)
{
    fail_everything((struct scene_recipe){.layers = 3, .child = 2, .features = SCENE_UP}, UINT64_MAX);
}
