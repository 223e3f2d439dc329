/*
 * Power cuts at every place. Each test runs a command once on a host that writes down what is done to its files,
 * makes the files as a cut at each place may leave them (see crash_host.h), and demands of every such state that the
 * child and all layers above it read as before, and that the same command, given once more, completes the work; now
 * and then the power fails in that second run too.
 *
 * A failure names seed, cut and state. VHDX_CRASH_SEED=N runs that seed only, with VHDX_CRASH_CUT=N only the states
 * of that cut, all of them. VHDX_CRASH_STATES=N visits N times as many states (VHDX_SLOW: 40 times), beginning with
 * seed VHDX_CRASH_FIRST=N, so that a later campaign sees other chains.
 */
/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include "early_mark.h"
#include "inside.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 4       /* chains a test, each with its share of the states */
#define ALL_SUBSETS 5 /* so many pending calls are tried in all combinations */
#define RANDOM_SUBSETS 6
#define NESTED_PERCENT 6 /* states in whose second run the power fails again */
#define NESTED_CUTS 3

struct explorer {
    struct scene scene;
    struct crash_host *recorded;
    uint64_t seed, chance;
    uint64_t wanted_cut; /* UINT64_MAX = all */
    uint64_t keep_of;    /* of each 2^32 states, so many are visited */
    bool counting;       /* nothing is visited */
    bool hurried;        /* not even one state for each cut */
    bool faulty;         /* the command has a fault in it: what is wrong is counted */
    uint64_t states, visited, nested, shared, caught;
    char where[256], again[256]; /* for messages */
};

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t budget_for(uint64_t states)
{
    uint64_t factor = number_from("VHDX_CRASH_STATES", getenv("VHDX_SLOW") ? 40 : 1);
    return getenv("VHDX_SANITIZED") ? states / 20 + 1 : states * factor;
}

static void print_state(const struct explorer *explorer, const struct crash_cut *cut, const uint8_t *fates)
{
    static const char *const names[] = {"lost", "kept", "torn"};
    for (size_t i = 0; i < crash_cut_pending(cut); i++)
        fprintf(stderr, "    %s  %s\n", names[fates[i]],
                crash_host_trace_text(explorer->recorded, crash_cut_pending_call(cut, i)));
}

static void complain(const struct explorer *explorer, const char *wrong)
{
    cr_assert_fail("%s\n    %s\n    %s%s", wrong, scene_text(&explorer->scene), explorer->where, explorer->again);
}

/* The same command once more, and its result. */
static const char *repeat(const struct explorer *explorer, struct crash_host *host)
{
    static char text[1200];
    vhdx_error err;
    if (!scene_can_repeat(&explorer->scene, host))
        return NULL;
    vhdx_status status = scene_run(&explorer->scene, crash_host_interface(host), &err);
    crash_host_record_end(host); /* judging writes too */
    if (status != VHDX_OK) {
        size_t used = (size_t)snprintf(text, sizeof text, "the second run fails: ");
        vhdx_error_format(&err, text + used, sizeof text - used);
        return text;
    }
    return scene_check_result(&explorer->scene, host);
}

/* Cuts at random in the run that `host` has recorded. */
static const char *cut_again(struct explorer *explorer, struct crash_host *host)
{
    const char *wrong = NULL;
    for (int round = 0; round < NESTED_CUTS && !wrong; round++) {
        uint8_t fates[4096];
        struct crash_cut *cut = crash_cut_by_chance(host, &explorer->chance);
        size_t place = crash_cut_place(cut);
        for (size_t i = 0; i < crash_cut_pending(cut) && i < sizeof fates; i++)
            fates[i] = (uint8_t)bld_random_below(&explorer->chance, 3);
        if (crash_cut_pending(cut) <= sizeof fates) {
            struct crash_host *after = crash_cut_host(cut, fates, bld_random(&explorer->chance));
            snprintf(explorer->again, sizeof explorer->again, ", and again after call %s",
                     place > 0 ? crash_host_trace_text(host, place - 1) : "none");
            wrong = scene_check_leaves(&explorer->scene, after);
            if (!wrong)
                wrong = repeat(explorer, after);
            crash_host_free(after);
            explorer->nested++;
        }
        crash_cut_free(cut);
    }
    return wrong;
}

