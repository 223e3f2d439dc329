/*
 * Rounds of the judge: a random disk, one to three random damages, all commands, all checks. VHDX_JUDGE_SEED is the
 * seed of the first round (each further round has the next one), VHDX_JUDGE_ROUNDS how many there are. With
 * VHDX_JUDGE_KEEP_GOING=1 nothing is left out, failures are counted by check and damage, and a table ends it.
 * VHDX_JUDGE_ONLY=NAME,NAME takes these damages only; VHDX_JUDGE_DUMP=DIR writes the damaged files and the truth there,
 * with VHDX_JUDGE_WHICH=BITS only some of the damages.
 *
 * A failure with several damages is tried again with fewer of them, and told with the fewest that still show it.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge.h"

#define DEFAULT_SEED 20250000
#define NAMES 32768

/* ---- settings --------------------------------------------------------------------------------------------------- */

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* Whether the comma-separated list has the name; no list has all. */
static bool is_chosen(const char *only, const char *name)
{
    size_t length = strlen(name);
    if (!only || !*only)
        return true;
    for (const char *at = strstr(only, name); at; at = strstr(at + 1, name))
        if ((at == only || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* ---- one round -------------------------------------------------------------------------------------------------- */

struct chosen {
    const struct judge_damage *damage;
    uint64_t seed;
};

struct round {
    struct judge_disk *disk;
    struct chosen chosen[JUDGE_DAMAGES];
    size_t count;
};

static const struct judge_damage *choose(const char *only, uint64_t *chance)
{
    uint64_t total = 0, at;
    for (size_t i = 0; i < judge_damage_count(); i++)
        total += is_chosen(only, judge_damage_at(i)->name) ? judge_damage_at(i)->weight : 0;
    cr_assert(total > 0, "no damage of that name");
    at = bld_random_below(chance, total);
    for (size_t i = 0;; i++) {
        uint64_t weight = is_chosen(only, judge_damage_at(i)->name) ? judge_damage_at(i)->weight : 0;
        if (at < weight)
            return judge_damage_at(i);
        at -= weight;
    }
}

/* `only`: of these damages one; NULL = one to three of all. */
static struct round begin_round(uint64_t seed, const char *only)
{
    struct round round = {.disk = judge_disk_new(seed)};
    uint64_t chance = seed ^ UINT64_C(0x6a75646765);
    static const uint8_t counts[] = {1, 1, 1, 2, 2, 3};
    round.count = only ? 1 : counts[bld_random_below(&chance, sizeof counts)];
    if (!only)
        only = getenv("VHDX_JUDGE_ONLY");
    for (size_t i = 0; i < round.count; i++) {
        round.chosen[i].damage = choose(only, &chance);
        round.chosen[i].seed = bld_random(&chance);
    }
    return round;
}

static const struct judge_damage *damage_named(const char *name, size_t length)
{
    for (size_t i = 0; i < judge_damage_count(); i++)
        if (strncmp(judge_damage_at(i)->name, name, length) == 0 && judge_damage_at(i)->name[length] == '\0')
            return judge_damage_at(i);
    cr_assert(length == 1 && *name == '-', "no damage of the name %.*s", (int)length, name);
    return NULL;
}

/* Draws as begin_round() does, whatever it would choose now. *which: those that the row takes. */
static struct round begin_mended(const struct judge_mended *row, unsigned *which)
{
    struct round round = {.disk = judge_disk_new(row->seed)};
    uint64_t chance = row->seed ^ UINT64_C(0x6a75646765);
    *which = 0;
    if (row->whole)
        (void)bld_random(&chance);
    for (const char *at = row->damages; *at; at += at[strcspn(at, ",")] ? strcspn(at, ",") + 1 : strlen(at)) {
        cr_assert_lt(round.count, JUDGE_DAMAGES);
        struct chosen *chosen = &round.chosen[round.count];
        (void)bld_random(&chance);
        *chosen = (struct chosen){damage_named(at, strcspn(at, ",")), bld_random(&chance)};
        *which |= chosen->damage ? 1u << round.count : 0;
        round.count++;
    }
    return round;
}

static struct judge_scene make_scene(const struct round *round, unsigned which)
{
    struct judge_scene scene = {.disk = round->disk,
                                .store = store_copy(round->disk->store, 3),
                                .silent = calloc((size_t)round->disk->block_count, 1),
                                .silent_store = store_new(4)};
    scene.file = store_find(scene.store, JUDGE_LEAF);
    scene.silent_sectors = store_open(scene.silent_store, "/silent");
    scene.harmless = true;
    for (size_t i = 0; i < round->count; i++) {
        if (!(which & 1u << i))
            continue;
        scene.chance = round->chosen[i].seed;
        size_t used = strlen(scene.text);
        snprintf(scene.text + used, sizeof scene.text - used, "%s: ", round->chosen[i].damage->name);
        if (round->chosen[i].damage->apply(&scene))
            scene.harmless = scene.harmless && round->chosen[i].damage->harmless;
        else
            scene.text[used] = '\0';
    }
    judge_settle(&scene);
    return scene;
}

static void end_scene(struct judge_scene *scene)
{
    store_free(scene->store);
    store_free(scene->silent_store);
    free(scene->silent);
}

static struct judge_verdict check(const struct round *round, unsigned which)
{
    struct judge_verdict verdict;
    struct judge_scene scene = make_scene(round, which);
    judge_scene_check(&scene, &verdict);
    end_scene(&scene);
    return verdict;
}

/* The fewest damages that still fail that check. */
static unsigned fewest(const struct round *round, enum judge_check failed)
{
    unsigned all = (1u << round->count) - 1, best = all;
    for (unsigned which = 1; which < all; which++)
        if (__builtin_popcount(which) < __builtin_popcount(best) && check(round, which).failed & 1u << failed)
            best = which;
    return best;
}

/* ---- files for other programs ------------------------------------------------------------------------------------ */

static void dump_file(const char *directory, const char *name, const struct store_file *file)
{
    char path[1024];
    if (!file)
        return;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *out = fopen(path, "wb");
    cr_assert(out, "%s", path);
    for (uint64_t page = store_next(file, 0); page != UINT64_MAX; page = store_next(file, page + 1)) {
        uint64_t left = store_size(file) - page * STORE_PAGE;
        fseeko(out, (off_t)(page * STORE_PAGE), SEEK_SET);
        fwrite(store_page(file, page), 1, left < STORE_PAGE ? (size_t)left : STORE_PAGE, out);
    }
    fclose(out);
    cr_assert_eq(truncate(path, (off_t)store_size(file)), 0);
}

static void dump(const struct round *round)
{
    const char *directory = getenv("VHDX_JUDGE_DUMP");
    if (!directory || !*directory)
        return;
    struct judge_scene scene = make_scene(round, (unsigned)setting("VHDX_JUDGE_WHICH", (1u << round->count) - 1));
    dump_file(directory, "leaf.vhdx", scene.file);
    dump_file(directory, "base.vhdx", store_find(scene.store, JUDGE_BASE));
    dump_file(directory, "whole.vhdx", store_find(round->disk->store, JUDGE_LEAF));
    dump_file(directory, "truth.raw", round->disk->truth);
    end_scene(&scene);
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

struct row {
    char name[200];  /* check and damages */
    char text[2000]; /* of the first one */
    enum judge_area area;
    unsigned count;
    uint64_t seeds[5];
};

struct tally {
    struct row rows[2000];
    size_t row_count;
    uint64_t rounds, failed_rounds, known, checks[JUDGE_CHECK_COUNT];
    uint64_t with_content, all_had, all_in_place, all_read_after, pages, pages_had, pages_in_place;
    uint64_t refused_verify, refused_salvage, refused_plain, refused_repair;
};

static void count_failure(struct tally *tally, const char *name, uint64_t seed, enum judge_area area, const char *text)
{
    size_t i = 0;
    while (i < tally->row_count && strcmp(tally->rows[i].name, name) != 0)
        i++;
    if (i == sizeof tally->rows / sizeof tally->rows[0])
        return;
    struct row *row = &tally->rows[i];
    if (i == tally->row_count) {
        snprintf(row->name, sizeof row->name, "%s", name);
        snprintf(row->text, sizeof row->text, "%s", text);
        row->area = area;
        tally->row_count++;
    }
    if (row->count < 5)
        row->seeds[row->count] = seed;
    row->count++;
}

static void count_merit(struct tally *tally, const struct judge_verdict *verdict)
{
    uint64_t had = verdict->pointed_in_place; /* what nothing points to may be a piece */
    uint64_t others = verdict->in_place - verdict->pointed_in_place + verdict->in_pieces;
    others = vx_min(others, verdict->content - verdict->pointed);
    tally->refused_verify += verdict->refused_verify;
    tally->refused_salvage += verdict->refused_salvage;
    tally->refused_plain += verdict->refused_plain;
    tally->refused_repair += verdict->refused_repair;
    if (verdict->content == 0)
        return;
    tally->with_content++;
    tally->all_had += had + others == verdict->content;
    tally->all_in_place += verdict->in_place == verdict->content;
    tally->all_read_after += verdict->read_after == verdict->in_place;
    tally->pages += verdict->content;
    tally->pages_had += had + others;
    tally->pages_in_place += verdict->in_place;
}

static int by_count(const void *a, const void *b)
{
    const struct row *one = a, *two = b;
    int names = strcmp(one->name, two->name);
    if (one->area != two->area)
        return (int)one->area - (int)two->area;
    return one->count != two->count ? (one->count < two->count) - (one->count > two->count) : names;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 100;
}

static void print_tally(struct tally *tally)
{
    static const char *const areas[] = {"log",
                                        "regions and metadata table",
                                        "sizes",
                                        "BAT and bitmaps",
                                        "headers, pieces of anything, ends of files",
                                        "several at once",
                                        "what was there and was not had (no failures)"};
    qsort(tally->rows, tally->row_count, sizeof tally->rows[0], by_count);
    for (unsigned i = 1; i < JUDGE_CHECK_COUNT; i++)
        if (tally->checks[i])
            printf("%6llu %s\n", (unsigned long long)tally->checks[i], judge_check_name(i));
    for (size_t i = 0; i < tally->row_count; i++) {
        const struct row *row = &tally->rows[i];
        if (i == 0 || row->area != row[-1].area)
            printf("\n## %s\n\n", areas[row->area]);
        printf("%6u %-50s", row->count, row->name);
        for (unsigned k = 0; k < 5 && k < row->count; k++)
            printf(" %llu", (unsigned long long)row->seeds[k]);
        printf("\n");
        if (setting("VHDX_JUDGE_TELL", 0))
            printf("    %s\n", row->text);
    }
}

static void print_merit(const struct tally *tally)
{
    char text[500];
    snprintf(text, sizeof text,
             "%llu rounds, %llu failed (%llu failures known); refused: verify %llu, salvage %llu, repair %llu, repair "
             "--salvage %llu; merit: "
             "all that is there was had in %.2f %% of the rounds (at its place in %.2f %%, readable after repair "
             "--salvage %.2f %%), of the pages %.3f %% (%.3f %%)",
             (unsigned long long)tally->rounds, (unsigned long long)tally->failed_rounds,
             (unsigned long long)tally->known, (unsigned long long)tally->refused_verify,
             (unsigned long long)tally->refused_salvage, (unsigned long long)tally->refused_plain,
             (unsigned long long)tally->refused_repair, percent(tally->all_had, tally->with_content),
             percent(tally->all_in_place, tally->with_content), percent(tally->all_read_after, tally->with_content),
             percent(tally->pages_had, tally->pages), percent(tally->pages_in_place, tally->pages));
    cr_log_info("%s", text);
    if (setting("VHDX_JUDGE_KEEP_GOING", 0))
        printf("%s\n", text);
}

/* ---- rounds ------------------------------------------------------------------------------------------------------ */

static void names_of(const struct round *round, unsigned which, char *text, size_t room)
{
    const char *names[JUDGE_DAMAGES];
    size_t count = 0, used = 0;
    for (size_t i = 0; i < round->count; i++)
        if (which & 1u << i)
            names[count++] = round->chosen[i].damage->name;
    for (size_t i = 1; i < count; i++) /* in one order, for the table */
        for (size_t j = i; j > 0 && strcmp(names[j - 1], names[j]) > 0; j--) {
            const char *kept = names[j];
            names[j] = names[j - 1];
            names[j - 1] = kept;
        }
    text[0] = '\0';
    for (size_t i = 0; i < count; i++, used = strlen(text))
        snprintf(text + used, room - used, "%s%s", i ? " + " : "", names[i]);
}

static void tell(const struct round *round, uint64_t seed, enum judge_check failed, const char *what, unsigned which,
                 char *text, size_t room)
{
    struct judge_scene scene = make_scene(round, which);
    snprintf(text, room, "seed %llu, %s: %s\n  disk: %s\n  %s", (unsigned long long)seed, judge_check_name(failed),
             what, round->disk->text, scene.text);
    end_scene(&scene);
}

static enum judge_area area_of(const struct round *round, unsigned which)
{
    enum judge_area area = round->chosen[__builtin_ctz(which)].damage->area;
    for (size_t i = 0; i < round->count; i++)
        if (which & 1u << i && area != round->chosen[i].damage->area)
            return JUDGE_SEVERAL;
    return area;
}

static bool is_known(const struct round *round, unsigned which, enum judge_check failed)
{
    for (size_t i = 0; i < round->count; i++)
        if (which & 1u << i && judge_is_known(failed, round->chosen[i].damage->name))
            return true;
    return false;
}

static void one_failure(struct tally *tally, const struct round *round, uint64_t seed, enum judge_check failed,
                        const char *what, bool keep_going)
{
    char text[2000], name[200], names[160];
    unsigned which = fewest(round, failed);
    names_of(round, which, names, sizeof names);
    snprintf(name, sizeof name, "%-16s %s", judge_check_name(failed), names);
    tell(round, seed, failed, what, which, text, sizeof text);
    tally->checks[failed]++;
    if (is_known(round, which, failed))
        tally->known++;
    else if (!keep_going)
        cr_assert_fail("%s", text);
    count_failure(tally, name, seed, area_of(round, which), text);
    if (keep_going && setting("VHDX_JUDGE_ROUNDS", 0) <= 20)
        printf("%s", text);
}

/* What was there and was not had is no failure, but worth a look. */
static void count_missed(struct tally *tally, const struct round *round, uint64_t seed, uint64_t place)
{
    char text[2000], name[200], names[160], what[80];
    unsigned all = (1u << round->count) - 1;
    names_of(round, all, names, sizeof names);
    snprintf(name, sizeof name, "%-16s %s", "missed", names);
    snprintf(what, sizeof what, "0x%llx of the file was not had", (unsigned long long)place);
    tell(round, seed, JUDGE_FINE, what, all, text, sizeof text);
    count_failure(tally, name, seed, JUDGE_MISSED, text);
    if (setting("VHDX_JUDGE_ROUNDS", 0) <= 20)
        printf("%s", text);
}

static void one_round(struct tally *tally, uint64_t seed, const char *only, bool keep_going)
{
    struct round round = begin_round(seed, only);
    dump(&round);
    struct judge_verdict verdict = check(&round, (1u << round.count) - 1);
    tally->rounds++;
    tally->failed_rounds += verdict.failed != 0;
    count_merit(tally, &verdict);
    if (keep_going && verdict.first_missed)
        count_missed(tally, &round, seed, verdict.first_missed);
    for (unsigned i = 1; i < JUDGE_CHECK_COUNT; i++)
        if (verdict.failed & 1u << i)
            one_failure(tally, &round, seed, i, verdict.text[i], keep_going);
    judge_disk_free(round.disk);
}

static void run(const char *only, uint64_t rounds)
{
    static struct tally tally;
    uint64_t first = setting("VHDX_JUDGE_SEED", DEFAULT_SEED);
    bool keep_going = setting("VHDX_JUDGE_KEEP_GOING", 0) != 0;
    rounds = setting("VHDX_JUDGE_ROUNDS", setting("VHDX_SANITIZED", 0) ? rounds / 10 : rounds);
    cr_log_info("seed %llu", (unsigned long long)first);
    for (uint64_t i = 0; i < rounds; i++)
        one_round(&tally, first + i, only, keep_going);
    if (keep_going)
        print_tally(&tally);
    print_merit(&tally);
}

Test(judge, no_byte_called_good_is_wrong_and_no_promise_is_broken)
{
    run(NULL, setting("VHDX_SLOW", 0) ? 50000 : 500);
}

/* One entry of a BAT is another one: the campaign that found 80 silent losses among 300. */
Test(judge, a_wrong_entry_of_the_bat_is_never_a_silent_loss)
{
    run("bat-zero,bat-state,bat-place,bat-garbage", 300);
}

/* One field of one structure is another one, and its checksum right. */
Test(judge, a_wrong_field_is_never_a_silent_loss)
{
    run("header-field,region-field,region-count,entry-field,table-header,item-garbage,item-legal,item-size,log-field",
        650);
}

/* Nothing is known to fail in these. */
Test(judge, rounds_that_were_mended_do_not_fail_again)
{
    const struct judge_mended *row;
    for (size_t i = 0; (row = judge_mended_at(i)) != NULL; i++) {
        unsigned which;
        struct round round = begin_mended(row, &which);
        struct judge_verdict verdict = check(&round, which);
        for (unsigned k = 1; k < JUDGE_CHECK_COUNT; k++)
            cr_expect(!(verdict.failed & 1u << k), "seed %llu, %s: %s: %s\n  disk: %s", (unsigned long long)row->seed,
                      row->damages, judge_check_name(k), verdict.text[k], round.disk->text);
        judge_disk_free(round.disk);
    }
}

/* The judge judged: a disk without damage has no failure, and all of it is had. */
Test(judge, finds_nothing_wrong_with_whole_disks)
{
    uint64_t first = setting("VHDX_JUDGE_SEED", DEFAULT_SEED), count = setting("VHDX_SANITIZED", 0) ? 20 : 150;
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct round round = begin_round(seed, NULL);
        struct judge_verdict verdict = check(&round, 0);
        for (unsigned i = 1; i < JUDGE_CHECK_COUNT; i++)
            cr_expect(!(verdict.failed & 1u << i), "seed %llu, %s: %s\n  disk: %s", (unsigned long long)seed,
                      judge_check_name(i), verdict.text[i], round.disk->text);
        cr_expect_eq(verdict.in_place, verdict.content, "seed %llu: %s", (unsigned long long)seed, round.disk->text);
        judge_disk_free(round.disk);
    }
}
