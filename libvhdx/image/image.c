/*
 * What every user of an open image needs: its metadata as it will be after the commit, and the facts that follow from
 * its items. See image.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include "image/journal.h"

#include <inttypes.h>
#include <string.h>

void vx_image_take_parent_names(struct vx_image *image)
{
    const struct vx_items *items = &image->items;
    vhdx_parent_names *names = &image->parent_names;
    *names = (vhdx_parent_names){.relative_path = items->relative_path,
                                 .volume_path = items->volume_path,
                                 .absolute_win32_path = items->absolute_win32_path};
    if (items->locator) {
        names->has_linkage = vx_locator_guid(items->locator, VX_KEY_LINKAGE, &names->linkage);
        names->has_linkage2 = vx_locator_guid(items->locator, VX_KEY_LINKAGE2, &names->linkage2);
    }
}

static enum vhdx_kind kind_of(const struct vx_items *items)
{
    if (items->parameters.flags & VX_PARAMETER_HAS_PARENT)
        return VHDX_KIND_DIFFERENCING;
    return items->parameters.flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED ? VHDX_KIND_FIXED : VHDX_KIND_DYNAMIC;
}

vhdx_status vx_image_refresh(struct vx_image *image, vhdx_error *err)
{
    const struct vx_items *items = &image->items;
    bool has_parent = (items->parameters.flags & VX_PARAMETER_HAS_PARENT) != 0;
    if (!vx_geometry_init(&image->geometry, items->virtual_size, items->parameters.block_size,
                          items->logical_sector_size, has_parent))
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_image_path(image), "metadata", image->metadata.file_offset),
                       "block size, sector size and disk size do not fit together");
    if (image->bat.length / VX_BAT_ENTRY_SIZE < image->geometry.entry_count)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_image_path(image), "BAT", image->bat.file_offset),
                       "the BAT region has 0x%" PRIx32 " bytes, %" PRIu64 " entries do not fit", image->bat.length,
                       image->geometry.entry_count);
    vx_image_take_parent_names(image);
    image->info = (vhdx_info){.path = vx_image_path(image),
                              .kind = kind_of(items),
                              .log = image->log,
                              .virtual_size = items->virtual_size,
                              .file_size = image->info.file_size,
                              .block_size = items->parameters.block_size,
                              .logical_sector_size = items->logical_sector_size,
                              .physical_sector_size = items->physical_sector_size,
                              .virtual_disk_id = items->virtual_disk_id,
                              .file_write_guid = image->header.file_write_guid,
                              .data_write_guid = image->header.data_write_guid,
                              .creator = image->creator,
                              .parent = has_parent ? &image->parent_names : NULL,
                              .format = VHDX_FORMAT_VHDX};
    return VHDX_OK;
}

/* Puts the journal's pending pages over what was read. */
static void apply_pending(const struct vx_image *image, uint8_t *buf, size_t length, uint64_t offset)
{
    uint64_t end = offset + length;
    for (uint64_t page = vx_round_down(offset, VX_PAGE); page < end; page += VX_PAGE) {
        const uint8_t *pending = vx_journal_pending(image->journal, page);
        if (!pending)
            continue;
        uint64_t from = vx_max(page, offset);
        uint64_t to = vx_min(page + VX_PAGE, end);
        memcpy(buf + (from - offset), pending + (from - page), (size_t)(to - from));
    }
}

vhdx_status vx_image_read_metadata(struct vx_image *image, void *buf, size_t length, uint64_t offset, vhdx_error *err)
{
    VX_TRY(vx_file_read(image->view, buf, length, offset, err));
    if (image->journal)
        apply_pending(image, buf, length, offset);
    return VHDX_OK;
}
