/*
 * Families and chains. See family.h.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/family.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "estate/names.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_ENTRIES_MAX ((size_t)1 << 22) /* of all chains together */

/* ---- which disks belong together ---- */

static size_t find_head(size_t *heads, size_t at)
{
    while (heads[at] != at) {
        heads[at] = heads[heads[at]];
        at = heads[at];
    }
    return at;
}

static void join(size_t *heads, size_t a, size_t b)
{
    if (b == VHDX_NONE)
        return;
    a = find_head(heads, a);
    b = find_head(heads, b);
    if (a < b)
        heads[b] = a;
    else
        heads[a] = b;
}

/* ---- in which order ---- */

/* Distance to the end of the chain, for all; loops count as 0. Each disk is walked over twice. */
static void measure_depths(const struct vx_estate *estate, size_t *depths)
{
    for (size_t i = 0; i < estate->disk_count; i++)
        depths[i] = VHDX_NONE;
    for (size_t i = 0; i < estate->disk_count; i++) {
        size_t at = i, steps = 0;
        while (depths[at] == VHDX_NONE && estate->disks[at].pub.parent != VHDX_NONE && !estate->disks[at].in_cycle) {
            at = estate->disks[at].pub.parent;
            steps++;
        }
        size_t depth = depths[at] == VHDX_NONE ? 0 : depths[at];
        depths[at] = depth;
        for (at = i; steps > 0; at = estate->disks[at].pub.parent, steps--)
            depths[at] = depth + steps;
    }
}

struct member {
    size_t head, depth, disk;
};

static int compare_number(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

static int member_order(const void *a, const void *b)
{
    const struct member *first = a, *second = b;
    int order = compare_number(first->head, second->head);
    order = order ? order : compare_number(first->depth, second->depth);
    return order ? order : compare_number(first->disk, second->disk);
}

static size_t errors_of(const struct vx_disk *disk)
{
    size_t count = 0;
    for (const struct vx_note *note = disk->notes.first; note; note = note->next)
        count += note->finding.severity == VHDX_SEVERITY_ERROR;
    return count;
}

/* Of several bases that are one disk the one that is used gives the name, not its copy. */
static size_t head_of(const struct vx_estate *estate, const size_t *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct vx_disk *disk = &estate->disks[files[i]];
        if (disk->pub.parent == VHDX_NONE && !disk->is_copy && !vx_disk_is_quarantined(disk))
            return files[i];
    }
    return files[0];
}

static bool add_family(struct vx_estate *estate, const struct member *members, size_t count)
{
    vhdx_found_family *family = &estate->families[estate->family_count];
    size_t *files = vx_arena_take(&estate->arena, count, sizeof *files);
    if (!files)
        return false;
    family->files = files;
    family->file_count = count;
    for (size_t i = 0; i < count; i++) {
        struct vx_disk *disk = &estate->disks[members[i].disk];
        files[i] = members[i].disk;
        disk->pub.family = estate->family_count;
        family->bytes += disk->pub.allocated;
        family->problem_count += errors_of(disk);
    }
    family->name = vx_arena_text(&estate->arena, vx_tail_name(estate->disks[head_of(estate, files, count)].pub.path));
    estate->family_count++;
    return family->name != NULL;
}

static bool make_families(struct vx_estate *estate, struct member *members)
{
    size_t count = estate->disk_count, families = 0;
    if (count > 1)
        qsort(members, count, sizeof *members, member_order);
    for (size_t i = 0; i < count; i++)
        families += i == 0 || members[i].head != members[i - 1].head;
    estate->families = vx_arena_take(&estate->arena, families, sizeof *estate->families);
    if (!estate->families)
        return false;
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && members[end].head == members[i].head)
            end++;
        if (!add_family(estate, members + i, end - i))
            return false;
        i = end;
    }
    return true;
}

/* ---- chains ---- */

static bool room_for_chain(struct vx_estate *estate)
{
    if (estate->chain_count < estate->chain_room)
        return true;
    size_t room = estate->chain_room ? 2 * estate->chain_room : 64;
    vhdx_found_chain *chains = vx_arena_take(&estate->arena, room, sizeof *chains);
    if (!chains)
        return false;
    if (estate->chain_count)
        memcpy(chains, estate->chains, estate->chain_count * sizeof *chains);
    estate->chains = chains;
    estate->chain_room = room;
    return true;
}

/* From `leaf` down; ends at a base, where the parent is not found, or where the chain meets itself. */
static bool add_chain(struct vx_estate *estate, size_t leaf, size_t *entries)
{
    size_t layers[VX_CHAIN_MAX], count = 0, at = leaf;
    bool in_loop = false;
    while (at != VHDX_NONE && count < VX_CHAIN_MAX && !in_loop) {
        layers[count++] = at;
        at = estate->disks[at].pub.parent;
        for (size_t i = 0; at != VHDX_NONE && estate->disks[at].in_cycle && i < count && !in_loop; i++)
            in_loop = layers[i] == at;
    }
    const struct vx_disk *last = &estate->disks[layers[count - 1]];
    size_t *files = vx_arena_take(&estate->arena, count, sizeof *files);
    if (!files || !room_for_chain(estate))
        return false;
    memcpy(files, layers, count * sizeof *files);
    bool complete = at == VHDX_NONE && last->is_sound && !vx_disk_is_differencing(last);
    estate->chains[estate->chain_count++] =
        (vhdx_found_chain){files, count, estate->disks[leaf].pub.family, complete && !in_loop};
    *entries += count;
    return true;
}

/* Each leaf begins a chain; so does one disk of each loop that nothing leads into. */
static bool make_chains(struct vx_estate *estate)
{
    size_t entries = 0;
    for (size_t i = 0; i < estate->disk_count; i++) {
        const struct vx_disk *disk = &estate->disks[i];
        bool begins = disk->pub.child_count == 0 || (disk->in_cycle && disk->cycle_first == i);
        if (!disk->has_identity || !begins)
            continue;
        if (entries > CHAIN_ENTRIES_MAX)
            return vx_estate_add_place(estate, disk->pub.path, false,
                                       "too many chains of too many layers to list them all");
        if (!add_chain(estate, i, &entries))
            return false;
    }
    return true;
}

vhdx_status vx_families_make(struct vx_estate *estate, vhdx_error *err)
{
    size_t count = estate->disk_count;
    size_t *heads = vx_alloc(count, sizeof *heads), *depths = vx_alloc(count, sizeof *depths);
    struct member *members = vx_alloc(count, sizeof *members);
    bool ok = heads && depths && members;
    for (size_t i = 0; i < count && ok; i++)
        heads[i] = i;
    for (size_t i = 0; i < count && ok; i++) {
        join(heads, i, estate->disks[i].pub.parent);
        for (size_t j = 0; j < estate->disks[i].suspect_count; j++)
            join(heads, i, estate->disks[i].suspects[j]);
        join(heads, i, estate->disks[i].pub.twin);
    }
    if (ok)
        measure_depths(estate, depths);
    for (size_t i = 0; i < count && ok; i++)
        members[i] = (struct member){find_head(heads, i), depths[i], i};
    ok = ok && make_families(estate, members) && make_chains(estate);
    vx_free(heads);
    vx_free(depths);
    vx_free(members);
    return ok ? VHDX_OK : vx_fail_memory(err, "the families of disks");
}
