/*
 * A child and the parent that it finds by itself. See opens.h.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/opens.h"

#include "base/path.h"
#include "chain/resolve.h"

static bool has_identity_at(const struct vx_child *child, const char *path)
{
    vhdx_guid identity;
    return path && vx_path_is_absolute(path, child->host->windows_paths) &&
           vx_image_peek_identity(child->host, path, &identity, NULL) == VHDX_OK && vx_is_parent(child, &identity);
}

bool vx_opens_here(const vhdx_host *host, const char *path, bool *no_memory)
{
    struct vx_image *image;
    vhdx_status status = vx_image_open(host, path, VX_OPEN_PEEK | VX_OPEN_INSPECT, &image, NULL);
    *no_memory = *no_memory || status == VHDX_NOMEM;
    if (status != VHDX_OK)
        return false;
    const vhdx_parent_names *names = &image->parent_names;
    const struct vx_child child = vx_child_of(image);
    bool opens = vx_resolve_relative(&child) || has_identity_at(&child, names->volume_path) ||
                 has_identity_at(&child, names->absolute_win32_path);
    vx_image_close(image);
    return opens;
}
