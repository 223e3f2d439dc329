/*
 * The graph. See graph.h. Every look-up goes through a sorted array, so that a hundred thousand disks cost n log n and
 * one page of memory each at most.
 *
 * A second linkage of all zeros means "not set"; and of several files with the wanted identity the
 * one at the locator's path is the parent, the others are copies.
 */
/* SPDX-License-Identifier: MIT */
#include "estate/graph.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "estate/way.h"

#include <stdlib.h>
#include <string.h>

/* ---- one file under several names ---- */

struct same_file {
    uint64_t volume, id[2];
    unsigned source;
    bool by_link;
    size_t disk;
};

static int compare_number(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_identity(const struct same_file *a, const struct same_file *b)
{
    int order = compare_number(a->source, b->source);
    order = order ? order : compare_number(a->volume, b->volume);
    order = order ? order : compare_number(a->id[0], b->id[0]);
    return order ? order : compare_number(a->id[1], b->id[1]);
}

/* The name that is no link comes first, then the smaller one. */
static int same_file_order(const void *a, const void *b)
{
    const struct same_file *first = a, *second = b;
    int order = compare_identity(first, second);
    order = order ? order : compare_number(first->by_link, second->by_link);
    return order ? order : compare_number(first->disk, second->disk);
}

static bool take_names(struct vx_estate *estate, struct vx_disk *disk, const struct same_file *others, size_t count)
{
    const char **names = vx_arena_take(&estate->arena, count, sizeof *names);
    for (size_t i = 0; names && i < count; i++) {
        names[i] = estate->disks[others[i].disk].absolute;
        estate->disks[others[i].disk].pub.path = NULL; /* to be left out */
    }
    disk->pub.other_names = names;
    disk->pub.other_name_count = names ? count : 0;
    return names != NULL;
}

/* Two POSIX hosts may have '\\' in names, which separates nothing there. */
static bool share_a_tail(const struct vx_estate *estate, const struct vx_disk *a, const struct vx_disk *b)
{
    return vx_tail_of_hosts(a->absolute, vx_estate_is_windows(estate, a->absolute, a->source), b->absolute,
                            vx_estate_is_windows(estate, b->absolute, b->source))
               .parts >= 2;
}

/* Two hosts may have searched the same share: their reports then tell of one file twice. */
static bool is_same_elsewhere(const struct vx_estate *estate, const struct vx_disk *a, const struct vx_disk *b)
{
    return a->source != b->source && a->has_identity && b->has_identity && a->pub.file_size == b->pub.file_size &&
           vx_guid_equal(&a->pub.file_write_guid, &b->pub.file_write_guid) &&
           vx_guid_equal(&a->pub.data_write_guid, &b->pub.data_write_guid) && share_a_tail(estate, a, b);
}

static void leave_out(struct vx_estate *estate)
{
    size_t kept = 0;
    for (size_t i = 0; i < estate->disk_count; i++)
        if (estate->disks[i].pub.path)
            estate->disks[kept++] = estate->disks[i];
    estate->disk_count = kept;
}

static bool unify_by_identity(struct vx_estate *estate, struct same_file *files)
{
    size_t count = 0;
    for (size_t i = 0; i < estate->disk_count; i++) {
        const struct vx_disk *disk = &estate->disks[i];
        if (disk->volume != 0)
            files[count++] =
                (struct same_file){disk->volume, {disk->id[0], disk->id[1]}, disk->source, disk->by_link, i};
    }
    if (count > 1)
        qsort(files, count, sizeof *files, same_file_order);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && compare_identity(&files[i], &files[end]) == 0)
            end++;
        if (end - i > 1 && !take_names(estate, &estate->disks[files[i].disk], files + i + 1, end - i - 1))
            return false;
        i = end;
    }
    return true;
}

static bool unify_reports(struct vx_estate *estate, struct same_file *files);

vhdx_status vx_graph_unify(struct vx_estate *estate, vhdx_error *err)
{
    struct same_file *files = vx_alloc(estate->disk_count, sizeof *files);
    bool ok = files && unify_by_identity(estate, files);
    if (ok) {
        leave_out(estate);
        ok = unify_reports(estate, files);
        leave_out(estate);
    }
    vx_free(files);
    return ok ? VHDX_OK : vx_fail_memory(err, "the disks that were found");
}

/* ---- identities ---- */

struct identity {
    const vhdx_guid *guid;
    size_t disk;
};

struct identities {
    struct identity *items;
    size_t count;
};

static int identity_order(const void *a, const void *b)
{
    const struct identity *first = a, *second = b;
    int order = memcmp(first->guid, second->guid, sizeof *first->guid);
    return order ? order : compare_number(first->disk, second->disk);
}

