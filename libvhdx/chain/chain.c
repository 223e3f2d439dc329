/*
 * Opening a chain. See chain.h. Finding the parent's file is resolve.c's.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/chain.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/utf.h"

#include <inttypes.h>
#include <string.h>

struct opening {
    struct vx_chain *chain;
    const struct vx_search *search;
    const struct vx_chain_access *access;
    vhdx_file_facts into; /* the identity of the named ancestor; all zero: none is named, or its host does not tell */
    size_t into_layer;    /* SIZE_MAX until it was met */
    size_t room;
    unsigned flags; /* VX_OPEN_..., besides what access asks for */
};

bool vx_same_path(const vhdx_host *host, const char *a, const char *b)
{
    char left[4096], right[4096];
    if (host->absolute(host->context, a, left, sizeof left, NULL) != VHDX_OK ||
        host->absolute(host->context, b, right, sizeof right, NULL) != VHDX_OK)
        return strcmp(a, b) == 0;
    return host->windows_paths ? vx_name_equal(left, right) : strcmp(left, right) == 0;
}

/* Hosts that hold files exclusively open none of them twice: the name is asked first, the file's identity after it. */
static bool is_file(const vhdx_host *host, struct vx_file *layer, const char *path)
{
    struct vx_file *file;
    bool same = false;
    if (vx_same_path(host, path, vx_file_path(layer)))
        return true;
    if (vx_file_open(host, path, VHDX_OPEN_PEEK, &file, NULL) != VHDX_OK)
        return false;
    same = vx_file_same(file, layer, &same) && same;
    vx_file_close(file);
    return same;
}

bool vx_chain_holds(const struct vx_chain *chain, const char *path)
{
    for (size_t i = 0; i < chain->count; i++)
        if (is_file(chain->host, chain->layers[i]->file, path))
            return true;
    return false;
}

vhdx_status vx_chain_check_output(const struct vx_chain *chain, const char *path, vhdx_error *err)
{
    for (size_t i = 0; i < chain->count; i++)
        VX_TRY(vx_layer_check_output(chain->host, chain->layers[i]->file, path, err));
    return VHDX_OK;
}

vhdx_status vx_layer_check_output(const vhdx_host *host, struct vx_file *layer, const char *path, vhdx_error *err)
{
    if (!is_file(host, layer, path))
        return VHDX_OK;
    vx_fail(err, VHDX_ARG, vx_at_file(path), "the output is a layer of the chain that is read");
    return vx_advise(err, VHDX_ARG, "choose another name for the output");
}

static vhdx_status append(struct opening *opening, struct vx_image *image, vhdx_error *err)
{
    struct vx_chain *chain = opening->chain;
    struct vx_image **layers = vx_room_for(chain->layers, chain->count, &opening->room, sizeof *layers);
    if (!layers) {
        vx_image_close(image);
        return vx_fail_memory(err, "the layers of a chain");
    }
    chain->layers = layers;
    chain->layers[chain->count++] = image;
    return VHDX_OK;
}

/* Whether a layer is the ancestor that was named, or the parent when none was. */
static bool is_into(const struct opening *opening, const struct vx_image *image, size_t layer)
{
    const vhdx_file_facts *facts = vx_file_facts(image->file), *into = &opening->into;
    if (!opening->access->into)
        return layer == 1;
    if (into->volume != 0 && facts->volume != 0)
        return facts->volume == into->volume && facts->file[0] == into->file[0] && facts->file[1] == into->file[1];
    return vx_same_path(opening->chain->host, opening->access->into, vx_image_path(image));
}

/* The file is closed again: an open one would be in the way of opening it for writing. */
static vhdx_status look_at_into(struct opening *opening, vhdx_error *err)
{
    struct vx_file *file;
    if (!opening->access || !opening->access->into)
        return VHDX_OK;
    VX_TRY(vx_file_open(opening->chain->host, opening->access->into, VHDX_OPEN_PEEK, &file, err));
    opening->into = *vx_file_facts(file);
    vx_file_close(file);
    return VHDX_OK;
}

