/*
 * Ranges of a file, each with an owner: which structure claims which range, which ranges are claimed twice, and which
 * are unallocated. An owner is a number for its kind and one for its place among its kind; what they mean is the
 * caller's business. Sort before asking; the questions are for a sorted set only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_BASE_RANGES_H
#define VX_BASE_RANGES_H

#include "base/status.h"

struct vx_range {
    uint64_t offset;
    uint64_t length;
    uint32_t owner_kind;
    uint64_t owner_index;
};

/* Begins as all zeros; vx_ranges_clear() gives its memory back and makes it so again. */
struct vx_ranges {
    struct vx_range *items;
    size_t count;
    size_t room;
};

/* A range that would go beyond 2^64 - 1 is cut there, an empty one is left out. false: no memory, nothing was added. */
bool vx_ranges_add(struct vx_ranges *ranges, const struct vx_range *range);
/* By offset; those that begin together by the kind and the index of their owner. */
void vx_ranges_sort(struct vx_ranges *ranges);
void vx_ranges_clear(struct vx_ranges *ranges);

/* Two ranges that share bytes; the first begins no later than the second. */
struct vx_overlap {
    const struct vx_range *first, *second;
    uint64_t offset, length; /* of what they share */
    size_t next;             /* where to go on looking */
};

/*
 * Finds the next overlap; `overlap` begins as all zeros. Each range comes at most once as the `second`, together with
 * that earlier range that reaches farthest: n ranges in one place give n - 1 overlaps, not all pairs.
 */
bool vx_ranges_next_overlap(const struct vx_ranges *ranges, struct vx_overlap *overlap);

struct vx_gap {
    uint64_t offset, length;
    size_t next;
};

/* Finds the next unallocated bytes below `end`; `gap` begins as all zeros, or with `offset` where to begin. */
bool vx_ranges_next_gap(const struct vx_ranges *ranges, uint64_t end, struct vx_gap *gap);

#endif
