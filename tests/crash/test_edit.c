/*
 * Power cuts while a disk gets another size or another id: at each place, with what was not flushed lost, kept, or each
 * with a fate of its own. In every state the disk opens with its old size or its new one and reads as before, one copy
 * of its partition table is valid, the undo file (where there is one) gives every byte back, and the same command goes
 * on to its end; now and then the power fails in that second run too. VHDX_CRASH_SEED=N runs that seed only,
 * VHDX_CRASH_STATES=N visits N times as many states (VHDX_SLOW: 20 times).
 */
/* SPDX-License-Identifier: MIT */
#include "edit_scene.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "inside.h"

#define SEEDS 2
#define STATES 2 /* by chance, at each cut, besides all lost and all kept */

struct explorer {
    struct edit_scene scene;
    uint64_t chance, visited, nested;
    char where[200];
};

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void must(const struct explorer *explorer, const char *wrong)
{
    cr_assert(!wrong, "%s\n    %s\n    %s", wrong, edit_scene_text(&explorer->scene), explorer->where);
}

static void finish(const struct explorer *explorer, struct crash_host *host)
{
    vhdx_error err;
    must(explorer, edit_scene_check_undo(&explorer->scene, host));
    vhdx_status status = edit_scene_run(&explorer->scene, crash_host_interface(host), &err);
    crash_host_record_end(host);
    must(explorer, status == VHDX_OK ? NULL : err.message);
    must(explorer, edit_scene_check_undo(&explorer->scene, host));
    struct crash_host *copy = crash_host_copy(host, 5); /* judging writes */
    must(explorer, edit_scene_check_result(&explorer->scene, copy));
    crash_host_free(copy);
}

static void cut_again(struct explorer *explorer, struct crash_host *host)
{
    struct crash_cut *cut = crash_cut_by_chance(host, &explorer->chance);
    struct crash_host *after = crash_cut_host_by_chance(cut, &explorer->chance);
    must(explorer, edit_scene_check(&explorer->scene, after));
    finish(explorer, after);
    explorer->nested++;
    crash_host_free(after);
    crash_cut_free(cut);
}

static void visit(struct explorer *explorer, struct crash_host *host)
{
    must(explorer, edit_scene_check(&explorer->scene, host));
    bool nested = bld_random_below(&explorer->chance, 12) == 0;
    if (nested)
        crash_host_record(host);
    finish(explorer, host);
    if (nested)
        cut_again(explorer, host);
    explorer->visited++;
    crash_host_free(host);
}

static void visit_cut(struct explorer *explorer, const struct crash_cut *cut, uint64_t states)
{
    size_t count = crash_cut_pending(cut);
    uint8_t *fates = bld_alloc(count + 1, 1);
    for (uint64_t n = 0; n < states + (count > 0); n++) {
        for (size_t i = 0; i < count; i++)
            fates[i] = n == 0 ? CRASH_KEPT : n == 1 ? CRASH_LOST : (uint8_t)bld_random_below(&explorer->chance, 3);
        visit(explorer, crash_cut_host(cut, fates, bld_random(&explorer->chance)));
    }
    free(fates);
}

static void explore_seed(struct explorer *explorer, unsigned features, uint64_t seed)
{
    struct crash_host *host = crash_host_new(seed);
    uint64_t states = STATES * number_from("VHDX_CRASH_STATES", getenv("VHDX_SLOW") ? 20 : 1);
    uint64_t step = getenv("VHDX_SANITIZED") ? 7 : 1, wanted = number_from("VHDX_CRASH_CUT", UINT64_MAX);
    vhdx_error err;
    edit_scene_build(&explorer->scene, features, seed, host);
    explorer->chance = seed * 31 + 7;
    snprintf(explorer->where, sizeof explorer->where, "without a cut");
    crash_host_record(host);
    must(explorer, edit_scene_run(&explorer->scene, crash_host_interface(host), &err) == VHDX_OK ? NULL : err.message);
    crash_host_record_end(host);
    struct crash_cut *cut = crash_cut_new(host);
    for (size_t length = crash_host_trace_length(host);; crash_cut_advance(cut)) {
        size_t place = crash_cut_place(cut);
        snprintf(explorer->where, sizeof explorer->where,
                 "VHDX_CRASH_SEED=%" PRIu64 " VHDX_CRASH_CUT=%zu, after call %s", seed, place,
                 place > 0 ? crash_host_trace_text(host, place - 1) : "none");
        if (wanted == UINT64_MAX ? place % step == seed % step : place == wanted)
            visit_cut(explorer, cut, states);
        if (place == length)
            break;
    }
    crash_cut_free(cut);
    snprintf(explorer->where, sizeof explorer->where, "without a cut");
    must(explorer, edit_scene_check_result(&explorer->scene, host));
    edit_scene_free(&explorer->scene);
    crash_host_free(host);
}