static void visit(struct explorer *explorer, const struct crash_cut *cut, const uint8_t *fates, bool always)
{
    uint64_t number = explorer->states++;
    bool chosen = bld_random(&explorer->chance) >> 32 < explorer->keep_of;
    chosen |= (always && !explorer->hurried) || explorer->wanted_cut != UINT64_MAX;
    if (explorer->counting || !chosen)
        return;
    snprintf(explorer->where, sizeof explorer->where,
             "VHDX_CRASH_SEED=%" PRIu64 " VHDX_CRASH_CUT=%zu, state %" PRIu64 ", after call %s", explorer->seed,
             crash_cut_place(cut), number,
             crash_cut_place(cut) > 0 ? crash_host_trace_text(explorer->recorded, crash_cut_place(cut) - 1) : "none");
    explorer->again[0] = '\0';
    struct crash_host *host = crash_cut_host(cut, fates, number * 7919 + explorer->seed);
    const char *wrong = scene_check_leaves(&explorer->scene, host);
    bool nested = bld_random_below(&explorer->chance, 100) < NESTED_PERCENT;
    if (!wrong && nested)
        crash_host_record(host);
    if (!wrong)
        wrong = repeat(explorer, host);
    if (!wrong && nested)
        wrong = cut_again(explorer, host);
    explorer->visited++;
    crash_host_free(host);
    explorer->caught += wrong != NULL;
    if (wrong && !explorer->faulty) {
        print_state(explorer, cut, fates);
        complain(explorer, wrong);
    }
}

/* All combinations in which the last call is there. */
static void visit_all_subsets(struct explorer *explorer, const struct crash_cut *cut, uint8_t *fates)
{
    size_t count = crash_cut_pending(cut);
    for (unsigned mask = 0; mask < 1u << (count - 1); mask++) {
        for (size_t i = 0; i + 1 < count; i++)
            fates[i] = mask >> i & 1;
        fates[count - 1] = CRASH_KEPT;
        visit(explorer, cut, fates, mask + 1 == 1u << (count - 1));
    }
}

static void visit_some_subsets(struct explorer *explorer, const struct crash_cut *cut, uint8_t *fates)
{
    size_t count = crash_cut_pending(cut);
    memset(fates, CRASH_KEPT, count);
    visit(explorer, cut, fates, true);
    for (size_t i = 0; i + 1 < count; i++) { /* each alone missing, each alone there */
        fates[i] = CRASH_LOST;
        visit(explorer, cut, fates, false);
        fates[i] = CRASH_KEPT;
    }
    memset(fates, CRASH_LOST, count);
    fates[count - 1] = CRASH_KEPT;
    visit(explorer, cut, fates, false);
    for (size_t i = 0; i + 1 < count; i++) {
        fates[i] = CRASH_KEPT;
        visit(explorer, cut, fates, false);
        fates[i] = CRASH_LOST;
    }
    for (int round = 0; round < RANDOM_SUBSETS; round++) {
        for (size_t i = 0; i + 1 < count; i++)
            fates[i] = (uint8_t)bld_random_below(&explorer->chance, 3);
        visit(explorer, cut, fates, false);
    }
}

/* The last write torn, with all before it and with none. */
static void visit_torn(struct explorer *explorer, const struct crash_cut *cut, uint8_t *fates)
{
    size_t count = crash_cut_pending(cut);
    if (!crash_cut_pending_is_write(cut, count - 1))
        return;
    memset(fates, CRASH_KEPT, count);
    fates[count - 1] = CRASH_TORN;
    visit(explorer, cut, fates, true);
    visit(explorer, cut, fates, false);
    memset(fates, CRASH_LOST, count - 1);
    visit(explorer, cut, fates, false);
}

/* Subsets without the last call are those of the cut before. */
static void visit_cut(struct explorer *explorer, const struct crash_cut *cut, uint8_t *fates)
{
    size_t count = crash_cut_pending(cut);
    bool last_is_new = count > 0 && crash_cut_pending_call(cut, count - 1) + 1 == crash_cut_place(cut);
    if (!last_is_new) {
        memset(fates, CRASH_LOST, count);
        visit(explorer, cut, fates, true);
    } else if (count <= ALL_SUBSETS) {
        visit_all_subsets(explorer, cut, fates);
    } else {
        visit_some_subsets(explorer, cut, fates);
    }
    if (last_is_new)
        visit_torn(explorer, cut, fates);
}

