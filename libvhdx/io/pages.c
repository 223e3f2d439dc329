/*
 * A radix tree of 64 slots a node. A slot is NULL (absent), the mark below (all zero, whatever height it is at),
 * a page in the lowest level, or a node above it. A slot that stands for a run must be pushed
 * down into a new node before a part of the run changes. This room knows nothing of files.
 */
/* SPDX-License-Identifier: MIT */
#include "io/pages.h"

#include "base/alloc.h"

#define SLOT_BITS 6u
#define SLOT_COUNT 64u
#define MAX_LEVELS 9u /* 54 bits of index */

struct vx_pages_node {
    void *slot[SLOT_COUNT];
};

static const char zero_mark[1] = {0}; /* only its address means something */

/* The slot of a run of zero pages. Nothing is ever stored through it. */
static void *zero_slot(void)
{
    return (void *)(uintptr_t)zero_mark;
}

static bool is_run(const void *slot)
{
    return slot == NULL || slot == zero_mark;
}

/* How many pages one slot of a node at `level` stands for. */
static uint64_t slot_span(uint32_t level)
{
    return UINT64_C(1) << (level * SLOT_BITS);
}

static size_t slot_number(uint64_t index, uint32_t level)
{
    return (size_t)(index >> (level * SLOT_BITS)) % SLOT_COUNT;
}

static bool reaches(const struct vx_pages *pages, uint64_t index)
{
    return pages->levels > 0 && index < slot_span(pages->levels);
}

static struct vx_pages_node *new_node(struct vx_pages *pages, void *fill)
{
    struct vx_pages_node *node = vx_alloc(1, sizeof *node);
    if (!node)
        return NULL;
    for (size_t i = 0; i < SLOT_COUNT; i++)
        node->slot[i] = fill;
    pages->memory += sizeof *node;
    return node;
}

/* Makes the tree higher until it has a place for `index`. */
static bool reach(struct vx_pages *pages, uint64_t index)
{
    while (!reaches(pages, index)) {
        if (pages->levels == MAX_LEVELS)
            return false;
        struct vx_pages_node *root = new_node(pages, NULL);
        if (!root)
            return false;
        root->slot[0] = pages->root;
        pages->root = root;
        pages->levels++;
    }
    return true;
}

/* Frees what hangs on a slot of a node at `level`. Goes as deep as the tree is high, at most MAX_LEVELS. */
static void drop(struct vx_pages *pages, void *slot, uint32_t level)
{
    if (is_run(slot))
        return;
    if (level == 0) {
        pages->memory -= pages->page_size;
    } else {
        struct vx_pages_node *node = slot;
        for (size_t i = 0; i < SLOT_COUNT; i++)
            drop(pages, node->slot[i], level - 1);
        pages->memory -= sizeof *node;
    }
    vx_free(slot);
}

/* The node below a slot; a run is pushed down into a new one. */
static struct vx_pages_node *descend(struct vx_pages *pages, void **slot)
{
    if (is_run(*slot)) {
        struct vx_pages_node *node = new_node(pages, *slot);
        if (!node)
            return NULL;
        *slot = node;
    }
    return *slot;
}

void vx_pages_init(struct vx_pages *pages, uint32_t page_size)
{
    *pages = (struct vx_pages){.page_size = page_size};
}

void vx_pages_clear(struct vx_pages *pages)
{
    drop(pages, pages->root, pages->levels);
    vx_pages_init(pages, pages->page_size);
}

struct vx_page_run vx_pages_find(const struct vx_pages *pages, uint64_t index)
{
    if (!reaches(pages, index))
        return (struct vx_page_run){VX_PAGE_ABSENT, NULL, UINT64_MAX - index};
    const struct vx_pages_node *node = pages->root;
    for (uint32_t level = pages->levels - 1;; level--) {
        void *slot = node->slot[slot_number(index, level)];
        if (is_run(slot)) {
            uint64_t span = slot_span(level);
            return (struct vx_page_run){slot ? VX_PAGE_ZERO : VX_PAGE_ABSENT, NULL, span - index % span};
        }
        if (level == 0)
            return (struct vx_page_run){VX_PAGE_DATA, slot, 1};
        node = slot;
    }
}

uint8_t *vx_pages_make(struct vx_pages *pages, uint64_t index)
{
    if (!reach(pages, index))
        return NULL;
    struct vx_pages_node *node = pages->root;
    for (uint32_t level = pages->levels - 1; level > 0; level--) {
        node = descend(pages, &node->slot[slot_number(index, level)]);
        if (!node)
            return NULL;
    }
    void **slot = &node->slot[slot_number(index, 0)];
    if (is_run(*slot)) {
        uint8_t *data = vx_alloc(pages->page_size, 1);
        if (!data)
            return NULL;
        pages->memory += pages->page_size;
        *slot = data;
    }
    return *slot;
}

/* `first` and `last` count from the node's own first page. */
static bool fill_node(struct vx_pages *pages, struct vx_pages_node *node, uint32_t level, uint64_t first, uint64_t last,
                      void *mark)
{
    uint64_t span = slot_span(level);
    for (uint64_t i = first / span; i <= last / span; i++) {
        void **slot = &node->slot[i];
        uint64_t from = i == first / span ? first % span : 0;
        uint64_t to = i == last / span ? last % span : span - 1;
        if (*slot == mark)
            continue;
        if (from == 0 && to == span - 1) {
            drop(pages, *slot, level);
            *slot = mark;
            continue;
        }
        struct vx_pages_node *below = descend(pages, slot);
        if (!below || !fill_node(pages, below, level - 1, from, to, mark))
            return false;
    }
    return true;
}

bool vx_pages_fill(struct vx_pages *pages, uint64_t first, uint64_t last, enum vx_page_kind kind)
{
    if (kind == VX_PAGE_ZERO && !reach(pages, last))
        return false;
    if (!reaches(pages, first))
        return true;
    if (!reaches(pages, last))
        last = slot_span(pages->levels) - 1;
    return fill_node(pages, pages->root, pages->levels - 1, first, last, kind == VX_PAGE_ZERO ? zero_slot() : NULL);
}
