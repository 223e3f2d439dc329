/*
 * The drawing of a family: in which order its disks are below each other, and which lines run beside each of them.
 * Knows nothing of HTML but that a row is cut into lanes.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VHDX_TOOLS_HTML_GRAPH_H
#define VHDX_TOOLS_HTML_GRAPH_H

#include <vhdx.h>

/* Branches of branches: beyond this many they share the last lane. */
enum { GRAPH_LANES = 16 };

enum graph_line {
    GRAPH_PASSES = 1 << 0,   /* a line runs through this lane */
    GRAPH_BRANCHES = 1 << 1, /* a line comes from above and turns right, into the row's node */
    GRAPH_NODE = 1 << 2,
    GRAPH_FROM_ABOVE = 1 << 3, /* of a node: a line comes straight from its parent */
    GRAPH_TO_BELOW = 1 << 4,   /* of a node: lines go to its children */
    GRAPH_DOUBTFUL = 1 << 5,   /* the line to the parent is not proven */
};

/* A row: a disk, or in its place a parent that was not found. */
struct graph_row {
    size_t file; /* of the search; of a missing parent: its child */
    bool missing;
    unsigned lane_count;
    unsigned char lanes[GRAPH_LANES]; /* enum graph_line */
};

/* The rows of one family, parents above their children. `rows` is for free(). false: memory ran out. */
bool graph_rows(const vhdx_orphans *orphans, const vhdx_found_family *family, struct graph_row **rows, size_t *count);

#endif
