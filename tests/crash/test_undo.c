/*
 * Power cuts in merges that write an undo file. In each state the child reads as before, as without one; and from each
 * state `undo` gives back every file byte for byte: at once, after the same merge has been run again to its end, and
 * after the undo itself was cut off. VHDX_CRASH_SEED=N runs that seed only, VHDX_CRASH_STATES=N visits N times as many
 * states (VHDX_SLOW: 20 times).
 */
/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include "files.h"
#include "inside.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define SEEDS 2
#define STATES 14 /* a seed */
#define UNDO "/undo/of-merge"

struct protected_scene {
    struct scene scene;
    uint64_t digests[SCENE_MAX_LAYERS];
    uint64_t seed, chance;
    char where[256];
};

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static vhdx_status merge(const struct scene *scene, struct crash_host *host, vhdx_error *err)
{
    const struct scene_recipe *recipe = &scene->recipe;
    if (recipe->command == SCENE_COMPACT) {
        struct scene compact = *scene;
        compact.recipe.features |= SCENE_UNDO | SCENE_WINDOWS;
        return scene_run(&compact, crash_host_interface(host), err);
    }
    const vhdx_merge_options options = {
        .struct_size = sizeof options,
        .host = crash_host_interface(host),
        .into = scene->layers[recipe->into].path,
        .direction = recipe->features & SCENE_UP ? VHDX_DIRECTION_UP : VHDX_DIRECTION_DOWN,
        .window_bytes = 1u << 20,
        .undo = UNDO,
    };
    return vhdx_merge(scene->layers[recipe->child].path, &options, NULL, err);
}

static void complain(const struct protected_scene *p, const char *what, const vhdx_error *err)
{
    char text[2048] = "";
    if (err)
        vhdx_error_format(err, text, sizeof text);
    cr_assert_fail("%s %s\n    %s\n    %s", what, text, scene_text(&p->scene), p->where);
}

static void must_be_old(const struct protected_scene *p, struct crash_host *host, const char *what)
{
    for (size_t i = 0; i < p->scene.recipe.layers; i++) {
        uint64_t digest;
        if (!files_digest(crash_host_interface(host), p->scene.layers[i].path, &digest) || digest != p->digests[i])
            complain(p, what, NULL);
    }
}

/* Where the undo file was not begun nothing was changed. */
static void undo(const struct protected_scene *p, struct crash_host *host, const char *what)
{
    const vhdx_undo_options options = {.struct_size = sizeof options, .host = crash_host_interface(host)};
    vhdx_error err;
    vhdx_status status = vhdx_undo(UNDO, &options, NULL, &err);
    if (status != VHDX_OK && status != VHDX_NOT_FOUND && status != VHDX_NOT_VHDX && status != VHDX_TRUNCATED)
        complain(p, what, &err);
    must_be_old(p, host, what);
}

/* The undo is cut off somewhere, and done again. */
static void undo_cut_off(struct protected_scene *p, const struct crash_host *host)
{
    struct crash_host *copy = crash_host_copy(host, 1);
    crash_host_record(copy);
    undo(p, copy, "undo:");
    crash_host_record_end(copy);
    struct crash_cut *cut = crash_cut_by_chance(copy, &p->chance);
    struct crash_host *after = crash_cut_host_by_chance(cut, &p->chance);
    undo(p, after, "undo after an undo that was cut off:");
    crash_host_free(after);
    crash_cut_free(cut);
    crash_host_free(copy);
}

static void visit(struct protected_scene *p, const struct crash_cut *cut)
{
    struct crash_host *after = crash_cut_host_by_chance(cut, &p->chance);
    const char *wrong = scene_check_leaves(&p->scene, after);
    vhdx_error err;
    if (wrong)
        complain(p, wrong, NULL);
    undo_cut_off(p, after);
    if (merge(&p->scene, after, &err) != VHDX_OK)
        complain(p, "the second run:", &err);
    undo(p, after, "undo after the second run:");
    crash_host_free(after);
}

static void explore_seed(const struct scene_recipe *recipe, uint64_t seed)
{
    static struct protected_scene p;
    p = (struct protected_scene){.seed = seed, .chance = seed * 31 + 7};
    struct crash_host *host = crash_host_new(seed);
    vhdx_error err;
    scene_build(&p.scene, recipe, seed, host);
    for (size_t i = 0; i < p.scene.recipe.layers; i++)
        cr_assert(files_digest(crash_host_interface(host), p.scene.layers[i].path, &p.digests[i]));
    crash_host_record(host);
    if (merge(&p.scene, host, &err) != VHDX_OK)
        complain(&p, "the merge:", &err);
    crash_host_record_end(host);
    uint64_t calls = crash_host_trace_length(host), factor = getenv("VHDX_SLOW") ? 20 : 1;
    uint64_t states = (getenv("VHDX_SANITIZED") ? 6 : STATES) * number_from("VHDX_CRASH_STATES", factor);
    struct crash_cut *cut = crash_cut_new(host);
    for (uint64_t i = 0; i < states; i++) {
        uint64_t place = i * (calls + 1) / states;
        for (; crash_cut_place(cut) < place; crash_cut_advance(cut))
            ;
        snprintf(p.where, sizeof p.where, "seed %llu, cut before call %llu of %llu", (unsigned long long)seed,
                 (unsigned long long)place, (unsigned long long)calls);
        visit(&p, cut);
    }
    crash_cut_free(cut);
    crash_host_free(host);
}

static void explore(struct scene_recipe recipe)
{
    uint64_t wanted = number_from("VHDX_CRASH_SEED", UINT64_MAX);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        explore_seed(&recipe, wanted == UINT64_MAX ? seed : wanted);
}

Test(undo_after_power_cut, a_child_and_its_parent)
{
    explore((struct scene_recipe){.layers = 2, .child = 1});
}

Test(undo_after_power_cut, dirty_logs)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .into = 1, .features = SCENE_DIRTY});
}

Test(undo_after_power_cut, a_child_larger_than_its_parent)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .into = 1, .features = SCENE_LARGER});
}

Test(undo_after_power_cut, several_layers_below_another)
{
    explore((struct scene_recipe){.layers = 4, .child = 2, .features = SCENE_DIRTY_TARGET});
}

Test(undo_after_power_cut, a_parent_whose_blocks_are_all_there)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_FULL | SCENE_NTFS});
}

Test(undo_after_power_cut, a_bat_that_must_move)
{
    explore((struct scene_recipe){.layers = 2, .child = 1, .features = SCENE_HUGE});
}

Test(undo_after_power_cut, a_merge_upwards)
{
    explore((struct scene_recipe){.layers = 3, .child = 2, .features = SCENE_UP});
}

Test(undo_after_power_cut, chains_at_random)
{
    explore((struct scene_recipe){.features = SCENE_MODEL});
}

Test(undo_after_power_cut, a_child_compacted)
{
    explore((struct scene_recipe){
        .command = SCENE_COMPACT, .layers = 2, .child = 1, .features = SCENE_SCATTERED | SCENE_DIRTY_CHILD});
}

Test(undo_after_power_cut, a_base_compacted)
{
    explore((struct scene_recipe){.command = SCENE_COMPACT, .layers = 2, .features = SCENE_SCATTERED | SCENE_NTFS});
}
