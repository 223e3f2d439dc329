/*
 * A look at a VHDX: the short way, some small reads of what a plain disk has in its plain places, and the long way
 * through the strict opener for whatever is out of the ordinary. See probe.h. Nothing here is a check.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/probe_parts.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "format/bat.h"
#include "image/image.h"

#include <string.h>

static bool glance_regions(struct vx_probing *it, uint64_t table_offset, uint64_t file_size)
{
    struct vx_probe *probe = it->probe;
    size_t got;
    const uint32_t unusable = VX_REGION_TOO_MANY | VX_REGION_DUPLICATE | VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH |
                              VX_REGION_OVERFLOW | VX_REGION_OVERLAP | VX_REGION_NO_BAT | VX_REGION_NO_METADATA |
                              VX_REGION_UNKNOWN_REQUIRED;
    if (vx_file_read_some(it->file, probe->page, VX_GLANCE, table_offset, &got, NULL) != VHDX_OK ||
        vx_region_table_glance(vx_bytes_of(probe->page, got), &probe->regions) != VHDX_OK ||
        (vx_region_table_rules(&probe->regions) & unusable))
        return false;
    it->metadata = *vx_region_find(&probe->regions, &vx_guid_metadata_region);
    it->bat = *vx_region_find(&probe->regions, &vx_guid_bat_region);
    return it->metadata.length <= VX_METADATA_REGION_MAX && it->metadata.file_offset < file_size;
}

static bool glance_table(struct vx_probing *it)
{
    struct vx_probe *probe = it->probe;
    size_t got;
    const uint32_t ignored = VX_METADATA_RESERVED_SET | VX_METADATA_ENTRY_RESERVED_SET | VX_METADATA_TOO_MANY_USER |
                             VX_METADATA_EMPTY_WITH_OFFSET | VX_METADATA_ZERO_ID;
    if (vx_file_read_some(it->file, probe->page, VX_GLANCE, it->metadata.file_offset, &got, NULL) != VHDX_OK ||
        vx_metadata_table_glance(vx_bytes_of(probe->page, got), &probe->metadata) != VHDX_OK)
        return false;
    return (vx_metadata_table_rules(&probe->metadata, it->metadata.length) & ~ignored) == 0;
}

/* The bytes of an item; items are together, so one read mostly serves all. NULL: absent, of another length, or not to
 * be read. */
static const uint8_t *item(struct vx_probing *it, const vhdx_guid *id, uint32_t length)
{
    struct vx_probe *probe = it->probe;
    const struct vx_metadata_entry *entry = vx_metadata_find(&probe->metadata, id);
    if (!entry || entry->length != length || length > VX_GLANCE)
        return NULL;
    uint64_t place = it->metadata.file_offset + entry->offset;
    size_t got;
    bool cached = it->items_at && place >= it->items_at && place - it->items_at <= VX_GLANCE - length;
    if (!cached) {
        it->items_at = 0;
        if (vx_file_read_some(it->file, probe->items, VX_GLANCE, place, &got, NULL) != VHDX_OK || got < length)
            return NULL;
        it->items_at = place;
    }
    return probe->items + (place - it->items_at);
}

/* Reads what is at the items' usual place, whichever comes first there. */
static void fetch_items(struct vx_probing *it)
{
    size_t got;
    uint64_t place = it->metadata.file_offset + VX_METADATA_TABLE_SIZE;
    if (vx_file_read_some(it->file, it->probe->items, VX_GLANCE, place, &got, NULL) == VHDX_OK && got == VX_GLANCE)
        it->items_at = place;
}

static bool take_values(struct vx_probing *it)
{
    vhdx_found_file *pub = &it->disk->pub;
    struct vx_file_parameters parameters;
    const uint8_t *bytes;
    fetch_items(it);
    if (!(bytes = item(it, &vx_guid_file_parameters, 8)) ||
        vx_file_parameters_decode(vx_bytes_of(bytes, 8), &parameters) != VHDX_OK)
        return false;
    it->flags = parameters.flags;
    pub->block_size = parameters.block_size;
    if (!(bytes = item(it, &vx_guid_virtual_disk_size, 8)))
        return false;
    pub->virtual_size = vx_get64(bytes);
    if (!(bytes = item(it, &vx_guid_logical_sector_size, 4)))
        return false;
    pub->logical_sector_size = vx_get32(bytes);
    if (!(bytes = item(it, &vx_guid_physical_sector_size, 4)))
        return false;
    pub->physical_sector_size = vx_get32(bytes);
    if (!(bytes = item(it, &vx_guid_virtual_disk_id, 16)))
        return false;
    memcpy(&pub->virtual_disk_id, bytes, sizeof pub->virtual_disk_id);
    const uint32_t bad = VX_VALUES_BAD_BLOCK_SIZE | VX_VALUES_BAD_LOGICAL_SECTOR | VX_VALUES_BAD_VIRTUAL_SIZE;
    return !(vx_values_rules(&parameters, pub->virtual_size, pub->logical_sector_size, pub->physical_sector_size) &
             bad);
}