static bool identities_open(const struct vx_estate *estate, struct identities *all)
{
    all->count = 0;
    all->items = vx_alloc(estate->disk_count, sizeof *all->items);
    if (!all->items)
        return false;
    for (size_t i = 0; i < estate->disk_count; i++)
        if (estate->disks[i].has_identity)
            all->items[all->count++] = (struct identity){&estate->disks[i].pub.data_write_guid, i};
    if (all->count > 1)
        qsort(all->items, all->count, sizeof *all->items, identity_order);
    return true;
}

/* There may be a thousand copies: beyond these the one at the relative path is all that is asked for. */
#define COPIES_MAX 256u

/* All files of that identity are [*first, *end), or COPIES_MAX and one more of them. */
static void find_identity(const struct identities *all, const vhdx_guid *guid, size_t *first, size_t *end)
{
    size_t low = 0, high = all->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(all->items[middle].guid, guid, sizeof *guid) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    *end = low;
    while (*end < all->count && *end - *first <= COPIES_MAX && vx_guid_equal(all->items[*end].guid, guid))
        (*end)++;
}

static bool unify_reports(struct vx_estate *estate, struct same_file *files)
{
    struct identities all;
    bool several = false, ok = true;
    for (size_t i = 0; i < estate->disk_count; i++)
        several = several || estate->disks[i].source != estate->disks[0].source;
    if (!several)
        return true;
    if (!identities_open(estate, &all))
        return false;
    for (size_t i = 0; i < all.count && ok; i++) {
        struct vx_disk *disk = &estate->disks[all.items[i].disk];
        size_t count = 0;
        for (size_t j = i + 1; disk->pub.path && j < all.count && vx_guid_equal(all.items[i].guid, all.items[j].guid);
             j++) {
            const struct vx_disk *other = &estate->disks[all.items[j].disk];
            if (other->pub.path && is_same_elsewhere(estate, disk, other))
                files[count++].disk = all.items[j].disk;
        }
        ok = count == 0 || take_names(estate, disk, files, count);
    }
    vx_free(all.items);
    return ok;
}

/* ---- parents ---- */

struct builder {
    struct vx_estate *estate;
    const struct vx_name_index *names;
    struct identities all;
};

/* How well a file's place fits what the child's locator says: 0 = not at all; more is better. */
enum { FITS_NOT = 0, FITS_TAIL = 1, FITS_RELATIVE = 1000 };

static size_t fit_of_path(const struct vx_estate *estate, const char *path, const struct vx_disk *disk)
{
    size_t best = 0;
    for (size_t i = 0; path && i <= disk->pub.other_name_count; i++) {
        const char *name = vx_disk_name_at(disk, i);
        struct vx_tail tail = vx_tail_compare(path, name, vx_estate_is_windows(estate, name, disk->source));
        size_t fit = tail.parts >= 2 || tail.whole ? tail.parts : FITS_NOT;
        best = fit > best ? fit : best;
    }
    return best;
}

/* `place` is a whole path of the disk's own host. */
static bool is_at(const struct vx_estate *estate, const char *place, const struct vx_disk *disk)
{
    bool windows = place && vx_estate_is_windows(estate, place, disk->source);
    for (size_t i = 0; place && i <= disk->pub.other_name_count; i++)
        if (vx_tail_is_same(place, vx_disk_name_at(disk, i), windows))
            return true;
    return false;
}

static char *relative_place(struct vx_estate *estate, const struct vx_disk *child)
{
    const char *relative = child->pub.names.relative_path;
    return relative && *vx_tail_name(relative) ? vx_tail_follow(estate, child->absolute, child->source, relative)
                                               : NULL;
}

static size_t fit_of(struct vx_estate *estate, const struct vx_disk *child, const char *relative,
                     const struct vx_disk *candidate)
{
    const vhdx_parent_names *names = &child->pub.names;
    if (child->source == candidate->source && is_at(estate, relative, candidate))
        return FITS_RELATIVE;
    size_t absolute = fit_of_path(estate, names->absolute_win32_path, candidate);
    size_t volume = fit_of_path(estate, names->volume_path, candidate);
    return absolute > volume ? absolute : volume;
}

/* The best of several files with one identity: at a locator's path, else of the same report, else beside the child,
 * else the first. */
static size_t choose(struct vx_estate *estate, const struct vx_disk *child, const char *relative,
                     const struct identities *all, size_t first, size_t end)
{
    size_t best = VHDX_NONE, best_fit = 0;
    for (size_t i = first; i < end; i++) {
        const struct vx_disk *candidate = &estate->disks[all->items[i].disk];
        size_t fit = 4 * fit_of(estate, child, relative, candidate);
        fit += candidate->source == child->source ? 2 : 0;
        fit += !vx_disk_is_quarantined(candidate);
        if (candidate == child && end - first > 1)
            continue; /* a copy of the child's own is no parent while another one is there */
        if (best == VHDX_NONE || fit > best_fit) {
            best = all->items[i].disk;
            best_fit = fit;
        }
    }
    return best;
}

