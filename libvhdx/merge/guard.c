/*
 * What the neighbours of a chain mean for a merge. See guard.h. Whether a refusal may be overruled is checks.c's to
 * decide.
 */
/* SPDX-License-Identifier: MIT */
#include "merge/guard.h"

#include "base/alloc.h"
#include "base/guid.h"

#include <string.h>

static bool links_to(const struct vx_neighbour *neighbour, const vhdx_guid *guid)
{
    return neighbour->has_linkage && vx_guid_equal(&neighbour->linkage, guid);
}

static bool links2_to(const struct vx_neighbour *neighbour, const vhdx_guid *guid)
{
    return neighbour->has_linkage2 && vx_guid_equal(&neighbour->linkage2, guid);
}

static bool is_layer_identity(const struct vx_chain *chain, const vhdx_guid *guid)
{
    for (size_t i = 0; i < chain->count; i++)
        if (vx_guid_equal(&chain->layers[i]->header.data_write_guid, guid))
            return true;
    return false;
}

/*
 * A merge of several layers with removal links the child to the target first: linkage then still names the former
 * parent, linkage2 the target. Where the former parent is still there and its line leads to the target, or to a file
 * that is gone, it and those below it are what that run had yet to remove.
 */
static void find_leftovers(const struct vx_chain *chain, size_t into, const struct vx_neighbours *neighbours,
                           struct vx_guard *guard)
{
    const vhdx_parent_names *names = &chain->layers[0]->parent_names;
    const vhdx_guid *target = &chain->layers[into]->header.data_write_guid;
    if (into != 1 || !names->has_linkage || !names->has_linkage2 || !vx_guid_equal(&names->linkage2, target))
        return;
    const struct vx_neighbour *at = vx_neighbour_find(neighbours, &names->linkage);
    vhdx_guid parent;
    while (at && guard->leftover_count < neighbours->count && vx_neighbour_parent(neighbours, at, target, &parent)) {
        guard->leftovers[guard->leftover_count++] = at;
        if (vx_guid_equal(&parent, target))
            return;
        at = vx_neighbour_find(neighbours, &parent);
        if (!at && !is_layer_identity(chain, &parent))
            return;
    }
    guard->leftover_count = 0; /* it leads elsewhere: not ours */
}

/*
 * A merge without removal leaves the merged layers, and a layer above them that names the target (linkage) and, as a
 * memory, the topmost of them (linkage2). Those from there down to the target are remnants, and so is a child of the
 * target that bears the mark itself: between M2's two steps of the next merge nothing else tells of it.
 */
static void find_remnants(const struct vx_image *above, const struct vx_image *target,
                          const struct vx_neighbours *neighbours, struct vx_guard *guard)
{
    const vhdx_parent_names *names = &above->parent_names;
    const vhdx_guid *identity = &target->header.data_write_guid;
    size_t before = guard->remnant_count;
    vhdx_guid parent;
    if (!names->has_linkage || !vx_guid_equal(&names->linkage, identity) || !names->has_linkage2)
        return;
    const struct vx_neighbour *at = vx_neighbour_find(neighbours, &names->linkage2);
    while (at && guard->remnant_count < neighbours->count && vx_neighbour_parent(neighbours, at, identity, &parent)) {
        guard->remnants[guard->remnant_count++] = at;
        if (vx_guid_equal(&parent, identity))
            return;
        at = vx_neighbour_find(neighbours, &parent);
    }
    guard->remnant_count = before; /* it leads elsewhere */
}

static bool is_remnant(const struct vx_guard *guard, const struct vx_neighbour *neighbour)
{
    for (size_t i = 0; i < guard->remnant_count; i++)
        if (guard->remnants[i] == neighbour)
            return true;
    return false;
}

static bool is_leftover(const struct vx_guard *guard, const struct vx_neighbour *neighbour)
{
    for (size_t i = 0; i < guard->leftover_count; i++)
        if (guard->leftovers[i] == neighbour)
            return true;
    return false;
}

/* Whether the disk's real parent, by its first linkage, is at hand: then its second one is only a memory. */
static bool has_other_parent(const struct vx_chain *chain, const struct vx_neighbours *neighbours,
                             const struct vx_neighbour *neighbour, const vhdx_guid *guid)
{
    return neighbour->has_linkage && !vx_guid_equal(&neighbour->linkage, guid) &&
           (vx_neighbour_find(neighbours, &neighbour->linkage) || is_layer_identity(chain, &neighbour->linkage));
}

static bool is_child_of(const struct vx_chain *chain, const struct vx_neighbours *neighbours,
                        const struct vx_neighbour *neighbour, const struct vx_image *layer)
{
    const vhdx_guid *guid = &layer->header.data_write_guid;
    if (links_to(neighbour, guid))
        return true;
    return links2_to(neighbour, guid) && !has_other_parent(chain, neighbours, neighbour, guid);
}