static void visit_cuts(struct explorer *explorer)
{
    size_t length = crash_host_trace_length(explorer->recorded);
    uint8_t *fates = bld_alloc(length + 1, 1);
    struct crash_cut *cut = crash_cut_new(explorer->recorded);
    explorer->chance = explorer->seed;
    explorer->states = 0;
    for (;;) {
        if (explorer->wanted_cut == UINT64_MAX || explorer->wanted_cut == crash_cut_place(cut))
            visit_cut(explorer, cut, fates);
        if (crash_cut_place(cut) == length)
            break;
        crash_cut_advance(cut);
    }
    crash_cut_free(cut);
    free(fates);
}

static void explore_seed(struct explorer *explorer, const struct scene_recipe *recipe, uint64_t budget)
{
    vhdx_error err;
    struct crash_host *host = explorer->recorded = crash_host_new(~explorer->seed);
    scene_build(&explorer->scene, recipe, explorer->seed, host);
    snprintf(explorer->where, sizeof explorer->where, "VHDX_CRASH_SEED=%" PRIu64 ", without a cut", explorer->seed);
    const char *wrong = scene_check_leaves(&explorer->scene, host);
    if (wrong)
        complain(explorer, wrong);
    crash_host_record(host);
    if (scene_run(&explorer->scene, crash_host_interface(host), &err) != VHDX_OK)
        complain(explorer, err.message);
    crash_host_record_end(host);
    explorer->shared += crash_host_shared(host);
    explorer->counting = true;
    visit_cuts(explorer);
    explorer->counting = false;
    explorer->keep_of = explorer->states <= budget ? UINT64_C(1) << 32 : (budget << 32) / explorer->states;
    visit_cuts(explorer);
    wrong = scene_check_result(&explorer->scene, host); /* last: it writes */
    if (wrong)
        complain(explorer, wrong);
    crash_host_free(host);
}

/* Visits about `states` states, more when there are as many cuts. */
static void explore(struct scene_recipe recipe, uint64_t states)
{
    struct explorer explorer = {.wanted_cut = number_from("VHDX_CRASH_CUT", UINT64_MAX),
                                .hurried = getenv("VHDX_SANITIZED") != NULL};
    bool shares = (recipe.features & SCENE_SHARE) != 0;
    uint64_t budget = budget_for(states), only = number_from("VHDX_CRASH_SEED", 0),
             seed = only ? only : number_from("VHDX_CRASH_FIRST", 1);
    /* A share for each chain; chains that have fewer states leave theirs to others. Not every chain has something to
       share: one of the chains must have had. */
    for (; explorer.visited < budget; seed++) {
        explorer.seed = seed;
        explore_seed(&explorer, &recipe, budget / SEEDS + 1);
        if (only || (explorer.hurried && (explorer.shared > 0 || !shares)))
            break;
    }
    if (!only)
        cr_assert_eq(explorer.shared > 0, shares, "shared: %" PRIu64, explorer.shared);
    cr_log_info("%" PRIu64 " states, %" PRIu64 " of second runs", explorer.visited, explorer.nested);
}

Test(crash, a_child_merged_into_its_parent)
{
    explore((struct scene_recipe){.layers = 2, .child = 1}, 1100);
}

Test(crash, the_second_step_beside_the_kept_layer_of_the_first)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .features = SCENE_STEP}, 600);
}

Test(crash, the_second_step_with_layers_above_and_removal)
{
    explore((struct scene_recipe){.layers = 4, .child = 2, .features = SCENE_STEP | SCENE_DELETE | SCENE_WINDOWS}, 400);
}

Test(crash, a_child_that_holds_nothing_and_dirty_logs)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_EMPTY | SCENE_DIRTY}, 800);
}

Test(crash, a_child_with_a_dirty_log)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_DIRTY_CHILD}, 800);
}

Test(crash, a_target_with_a_dirty_log)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .into = 1, .features = SCENE_DIRTY_TARGET}, 800);
}

Test(crash, a_fixed_parent)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_FIXED_BASE}, 800);
}

Test(crash, a_fixed_parent_that_grows)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_FIXED_BASE | SCENE_LARGER}, 800);
}

Test(crash, a_parent_whose_blocks_are_all_there)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .into = 1, .features = SCENE_FULL | SCENE_DIRTY}, 800);
}

Test(crash, a_differencing_target_with_sector_bitmaps)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .into = 1}, 1100);
}

Test(crash, a_child_larger_than_its_parent)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_LARGER}, 800);
}

