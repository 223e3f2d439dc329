/*
 * VHD sets. See config_vhds.h. A name that is none does no harm (it keeps a file from being called unused); one that is
 * missed would, so the outcome always says that it may not be all.
 */
/* SPDX-License-Identifier: MIT */
#include "config/config_vhds.h"

#include "base/alloc.h"
#include "base/path.h"
#include "config/disk_names.h"

void vx_vhds_read(struct vx_bytes in, struct vx_config *config)
{
    vhdx_texts names = {NULL, 0};
    bool all = vx_disk_names_find(in, VX_NAMES_UTF16 | VX_NAMES_UTF8, config, &names);
    for (size_t i = 0; i < names.count; i++) {
        const vhdx_drive disk = {
            .path = names.items[i], .type = "VHD", .controller = VHDX_CONTROLLER_NONE, .instance = ""};
        if (!vx_path_has_extension(disk.path, ".vhds", true))
            vx_config_add_disk(config, &disk);
    }
    vx_free((void *)names.items);
    if (!all)
        vx_config_reason(config, "it names more disks than a VHD set can have");
    vx_config_reason(config, "how VHD sets are built is not published: names of disks were looked for in its bytes, "
                             "and it may have others");
}
