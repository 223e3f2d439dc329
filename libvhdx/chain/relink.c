/*
 * Relinking: paths and linkage in one log entry. See relink.h. A child that is
 * in the middle of a merge is known to its parent by the second linkage; a parent that fits keeps both linkages as they
 * are, only the paths change.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/relink.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "chain/chain.h"
#include "chain/link.h"
#include "image/writing.h"

#include <inttypes.h>

static bool is_same_file(const vhdx_host *host, struct vx_file *file, const struct vx_image *image)
{
    bool same;
    return vx_same_path(host, vx_file_path(file), vx_image_path(image)) ||
           (vx_file_same(file, image->file, &same) && same);
}

static vhdx_status fail_loop(struct vx_file *child, const char *parent, bool is_parent, vhdx_error *err)
{
    struct vx_where where = vx_at_file(vx_file_path(child));
    if (is_parent)
        vx_fail(err, VHDX_PARENT_LOOP, where, "the disk would be its own parent");
    else
        vx_fail(err, VHDX_PARENT_LOOP, where, "it is itself a layer below %s: the chain would be a loop", parent);
    return vx_advise(err, VHDX_PARENT_LOOP, "choose the layer that was the parent");
}

/* One layer of the parent's chain; *next is the path of the one below it, NULL when there is none to be found. */
static vhdx_status check_layer(const vhdx_host *host, struct vx_file *child, const char *parent, const char *path,
                               char **next, vhdx_error *err)
{
    struct vx_search search = {0};
    struct vx_image *image;
    struct vx_child named;
    vhdx_status status = VHDX_OK;
    *next = NULL;
    if (vx_image_open(host, path, VX_OPEN_PEEK | VX_OPEN_INSPECT, &image, NULL) != VHDX_OK)
        return VHDX_OK; /* the parent is opened again where it is needed; what is wrong below is another matter */
    named = vx_child_of(image);
    if (is_same_file(host, child, image))
        status = fail_loop(child, parent, path == parent, err);
    else if (vx_image_has_parent(image) && vx_resolve_parent(&named, &search, next, NULL) != VHDX_OK)
        *next = NULL;
    vx_image_close(image);
    return status;
}

/*
 * The parent's own ancestors must not lead back to the child. Where one is missing they are followed down to there: the
 * missing one may turn up again.
 */
static vhdx_status follow_down(const vhdx_host *host, struct vx_file *child, const char *parent, vhdx_error *err)
{
    char *path = NULL;
    vhdx_status status = check_layer(host, child, parent, parent, &path, err);
    for (size_t layers = 1; status == VHDX_OK && path; layers++) {
        char *next = NULL;
        status = layers < VX_CHAIN_MAX ? check_layer(host, child, parent, path, &next, err)
                                       : vx_fail(err, VHDX_PARENT_LOOP, vx_at_file(parent),
                                                 "its own chain is a loop, or has more than %u layers", VX_CHAIN_MAX);
        vx_free(path);
        path = next;
    }
    vx_free(path);
    return status;
}

static vhdx_status check_loop(const vhdx_host *host, const char *child, const char *parent, vhdx_error *err)
{
    struct vx_file *file;
    VX_TRY(vx_file_open(host, child, VHDX_OPEN_PEEK, &file, err));
    vhdx_status status = follow_down(host, file, parent, err);
    vx_file_close(file);
    return status;
}

static vhdx_status fail_mismatch(const struct vx_image *child, const struct vx_image *parent, vhdx_error *err)
{
    char expected[VX_GUID_TEXT], found[VX_GUID_TEXT];
    struct vx_where where = vx_at_file(vx_image_path(child));
    vx_guid_format(&child->parent_names.linkage, expected);
    vx_guid_format(&parent->header.data_write_guid, found);
    if (child->parent_names.has_linkage)
        vx_fail(err, VHDX_PARENT_MISMATCH, where, "the parent's id does not match: expected %s, found %s in %s",
                expected, found, vx_image_path(parent));
    else
        vx_fail(err, VHDX_PARENT_MISMATCH, where, "its parent locator does not identify the parent; %s is %s",
                vx_image_path(parent), found);
    return vx_advise_code(err, VHDX_PARENT_MISMATCH, VHDX_ADVICE_RELINK_FORCED, NULL);
}