static const char *locator_text(struct vx_probe *probe, const char *key, bool *no_memory)
{
    const struct vx_locator_pair *pair = vx_locator_find(&probe->locator, key);
    if (!pair || pair->value.size > 65536)
        return NULL;
    vx_utf16_to_utf8(pair->value, probe->text);
    return vx_probe_keep(probe, probe->text, no_memory);
}

/* The locator of a differencing disk; false: the strict opener is to look at it. */
static bool take_locator(struct vx_probing *it, bool *no_memory)
{
    struct vx_probe *probe = it->probe;
    const struct vx_metadata_entry *entry = vx_metadata_find(&probe->metadata, &vx_guid_parent_locator);
    vhdx_parent_names *names = &it->disk->pub.names;
    if (!entry || entry->length == 0 || entry->length > sizeof probe->locator_bytes)
        return false;
    uint64_t place = it->metadata.file_offset + entry->offset;
    const uint8_t *bytes = probe->locator_bytes;
    size_t got;
    if (it->items_at && entry->length <= VX_GLANCE && place >= it->items_at &&
        place - it->items_at <= VX_GLANCE - entry->length)
        bytes = probe->items + (place - it->items_at);
    else if (vx_file_read_some(it->file, probe->locator_bytes, entry->length, place, &got, NULL) != VHDX_OK ||
             got < entry->length)
        return false;
    if (vx_locator_decode(vx_bytes_of(bytes, entry->length), &probe->locator) != VHDX_OK)
        return false;
    names->has_linkage = vx_locator_guid(&probe->locator, VX_KEY_LINKAGE, &names->linkage);
    names->has_linkage2 = vx_locator_guid(&probe->locator, VX_KEY_LINKAGE2, &names->linkage2);
    names->relative_path = locator_text(probe, VX_KEY_RELATIVE, no_memory);
    names->volume_path = locator_text(probe, VX_KEY_VOLUME, no_memory);
    names->absolute_win32_path = locator_text(probe, VX_KEY_ABSOLUTE, no_memory);
    return names->has_linkage || names->has_linkage2;
}

/* The first page of the BAT, all of it for a small disk: does a block are behind the end of the file? */
static void glance_blocks(struct vx_probing *it, uint64_t file_size)
{
    struct vx_geometry geometry;
    const vhdx_found_file *pub = &it->disk->pub;
    bool has_parent = (it->flags & VX_PARAMETER_HAS_PARENT) != 0;
    size_t got;
    it->disk->truncated = it->bat.file_offset >= file_size || it->metadata.file_offset >= file_size;
    if (it->disk->truncated ||
        !vx_geometry_init(&geometry, pub->virtual_size, pub->block_size, pub->logical_sector_size, has_parent))
        return;
    size_t size = (size_t)vx_min(VX_GLANCE, vx_min(it->bat.length, geometry.entry_count * VX_BAT_ENTRY_SIZE));
    if (vx_file_read_some(it->file, it->probe->page, size, it->bat.file_offset, &got, NULL) != VHDX_OK)
        return;
    it->disk->truncated = got < size;
    for (size_t i = 0; i < got / VX_BAT_ENTRY_SIZE; i++) {
        uint64_t block;
        struct vx_bat_entry entry = vx_bat_entry_decode(vx_get64(it->probe->page + i * VX_BAT_ENTRY_SIZE));
        bool payload = vx_geometry_is_payload(&geometry, i, &block);
        bool present = payload ? entry.state == VX_PAYLOAD_FULLY_PRESENT || entry.state == VX_PAYLOAD_PARTIALLY_PRESENT
                               : entry.state == VX_BITMAP_PRESENT;
        if (!present || (payload && block >= geometry.payload_count))
            continue;
        uint64_t used =
            payload ? vx_min(pub->block_size, pub->virtual_size - block * pub->block_size) : VX_BITMAP_BLOCK_SIZE;
        if (entry.file_offset > file_size || used > file_size - entry.file_offset)
            it->disk->truncated = true;
    }
}