static size_t find_by_identity(struct builder *b, const struct vx_disk *child, const char *relative,
                               const vhdx_guid *guid)
{
    size_t first, end;
    find_identity(&b->all, guid, &first, &end);
    if (end - first > COPIES_MAX) {
        size_t there = relative ? vx_names_at(b->estate, b->names, relative, child->source) : VHDX_NONE;
        if (there != VHDX_NONE && b->estate->disks[there].has_identity &&
            vx_guid_equal(&b->estate->disks[there].pub.data_write_guid, guid))
            return there;
        end = first + COPIES_MAX;
    }
    /* For the same reason each VHD of that id may be the one that was copied from it; all are kept. */
    for (size_t i = first; vx_disk_is_vhd(child) && end - first > 1 && i < end; i++)
        b->estate->disks[b->all.items[i].disk].is_namesake = true;
    return first == end ? VHDX_NONE : choose(b->estate, child, relative, &b->all, first, end);
}

static bool is_same_virtual_disk(const struct vx_disk *child, const struct vx_disk *other)
{
    return other->is_sound && !vx_guid_is_zero(&child->pub.virtual_disk_id) &&
           vx_guid_equal(&child->pub.virtual_disk_id, &other->pub.virtual_disk_id);
}

#define SUSPECTS_MAX 256u /* that one child remembers; it marks them all */

/* All files that are where the parent should be: any of them may be the one that the child was made on. */
static bool take_suspects(struct builder *b, struct vx_disk *child, const struct vx_hit_list *found)
{
    struct vx_estate *estate = b->estate;
    size_t self = (size_t)(child - estate->disks), room = found->count < SUSPECTS_MAX ? found->count : SUSPECTS_MAX;
    size_t *suspects = vx_arena_take(&estate->arena, room, sizeof *suspects);
    if (!suspects)
        return false;
    for (size_t i = 0; i < found->count; i++) {
        if (found->disks[i] == self)
            continue;
        estate->disks[found->disks[i]].is_suspect = true;
        if (child->suspect_count < room)
            suspects[child->suspect_count++] = found->disks[i];
    }
    child->suspects = suspects;
    child->pub.suspect = child->suspect_count ? suspects[0] : VHDX_NONE;
    for (size_t i = 0; i < child->suspect_count; i++)
        if (is_same_virtual_disk(child, &estate->disks[suspects[i]])) {
            child->pub.suspect = suspects[i];
            break;
        }
    return true;
}

/* One of the same name in another folder proves nothing, and is kept all the same. */
static void spare_namesakes(struct builder *b, const struct vx_disk *child, const struct vx_hit_list *alike)
{
    for (size_t i = 0; i < alike->count; i++)
        if (&b->estate->disks[alike->disks[i]] != child)
            b->estate->disks[alike->disks[i]].is_namesake = true;
}

static bool find_suspects(struct builder *b, struct vx_disk *child, const char *relative)
{
    struct vx_estate *estate = b->estate;
    const char *paths[2] = {child->pub.names.volume_path, child->pub.names.absolute_win32_path};
    struct vx_hits hits = {0};
    bool ok = !relative || vx_names_all_at(estate, b->names, relative, child->source, &hits);
    ok = ok && take_suspects(b, child, &hits.found);
    vx_hits_free(&hits);
    for (size_t i = 0; i < 2 && ok && child->pub.suspect == VHDX_NONE; i++) {
        if (!paths[i] || !*vx_tail_name(paths[i]))
            continue;
        ok = vx_names_find(estate, b->names, paths[i], child->source, false, &hits) &&
             take_suspects(b, child, &hits.found);
        if (ok)
            spare_namesakes(b, child, &hits.alike);
        vx_hits_free(&hits);
    }
    child->suspect_unreadable = child->pub.suspect != VHDX_NONE && !estate->disks[child->pub.suspect].has_identity;
    return ok;
}

/* Whether a map of the caller's leads from the locator to the parent's file. */
static bool is_mapped_there(struct builder *b, const struct vx_disk *child)
{
    struct vx_estate *estate = b->estate;
    const char *paths[2] = {child->pub.names.volume_path, child->pub.names.absolute_win32_path};
    for (size_t i = 0; i < 2; i++) {
        struct vx_hits hits;
        if (!paths[i] || estate->map_count == 0)
            continue;
        bool found = vx_names_find(estate, b->names, paths[i], child->source, false, &hits) && hits.mapped &&
                     hits.found.count == 1 && hits.found.disks[0] == child->pub.parent;
        vx_hits_free(&hits);
        if (found)
            return true;
    }
    return false;
}

