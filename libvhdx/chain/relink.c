/*
 * Relinking: paths and linkage in one log entry. See relink.h. The one thing that is easy to get wrong: a child that is in the middle of a merge is known to
 * its parent by the second linkage; a parent that fits keeps both linkages as they are, only the paths change.
 */
/* SPDX-License-Identifier: MIT */
#include "chain/relink.h"

#include "base/guid.h"
#include "chain/chain.h"
#include "chain/link.h"

#include <inttypes.h>

/* The parent's own ancestors, as far as they can be found, must not lead back to the child. */
static vhdx_status check_loop(const vhdx_host *host, const char *child, const char *parent, vhdx_error *err)
{
    struct vx_search search = {0};
    struct vx_chain *chain;
    vhdx_error ignored;
    vhdx_status status = vx_chain_open(host, parent, &search, NULL, &chain, NULL, &ignored);
    if (status == VHDX_PARENT_LOOP)
        return vx_fail(err, VHDX_PARENT_LOOP, vx_at_file(parent), "its own chain is a loop");
    if (status != VHDX_OK)
        return VHDX_OK; /* what is missing below is another matter */
    status = vx_chain_check_output(chain, child, &ignored);
    vx_chain_close(chain);
    if (status == VHDX_OK)
        return VHDX_OK;
    vx_fail(err, VHDX_PARENT_LOOP, vx_at_file(child), "it is itself a layer below %s: the chain would be a loop", parent);
    return vx_advise(err, VHDX_PARENT_LOOP, "choose the layer that was the parent");
}

static vhdx_status check_fit(const struct vx_image *child, const struct vx_image *parent, bool force, vhdx_error *err)
{
    char expected[VX_GUID_TEXT], found[VX_GUID_TEXT];
    struct vx_where where = vx_at_file(vx_image_path(child));
    if (child->geometry.logical_sector_size != parent->geometry.logical_sector_size) {
        vx_fail(err, VHDX_UNSUPPORTED, where, "its logical sector size is %" PRIu32 ", that of %s is %" PRIu32,
                child->geometry.logical_sector_size, vx_image_path(parent), parent->geometry.logical_sector_size);
        return vx_advise(err, VHDX_UNSUPPORTED, "these two cannot belong together; find the right parent");
    }
    if (force || vx_is_parent(child, &parent->header.data_write_guid))
        return VHDX_OK;
    vx_guid_format(&child->parent_names.linkage, expected);
    vx_guid_format(&parent->header.data_write_guid, found);
    vx_fail(err, VHDX_PARENT_MISMATCH, where, "the parent's id does not match: expected %s, found %s in %s", expected,
            found, vx_image_path(parent));
    return vx_advise(err, VHDX_PARENT_MISMATCH,
                     "find the file with the expected id; if that is lost and this one differs from it in nothing that the "
                     "child relies on, work on copies and use '--force', then check the file systems inside");
}

static vhdx_status check_child(const struct vx_image *child, vhdx_error *err)
{
    if (vx_image_has_parent(child))
        return VHDX_OK;
    vx_fail(err, VHDX_ARG, vx_at_file(vx_image_path(child)), "the disk has no parent, there is nothing to link");
    return vx_advise(err, VHDX_ARG, "name a differencing disk (AVHDX)");
}

static vhdx_status write_link(struct vx_image *child, const struct vx_image *parent, vhdx_error *err)
{
    struct vx_link link = {.linkage = parent->header.data_write_guid, .parent_path = vx_image_path(parent)};
    if (vx_is_parent(child, &parent->header.data_write_guid)) {
        link.linkage = child->parent_names.linkage;
        link.linkage2 = child->parent_names.linkage2;
    }
    VX_TRY(vx_image_begin_write(child, NULL, err));
    vhdx_status status = vx_link_write(child, &link, err);
    if (status == VHDX_OK)
        status = vx_image_end_write(child, err);
    if (status != VHDX_OK)
        vx_image_abandon_write(child);
    return status;
}

static vhdx_status relink_open(struct vx_image *child, const struct vx_image *parent, bool force, vhdx_error *err)
{
    VX_TRY(check_child(child, err));
    VX_TRY(check_fit(child, parent, force, err));
    return write_link(child, parent, err);
}

vhdx_status vx_relink(const vhdx_host *host, const char *child, const char *parent, bool force, vhdx_error *err)
{
    struct vx_image *child_image = NULL, *parent_image = NULL;
    host = vx_host_or_native(host);
    VX_TRY(check_loop(host, child, parent, err));
    vhdx_status status = vx_image_open(host, child, VX_OPEN_WRITE, &child_image, err);
    if (status == VHDX_OK)
        status = vx_image_open(host, parent, 0, &parent_image, err);
    if (status == VHDX_OK)
        status = relink_open(child_image, parent_image, force, err);
    vx_image_close(parent_image);
    vx_image_close(child_image);
    return status;
}