static vhdx_status check_fit(const struct vx_image *child, const struct vx_image *parent, bool force, vhdx_error *err)
{
    struct vx_where where = vx_at_file(vx_image_path(child));
    if (child->geometry.logical_sector_size != parent->geometry.logical_sector_size) {
        vx_fail(err, VHDX_UNSUPPORTED, where, "its logical sector size is %" PRIu32 ", that of %s is %" PRIu32,
                child->geometry.logical_sector_size, vx_image_path(parent), parent->geometry.logical_sector_size);
        return vx_advise(err, VHDX_UNSUPPORTED, "these two cannot belong together; find the right parent");
    }
    const struct vx_child named = vx_child_of(child);
    return force || vx_is_parent(&named, &parent->header.data_write_guid) ? VHDX_OK : fail_mismatch(child, parent, err);
}

static vhdx_status check_child(const struct vx_image *child, vhdx_error *err)
{
    const struct vx_locator *locator = child->items.locator;
    if (vx_image_has_parent(child) && locator && (vx_locator_rules(locator) & VX_LOCATOR_BAD_TYPE))
        return vx_fail(err, VHDX_UNSUPPORTED, vx_at(vx_image_path(child), "parent locator", VHDX_NOWHERE),
                       "the parent locator is of an unknown type");
    if (vx_image_has_parent(child))
        return VHDX_OK;
    vx_fail(err, VHDX_ARG, vx_at_file(vx_image_path(child)), "the disk has no parent, there is nothing to link");
    return vx_advise(err, VHDX_ARG, "name a differencing disk (AVHDX)");
}

static struct vx_link link_to(const struct vx_image *child, const struct vx_image *parent)
{
    struct vx_link link = {.linkage = parent->header.data_write_guid, .parent_path = vx_image_path(parent)};
    const struct vx_child named = vx_child_of(child);
    if (vx_is_parent(&named, &parent->header.data_write_guid)) {
        if (child->parent_names.has_linkage)
            link.linkage = child->parent_names.linkage;
        link.linkage2 = child->parent_names.linkage2;
    }
    return link;
}

static vhdx_status write_link(struct vx_image *child, const struct vx_image *parent, vhdx_error *err)
{
    struct vx_link link = link_to(child, parent);
    VX_TRY(vx_link_check(child, &link, err));
    VX_TRY(vx_image_begin_metadata(child, err));
    vhdx_status status = vx_link_write(child, &link, err);
    if (status == VHDX_OK)
        status = vx_image_end_write(child, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(child);
    return status;
}

static vhdx_status check_open(struct vx_image *child, const struct vx_image *parent, bool force, vhdx_error *err)
{
    VX_TRY(check_child(child, err));
    return check_fit(child, parent, force, err);
}

/* Opens both, the child as `flags` say. On failure neither is open. */
static vhdx_status open_both(const vhdx_host *host, const char *child, const char *parent, unsigned flags,
                             struct vx_image *images[2], vhdx_error *err)
{
    VX_TRY(check_loop(host, child, parent, err));
    VX_TRY(vx_image_open(host, child, flags, &images[0], err));
    vhdx_status status = vx_image_open(host, parent, 0, &images[1], err);
    if (status != VHDX_OK)
        vx_image_close(images[0]);
    return status;
}

static void close_both(struct vx_image *images[2])
{
    vx_image_close(images[1]);
    vx_image_close(images[0]);
}

vhdx_status vx_relink(const vhdx_host *host, const char *child, const char *parent, bool force, vhdx_error *err)
{
    struct vx_image *images[2];
    VX_TRY(open_both(vx_host_or_native(host), child, parent, VX_OPEN_WRITE, images, err));
    vhdx_status status = check_open(images[0], images[1], force, err);
    if (status == VHDX_OK)
        status = write_link(images[0], images[1], err);
    close_both(images);
    return status;
}

vhdx_status vx_relink_check(const vhdx_host *host, const char *child, const char *parent, vhdx_error *err)
{
    struct vx_image *images[2];
    VX_TRY(open_both(vx_host_or_native(host), child, parent, 0, images, err));
    vhdx_status status = check_open(images[0], images[1], false, err);
    if (status == VHDX_OK) {
        struct vx_link link = link_to(images[0], images[1]);
        status = vx_link_check(images[0], &link, err);
    }
    if (status == VHDX_OK)
        status = vx_image_check_write(images[0], err);
    close_both(images);
    return status;
}