static vhdx_disk_kind kind_of(uint32_t flags)
{
    if (flags & VX_PARAMETER_HAS_PARENT)
        return VHDX_DISK_KIND_DIFFERENCING;
    return flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED ? VHDX_DISK_KIND_FIXED : VHDX_DISK_KIND_DYNAMIC;
}

/* false: not a plain case. */
static bool take_plain(struct vx_probing *it, bool *no_memory)
{
    const struct vx_survey *survey = &it->probe->survey;
    if (survey->current < 0 || survey->tie)
        return false;
    const struct vx_survey_header *current = &survey->headers[survey->current];
    if ((current->rules & VX_HEADER_BAD_VERSION) || !vx_guid_is_zero(&current->header.log_guid))
        return false;
    if (!glance_regions(it, VX_REGION_TABLE1_OFFSET, survey->file_size) || !glance_table(it) || !take_values(it))
        return false;
    if ((it->flags & VX_PARAMETER_HAS_PARENT) && !take_locator(it, no_memory))
        return false;
    it->disk->pub.kind = kind_of(it->flags);
    glance_blocks(it, survey->file_size);
    return true;
}

static void take_info(struct vx_probing *it, const vhdx_info *info, bool *no_memory)
{
    struct vx_probe *probe = it->probe;
    vhdx_found_file *pub = &it->disk->pub;
    pub->kind = (vhdx_disk_kind)info->kind;
    pub->virtual_size = info->virtual_size;
    pub->block_size = info->block_size;
    pub->logical_sector_size = info->logical_sector_size;
    pub->physical_sector_size = info->physical_sector_size;
    pub->virtual_disk_id = info->virtual_disk_id;
    it->disk->dirty = info->log != VHDX_LOG_STATE_CLEAN;
    memset(&pub->names, 0, sizeof pub->names);
    if (!info->parent)
        return;
    pub->names = *info->parent;
    pub->names.relative_path = vx_probe_keep(probe, info->parent->relative_path, no_memory);
    pub->names.volume_path = vx_probe_keep(probe, info->parent->volume_path, no_memory);
    pub->names.absolute_win32_path = vx_probe_keep(probe, info->parent->absolute_win32_path, no_memory);
}

/* Closes the file. */
static vhdx_status take_strictly(struct vx_probing *it, bool *no_memory, vhdx_error *err)
{
    struct vx_image *image;
    vhdx_error trouble;
    vhdx_status status =
        vx_image_open_file(it->probe->host, it->file, VX_OPEN_PEEK | VX_OPEN_INSPECT, &image, &trouble);
    it->file = NULL;
    if (status == VHDX_NOMEM)
        return vx_fail_memory(err, "a look at a disk");
    if (status != VHDX_OK) {
        it->disk->host_failed = status == VHDX_IO;
        it->disk->truncated = status == VHDX_TRUNCATED;
        it->disk->trouble = vx_probe_keep_error(it->probe, &trouble, no_memory);
        return VHDX_OK;
    }
    take_info(it, &image->info, no_memory);
    it->metadata = image->metadata;
    it->bat = image->bat;
    if (image->log == VHDX_LOG_STATE_CORRUPT)
        it->disk->trouble = "its log must be replayed, but holds no valid active sequence";
    else if (image->info.kind == VHDX_KIND_DIFFERENCING && !image->parent_names.has_linkage &&
             !image->parent_names.has_linkage2)
        it->disk->trouble = "it has a parent, but no usable parent locator that identifies it";
    else
        it->disk->is_sound = true;
    vx_image_close(image);
    return VHDX_OK;
}

vhdx_status vx_probe_vhdx(struct vx_probing *it, bool *no_memory, vhdx_error *err)
{
    struct vx_survey *survey = &it->probe->survey;
    struct vx_disk *disk = it->disk;
    vhdx_error trouble;
    disk->is_vhdx = true;
    if (vx_survey_headers(it->file, survey, &trouble) != VHDX_OK) {
        disk->host_failed = true;
        disk->trouble = vx_probe_keep_error(it->probe, &trouble, no_memory);
        return VHDX_OK;
    }
    if (survey->current >= 0) {
        const struct vx_header *header = &survey->headers[survey->current].header;
        disk->has_identity = !survey->tie;
        disk->pub.data_write_guid = header->data_write_guid;
        disk->pub.file_write_guid = header->file_write_guid;
    }
    disk->is_sound = take_plain(it, no_memory);
    return disk->is_sound ? VHDX_OK : take_strictly(it, no_memory, err);
}
