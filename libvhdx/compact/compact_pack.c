/*
 * Packing on paper. See compact_pack.h. Easy to get wrong: a small object spoils a hole for payload blocks, so it goes
 * first where they have no room; and it may be the last one again, when the end has come down to its new place.
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact_pack.h"

#include "base/alloc.h"
#include "image/space.h"

#include <stdlib.h>

#define UNIT VX_OBJECT_ALIGNMENT

vhdx_status vx_pack_add(struct vx_pack *pack, const struct vx_object *object, vhdx_error *err)
{
    struct vx_object *objects = vx_room_for(pack->objects, pack->count, &pack->room, sizeof *objects);
    if (!objects)
        return vx_fail_memory(err, "the plan of a compaction");
    pack->objects = objects;
    pack->objects[pack->count] = *object;
    pack->objects[pack->count++].to = object->from;
    return VHDX_OK;
}

void vx_pack_clear(struct vx_pack *pack)
{
    vx_free(pack->objects);
    *pack = (struct vx_pack){0};
}

static int by_place(const void *a, const void *b)
{
    const struct vx_object *left = a, *right = b;
    return (left->from > right->from) - (left->from < right->from);
}

struct packer {
    struct vx_space *space;
    uint64_t block_size;
    uint64_t payload_at; /* no hole before it has room for a payload block, as far as is known */
    uint64_t small_at;   /* likewise no small hole for a small object */
    bool no_small_holes;
    size_t left;        /* objects before this one are where they were */
    uint64_t moved_end; /* where the last of the others ends */
};

/* A hole for a payload block below `end`. The pointer only goes up; what it left behind is looked at once more in the
 * end. */
static bool payload_hole(struct packer *packer, uint64_t end, uint64_t *place)
{
    if (!vx_space_find(packer->space, packer->payload_at, end, packer->block_size, place) &&
        !vx_space_find(packer->space, 0, end, packer->block_size, place))
        return false;
    packer->payload_at = *place + packer->block_size;
    return true;
}

/* The end of the free run at `place`. */
static uint64_t run_end(const struct packer *packer, uint64_t place, uint64_t end)
{
    while (place < end && !vx_space_is_used(packer->space, place))
        place += UNIT;
    return place;
}

/* A hole in which no payload block has room. */
static bool small_hole(struct packer *packer, uint64_t end, uint64_t length, uint64_t *place)
{
    while (!packer->no_small_holes && packer->small_at < end) {
        uint64_t at = packer->small_at;
        uint64_t stop = run_end(packer, at, end);
        uint64_t run = stop - at;
        if (run >= length && run < packer->block_size) {
            packer->small_at = at + length;
            *place = at;
            return true;
        }
        packer->small_at = vx_max(stop, at + UNIT);
    }
    packer->no_small_holes = length == UNIT;
    packer->small_at = packer->no_small_holes ? packer->small_at : 0;
    return false;
}

static bool object_hole(struct packer *packer, uint64_t end, uint64_t length, uint64_t *place)
{
    if (small_hole(packer, end, length, place))
        return true;
    if (length < packer->block_size && payload_hole(packer, end, place)) {
        packer->payload_at = *place + length; /* payload blocks go on right behind it */
        return true;
    }
    return vx_space_find(packer->space, 0, end, length, place);
}

/* The object that ends at `end`, in its old place or in one that the plan has given it; NULL: a payload block does. */
static struct vx_object *last_object(const struct vx_pack *pack, const struct packer *packer)
{
    struct vx_object *last = packer->left > 0 ? &pack->objects[packer->left - 1] : NULL;
    if (last && last->from + last->length >= pack->end)
        return last;
    for (size_t i = packer->left; packer->moved_end >= pack->end && i < pack->count; i++)
        if (pack->objects[i].to + pack->objects[i].length == pack->end)
            return &pack->objects[i];
    return NULL;
}

static void place_object(struct vx_pack *pack, struct packer *packer, struct vx_object *object, uint64_t place)
{
    object->to = place;
    if (packer->left > 0 && object == &pack->objects[packer->left - 1])
        packer->left--;
    packer->moved_end = 0;
    for (size_t i = packer->left; i < pack->count; i++)
        packer->moved_end = vx_max(packer->moved_end, pack->objects[i].to + pack->objects[i].length);
}

void vx_pack_plan(struct vx_pack *pack, struct vx_space *space, uint64_t block_size)
{
    struct packer packer = {.space = space, .block_size = block_size, .left = pack->count};
    if (pack->count > 1)
        qsort(pack->objects, pack->count, sizeof *pack->objects, by_place);
    for (pack->end = vx_space_end(space);;) {
        while (pack->end > 0 && !vx_space_is_used(space, pack->end - UNIT))
            pack->end -= UNIT;
        struct vx_object *last = last_object(pack, &packer);
        uint64_t begin = pack->end - vx_min(last ? last->length : block_size, pack->end), place;
        if (last ? last->kind == VX_OBJECT_FIXED || !object_hole(&packer, begin, last->length, &place)
                 : !payload_hole(&packer, begin, &place))
            return;
        vx_space_claim(space, place, last ? last->length : block_size);
        if (last)
            place_object(pack, &packer, last, place);
        else
            pack->payload_count++;
        pack->end = begin;
    }
}