static bool find_parent(struct builder *b, struct vx_disk *child)
{
    const vhdx_parent_names *names = &child->pub.names;
    char *relative = relative_place(b->estate, child);
    if (names->has_linkage)
        child->pub.parent = find_by_identity(b, child, relative, &names->linkage);
    bool second = names->has_linkage2 && !vx_guid_is_zero(&names->linkage2) &&
                  !vx_guid_equal(&names->linkage2, &child->pub.data_write_guid); /* else it says: merged, and kept */
    if (child->pub.parent == VHDX_NONE && second) {
        child->pub.parent = find_by_identity(b, child, relative, &names->linkage2);
        child->parent_second = child->pub.parent != VHDX_NONE;
    }
    if (child->pub.parent == VHDX_NONE)
        return find_suspects(b, child, relative);
    const struct vx_disk *parent = &b->estate->disks[child->pub.parent];
    /* A VHD cannot be tried here, nor what two hosts have: there the end of a path must do. */
    bool tried = child->is_vhdx && child->source == parent->source;
    bool opens = tried ? vx_way_leads(b->estate, child, relative, parent)
                       : fit_of(b->estate, child, relative, parent) != FITS_NOT;
    child->parent_unreached = !opens && !vx_way_is_beside(b->estate, child, parent);
    child->parent_elsewhere = !opens && !is_mapped_there(b, child);
    return true;
}

/* ---- children, copies, loops ---- */

static bool list_children(struct vx_estate *estate)
{
    size_t *places = vx_arena_take(&estate->arena, estate->disk_count, sizeof *places);
    size_t next = 0;
    if (!places)
        return false;
    for (size_t i = 0; i < estate->disk_count; i++)
        if (estate->disks[i].pub.parent != VHDX_NONE)
            estate->disks[estate->disks[i].pub.parent].pub.child_count++;
    for (size_t i = 0; i < estate->disk_count; i++) {
        estate->disks[i].pub.children = places + next;
        next += estate->disks[i].pub.child_count;
        estate->disks[i].pub.child_count = 0;
    }
    for (size_t i = 0; i < estate->disk_count; i++) {
        size_t parent = estate->disks[i].pub.parent;
        if (parent == VHDX_NONE)
            continue;
        vhdx_found_file *pub = &estate->disks[parent].pub;
        places[(size_t)(pub->children - places) + pub->child_count++] = i;
    }
    return true;
}

/* Files of one identity are each other's twins, in a ring. */
static void find_twins(struct vx_estate *estate, const struct identities *all)
{
    for (size_t i = 0; i < all->count;) {
        size_t end = i + 1;
        while (end < all->count && vx_guid_equal(all->items[i].guid, all->items[end].guid))
            end++;
        /* The id of a VHD says nothing of its content: a copy keeps it whatever is written to it. */
        bool is_content = estate->disks[all->items[i].disk].is_vhdx;
        for (size_t j = i; is_content && j < end && end - i > 1; j++)
            estate->disks[all->items[j].disk].pub.twin = all->items[j + 1 < end ? j + 1 : i].disk;
        i = end;
    }
}

static void mark_cycle(struct vx_estate *estate, size_t at)
{
    size_t first = at;
    for (size_t member = estate->disks[at].pub.parent; member != at; member = estate->disks[member].pub.parent)
        first = member < first ? member : first;
    for (size_t member = at; !estate->disks[member].in_cycle; member = estate->disks[member].pub.parent) {
        estate->disks[member].in_cycle = true;
        estate->disks[member].cycle_first = first;
    }
}

/* Follows parents from each disk; a walk that comes back to its own disks is in a loop. Each disk is walked over once.
 */
static void find_cycles(struct vx_estate *estate)
{
    for (size_t i = 0; i < estate->disk_count; i++) {
        size_t at = i;
        while (at != VHDX_NONE && estate->disks[at].cycle_mark == 0) {
            estate->disks[at].cycle_mark = i + 1;
            at = estate->disks[at].pub.parent;
        }
        if (at == VHDX_NONE || estate->disks[at].cycle_mark != i + 1)
            continue;
        mark_cycle(estate, at);
    }
}

vhdx_status vx_graph_build(struct vx_estate *estate, vhdx_error *err)
{
    struct builder b = {.estate = estate, .names = estate->names};
    bool ok = identities_open(estate, &b.all);
    for (size_t i = 0; i < estate->disk_count && ok; i++)
        if (vx_disk_is_differencing(&estate->disks[i]))
            ok = find_parent(&b, &estate->disks[i]);
    ok = ok && list_children(estate);
    if (ok) {
        find_twins(estate, &b.all);
        find_cycles(estate);
    }
    vx_free(b.all.items);
    return ok && !estate->no_memory ? VHDX_OK : vx_fail_memory(err, "the chains of disks");
}
