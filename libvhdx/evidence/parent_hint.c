/*
 * A disk that the caller says is the parent, looked at for the values that a child shares with it. See vx_parent_hint
 * in clue.h. Whether it is the parent is judged there, against the locator.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/clue.h"
#include "image/image.h"

bool vx_parent_hint_find(const vhdx_host *host, const char *const *paths, size_t count, struct vx_parent_hint *hint)
{
    for (size_t i = 0; i < count; i++) {
        struct vx_image *image;
        if (vx_image_open(host, paths[i], VX_OPEN_PEEK | VX_OPEN_INSPECT, &image, NULL) != VHDX_OK)
            continue;
        *hint = (struct vx_parent_hint){.identity = image->header.data_write_guid,
                                        .disk_id = image->info.virtual_disk_id,
                                        .logical_sector = image->info.logical_sector_size,
                                        .physical_sector = image->info.physical_sector_size,
                                        .virtual_size = image->info.virtual_size};
        vx_image_close(image);
        return true;
    }
    return false;
}