Test(crash, a_differencing_target_that_grows)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .into = 1, .features = SCENE_LARGER | SCENE_DIRTY}, 1100);
}

Test(crash, a_child_smaller_than_its_parent)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .into = 1, .features = SCENE_SMALLER}, 800);
}

Test(crash, a_bat_that_must_move)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_HUGE}, 100);
}

Test(crash, a_bat_of_a_differencing_target_that_must_move)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .into = 1, .features = SCENE_HUGE}, 100);
}

Test(crash, several_layers_into_the_base)
{
    explore((struct scene_recipe){.layers = 4, .child = 3, .features = SCENE_DIRTY}, 1100);
}

Test(crash, several_layers_into_a_differencing_target_below_another)
{
    explore((struct scene_recipe){.layers = 5, .child = 3, .into = 1, .features = SCENE_DIRTY_TARGET}, 1100);
}

Test(crash, a_layer_above_the_child)
{
    explore((struct scene_recipe){.layers = 3, .child = 1, .features = SCENE_DIRTY}, 1100);
}

Test(crash, the_child_is_removed)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_DELETE}, 800);
}

Test(crash, the_child_below_another_layer_is_removed)
{
    explore((struct scene_recipe){.layers = 4, .child = 2, .into = 1, .features = SCENE_DELETE | SCENE_DIRTY_CHILD},
            1100);
}

Test(crash, several_layers_are_removed)
{
    explore((struct scene_recipe){.layers = 4, .child = 3, .features = SCENE_DELETE}, 1100);
}

Test(crash, several_layers_below_another_are_removed)
{
    explore((struct scene_recipe){.layers = 6, .child = 4, .into = 1, .features = SCENE_DELETE | SCENE_LARGER}, 1100);
}

Test(crash, a_host_on_which_sparse_files_do_harm)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .features = SCENE_NTFS | SCENE_LARGER | SCENE_DIRTY}, 700);
}

Test(crash, several_windows)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .features = SCENE_WINDOWS | SCENE_VERIFY}, 800);
}

/* How many states of a merge with a fault in it are found to be wrong. */
static uint64_t caught_of(struct scene_recipe recipe, uint64_t states)
{
    struct explorer explorer = {.wanted_cut = UINT64_MAX, .faulty = true, .seed = 1};
    for (; explorer.visited < states; explorer.seed++)
        explore_seed(&explorer, &recipe, states / SEEDS + 1);
    return explorer.caught;
}

Test(crash, a_merge_that_writes_its_mark_before_its_payload_is_caught)
{
    const struct scene_recipe recipe = {.layers = 3, .child = 2, .features = SCENE_WINDOWS};
    cr_assert_eq(caught_of(recipe, 200), 0, "the merge as it is");
    early_mark = blind_comparison = true;
    cr_expect_gt(caught_of(recipe, 200), 0);
    blind_comparison =
        false; /* what is there is compared before it is believed: so far as that goes, nothing is lost */
    cr_expect_eq(caught_of(recipe, 200), 0);
}

Test(crash, a_child_whose_bytes_are_shared_with_its_parent)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_SHARE | SCENE_DIRTY}, 800);
}

Test(crash, several_layers_whose_bytes_are_shared_with_one_below)
{
    explore(
        (struct scene_recipe){.layers = 5, .child = 3, .into = 1, .features = SCENE_SHARE | SCENE_WINDOWS | SCENE_FULL},
        800);
}

Test(crash, shared_bytes_of_layers_that_give_their_space_back)
{
    explore(
        (struct scene_recipe){
            .layers = 4, .child = 3, .into = 1, .features = SCENE_SHARE | SCENE_RECLAIM | SCENE_VERIFY},
        800);
}

Test(crash, a_child_that_becomes_the_base_with_shared_bytes)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .features = SCENE_SHARE | SCENE_UP | SCENE_DELETE}, 800);
}

Test(crash, space_given_back_on_the_way)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_RECLAIM}, 1100);
}

Test(crash, space_of_several_layers_given_back_on_the_way)
{
    explore((struct scene_recipe){.layers = 5, .child = 3, .features = SCENE_RECLAIM | SCENE_DIRTY}, 1100);
}

Test(crash, space_of_several_layers_given_back_before_they_are_removed)
{
    explore(
        (struct scene_recipe){
            .layers = 5, .child = 4, .into = 1, .features = SCENE_RECLAIM | SCENE_LARGER | SCENE_DELETE | SCENE_VERIFY},
        1100);
}

