/*
 * A sparse array of pages in memory, from index 0 up to 2^52: what the memory host keeps its files in and the
 * overlay its changes. A page is absent, zero, or data; a run of absent or zero pages costs the same however long it
 * is. What the two absent kinds mean is for the user to say. Looking up changes nothing, so any number of threads
 * may do it at once.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IO_PAGES_H
#define VX_IO_PAGES_H

#include <stdbool.h>
#include <stdint.h>

struct vx_pages_node;

struct vx_pages {
    uint32_t page_size;
    uint32_t levels; /* height of the tree; 0 = empty */
    struct vx_pages_node *root;
    uint64_t memory; /* bytes that pages and nodes take */
};

enum vx_page_kind {
    VX_PAGE_ABSENT,
    VX_PAGE_ZERO,
    VX_PAGE_DATA,
};

/* `count` pages of one kind, or one page of data. */
struct vx_page_run {
    enum vx_page_kind kind;
    uint8_t *data;
    uint64_t count;
};

/* All absent. */
void vx_pages_init(struct vx_pages *pages, uint32_t page_size);
/* Frees what there is; all are absent then. */
void vx_pages_clear(struct vx_pages *pages);
/* What is at `index`, and for how many pages at least the same is there. */
struct vx_page_run vx_pages_find(const struct vx_pages *pages, uint64_t index);
/* The data of the page, which is made of zeros if it was not data before. NULL: no memory, nothing has changed. */
uint8_t *vx_pages_make(struct vx_pages *pages, uint64_t index);
/* Makes pages `first` to `last` (included) absent or zero. false: no memory, and only a part of them may be. */
bool vx_pages_fill(struct vx_pages *pages, uint64_t first, uint64_t last, enum vx_page_kind kind);

#endif