static vhdx_status open_layer(struct opening *opening, const char *path, vhdx_error *err)
{
    struct vx_image *image;
    const struct vx_chain_access *access = opening->access;
    bool write = access && access->write && opening->into_layer == SIZE_MAX &&
                 (!access->leaf_only || opening->chain->count == 0);
    VX_TRY(vx_image_open(opening->chain->host, path, opening->flags | (write ? VX_OPEN_WRITE : 0u), &image, err));
    VX_TRY(append(opening, image, err));
    size_t layer = opening->chain->count - 1;
    if (opening->access && layer > 0 && opening->into_layer == SIZE_MAX && is_into(opening, image, layer))
        opening->into_layer = layer;
    return VHDX_OK;
}

/* A parent that is already in the chain would be held by ourselves: say what is wrong, not that it is open elsewhere.
 */
static vhdx_status check_loop(const struct opening *opening, const char *path, vhdx_error *err)
{
    const struct vx_chain *chain = opening->chain;
    if (!vx_chain_holds(chain, path))
        return VHDX_OK;
    return vx_fail(err, VHDX_PARENT_LOOP,
                   vx_at(vx_image_path(chain->layers[chain->count - 1]), "parent locator", VHDX_NOWHERE),
                   "the chain is a loop: the parent is %s, which is already a layer above it", path);
}

static vhdx_status check_parent(const struct vx_image *child, const struct vx_image *parent, vhdx_error *err)
{
    char found[VX_GUID_TEXT], expected[VX_GUID_TEXT];
    struct vx_where where = vx_at_file(vx_image_path(child));
    const struct vx_child named = vx_child_of(child);
    if (!vx_is_parent(&named, &parent->header.data_write_guid)) {
        vx_guid_format(&child->parent_names.linkage, expected);
        vx_guid_format(&parent->header.data_write_guid, found);
        return vx_fail(err, VHDX_PARENT_MISMATCH, where, "the parent's id does not match: expected %s, found %s in %s",
                       expected, found, vx_image_path(parent));
    }
    if (child->geometry.logical_sector_size != parent->geometry.logical_sector_size) {
        vx_fail(err, VHDX_UNSUPPORTED, where,
                "its logical sector size is %" PRIu32 ", that of its parent %s is %" PRIu32,
                child->geometry.logical_sector_size, vx_image_path(parent), parent->geometry.logical_sector_size);
        return vx_advise(err, VHDX_UNSUPPORTED, "these two cannot belong together; find the right parent");
    }
    return VHDX_OK;
}

static vhdx_status open_parent(struct opening *opening, vhdx_error *err)
{
    struct vx_chain *chain = opening->chain;
    struct vx_image *child = chain->layers[chain->count - 1];
    vhdx_error why;
    char *path;
    if (chain->count == VX_CHAIN_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_image_path(child)), "the chain has more than %u layers",
                       VX_CHAIN_MAX);
    vx_clear(&why);
    const struct vx_child named = vx_child_of(child);
    vhdx_status status = vx_resolve_parent(&named, opening->search, &path, &why);
    if (status == VHDX_BUSY) /* by ourselves, where even a look at the file is refused */
        VX_TRY(check_loop(opening, why.path, err));
    if (status != VHDX_OK) {
        if (err)
            *err = why;
        return status;
    }
    status = check_loop(opening, path, err);
    if (status == VHDX_OK)
        status = open_layer(opening, path, err);
    vx_free(path);
    if (status != VHDX_OK)
        return status;
    return check_parent(child, chain->layers[chain->count - 1], err);
}

