/*
 * Images of other formats, for reading: a VHD, a raw disk. See image.h. They have no header, log, regions or items, so
 * nothing that writes opens one.
 */
/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include <string.h>

static vhdx_status is_vhdx(struct vx_file *file, bool *yes, vhdx_error *err)
{
    uint8_t signature[8];
    size_t got;
    VX_TRY(vx_file_read_some(file, signature, sizeof signature, 0, &got, err));
    *yes = got == sizeof signature && vx_get64(signature) == VX_SIG_FILE;
    return VHDX_OK;
}

static void take_facts(struct vx_image *image, vhdx_format format, uint64_t file_size, uint64_t virtual_size)
{
    image->view = image->file;
    image->format = format;
    image->geometry.virtual_size = virtual_size;
    image->geometry.logical_sector_size = 512;
    image->info = (vhdx_info){.path = vx_image_path(image),
                              .kind = VHDX_KIND_FIXED,
                              .virtual_size = virtual_size,
                              .file_size = file_size,
                              .logical_sector_size = 512,
                              .physical_sector_size = 512,
                              .creator = image->creator,
                              .format = format};
}

static vhdx_status take_raw(struct vx_image *image, vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(image->file, &size, err));
    if (size == 0)
        return vx_fail(err, VHDX_NOT_VHDX, vx_at_file(vx_image_path(image)), "the file is empty");
    take_facts(image, VHDX_FORMAT_RAW, size, size);
    return VHDX_OK;
}

static void take_creator(struct vx_image *image, const uint8_t creator[4])
{
    size_t used = 0;
    for (size_t i = 0; i < 4 && creator[i] >= ' ' && creator[i] < 0x7F; i++)
        image->creator[used++] = (char)creator[i];
    while (used > 0 && image->creator[used - 1] == ' ')
        used--;
    image->creator[used] = '\0';
}

static void take_parent(struct vx_image *image, const struct vx_vhd *vhd)
{
    image->parent_names = (vhdx_parent_names){.relative_path = vhd->relative_path,
                                              .absolute_win32_path = vhd->absolute_path,
                                              .has_linkage = true,
                                              .linkage = vhd->header.parent_id};
    image->geometry.has_parent = true;
    image->info.kind = VHDX_KIND_DIFFERENCING;
    image->info.parent = &image->parent_names;
}

static vhdx_status take_vhd(struct vx_image *image, vhdx_error *err)
{
    VX_TRY(vx_vhd_open(image->file, &image->vhd, err));
    const struct vx_vhd *vhd = image->vhd;
    take_facts(image, VHDX_FORMAT_VHD, vhd->file_size, vhd->footer.current_size);
    take_creator(image, vhd->footer.creator);
    image->header.data_write_guid = vhd->footer.id;
    image->info.virtual_disk_id = image->info.file_write_guid = image->info.data_write_guid = vhd->footer.id;
    if (vx_vhd_is_fixed(vhd))
        return VHDX_OK;
    image->info.kind = VHDX_KIND_DYNAMIC;
    image->info.block_size = image->geometry.block_size = vhd->header.block_size;
    if (vx_vhd_has_parent(vhd))
        take_parent(image, vhd);
    return VHDX_OK;
}

vhdx_status vx_image_take_other(struct vx_image *image, unsigned flags, bool *taken, vhdx_error *err)
{
    bool vhdx = false, vhd = false;
    *taken = true;
    image->format = VHDX_FORMAT_VHDX;
    if (flags & VX_OPEN_ONLY_RAW)
        return take_raw(image, err);
    *taken = false;
    if (!(flags & (VX_OPEN_VHD | VX_OPEN_RAW)))
        return VHDX_OK;
    VX_TRY(is_vhdx(image->file, &vhdx, err));
    if (!vhdx && (flags & VX_OPEN_VHD))
        VX_TRY(vx_vhd_recognize(image->file, &vhd, err));
    *taken = vhd || (!vhdx && (flags & VX_OPEN_RAW));
    if (!*taken)
        return VHDX_OK;
    return vhd ? take_vhd(image, err) : take_raw(image, err);
}
