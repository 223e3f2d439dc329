/*
 * Keys with values, as a tree. See key_tree.h. Numbers instead of pointers, because the array moves while it grows.
 */
/* SPDX-License-Identifier: MIT */
#include "config/key_tree.h"

#include "base/alloc.h"
#include "base/utf.h"

#include <assert.h>
#include <string.h>

struct vx_blob {
    struct vx_blob *next;
    uint8_t bytes[];
};

bool vx_tree_begin(struct vx_tree *tree)
{
    const struct vx_key root = {.type = VX_KEY_NODE, .parent = VX_TREE_NONE};
    uint32_t number;
    *tree = (struct vx_tree){0};
    return vx_tree_add(tree, &root, &number) == VHDX_OK;
}

void vx_tree_end(struct vx_tree *tree)
{
    vx_free(tree->keys);
    while (tree->blobs) {
        struct vx_blob *next = tree->blobs->next;
        vx_free(tree->blobs);
        tree->blobs = next;
    }
    *tree = (struct vx_tree){0};
}

uint8_t *vx_tree_blob(struct vx_tree *tree, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct vx_blob))
        return NULL;
    struct vx_blob *blob = vx_alloc(1, sizeof *blob + size);
    if (!blob)
        return NULL;
    blob->next = tree->blobs;
    tree->blobs = blob;
    return blob->bytes;
}

vhdx_status vx_tree_add(struct vx_tree *tree, const struct vx_key *key, uint32_t *number)
{
    if (tree->count == VX_TREE_KEYS_MAX)
        return VHDX_LIMIT;
    struct vx_key *keys = vx_room_for(tree->keys, tree->count, &tree->room, sizeof *keys);
    if (!keys)
        return VHDX_NOMEM;
    tree->keys = keys;
    *number = (uint32_t)tree->count++;
    tree->keys[*number] = *key;
    tree->keys[*number].child = tree->keys[*number].next = VX_TREE_NONE;
    tree->keys[*number].reached = false;
    return VHDX_OK;
}

/* ---- linking ---- */

/* Two sorted lists become one; of equal orders those of `a` come first. */
static uint32_t merge_lists(struct vx_key *keys, uint32_t a, uint32_t b)
{
    uint32_t head = VX_TREE_NONE, *end = &head;
    while (a != VX_TREE_NONE && b != VX_TREE_NONE) {
        uint32_t *first = keys[b].order < keys[a].order ? &b : &a;
        *end = *first;
        end = &keys[*first].next;
        *first = *end;
    }
    *end = a != VX_TREE_NONE ? a : b;
    return head;
}

/* Sorts a list in place: sorted[i] is empty or holds 2^i keys, all earlier ones of the list than those of sorted[i -
 * 1]. */
static uint32_t sort_list(struct vx_key *keys, uint32_t list)
{
    uint32_t sorted[32], all = VX_TREE_NONE;
    size_t used = 0;
    while (list != VX_TREE_NONE) {
        uint32_t run = list;
        size_t i = 0;
        list = keys[list].next;
        keys[run].next = VX_TREE_NONE;
        for (; i < used && sorted[i] != VX_TREE_NONE; i++) {
            run = merge_lists(keys, sorted[i], run);
            sorted[i] = VX_TREE_NONE;
        }
        assert(i < sizeof sorted / sizeof sorted[0]);
        if (i == used)
            used++;
        sorted[i] = run;
    }
    for (size_t i = 0; i < used; i++)
        all = merge_lists(keys, sorted[i], all);
    return all;
}

static bool may_have_children(const struct vx_tree *tree, uint32_t key)
{
    return key < tree->count && tree->keys[key].type == VX_KEY_NODE;
}

/* Marks what is at most `VX_TREE_DEPTH_MAX` below the root; returns how many that are. */
static size_t mark_reached(struct vx_tree *tree)
{
    uint32_t key = VX_TREE_ROOT;
    size_t depth = 0, count = 0;
    for (;;) {
        struct vx_key *k = &tree->keys[key];
        if (!k->reached) {
            k->reached = true;
            count++;
            if (k->child != VX_TREE_NONE && depth < VX_TREE_DEPTH_MAX) {
                key = k->child;
                depth++;
                continue;
            }
        }
        if (key == VX_TREE_ROOT)
            return count;
        if (k->next != VX_TREE_NONE) {
            key = k->next;
        } else {
            key = k->parent;
            depth--;
        }
    }
}

size_t vx_tree_link(struct vx_tree *tree)
{
    for (size_t i = tree->count - 1; i > 0; i--) {
        struct vx_key *key = &tree->keys[i];
        if (!may_have_children(tree, key->parent) || key->parent == i)
            continue;
        key->next = tree->keys[key->parent].child;
        tree->keys[key->parent].child = (uint32_t)i;
    }
    for (size_t i = 0; i < tree->count; i++)
        tree->keys[i].child = sort_list(tree->keys, tree->keys[i].child);
    return tree->count - mark_reached(tree);
}

/* ---- looking ---- */

static bool same_name(struct vx_bytes name, const char *text, size_t length)
{
    if (name.size != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (vx_ascii_lower(name.data[i]) != vx_ascii_lower((uint8_t)text[i]))
            return false;
    return true;
}

bool vx_tree_is_named(const struct vx_tree *tree, uint32_t key, const char *name)
{
    return same_name(tree->keys[key].name, name, strlen(name));
}

static uint32_t search(const struct vx_tree *tree, uint32_t from, const char *name, size_t length)
{
    while (from != VX_TREE_NONE && !(tree->keys[from].reached && same_name(tree->keys[from].name, name, length)))
        from = tree->keys[from].next;
    return from;
}

uint32_t vx_tree_child(const struct vx_tree *tree, uint32_t parent, const char *name)
{
    return parent == VX_TREE_NONE ? VX_TREE_NONE : search(tree, tree->keys[parent].child, name, strlen(name));
}

uint32_t vx_tree_again(const struct vx_tree *tree, uint32_t key)
{
    struct vx_bytes name = tree->keys[key].name;
    return search(tree, tree->keys[key].next, (const char *)name.data, name.size);
}

uint32_t vx_tree_find(const struct vx_tree *tree, const char *path)
{
    uint32_t key = VX_TREE_ROOT;
    while (*path && key != VX_TREE_NONE) {
        size_t length = strcspn(path, "/");
        key = search(tree, tree->keys[key].child, path, length);
        path += length;
        path += *path == '/';
    }
    return key;
}

uint32_t vx_tree_walk(const struct vx_tree *tree, uint32_t top, uint32_t key)
{
    uint32_t child = tree->keys[key].child;
    if (child != VX_TREE_NONE && tree->keys[child].reached)
        return child;
    while (key != top && tree->keys[key].next == VX_TREE_NONE)
        key = tree->keys[key].parent;
    return key == top ? VX_TREE_NONE : tree->keys[key].next;
}

static char *copy(struct vx_bytes bytes, bool utf16)
{
    char *text = vx_alloc(utf16 ? VX_UTF8_ROOM(bytes.size) : bytes.size + 1, 1);
    if (!text)
        return NULL;
    if (utf16)
        vx_utf16_to_utf8(bytes, text);
    else if (bytes.size > 0)
        memcpy(text, bytes.data, bytes.size);
    return text;
}

char *vx_tree_text(const struct vx_tree *tree, uint32_t key)
{
    const struct vx_key *k = &tree->keys[key];
    return k->type == VX_KEY_STRING ? copy(k->value, k->utf16) : vx_copy_string("");
}

char *vx_tree_name(const struct vx_tree *tree, uint32_t key)
{
    return copy(tree->keys[key].name, false);
}