static vhdx_status fail_no_ancestor(const struct opening *opening, vhdx_error *err)
{
    const struct vx_image *leaf = vx_chain_leaf(opening->chain);
    if (opening->access->into) {
        vx_fail(err, VHDX_ARG, vx_at_file(opening->access->into), "it is no ancestor of %s", vx_image_path(leaf));
        return vx_advise_code(err, VHDX_ARG, VHDX_ADVICE_LIST_LAYERS, NULL);
    }
    vx_fail(err, VHDX_ARG, vx_at_file(vx_image_path(leaf)), "the disk has no parent, there is nothing to merge into");
    return vx_advise(err, VHDX_ARG, "name the layer (AVHDX) that is to be merged, not the base");
}

static vhdx_status open_all(struct opening *opening, const char *path, vhdx_error *err)
{
    struct vx_chain *chain = opening->chain;
    VX_TRY(look_at_into(opening, err));
    VX_TRY(open_layer(opening, path, err));
    while (vx_image_has_parent(chain->layers[chain->count - 1]))
        VX_TRY(open_parent(opening, err));
    bool base = chain->count == 1 && opening->access && opening->access->may_be_base;
    if (opening->access && opening->into_layer == SIZE_MAX && !base)
        return fail_no_ancestor(opening, err);
    return VHDX_OK;
}

vhdx_status vx_chain_open(const vhdx_host *host, const char *path, const struct vx_search *search,
                          const struct vx_chain_access *access, struct vx_chain **chain, size_t *into_layer,
                          vhdx_error *err)
{
    struct opening opening = {.search = search, .access = access, .into_layer = SIZE_MAX};
    opening.chain = vx_alloc(1, sizeof *opening.chain);
    if (!opening.chain)
        return vx_fail_memory(err, "a chain");
    opening.chain->host = vx_host_or_native(host);
    vhdx_status status = open_all(&opening, path, err);
    if (status != VHDX_OK) {
        vx_chain_close(opening.chain);
        return status;
    }
    *chain = opening.chain;
    if (into_layer)
        *into_layer = opening.into_layer;
    return VHDX_OK;
}

vhdx_status vx_chain_open_any(const vhdx_host *host, const char *path, const struct vx_search *search, unsigned flags,
                              struct vx_chain **chain, vhdx_error *err)
{
    struct opening opening = {.search = search, .into_layer = SIZE_MAX, .flags = flags};
    opening.chain = vx_alloc(1, sizeof *opening.chain);
    if (!opening.chain)
        return vx_fail_memory(err, "a chain");
    opening.chain->host = vx_host_or_native(host);
    vhdx_status status = open_all(&opening, path, err);
    if (status == VHDX_OK)
        *chain = opening.chain;
    else
        vx_chain_close(opening.chain);
    return status;
}

/* A parent that is not the right one is the last layer that was opened, and none of the chain. */
static size_t proven_layers(const struct vx_chain *chain)
{
    size_t count = chain->count;
    if (count < 2)
        return count;
    const struct vx_child child = vx_child_of(chain->layers[count - 2]);
    return vx_is_parent(&child, &chain->layers[count - 1]->header.data_write_guid) ? count : count - 1;
}

vhdx_status vx_chain_list(const vhdx_host *host, const char *path, const struct vx_search *search, unsigned flags,
                          vhdx_layer_fn layer, void *context, vhdx_error *err)
{
    struct opening opening = {.search = search, .into_layer = SIZE_MAX, .flags = flags};
    opening.chain = vx_alloc(1, sizeof *opening.chain);
    if (!opening.chain)
        return vx_fail_memory(err, "a chain");
    opening.chain->host = vx_host_or_native(host);
    vhdx_status status = open_all(&opening, path, err);
    size_t count = proven_layers(opening.chain);
    for (size_t i = 0; i < count; i++)
        layer(context, i, &opening.chain->layers[i]->info);
    vx_chain_close(opening.chain);
    return status;
}

void vx_chain_close(struct vx_chain *chain)
{
    if (!chain)
        return;
    for (size_t i = 0; i < chain->count; i++)
        vx_image_close(chain->layers[i]);
    vx_free(chain->layers);
    vx_free(chain);
}
