/* Classification: whatever the records are, nothing that is needed is proposed to go. */
/* SPDX-License-Identifier: MIT */
#include "classify_parts.h"

TestSuite(classify_chance, .init = open_estate, .fini = close_estate);

/* ---- chance ---- */

struct wild {
    uint64_t random;
    size_t count;
    size_t parents[64]; /* by the builder's numbers; VHDX_NONE = a base */
    char paths[64][96];
    bool named[64], kept[64];
    bool by_checkpoint[64];
};

/* Trees of up to 40 disks in a few folders, some named, with moved parents, copies, sets, damage, and configurations
 * that were read in part. */
static void build_wild(struct wild *w)
{
    static const char *const folders[] = {"/vms/a", "/vms/b", "/vms/web/Virtual Hard Disks", "/vms/vhdx-quarantine"};
    w->count = 1 + (size_t)bld_random_below(&w->random, 40);
    bool tall = bld_random_below(&w->random, 2) == 0;
    for (size_t i = 0; i < w->count; i++) {
        bool is_base = i == 0 || bld_random_below(&w->random, 4) == 0;
        size_t folder = (size_t)bld_random_below(&w->random, 16);
        folder = folder < 12 ? 0 : folder - 12;
        snprintf(w->paths[i], sizeof w->paths[i], "%s/disk %zu.%s", folders[folder], i, is_base ? "vhdx" : "avhdx");
        w->parents[i] = is_base ? VHDX_NONE : (size_t)bld_random_below(&w->random, i);
        if (tall && !is_base && bld_random_below(&w->random, 8) != 0)
            w->parents[i] = i - 1;
        char relative[128];
        if (!is_base)
            snprintf(relative, sizeof relative, ".\\%s", strrchr(w->paths[w->parents[i]], '/') + 1);
        size_t number = is_base ? est_base(&e, w->paths[i]) : est_child(&e, w->paths[i], w->parents[i], relative);
        if (folder == 3)
            est_at(&e, number)->pub.flags |= VHDX_DISK_FLAG_QUARANTINED;
        est_at(&e, number)->locked = bld_random_below(&w->random, 40) == 0;
        est_at(&e, number)->truncated = bld_random_below(&w->random, 40) == 0;
        w->kept[i] = est_at(&e, number)->locked;
        w->named[i] = bld_random_below(&w->random, 5) == 0;
        if (w->named[i]) {
            char windows[160];
            snprintf(windows, sizeof windows, "D:%s", w->paths[i]);
            for (char *c = windows; *c; c++)
                *c = *c == '/' ? '\\' : *c;
            w->by_checkpoint[i] = bld_random_below(&w->random, 2) == 0;
            size_t vm = est_machine(&e, "/vms/x.xml", "m", w->by_checkpoint[i], windows);
            est_info(&e, vm)->has_checkpoint_count = bld_random_below(&w->random, 2) == 0;
        }
    }
    for (size_t i = 0; i < w->count; i++) /* whatever lies below a named disk is needed */
        for (size_t at = i; w->named[i] && at != VHDX_NONE; at = w->parents[at])
            w->kept[at] = true;
    if (bld_random_below(&w->random, 10) == 0)
        est_unreadable(&e, "/vms/a/broken.vhdx");
    e.estate->totals.complete_asked = bld_random_below(&w->random, 2) == 0;
    e.estate->totals.data_compared = bld_random_below(&w->random, 2) == 0;
}

static size_t children_of(const struct wild *w, size_t number)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        count += w->parents[i] == number;
    return count;
}

static size_t number_of(const struct wild *w, const char *path)
{
    size_t number = 0;
    while (number < w->count && strcmp(w->paths[number], path) != 0)
        number++;
    return number;
}

