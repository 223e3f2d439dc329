/*
 * The sparse array of pages, against a plain array of kinds.
 */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "io/pages.h"

Test(pages, an_empty_array_is_absent_to_the_end)
{
    struct vx_pages pages;
    vx_pages_init(&pages, 4096);
    cr_expect_eq(vx_pages_find(&pages, 0).kind, VX_PAGE_ABSENT);
    cr_expect_geq(vx_pages_find(&pages, 5).count, UINT64_C(1) << 52);
    vx_pages_clear(&pages);
}

Test(pages, a_page_keeps_what_is_stored_in_it)
{
    struct vx_pages pages;
    vx_pages_init(&pages, 16);
    uint64_t far = (UINT64_C(1) << 51) - 1;
    vx_pages_make(&pages, 3)[5] = 7;
    vx_pages_make(&pages, far)[15] = 9;
    cr_expect_eq(vx_pages_make(&pages, 3)[5], 7);
    cr_expect_eq(vx_pages_find(&pages, far).data[15], 9);
    cr_expect_eq(vx_pages_find(&pages, far - 1).kind, VX_PAGE_ABSENT);
    vx_pages_clear(&pages);
    cr_expect_eq(pages.memory, 0u);
}

Test(pages, a_run_of_zeros_costs_no_memory_worth_speaking_of)
{
    struct vx_pages pages;
    vx_pages_init(&pages, 4096);
    cr_assert(vx_pages_fill(&pages, 1, UINT64_C(1) << 50, VX_PAGE_ZERO));
    cr_expect_eq(vx_pages_find(&pages, UINT64_C(1) << 49).kind, VX_PAGE_ZERO);
    cr_expect_eq(vx_pages_find(&pages, 0).kind, VX_PAGE_ABSENT);
    cr_expect_eq(vx_pages_find(&pages, (UINT64_C(1) << 50) + 1).kind, VX_PAGE_ABSENT);
    cr_expect_lt(pages.memory, 16384u);
    vx_pages_clear(&pages);
    cr_expect_eq(pages.memory, 0u);
}

#define MODEL_PAGES 9000u

static uint32_t next_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void check_against(const struct vx_pages *pages, const unsigned char *model, uint32_t seed)
{
    for (uint64_t i = 0; i < MODEL_PAGES; i++) {
        struct vx_page_run run = vx_pages_find(pages, i);
        cr_assert_eq(run.kind, model[i], "seed %u, page %u", seed, (unsigned)i);
        cr_assert_gt(run.count, 0u);
        for (uint64_t j = i; j < MODEL_PAGES && j - i < run.count && j - i < 100; j++)
            cr_assert_eq(model[j], model[i], "seed %u, page %u: the run is too long", seed, (unsigned)i);
    }
}

Test(pages, random_changes_agree_with_a_plain_array)
{
    for (uint32_t seed = 1; seed <= 20; seed++) {
        static unsigned char model[MODEL_PAGES];
        struct vx_pages pages;
        uint32_t state = seed;
        memset(model, VX_PAGE_ABSENT, sizeof model);
        vx_pages_init(&pages, 8);
        for (int step = 0; step < 60; step++) {
            uint32_t first = next_number(&state) % MODEL_PAGES;
            uint32_t last = first + next_number(&state) % (MODEL_PAGES - first);
            uint32_t kind = next_number(&state) % 3;
            if (kind == VX_PAGE_DATA) {
                cr_assert(vx_pages_make(&pages, first) != NULL);
                last = first;
            } else {
                cr_assert(vx_pages_fill(&pages, first, last, (enum vx_page_kind)kind));
            }
            memset(model + first, (int)kind, last - first + 1);
        }
        check_against(&pages, model, seed);
        vx_pages_clear(&pages);
        cr_expect_eq(pages.memory, 0u);
    }
}
