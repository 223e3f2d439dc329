/*
 * Lays out a family as a tree whose chains run straight down. The child that a machine uses goes on in its parent's
 * lane and comes last; the others branch off to the right before it, so that no two lines cross. The
 * records may hold cycles and parents of other families, so every disk is placed once, reached or not.
 */
/* SPDX-License-Identifier: MIT */
#include "html_graph.h"

#include <stdlib.h>
#include <string.h>

/* A disk that waits for its row. */
struct waiting {
    size_t member; /* place in the family */
    unsigned lane;
    unsigned from; /* lane that its line comes from */
    bool has_line, doubtful;
};

struct layout {
    const vhdx_orphans *orphans;
    const vhdx_found_family *family;
    struct graph_row *rows;
    size_t row_count;
    struct waiting *stack;
    size_t waiting_count;
    size_t pending[GRAPH_LANES]; /* waiting disks whose line comes from that lane */
    /* children of each member: the first, and the next of the same parent; VHDX_NONE = none */
    size_t *first, *next;
    bool *placed;
};

static const vhdx_found_file *member(const struct layout *l, size_t place)
{
    return vhdx_orphans_file(l->orphans, l->family->files[place]);
}

/* The file that a disk hangs from in the drawing. */
static size_t hangs_from(const vhdx_found_file *file)
{
    return file->parent != VHDX_NONE ? file->parent : file->suspect;
}

static int by_number(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return x[0] < y[0] ? -1 : x[0] > y[0];
}

/* Sorts the members under their parents. Members come parents first, so prepending leaves the last one in front. */
static bool find_children(struct layout *l)
{
    size_t count = l->family->file_count;
    size_t(*index)[2] = malloc(count * sizeof *index);
    if (!index)
        return false;
    for (size_t i = 0; i < count; i++) {
        index[i][0] = l->family->files[i];
        index[i][1] = i;
        l->first[i] = l->next[i] = VHDX_NONE;
    }
    qsort(index, count, sizeof *index, by_number);
    for (size_t i = 0; i < count; i++) {
        size_t key[2] = {hangs_from(member(l, i)), 0};
        size_t(*parent)[2] = bsearch(key, index, count, sizeof *index, by_number);
        if (!parent || (*parent)[1] == i)
            continue;
        l->next[i] = l->first[(*parent)[1]];
        l->first[(*parent)[1]] = i;
    }
    free(index);
    return true;
}

static bool is_used(const vhdx_found_file *file)
{
    return file->status == VHDX_DISK_STATUS_IN_USE_BY_VM || file->status == VHDX_DISK_STATUS_ACTIVE_NOT_LEAF;
}

/* The child that goes on in the parent's lane: the one in use, else the last. */
static size_t straight_child(const struct layout *l, size_t place)
{
    for (size_t child = l->first[place]; child != VHDX_NONE; child = l->next[child]) {
        if (is_used(member(l, child)) && !l->placed[child])
            return child;
    }
    return l->first[place];
}

static void push(struct layout *l, size_t place, unsigned lane, unsigned from)
{
    struct waiting *w = &l->stack[l->waiting_count++];
    *w = (struct waiting){.member = place,
                          .lane = lane,
                          .from = from,
                          .has_line = true,
                          .doubtful = member(l, place)->parent == VHDX_NONE};
    l->placed[place] = true;
    l->pending[from]++;
}

/* Branches are pushed last, so that they are placed first. */
static void push_children(struct layout *l, size_t place, unsigned lane)
{
    size_t straight = straight_child(l, place);
    if (straight != VHDX_NONE && !l->placed[straight])
        push(l, straight, lane, lane);
    unsigned right = lane + 1 < GRAPH_LANES ? lane + 1 : lane;
    for (size_t child = l->first[place]; child != VHDX_NONE; child = l->next[child]) {
        if (!l->placed[child])
            push(l, child, right, lane);
    }
}

static struct graph_row *begin_row(struct layout *l, size_t place, unsigned lane)
{
    struct graph_row *row = &l->rows[l->row_count++];
    memset(row, 0, sizeof *row);
    row->file = l->family->files[place];
    row->lane_count = lane + 1;
    for (unsigned i = 0; i < lane; i++)
        row->lanes[i] = l->pending[i] ? GRAPH_PASSES : 0;
    row->lanes[lane] = GRAPH_NODE;
    return row;
}

static void place_one(struct layout *l, const struct waiting *w)
{
    if (w->has_line)
        l->pending[w->from]--;
    struct graph_row *row = begin_row(l, w->member, w->lane);
    unsigned doubtful = w->doubtful ? GRAPH_DOUBTFUL : 0;
    if (w->has_line && w->from < w->lane)
        row->lanes[w->from] |= (unsigned char)(GRAPH_BRANCHES | doubtful);
    else if (w->has_line)
        row->lanes[w->lane] |= (unsigned char)(GRAPH_FROM_ABOVE | doubtful);
    push_children(l, w->member, w->lane);
    if (l->pending[w->lane])
        row->lanes[w->lane] |= GRAPH_TO_BELOW;
}

/* A disk that hangs from nothing that was found, and all that hangs from it. */
static void place_root(struct layout *l, size_t place)
{
    const vhdx_found_file *file = member(l, place);
    bool missing = file->status == VHDX_DISK_STATUS_PARENT_MISSING && hangs_from(file) == VHDX_NONE;
    l->placed[place] = true;
    if (missing) {
        struct graph_row *row = begin_row(l, place, 0);
        row->missing = true;
        row->lanes[0] |= GRAPH_TO_BELOW;
    }
    l->pending[0] += missing;
    l->stack[l->waiting_count++] = (struct waiting){.member = place, .has_line = missing, .doubtful = missing};
    while (l->waiting_count) {
        struct waiting next = l->stack[--l->waiting_count];
        place_one(l, &next);
    }
}

static bool in_family(const struct layout *l, const vhdx_found_file *file)
{
    size_t from = hangs_from(file);
    const vhdx_found_file *parent = from == VHDX_NONE ? NULL : vhdx_orphans_file(l->orphans, from);
    return parent && vhdx_orphans_family(l->orphans, parent->family) == l->family;
}

static void place_all(struct layout *l)
{
    for (size_t i = 0; i < l->family->file_count; i++) {
        if (!l->placed[i] && !in_family(l, member(l, i)))
            place_root(l, i);
    }
    for (size_t i = 0; i < l->family->file_count; i++) { /* members of cycles */
        if (!l->placed[i])
            place_root(l, i);
    }
}

bool graph_rows(const vhdx_orphans *orphans, const vhdx_found_family *family, struct graph_row **rows, size_t *count)
{
    size_t room = family->file_count ? family->file_count : 1;
    struct layout l = {.orphans = orphans, .family = family};
    l.rows = calloc(room, 2 * sizeof *l.rows); /* a missing parent above each at worst */
    l.stack = calloc(room, sizeof *l.stack);
    l.first = calloc(room, sizeof *l.first);
    l.next = calloc(room, sizeof *l.next);
    l.placed = calloc(room, sizeof *l.placed);
    bool ok = l.rows && l.stack && l.first && l.next && l.placed && find_children(&l);
    if (ok)
        place_all(&l);
    free(l.stack);
    free(l.first);
    free(l.next);
    free(l.placed);
    if (!ok) {
        free(l.rows);
        return false;
    }
    *rows = l.rows;
    *count = l.row_count;
    return true;
}
