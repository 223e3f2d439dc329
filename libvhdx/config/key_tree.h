/*
 * Keys with values, as a tree: what a configuration is in either of its formats. The readers add keys in the order of
 * their file, then the tree is linked once and looked at. Names and values are views into memory that the tree keeps.
 * What the keys mean is in config_keys.c.
 *
 * Brothers and sisters may have one name. Nothing here maps a name to one key; a search gives the
 * first, and vx_tree_again() the next of that name.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CONFIG_KEY_TREE_H
#define VX_CONFIG_KEY_TREE_H

#include "base/bytes.h"
#include "base/status.h"

#define VX_TREE_KEYS_MAX (1u << 18)
#define VX_TREE_DEPTH_MAX 64u
#define VX_TREE_ROOT 0u
#define VX_TREE_NONE UINT32_MAX

/* The numbers are those of the VMCX format. */
enum vx_key_type {
    VX_KEY_INT = 3,
    VX_KEY_UINT = 4,
    VX_KEY_DOUBLE = 5,
    VX_KEY_STRING = 6,
    VX_KEY_ARRAY = 7,
    VX_KEY_BOOL = 8,
    VX_KEY_NODE = 9,
};

struct vx_key {
    struct vx_bytes name;  /* UTF-8, no terminator */
    struct vx_bytes value; /* of strings and arrays */
    uint64_t number;       /* of numbers (their 8 bytes) and bools */
    uint32_t parent;       /* VX_TREE_NONE: it was not found */
    uint32_t order;        /* among those of one parent */
    uint32_t child, next;  /* set by vx_tree_link; VX_TREE_NONE: none */
    uint8_t type;          /* enum vx_key_type, or an unknown number */
    bool utf16;            /* the encoding of a string; else UTF-8 */
    bool damaged;          /* its checksum is wrong, or its value is not where it should be */
    bool unread;           /* the value is larger than anything that matters here */
    bool reached;          /* set by vx_tree_link: there is a way from the root */
};

struct vx_blob;

struct vx_tree {
    struct vx_key *keys; /* [0] is the root, a node without name */
    size_t count, room;
    struct vx_blob *blobs;
};

/* false: no memory. */
bool vx_tree_begin(struct vx_tree *tree);
/* Takes a tree of zeros. */
void vx_tree_end(struct vx_tree *tree);

/* Memory that lives as long as the tree; NULL when there is none. */
uint8_t *vx_tree_blob(struct vx_tree *tree, size_t size);
/* The number of the new key. LIMIT: VX_TREE_KEYS_MAX are there; NOMEM. */
vhdx_status vx_tree_add(struct vx_tree *tree, const struct vx_key *key, uint32_t *number);

/*
 * Hangs every key under its parent, in their order, and marks those that the root reaches through nodes in at most
 * VX_TREE_DEPTH_MAX steps. Returns how many it does not reach (without parent, in a circle, below a value, too deep).
 */
size_t vx_tree_link(struct vx_tree *tree);

/* The first child of that name (ASCII letters in either case), VX_TREE_NONE when there is none. */
uint32_t vx_tree_child(const struct vx_tree *tree, uint32_t parent, const char *name);
/* The next one of the same name as `key` and the same parent. */
uint32_t vx_tree_again(const struct vx_tree *tree, uint32_t key);
/* From the root down: "configuration/properties/name". The first of each name. */
uint32_t vx_tree_find(const struct vx_tree *tree, const char *path);
bool vx_tree_is_named(const struct vx_tree *tree, uint32_t key, const char *name);
/* The next reached key after `key` when all below `top` are visited from top to bottom; `top` itself to begin;
 * VX_TREE_NONE at the end. */
uint32_t vx_tree_walk(const struct vx_tree *tree, uint32_t top, uint32_t key);

/* A string's value as terminated UTF-8, to be freed; NULL: no memory. Up to the first NUL. "" for what is no string. */
char *vx_tree_text(const struct vx_tree *tree, uint32_t key);
/* The name, likewise. */
char *vx_tree_name(const struct vx_tree *tree, uint32_t key);

#endif
