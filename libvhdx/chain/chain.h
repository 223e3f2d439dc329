/*
 * Layers in order, leaf first, base last: opened, proven by linkage, free of loops. What they say together is
 * layered.c.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_CHAIN_CHAIN_H
#define VX_CHAIN_CHAIN_H

#include "base/limits.h"
#include "chain/resolve.h"

struct vx_chain {
    const vhdx_host *host;
    struct vx_image **layers;
    size_t count;
};

/* Which layers are to be written. */
struct vx_chain_access {
    bool write;       /* the leaf, all down to `into`, and it: exclusive */
    bool leaf_only;   /* with `write`: only the leaf */
    bool may_be_base; /* a leaf without parent is no failure */
    const char *into; /* an ancestor's path; NULL = the leaf's parent */
};

/* Looks at a layer before anything is written; what it fails with ends the work. */
typedef vhdx_status vx_layer_check_fn(struct vx_image *layer, vhdx_notice_fn notice, void *context, vhdx_error *err);

/*
 * Opens `path` and its ancestors. `access` NULL: all for reading. With access, *into_layer is the index of the
 * ancestor; ARG when `into` is none.
 */
vhdx_status vx_chain_open(const vhdx_host *host, const char *path, const struct vx_search *search,
                          const struct vx_chain_access *access, struct vx_chain **chain, size_t *into_layer,
                          vhdx_error *err);

/* Opens `path` and its ancestors for reading, with `flags` (VX_OPEN_...), which tell of what formats they may be. */
vhdx_status vx_chain_open_any(const vhdx_host *host, const char *path, const struct vx_search *search, unsigned flags,
                              struct vx_chain **chain, vhdx_error *err);

/*
 * Opens what can be opened of the chain, with `flags` (VX_OPEN_...), tells of each layer that is proven to belong to
 * it, and returns why it ends, where that is not at a base.
 */
vhdx_status vx_chain_list(const vhdx_host *host, const char *path, const struct vx_search *search, unsigned flags,
                          vhdx_layer_fn layer, void *context, vhdx_error *err);
/* Takes NULL. */
void vx_chain_close(struct vx_chain *chain);

/* Whether the two paths lead to one name: the same absolute form, whatever the letter case where it does not matter. */
bool vx_same_path(const vhdx_host *host, const char *a, const char *b);
/* Whether `path` names a layer of the chain, under whatever name; false when there is no such file. */
bool vx_chain_holds(const struct vx_chain *chain, const char *path);
/* ARG when it does: what is being read must not be written to. */
vhdx_status vx_chain_check_output(const struct vx_chain *chain, const char *path, vhdx_error *err);
/* The same for the file of one layer. */
vhdx_status vx_layer_check_output(const vhdx_host *host, struct vx_file *layer, const char *path, vhdx_error *err);

static inline struct vx_image *vx_chain_leaf(const struct vx_chain *chain)
{
    return chain->layers[0];
}

#endif
