/*
 * What a merge does to each payload block of the target, decided from what the merged layers say about it and from the
 * block's state (the whole matrix of states). Decides; changes nothing. Zeros
 * of a merged layer are content; they must end up in the target, and what is transparent must not.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_MERGE_MERGE_PLAN_H
#define VX_MERGE_MERGE_PLAN_H

#include "chain/layered.h"
#include "format/bat.h"

enum vx_block_action {
    VX_BLOCK_KEEP,          /* nothing to do */
    VX_BLOCK_ZERO,          /* state ZERO, its space is released */
    VX_BLOCK_OVERWRITE,     /* present: bytes change in place, the entry stays */
    VX_BLOCK_ALLOCATE,      /* new place, FULLY_PRESENT; what the layers do not say becomes zeros */
    VX_BLOCK_ALLOCATE_PART, /* new place, PARTIALLY_PRESENT */
    VX_BLOCK_EXTEND_PART,   /* PARTIALLY_PRESENT: bytes and bits change in place */
    VX_BLOCK_COMPLETE_PART, /* PARTIALLY_PRESENT becomes FULLY_PRESENT: what no layer holds becomes zeros */
};

/*
 * Which way: down, the layers above go into the target; up, the target is the topmost layer, takes what it lacks from
 * those below it, and becomes a base. What the target holds itself (own pieces) stays where it is.
 */
enum vx_direction { VX_DIRECTION_DOWN, VX_DIRECTION_UP };

struct vx_block_plan {
    uint64_t block;                       /* payload block of the target */
    uint64_t virtual_offset, virtual_end; /* the part of it that is on the merged disk */
    struct vx_piece *pieces;              /* what the layers hold in it, ascending, never transparent */
    size_t piece_count, piece_room;
    bool any_data, any_zero; /* own pieces not counted */
    bool full;               /* no byte of the part is transparent */
    enum vx_direction direction;
    struct vx_bat_entry entry; /* of the target, as it is */
    enum vx_block_action action;
};

/* Layers to be merged, and where to. */
struct vx_merge_task {
    struct vx_chain *chain;
    /* down: the layers [0, layer_count) go into the target; up: [1, layer_count) into layer 0 */
    size_t layer_count;
    struct vx_image *target; /* down: the next layer, or an empty new image; up: layer 0 */
    uint64_t virtual_size;   /* of the merged disk */
    uint64_t begin;          /* the first block of the target's that is looked at begins here */
    enum vx_direction direction;
    bool keep_zeros;                   /* holes and zeros of the layers are data like any other */
    const vhdx_merge_options *options; /* for their progress callback; NULL: not wanted */
};

/* Whether the piece is the target's own (up). */
static inline bool vx_piece_is_own(const struct vx_block_plan *plan, const struct vx_piece *piece)
{
    return plan->direction == VX_DIRECTION_UP && piece->layer == 0;
}

/* A walk over the target's blocks that the layers say something about. */
struct vx_planner;

vhdx_status vx_planner_open(const struct vx_merge_task *task, struct vx_planner **planner, vhdx_error *err);
/* Takes NULL. */
void vx_planner_close(struct vx_planner *planner);
/*
 * The next block in which something is to be done, without its entry and action: NULL at the end. Valid until the next
 * call.
 */
vhdx_status vx_planner_next(struct vx_planner *planner, struct vx_block_plan **plan, vhdx_error *err);
/* Sets `plan->entry` and `plan->action`. */
void vx_merge_plan_decide(const struct vx_image *target, struct vx_block_plan *plan, const struct vx_bat_entry *entry);
/* Appends a piece, joined with the last one where both continue. */
vhdx_status vx_merge_plan_add_piece(struct vx_block_plan *plan, const struct vx_piece *piece, vhdx_error *err);

static inline bool vx_merge_plan_allocates(const struct vx_block_plan *plan)
{
    return plan->action == VX_BLOCK_ALLOCATE || plan->action == VX_BLOCK_ALLOCATE_PART;
}

/* Bytes change in a block that is there. */
static inline bool vx_merge_plan_is_in_place(const struct vx_block_plan *plan)
{
    return plan->action == VX_BLOCK_OVERWRITE || plan->action == VX_BLOCK_EXTEND_PART ||
           plan->action == VX_BLOCK_COMPLETE_PART;
}

#endif