/* Whatever is written to, or read otherwise, has one child and no name; the last may be what a machine alone names. */
static void check_merge(const struct wild *w, const vhdx_found_step *step, uint64_t seed)
{
    size_t top = number_of(w, e.estate->disks[step->file].pub.path), at = top;
    char into[128] = "";
    cr_assert_lt(top, w->count);
    cr_assert(!w->named[top] || (!w->by_checkpoint[top] && children_of(w, top) == 0), "seed %llu: %s",
              (unsigned long long)seed, step->text);
    cr_assert_leq(children_of(w, top), 1);
    do {
        at = w->parents[at];
        cr_assert_neq(at, VHDX_NONE, "seed %llu: %s", (unsigned long long)seed, step->text);
        cr_assert(!w->named[at] && children_of(w, at) == 1, "seed %llu: %s of %s", (unsigned long long)seed,
                  w->paths[at], step->text);
        snprintf(into, sizeof into, "--into '%s' ", w->paths[at]);
    } while (!strstr(step->text, into));
}

static size_t check_merges(const struct wild *w, uint64_t seed)
{
    size_t count = 0;
    for (size_t f = 0; f < e.estate->family_count; f++)
        for (size_t s = 0; s < e.estate->families[f].step_count; s++)
            if (e.estate->families[f].steps[s].kind == VHDX_STEP_MERGE) {
                check_merge(w, &e.estate->families[f].steps[s], seed);
                count++;
            }
    return count;
}

/* Moving and removing in the order of the steps: at each, nothing that is still there may hang on what goes. */
static void check_steps(const struct wild *w, uint64_t seed)
{
    bool gone[64] = {false};
    for (size_t f = 0; f < e.estate->family_count; f++) {
        const vhdx_found_family *family = &e.estate->families[f];
        for (size_t s = 0; s < family->step_count; s++) {
            const vhdx_found_step *step = &family->steps[s];
            if (step->kind != VHDX_STEP_QUARANTINE && step->kind != VHDX_STEP_DELETE)
                continue;
            const char *path = e.estate->disks[step->file].pub.path;
            size_t number = 0;
            while (number < w->count && strcmp(w->paths[number], path) != 0)
                number++;
            cr_assert_lt(number, w->count, "seed %llu: %s", (unsigned long long)seed, path);
            cr_assert_not(w->kept[number], "seed %llu: %s is needed, and yet: %s", (unsigned long long)seed, path,
                          step->text);
            cr_assert_neq(w->parents[number], VHDX_NONE, "seed %llu: a base", (unsigned long long)seed);
            for (size_t i = 0; i < w->count; i++)
                cr_assert(w->parents[i] != number || gone[i] || strstr(w->paths[i], "quarantine"),
                          "seed %llu: %s hangs on %s", (unsigned long long)seed, w->paths[i], path);
            cr_assert(step->kind == VHDX_STEP_QUARANTINE || family->may_delete);
            gone[number] = true;
        }
    }
}

Test(classify_chance, in_thousands_of_random_trees_nothing_that_is_needed_is_proposed_to_go, .fini = NULL)
{
    size_t moved = 0, merged = 0;
    est_close(&e);
    for (uint64_t seed = 1; seed <= 5000; seed++) {
        struct wild w = {.random = seed};
        vhdx_error err;
        est_open(&e);
        build_wild(&w);
        cr_assert_eq(vx_estate_relate(e.estate, &err), VHDX_OK);
        for (size_t i = 0; i < e.estate->disk_count; i++) /* as if contents had been compared, with any outcome */
            if (e.estate->totals.data_compared && e.estate->disks[i].pub.status == VHDX_DISK_STATUS_ORPHAN)
                e.estate->disks[i].pub.comparison = (vhdx_comparison)bld_random_below(&w.random, 4);
        cr_assert_eq(vx_estate_advise(e.estate, &err), VHDX_OK);
        check_steps(&w, seed);
        merged += check_merges(&w, seed);
        moved += est_has_step(&e, VHDX_STEP_QUARANTINE, NULL) || est_has_step(&e, VHDX_STEP_DELETE, NULL);
        est_close(&e);
    }
    cr_expect_gt(moved, 200, "only %zu trees had anything to move: the test tests nothing", moved);
    cr_expect_gt(merged, 50, "only %zu merges were proposed: the test tests nothing", merged);
    est_open(&e);
}