Test(crash, a_child_that_becomes_the_base)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_UP | SCENE_DIRTY}, 1000);
}

Test(crash, a_child_that_becomes_the_base_in_windows)
{
    explore((struct scene_recipe){.layers = 4, .child = 2, .features = SCENE_UP | SCENE_WINDOWS | SCENE_LARGER}, 1000);
}

Test(crash, a_child_that_takes_the_name_of_its_parent)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_UP | SCENE_DELETE}, 1000);
}

Test(crash, a_child_below_another_that_takes_the_name_of_the_base)
{
    explore((struct scene_recipe){.layers = 5, .child = 3, .features = SCENE_UP | SCENE_DELETE | SCENE_DIRTY}, 1500);
}

Test(crash, chains_at_random_merged_upwards)
{
    explore((struct scene_recipe){.features = SCENE_MODEL | SCENE_UP}, 1000);
}

Test(crash, chains_at_random)
{
    explore((struct scene_recipe){.features = SCENE_MODEL}, 1100);
}

Test(crash, a_chain_written_to_a_new_disk)
{
    explore((struct scene_recipe){.command = SCENE_FLATTEN, .layers = 3, .child = 2, .features = SCENE_DIRTY}, 800);
}

Test(crash, a_chain_shared_with_a_new_disk)
{
    explore((struct scene_recipe){.command = SCENE_FLATTEN, .layers = 3, .child = 2, .features = SCENE_SHARE}, 500);
}

Test(crash, a_chain_converted)
{
    explore((struct scene_recipe){.command = SCENE_CONVERT, .layers = 3, .child = 2, .features = SCENE_DIRTY}, 600);
}

Test(crash, a_chain_converted_to_a_fixed_disk)
{
    explore((struct scene_recipe){.command = SCENE_CONVERT_FIXED, .layers = 2, .child = 1, .features = SCENE_SHARE},
            400);
}

Test(crash, a_chain_converted_to_vhds)
{
    explore((struct scene_recipe){.command = SCENE_CONVERT_VHD, .layers = 2, .child = 1}, 400);
    explore((struct scene_recipe){.command = SCENE_CONVERT_VHD_FIXED, .layers = 2, .child = 1}, 200);
}

Test(crash, a_new_disk)
{
    explore((struct scene_recipe){.command = SCENE_CREATE, .layers = 1}, 300);
}

Test(crash, a_new_fixed_disk)
{
    explore((struct scene_recipe){.command = SCENE_CREATE_FIXED, .layers = 1}, 300);
}

Test(crash, a_new_differencing_disk)
{
    explore((struct scene_recipe){.command = SCENE_FORK, .layers = 2, .child = 1}, 300);
}

Test(crash, a_child_linked_to_another_place)
{
    explore((struct scene_recipe){.command = SCENE_RELINK, .layers = 3, .child = 1, .features = SCENE_DIRTY_CHILD},
            300);
}

Test(crash, a_base_compacted)
{
    explore((struct scene_recipe){.command = SCENE_COMPACT, .layers = 1, .features = SCENE_SCATTERED}, 2000);
}

Test(crash, a_base_with_children_compacted_in_windows)
{
    explore((struct scene_recipe){.command = SCENE_COMPACT,
                                  .layers = 3,
                                  .features = SCENE_SCATTERED | SCENE_WINDOWS | SCENE_DIRTY},
            2500);
}

Test(crash, a_child_compacted)
{
    explore((struct scene_recipe){.command = SCENE_COMPACT,
                                  .layers = 2,
                                  .child = 1,
                                  .features = SCENE_SCATTERED | SCENE_WINDOWS | SCENE_LARGER},
            2500);
}

Test(crash, a_layer_in_between_compacted)
{
    explore((struct scene_recipe){.command = SCENE_COMPACT,
                                  .layers = 4,
                                  .child = 2,
                                  .features = SCENE_SCATTERED | SCENE_DIRTY_CHILD | SCENE_SMALLER},
            2000);
}

Test(crash, a_disk_compacted_where_sparse_files_do_harm)
{
    explore((struct scene_recipe){.command = SCENE_COMPACT,
                                  .layers = 2,
                                  .child = 1,
                                  .features = SCENE_SCATTERED | SCENE_NTFS | SCENE_WINDOWS},
            1500);
}
