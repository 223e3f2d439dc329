/*
 * Sizes of new disks. See settle.h. Limits of VHD are those of Hyper-V (2040 GiB, blocks of 512 KiB or 2 MiB) and
 * Azure, which takes fixed disks of whole MiB, from 20 MiB to 4095 GiB.
 */
/* SPDX-License-Identifier: MIT */
#include "build/settle.h"

#include "base/size_text.h"

#include <inttypes.h>

#define CHILD_BLOCK ((uint32_t)(2 * VX_MIB))
#define VHD_BLOCK ((uint32_t)(2 * VX_MIB))
#define VHD_SMALL_BLOCK ((uint32_t)(512 * VX_KIB))
#define VHD_MOST (2040 * VX_GIB)
#define AZURE_MOST (4095 * VX_GIB)
#define AZURE_LEAST (20 * VX_MIB)
#define VHDX_MOST (64 * VX_TIB)
#define BAT_ENTRIES_MOST (UINT64_C(1) << 23) /* 64 MiB of BAT, where nobody knows how large the disk becomes */

static vhdx_status refuse(const char *path, const char *why, vhdx_error *err)
{
    return vx_fail(err, VHDX_ARG, vx_at_file(path), "%s", why);
}

static bool may_be_block(uint32_t size)
{
    return size >= VX_MIB && size <= 256 * VX_MIB && vx_is_power_of_two(size);
}

static vhdx_status settle_vhdx(const char *path, const vhdx_build_options *options, const struct vx_source *source,
                               struct vx_build_spec *spec, vhdx_error *err)
{
    struct vx_create_spec *create = &spec->create;
    if (options->parent && options->fixed)
        return refuse(path, "a differencing disk cannot be fixed", err);
    create->block_size = options->block_size;
    if (create->block_size == 0 && may_be_block(source->block_size))
        create->block_size = source->block_size;
    if (create->block_size == 0 && options->parent)
        create->block_size = CHILD_BLOCK;
    create->logical_sector_size =
        options->logical_sector_size ? options->logical_sector_size : source->logical_sector_size;
    create->physical_sector_size =
        options->physical_sector_size ? options->physical_sector_size : source->physical_sector_size;
    create->fixed = options->fixed;
    create->virtual_size = VHDX_MOST;
    VX_TRY(vx_create_settle(create, err));
    spec->size_unit = create->logical_sector_size;
    spec->room = vx_min(VHDX_MOST, BAT_ENTRIES_MOST * create->block_size);
    return VHDX_OK;
}

static vhdx_status settle_vhd(const char *path, const vhdx_build_options *options, struct vx_build_spec *spec,
                              vhdx_error *err)
{
    if (options->parent)
        return refuse(path, "a child of a VHD is not made here: only a VHDX can have a parent", err);
    if (options->logical_sector_size > 512 || options->physical_sector_size > 512)
        return refuse(path, "a VHD has sectors of 512 bytes", err);
    spec->create.block_size = options->block_size ? options->block_size : VHD_BLOCK;
    if (spec->create.block_size != VHD_BLOCK && spec->create.block_size != VHD_SMALL_BLOCK)
        return refuse(path, "a VHD has blocks of 512 KiB or 2 MiB: Hyper-V takes no others", err);
    spec->create.logical_sector_size = 512;
    spec->azure = options->azure;
    spec->fixed = options->fixed || options->azure;
    spec->size_unit = options->azure ? VX_MIB : 512;
    spec->least_size = options->azure ? AZURE_LEAST : 0;
    spec->room = options->azure ? AZURE_MOST : VHD_MOST;
    return VHDX_OK;
}

static vhdx_status settle_raw(const char *path, const vhdx_build_options *options, struct vx_build_spec *spec,
                              vhdx_error *err)
{
    if (options->parent || options->block_size || options->logical_sector_size || options->physical_sector_size)
        return refuse(path, "a raw disk has no parent, no blocks and no sector sizes", err);
    spec->create.logical_sector_size = 512;
    spec->size_unit = 1;
    spec->room = INT64_MAX;
    return VHDX_OK;
}

static vhdx_status settle_format(const char *path, const vhdx_build_options *options, const struct vx_source *source,
                                 struct vx_build_spec *spec, vhdx_error *err)
{
    if (options->azure && spec->format != VHDX_FORMAT_VHD)
        return refuse(path, "Azure takes VHDs only", err);
    switch (spec->format) {
    case VHDX_FORMAT_VHDX:
        return settle_vhdx(path, options, source, spec, err);
    case VHDX_FORMAT_VHD:
        return settle_vhd(path, options, spec, err);
    case VHDX_FORMAT_RAW:
        return settle_raw(path, options, spec, err);
    }
    return refuse(path, "there is no such format", err);
}

vhdx_status vx_build_size(const struct vx_build_spec *spec, uint64_t bytes, uint64_t *virtual_size, vhdx_error *err)
{
    char most[VX_SIZE_TEXT];
    uint64_t units = vx_ceil_div(vx_max(bytes, vx_max(spec->least_size, 1)), spec->size_unit);
    if (!vx_mul(units, spec->size_unit, virtual_size) || *virtual_size > spec->room)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(spec->path),
                       "the disk has %" PRIu64 " bytes, %s at most fit into what is to be made", bytes,
                       vx_size_text(spec->room, most));
    return VHDX_OK;
}

vhdx_status vx_build_settle(const char *path, const vhdx_build_options *options, const struct vx_source *source,
                            struct vx_build_spec *spec, vhdx_error *err)
{
    *spec = (struct vx_build_spec){.host = vx_host_or_native(options->host),
                                   .path = path,
                                   .format = options->format ? options->format : VHDX_FORMAT_VHDX,
                                   .fixed = options->fixed,
                                   .overwrite = options->overwrite};
    VX_TRY(settle_format(path, options, source, spec, err));
    if (options->data_write_guid)
        spec->create.data_write_guid = *options->data_write_guid;
    if (options->virtual_disk_id)
        spec->create.virtual_disk_id = *options->virtual_disk_id;
    uint64_t size = vx_max(options->virtual_size, source->virtual_size);
    if (spec->format == VHDX_FORMAT_VHDX && size > 0)
        spec->room = VHDX_MOST;
    if (options->virtual_size > 0 && source->virtual_size > options->virtual_size)
        return vx_fail(err, VHDX_ARG, vx_at_file(path),
                       "the source's disk has %" PRIu64 " bytes, more than the %" PRIu64 " that were asked for",
                       source->virtual_size, options->virtual_size);
    if (size > 0) {
        VX_TRY(vx_build_size(spec, size, &spec->virtual_size, err));
        spec->room = spec->virtual_size;
    }
    return VHDX_OK;
}
