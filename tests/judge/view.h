/*
 * The salvage view of a disk (bytes, trust, pieces), as export --salvage has it, and what the strict reader reads. Both
 * go through vhdx.h.
 */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_JUDGE_VIEW_H
#define TESTS_JUDGE_VIEW_H

#include "judge.h"

struct range {
    uint64_t offset, length, file_offset;
    vhdx_salvage_kind kind;
};

struct ranges {
    struct range *items;
    size_t count, room;
};

struct view {
    struct store *store;
    struct store_file *raw;
    vhdx_status status;
    vhdx_error err;
    uint64_t size, good;
    struct ranges not_good, pieces;
};

/* Leaves the store as it is. */
struct view view_look(const struct store *store);
void view_free(struct view *view);
vhdx_salvage_kind view_kind_at(const struct view *view, uint64_t offset);
/* Where what is known of the offset ends. */
uint64_t view_alike_until(const struct ranges *ranges, uint64_t offset);
/* Larger is better; from 2 on something is there. */
unsigned view_trust(vhdx_salvage_kind kind);
/* Whether that place of the file is in one of the pieces. */
bool view_in_pieces(const struct view *view, uint64_t file_offset);

struct reading {
    struct store *store;
    struct store_file *bytes;
    vhdx_status status;
    uint64_t size;
};

/* To be freed with store_free(reading.store). */
struct reading view_read_plainly(struct store *store);

/* merit.c: counts into the verdict what of the true content was had. */
struct merit {
    const struct judge_scene *scene;
    const struct view *before, *salvaged; /* of the damaged disk; after repair --salvage */
    const struct reading *reading;        /* by the strict reader, after repair --salvage */
};

void merit_weigh(const struct merit *merit, struct judge_verdict *verdict);

#endif
