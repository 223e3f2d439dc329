/*
 * A look at a disk of the format before VHDX: its identity and its parent's. See probe.h. Its footer is its header, and
 * a copy of it is at the beginning only where the disk is not of fixed size.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/probe_parts.h"

#include "format/vhd.h"

#define VHD_SECTOR 512u

/* A path of the parent, where a locator says that it is. NULL: not there, or of no use. */
static const char *vhd_path(struct vx_probing *it, const struct vx_vhd_header *header, uint32_t platform,
                            bool *no_memory)
{
    struct vx_probe *probe = it->probe;
    const struct vx_vhd_locator *locator = vx_vhd_locator_find(header, platform);
    size_t got;
    if (!locator || locator->length > sizeof probe->locator_bytes)
        return NULL;
    if (vx_file_read_some(it->file, probe->locator_bytes, locator->length, locator->offset, &got, NULL) != VHDX_OK ||
        got < locator->length || vx_utf16_to_utf8(vx_bytes_of(probe->locator_bytes, got), probe->text) == 0)
        return NULL;
    return vx_probe_keep(probe, probe->text, no_memory);
}

static void take_vhd_parent(struct vx_probing *it, const struct vx_vhd_header *header, bool *no_memory)
{
    vhdx_parent_names *names = &it->disk->pub.names;
    char name[VX_UTF8_ROOM(VX_VHD_NAME_SIZE)];
    names->has_linkage = true;
    names->linkage = header->parent_id;
    names->relative_path = vhd_path(it, header, VX_VHD_W2RU, no_memory);
    names->absolute_win32_path = vhd_path(it, header, VX_VHD_W2KU, no_memory);
    vx_vhd_name(header->parent_name, name);
    if (!names->absolute_win32_path && name[0])
        names->absolute_win32_path = vx_probe_keep(it->probe, name, no_memory);
}

/* The header of a dynamic or differencing disk; a sentence when it is no use. */
static const char *take_vhd_header(struct vx_probing *it, uint64_t offset, bool differencing, bool *no_memory)
{
    struct vx_vhd_header header;
    uint8_t *bytes = it->probe->page;
    size_t got;
    if (vx_file_read_some(it->file, bytes, VX_VHD_HEADER_SIZE, offset, &got, NULL) != VHDX_OK ||
        vx_vhd_header_decode(vx_bytes_of(bytes, got), &header) != VHDX_OK)
        return "the header of this VHD is not where its footer says";
    if (vx_vhd_header_rules(&header))
        return "the header of this VHD is damaged";
    it->disk->pub.block_size = header.block_size;
    if (differencing)
        take_vhd_parent(it, &header, no_memory);
    return NULL;
}

static void take_vhd(struct vx_probing *it, const struct vx_vhd_footer *footer, bool *no_memory)
{
    struct vx_disk *disk = it->disk;
    bool differencing = footer->type == VX_VHD_DIFFERENCING;
    disk->pub.kind = differencing ? VHDX_DISK_KIND_VHD_DIFFERENCING : VHDX_DISK_KIND_VHD;
    disk->pub.virtual_size = footer->current_size;
    disk->pub.logical_sector_size = disk->pub.physical_sector_size = VHD_SECTOR;
    disk->pub.data_write_guid = footer->id;
    disk->has_identity = true;
    if (vx_vhd_footer_rules(footer))
        disk->trouble = "the footer of this VHD is damaged";
    else if (footer->type != VX_VHD_FIXED)
        disk->trouble = take_vhd_header(it, footer->data_offset, differencing, no_memory);
    disk->has_identity = disk->is_sound = !disk->trouble;
}

bool vx_probe_vhd(struct vx_probing *it, size_t got_first, uint64_t size, bool *no_memory)
{
    struct vx_vhd_footer footer;
    uint8_t bytes[VX_VHD_FOOTER_SIZE];
    size_t got = 0;
    bool whole = size >= VX_VHD_FOOTER_SIZE && size % VX_VHD_FOOTER_SIZE == 0 &&
                 vx_file_read_some(it->file, bytes, sizeof bytes, size - VX_VHD_FOOTER_SIZE, &got, NULL) == VHDX_OK &&
                 vx_vhd_footer_decode(vx_bytes_of(bytes, got), &footer) == VHDX_OK;
    if (!whole && vx_vhd_footer_decode(vx_bytes_of(it->probe->first, got_first), &footer) != VHDX_OK)
        return false;
    it->disk->truncated = !whole;
    take_vhd(it, &footer, no_memory);
    return true;
}