static void explore(unsigned features)
{
    static struct explorer explorer;
    uint64_t only = number_from("VHDX_CRASH_SEED", 0), first = number_from("VHDX_CRASH_FIRST", 1);
    for (uint64_t seed = only ? only : first; seed < (only ? only + 1 : first + SEEDS); seed++)
        explore_seed(&explorer, features, seed);
    cr_log_info("%" PRIu64 " states, %" PRIu64 " of second runs", explorer.visited, explorer.nested);
}

TestSuite(edit_after_power_cut, .timeout = 7200);

Test(edit_after_power_cut, a_disk_that_grows)
{
    explore(EDIT_GROW);
}

Test(edit_after_power_cut, a_disk_that_shrinks)
{
    explore(0);
}

Test(edit_after_power_cut, a_table_on_a_disk_that_grows)
{
    explore(EDIT_GROW | EDIT_TABLE);
}

Test(edit_after_power_cut, a_table_on_a_disk_that_shrinks)
{
    explore(EDIT_TABLE);
}

Test(edit_after_power_cut, a_damaged_table_on_a_disk_that_grows)
{
    explore(EDIT_GROW | EDIT_TABLE | EDIT_BROKEN);
}

Test(edit_after_power_cut, a_damaged_table_on_a_disk_that_shrinks)
{
    explore(EDIT_TABLE | EDIT_BROKEN | EDIT_DIRTY);
}

Test(edit_after_power_cut, copies_that_overlap)
{
    explore(EDIT_GROW | EDIT_TABLE | EDIT_NEAR);
    explore(EDIT_TABLE | EDIT_NEAR);
}

Test(edit_after_power_cut, damaged_copies_that_overlap)
{
    explore(EDIT_GROW | EDIT_TABLE | EDIT_NEAR | EDIT_BROKEN);
    explore(EDIT_TABLE | EDIT_NEAR | EDIT_BROKEN);
}

Test(edit_after_power_cut, a_child_that_grows)
{
    explore(EDIT_GROW | EDIT_TABLE | EDIT_CHILD);
}

Test(edit_after_power_cut, a_child_that_shrinks)
{
    explore(EDIT_TABLE | EDIT_CHILD | EDIT_DIRTY);
}

Test(edit_after_power_cut, fixed_disks)
{
    explore(EDIT_GROW | EDIT_TABLE | EDIT_FIXED);
    explore(EDIT_TABLE | EDIT_FIXED);
}

Test(edit_after_power_cut, where_sparse_files_do_harm)
{
    explore(EDIT_GROW | EDIT_TABLE | EDIT_FIXED | EDIT_NTFS | EDIT_DIRTY);
    explore(EDIT_TABLE | EDIT_NTFS);
}

Test(edit_after_power_cut, a_bat_that_must_move)
{
    explore(EDIT_GROW | EDIT_HUGE);
}

Test(edit_after_power_cut, with_an_undo_file)
{
    explore(EDIT_GROW | EDIT_TABLE | EDIT_UNDO_FILE | EDIT_CHILD);
    explore(EDIT_TABLE | EDIT_UNDO_FILE | EDIT_DIRTY);
}

Test(edit_after_power_cut, another_id)
{
    explore(EDIT_SET);
    explore(EDIT_SET | EDIT_CHILD | EDIT_DIRTY);
    explore(EDIT_SET | EDIT_UNDO_FILE);
}