static bool loses_parent(const struct vx_chain *chain, size_t into, const struct vx_neighbours *neighbours,
                         const struct vx_neighbour *neighbour)
{
    for (size_t i = 1; i <= into; i++)
        if (is_child_of(chain, neighbours, neighbour, chain->layers[i]))
            return true;
    return false;
}

/* What hangs on a remnant reads through it into the target: that is no remnant but another branch. */
static bool is_needed(const struct vx_chain *chain, const struct vx_neighbours *neighbours,
                      const struct vx_guard *guard, const struct vx_neighbour *remnant)
{
    for (size_t i = 0; i < neighbours->count; i++) {
        const struct vx_neighbour *other = &neighbours->items[i];
        bool linked = links_to(other, &remnant->data_write_guid) ||
                      (links2_to(other, &remnant->data_write_guid) &&
                       !has_other_parent(chain, neighbours, other, &remnant->data_write_guid));
        if (linked && !is_remnant(guard, other) && !is_leftover(guard, other))
            return true;
    }
    return false;
}

static void find_needed_remnants(const struct vx_chain *chain, const struct vx_neighbours *neighbours,
                                 struct vx_guard *guard)
{
    for (size_t i = 0; i < guard->remnant_count;) {
        const struct vx_neighbour *remnant = guard->remnants[i];
        if (remnant->has_identity && is_needed(chain, neighbours, guard, remnant)) {
            guard->siblings[guard->sibling_count++] = remnant;
            guard->remnants[i] = guard->remnants[--guard->remnant_count];
            i = 0; /* one below it may be needed now */
        } else {
            i++;
        }
    }
}

static void judge(const struct vx_chain *chain, size_t into, const struct vx_neighbours *neighbours,
                  const struct vx_neighbour *neighbour, struct vx_guard *guard)
{
    const vhdx_guid *child = &chain->layers[0]->header.data_write_guid;
    const vhdx_guid *target = &chain->layers[into]->header.data_write_guid;
    if (neighbour->is_busy || neighbour->is_unreadable || neighbour->is_obscure) {
        guard->siblings[guard->sibling_count++] = neighbour;
        return;
    }
    if (!neighbour->is_disk || is_leftover(guard, neighbour))
        return;
    if (links_to(neighbour, target) && links2_to(neighbour, child)) {
        guard->merged_before = true; /* linked to the target by a run that had merged all of the child */
        /* perhaps it was not closed cleanly, or is to forget the child */
        guard->uppers[guard->upper_count++] = neighbour;
        return;
    }
    bool below = loses_parent(chain, into, neighbours, neighbour);
    if (below && neighbour->is_merged && !is_remnant(guard, neighbour))
        guard->remnants[guard->remnant_count++] = neighbour;
    if (is_remnant(guard, neighbour))
        return;
    bool lost = neighbour->is_elsewhere && is_child_of(chain, neighbours, neighbour, chain->layers[0]);
    if (lost || below)
        guard->siblings[guard->sibling_count++] = neighbour;
    else if (is_child_of(chain, neighbours, neighbour, chain->layers[0]))
        guard->uppers[guard->upper_count++] = neighbour;
}

vhdx_status vx_guard_judge(const struct vx_chain *chain, size_t into, const struct vx_neighbours *neighbours,
                           struct vx_guard *guard, vhdx_error *err)
{
    memset(guard, 0, sizeof *guard);
    guard->siblings = vx_alloc(neighbours->count, sizeof(void *));
    guard->uppers = vx_alloc(neighbours->count, sizeof(void *));
    guard->leftovers = vx_alloc(neighbours->count + 1, sizeof(void *));
    guard->remnants = vx_alloc(2 * neighbours->count + 1, sizeof(void *));
    if (!guard->siblings || !guard->uppers || !guard->leftovers || !guard->remnants) {
        vx_guard_free(guard);
        return vx_fail_memory(err, "the disks beside the layers");
    }
    find_leftovers(chain, into, neighbours, guard);
    for (size_t i = 1; i <= into; i++)
        find_remnants(chain->layers[i - 1], chain->layers[i], neighbours, guard);
    for (size_t i = 0; i < neighbours->count; i++)
        judge(chain, into, neighbours, &neighbours->items[i], guard);
    find_needed_remnants(chain, neighbours, guard);
    return VHDX_OK;
}

void vx_guard_free(struct vx_guard *guard)
{
    vx_free(guard->siblings);
    vx_free(guard->uppers);
    vx_free(guard->leftovers);
    vx_free(guard->remnants);
    memset(guard, 0, sizeof *guard);
}
