/* File ranges and their owners: who shares bytes with whom, and what belongs to nobody. */
/* SPDX-License-Identifier: MIT */
#include "base/ranges.h"

#include <criterion/criterion.h>

static void add(struct vx_ranges *ranges, uint64_t offset, uint64_t length, uint32_t kind, uint64_t index)
{
    const struct vx_range range = {offset, length, kind, index};
    cr_assert(vx_ranges_add(ranges, &range));
}

Test(ranges, an_empty_set_overlaps_nowhere_and_is_one_gap)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    struct vx_gap gap = {0};
    vx_ranges_sort(&ranges);
    cr_assert_not(vx_ranges_next_overlap(&ranges, &overlap));
    cr_assert(vx_ranges_next_gap(&ranges, 100, &gap));
    cr_assert_eq(gap.offset, 0);
    cr_assert_eq(gap.length, 100);
    cr_assert_not(vx_ranges_next_gap(&ranges, 100, &gap));
    vx_ranges_clear(&ranges);
}

Test(ranges, neighbours_do_not_overlap)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    add(&ranges, 20, 10, 1, 2);
    add(&ranges, 0, 10, 1, 0);
    add(&ranges, 10, 10, 1, 1);
    vx_ranges_sort(&ranges);
    cr_assert_eq(ranges.items[0].owner_index, 0);
    cr_assert_eq(ranges.items[2].owner_index, 2);
    cr_assert_not(vx_ranges_next_overlap(&ranges, &overlap));
    vx_ranges_clear(&ranges);
}

Test(ranges, an_overlap_names_both_owners_and_what_they_share)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    add(&ranges, 15, 10, 7, 70);
    add(&ranges, 10, 10, 5, 50);
    vx_ranges_sort(&ranges);
    cr_assert(vx_ranges_next_overlap(&ranges, &overlap));
    cr_assert_eq(overlap.first->owner_kind, 5);
    cr_assert_eq(overlap.first->owner_index, 50);
    cr_assert_eq(overlap.second->owner_kind, 7);
    cr_assert_eq(overlap.second->owner_index, 70);
    cr_assert_eq(overlap.offset, 15);
    cr_assert_eq(overlap.length, 5);
    cr_assert_not(vx_ranges_next_overlap(&ranges, &overlap));
    cr_assert_not(vx_ranges_next_overlap(&ranges, &overlap));
    vx_ranges_clear(&ranges);
}

Test(ranges, one_long_range_overlaps_each_that_lies_in_it)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    add(&ranges, 0, 100, 1, 0);
    for (uint64_t i = 0; i < 5; i++)
        add(&ranges, 10 + i * 10, 5, 2, i);
    vx_ranges_sort(&ranges);
    for (uint64_t i = 0; i < 5; i++) {
        cr_assert(vx_ranges_next_overlap(&ranges, &overlap));
        cr_assert_eq(overlap.first->owner_kind, 1);
        cr_assert_eq(overlap.second->owner_index, i);
        cr_assert_eq(overlap.length, 5);
    }
    cr_assert_not(vx_ranges_next_overlap(&ranges, &overlap));
    vx_ranges_clear(&ranges);
}

Test(ranges, the_same_place_many_times_is_told_once_for_each_further_claim)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    unsigned found = 0;
    for (uint64_t i = 0; i < 40; i++)
        add(&ranges, 1000, 50, 1, 39 - i);
    vx_ranges_sort(&ranges);
    while (vx_ranges_next_overlap(&ranges, &overlap)) {
        found++;
        cr_assert_eq(overlap.first->owner_index, 0);
        cr_assert_eq(overlap.second->owner_index, found);
    }
    cr_assert_eq(found, 39);
    vx_ranges_clear(&ranges);
}

Test(ranges, a_chain_of_overlaps_names_the_one_that_reaches_farthest)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    add(&ranges, 0, 10, 1, 0);
    add(&ranges, 5, 20, 1, 1);
    add(&ranges, 20, 20, 1, 2);
    vx_ranges_sort(&ranges);
    cr_assert(vx_ranges_next_overlap(&ranges, &overlap));
    cr_assert_eq(overlap.first->owner_index, 0);
    cr_assert_eq(overlap.second->owner_index, 1);
    cr_assert(vx_ranges_next_overlap(&ranges, &overlap));
    cr_assert_eq(overlap.first->owner_index, 1);
    cr_assert_eq(overlap.second->owner_index, 2);
    cr_assert_not(vx_ranges_next_overlap(&ranges, &overlap));
    vx_ranges_clear(&ranges);
}

Test(ranges, gaps_lie_before_between_and_behind)
{
    struct vx_ranges ranges = {0};
    struct vx_gap gap = {0};
    add(&ranges, 10, 30, 1, 0);
    add(&ranges, 15, 5, 1, 1); /* inside of the first: no gap behind it */
    add(&ranges, 50, 10, 1, 2);
    vx_ranges_sort(&ranges);
    const uint64_t expected[][2] = {{0, 10}, {40, 10}, {60, 40}};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(vx_ranges_next_gap(&ranges, 100, &gap));
        cr_assert_eq(gap.offset, expected[i][0]);
        cr_assert_eq(gap.length, expected[i][1]);
    }
    cr_assert_not(vx_ranges_next_gap(&ranges, 100, &gap));
    vx_ranges_clear(&ranges);
}

Test(ranges, gaps_begin_where_told_and_end_at_the_limit)
{
    struct vx_ranges ranges = {0};
    add(&ranges, 10, 10, 1, 0);
    add(&ranges, 50, 10, 1, 1);
    vx_ranges_sort(&ranges);
    struct vx_gap gap = {.offset = 12};
    cr_assert(vx_ranges_next_gap(&ranges, 30, &gap));
    cr_assert_eq(gap.offset, 20);
    cr_assert_eq(gap.length, 10);
    cr_assert_not(vx_ranges_next_gap(&ranges, 30, &gap));
    vx_ranges_clear(&ranges);
}

Test(ranges, empty_ranges_are_left_out_and_endless_ones_cut)
{
    struct vx_ranges ranges = {0};
    struct vx_overlap overlap = {0};
    add(&ranges, 10, 0, 1, 0);
    add(&ranges, UINT64_MAX, UINT64_MAX, 1, 1);
    cr_assert_eq(ranges.count, 0);
    add(&ranges, UINT64_MAX - 10, UINT64_MAX, 1, 2);
    add(&ranges, UINT64_MAX - 5, 5, 1, 3);
    vx_ranges_sort(&ranges);
    cr_assert_eq(ranges.count, 2);
    cr_assert_eq(ranges.items[0].length, 10);
    cr_assert(vx_ranges_next_overlap(&ranges, &overlap));
    cr_assert_eq(overlap.length, 5);
    vx_ranges_clear(&ranges);
}

Test(ranges, clearing_makes_it_empty_and_usable_again)
{
    struct vx_ranges ranges = {0};
    for (uint64_t i = 0; i < 1000; i++)
        add(&ranges, i * 2, 1, 1, i);
    cr_assert_eq(ranges.count, 1000);
    vx_ranges_clear(&ranges);
    cr_assert_eq(ranges.count, 0);
    cr_assert_null(ranges.items);
    add(&ranges, 0, 1, 1, 0);
    cr_assert_eq(ranges.count, 1);
    vx_ranges_clear(&ranges);
}
