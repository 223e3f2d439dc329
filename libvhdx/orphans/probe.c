/*
 * Looking at one file. See probe.h. Nothing here compares files with each other.
 */
/* SPDX-License-Identifier: MIT */
#include "orphans/probe.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "format/bat.h"
#include "format/vhd.h"
#include "image/image.h"
#include "image/survey.h"
#include "io/path.h"
#include "orphans/access.h"
#include "orphans/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GLANCE 4096u
#define VHD_SECTOR 512u

struct vx_probe {
    const vhdx_host *host;
    struct vx_arena arena;
    struct vx_survey survey;
    struct vx_region_table regions;
    struct vx_metadata_table metadata;
    struct vx_locator locator;
    uint8_t first[GLANCE], page[GLANCE], items[GLANCE];
    uint8_t locator_bytes[65536], descriptor[VX_DESCRIPTOR_ROOM];
    char text[VX_UTF8_ROOM(65536)];
};

/* One VHDX on its way: where its metadata lies. */
struct plain_disk {
    struct vx_probe *probe;
    struct vx_file *file;
    struct vx_disk *disk;
    struct vx_region metadata, bat;
    uint64_t items_at; /* place in the file of probe->items; 0 = not read */
    uint32_t flags;    /* VX_PARAMETER_* */
};

struct vx_probe *vx_probe_new(const vhdx_host *host)
{
    struct vx_probe *probe = vx_alloc(1, sizeof *probe);
    if (probe)
        probe->host = vx_host_or_native(host);
    return probe;
}

void vx_probe_free(struct vx_probe *probe)
{
    if (probe)
        vx_arena_clear(&probe->arena);
    vx_free(probe);
}

struct vx_arena *vx_probe_arena(struct vx_probe *probe)
{
    return &probe->arena;
}

/* ---- names ---- */

static const struct {
    const char *extension;
    vhdx_side_kind kind;
} side_names[] = {
    {".rct", VHDX_SIDE_TRACKING},        {".mrt", VHDX_SIDE_TRACKING},
    {".hrl", VHDX_SIDE_REPLICA_LOG},     {".vmgs", VHDX_SIDE_GUEST_STATE},
    {".vmrs", VHDX_SIDE_RUNTIME_STATE},  {".vsv", VHDX_SIDE_SAVED_STATE},
    {".vhdpmem", VHDX_SIDE_PMEM},        {".vhds", VHDX_SIDE_VHD_SET},
    {".unfinished", VHDX_SIDE_UNFINISHED}, {".vhdx-undo", VHDX_SIDE_UNDO},
};

int vx_side_kind_of(const char *path, bool windows)
{
    for (size_t i = 0; i < sizeof side_names / sizeof side_names[0]; i++)
        if (vx_path_has_extension(path, side_names[i].extension, windows))
            return (int)side_names[i].kind;
    if (!vx_path_has_extension(path, ".tmp", windows))
        return 0;
    return strstr(path, ".vhdx.") || strstr(path, ".avhdx.") || strstr(path, ".VHDX.") || strstr(path, ".AVHDX.")
               ? VHDX_SIDE_UNFINISHED
               : 0;
}

bool vx_named_like_disk(const char *path, bool windows)
{
    static const char *const extensions[] = {".vhdx", ".avhdx", ".vhd", ".avhd"};
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (vx_path_has_extension(path, extensions[i], windows))
            return true;
    return false;
}

static const char *keep(struct vx_probe *probe, const char *text, bool *no_memory)
{
    const char *copy = vx_arena_text(&probe->arena, text);
    *no_memory = *no_memory || (text && !copy);
    return copy;
}

/* What is wrong, with its place, and without the advice and the path, which are told elsewhere. */
static const char *keep_error(struct vx_probe *probe, const vhdx_error *err, bool *no_memory)
{
    char text[900];
    if (err->structure && err->offset != VHDX_NOWHERE)
        snprintf(text, sizeof text, "%s (%s at offset 0x%" PRIx64 ")", err->message, err->structure, err->offset);
    else
        snprintf(text, sizeof text, "%s", err->message[0] ? err->message : "it cannot be read");
    return keep(probe, text, no_memory);
}

/* ---- files that are no VHDX ---- */

static bool starts_with(const uint8_t *bytes, size_t size, const char *signature)
{
    size_t length = strlen(signature);
    return size >= length && memcmp(bytes, signature, length) == 0;
}

static const char *content_name(const uint8_t *first, size_t got, uint64_t size)
{
    static const struct {
        const char *signature, *name;
    } known[] = {
        {"QFI\xfb", "a QCOW2 disk"},
        {"KDMV", "a VMDK disk"},
        {"COWD", "a VMDK disk"},
        {"# Disk DescriptorFile", "a VMDK descriptor"},
        {"<<< ", "a VDI disk"},
        {"PK\x03\x04", "a ZIP archive"},
        {"\x1f\x8b", "compressed (gzip)"},
        {"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
        {"<html", "a web page"},
        {"<!DOCTYPE", "a web page"},
    };
    if (size == 0)
        return "empty";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (starts_with(first, got, known[i].signature))
            return known[i].name;
    if (got >= 512 && first[510] == 0x55 && first[511] == 0xAA)
        return "a raw disk, by its boot sector";
    if (vx_is_zero(first, got))
        return "zeros at its beginning: perhaps a copy that was cut off, or a raw disk";
    return "of no known format";
}

/* ---- VHD ---- */

/* A path of the parent, where a locator says that it stands. NULL: not there, or of no use. */
static const char *vhd_path(struct plain_disk *it, const struct vx_vhd_header *header, uint32_t platform,
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
    return keep(probe, probe->text, no_memory);
}

static void take_vhd_parent(struct plain_disk *it, const struct vx_vhd_header *header, bool *no_memory)
{
    vhdx_parent_names *names = &it->disk->pub.names;
    char name[VX_UTF8_ROOM(VX_VHD_NAME_SIZE)];
    names->has_linkage = true;
    names->linkage = header->parent_id;
    names->relative_path = vhd_path(it, header, VX_VHD_W2RU, no_memory);
    names->absolute_win32_path = vhd_path(it, header, VX_VHD_W2KU, no_memory);
    vx_vhd_name(header->parent_name, name);
    if (!names->absolute_win32_path && name[0])
        names->absolute_win32_path = keep(it->probe, name, no_memory);
}

/* The header of a dynamic or differencing disk; a sentence when it is no use. */
static const char *take_vhd_header(struct plain_disk *it, uint64_t offset, bool differencing, bool *no_memory)
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

static void take_vhd(struct plain_disk *it, const struct vx_vhd_footer *footer, bool *no_memory)
{
    struct vx_disk *disk = it->disk;
    bool differencing = footer->type == VX_VHD_DIFFERENCING;
    disk->pub.kind = differencing ? VHDX_FOUND_VHD_DIFFERENCING : VHDX_FOUND_VHD;
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

/* By its footer; by the copy at its beginning when the end is missing. false: this is none. */
static bool read_vhd(struct plain_disk *it, size_t got_first, uint64_t size, bool *no_memory)
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

/* ---- the short way into a VHDX ---- */

static bool glance_regions(struct plain_disk *it, uint64_t table_offset, uint64_t file_size)
{
    struct vx_probe *probe = it->probe;
    size_t got;
    const uint32_t unusable = VX_REGION_TOO_MANY | VX_REGION_DUPLICATE | VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH |
                              VX_REGION_OVERFLOW | VX_REGION_OVERLAP | VX_REGION_NO_BAT | VX_REGION_NO_METADATA |
                              VX_REGION_UNKNOWN_REQUIRED;
    if (vx_file_read_some(it->file, probe->page, GLANCE, table_offset, &got, NULL) != VHDX_OK ||
        vx_region_table_glance(vx_bytes_of(probe->page, got), &probe->regions) != VHDX_OK ||
        (vx_region_table_rules(&probe->regions) & unusable))
        return false;
    it->metadata = *vx_region_find(&probe->regions, &vx_guid_metadata_region);
    it->bat = *vx_region_find(&probe->regions, &vx_guid_bat_region);
    return it->metadata.length <= VX_METADATA_REGION_MAX && it->metadata.file_offset < file_size;
}

static bool glance_table(struct plain_disk *it)
{
    struct vx_probe *probe = it->probe;
    size_t got;
    const uint32_t ignored = VX_METADATA_RESERVED_SET | VX_METADATA_ENTRY_RESERVED_SET | VX_METADATA_TOO_MANY_USER |
                             VX_METADATA_EMPTY_WITH_OFFSET | VX_METADATA_ZERO_ID;
    if (vx_file_read_some(it->file, probe->page, GLANCE, it->metadata.file_offset, &got, NULL) != VHDX_OK ||
        vx_metadata_table_glance(vx_bytes_of(probe->page, got), &probe->metadata) != VHDX_OK)
        return false;
    return (vx_metadata_table_rules(&probe->metadata, it->metadata.length) & ~ignored) == 0;
}

/* The bytes of an item; items lie together, so one read mostly serves all. NULL: absent, of another length, or not to be read. */
static const uint8_t *item(struct plain_disk *it, const vhdx_guid *id, uint32_t length)
{
    struct vx_probe *probe = it->probe;
    const struct vx_metadata_entry *entry = vx_metadata_find(&probe->metadata, id);
    if (!entry || entry->length != length || length > GLANCE)
        return NULL;
    uint64_t place = it->metadata.file_offset + entry->offset;
    size_t got;
    bool cached = it->items_at && place >= it->items_at && place - it->items_at <= GLANCE - length;
    if (!cached) {
        it->items_at = 0;
        if (vx_file_read_some(it->file, probe->items, GLANCE, place, &got, NULL) != VHDX_OK || got < length)
            return NULL;
        it->items_at = place;
    }
    return probe->items + (place - it->items_at);
}

/* Reads what lies at the items' usual place, whichever comes first there. */
static void fetch_items(struct plain_disk *it)
{
    size_t got;
    uint64_t place = it->metadata.file_offset + VX_METADATA_TABLE_SIZE;
    if (vx_file_read_some(it->file, it->probe->items, GLANCE, place, &got, NULL) == VHDX_OK && got == GLANCE)
        it->items_at = place;
}

static bool take_values(struct plain_disk *it)
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
    return !(vx_values_rules(&parameters, pub->virtual_size, pub->logical_sector_size, pub->physical_sector_size) & bad);
}

static const char *locator_text(struct vx_probe *probe, const char *key, bool *no_memory)
{
    const struct vx_locator_pair *pair = vx_locator_find(&probe->locator, key);
    if (!pair || pair->value.size > 65536)
        return NULL;
    vx_utf16_to_utf8(pair->value, probe->text);
    return keep(probe, probe->text, no_memory);
}

/* The locator of a differencing disk; false: the strict opener is to look at it. */
static bool take_locator(struct plain_disk *it, bool *no_memory)
{
    struct vx_probe *probe = it->probe;
    const struct vx_metadata_entry *entry = vx_metadata_find(&probe->metadata, &vx_guid_parent_locator);
    vhdx_parent_names *names = &it->disk->pub.names;
    if (!entry || entry->length == 0 || entry->length > sizeof probe->locator_bytes)
        return false;
    uint64_t place = it->metadata.file_offset + entry->offset;
    const uint8_t *bytes = probe->locator_bytes;
    size_t got;
    if (it->items_at && entry->length <= GLANCE && place >= it->items_at && place - it->items_at <= GLANCE - entry->length)
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

/* The first page of the BAT, all of it for a small disk: does a block lie behind the end of the file? */
static void glance_blocks(struct plain_disk *it, uint64_t file_size)
{
    struct vx_geometry geometry;
    const vhdx_found_file *pub = &it->disk->pub;
    bool has_parent = (it->flags & VX_PARAMETER_HAS_PARENT) != 0;
    size_t got;
    it->disk->truncated = it->bat.file_offset >= file_size || it->metadata.file_offset >= file_size;
    if (it->disk->truncated ||
        !vx_geometry_init(&geometry, pub->virtual_size, pub->block_size, pub->logical_sector_size, has_parent))
        return;
    size_t size = (size_t)vx_min(GLANCE, vx_min(it->bat.length, geometry.entry_count * VX_BAT_ENTRY_SIZE));
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
        uint64_t used = payload ? vx_min(pub->block_size, pub->virtual_size - block * pub->block_size)
                                : VX_BITMAP_BLOCK_SIZE;
        if (entry.file_offset > file_size || used > file_size - entry.file_offset)
            it->disk->truncated = true;
    }
}

static vhdx_found_kind kind_of(uint32_t flags)
{
    if (flags & VX_PARAMETER_HAS_PARENT)
        return VHDX_FOUND_DIFFERENCING;
    return flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED ? VHDX_FOUND_FIXED : VHDX_FOUND_DYNAMIC;
}

/* false: not a plain case. */
static bool take_plain(struct plain_disk *it, bool *no_memory)
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

/* ---- the long way ---- */

static void take_info(struct plain_disk *it, const vhdx_info *info, bool *no_memory)
{
    struct vx_probe *probe = it->probe;
    vhdx_found_file *pub = &it->disk->pub;
    pub->kind = (vhdx_found_kind)info->kind;
    pub->virtual_size = info->virtual_size;
    pub->block_size = info->block_size;
    pub->logical_sector_size = info->logical_sector_size;
    pub->physical_sector_size = info->physical_sector_size;
    pub->virtual_disk_id = info->virtual_disk_id;
    it->disk->dirty = info->log != VHDX_LOG_CLEAN;
    memset(&pub->names, 0, sizeof pub->names);
    if (!info->parent)
        return;
    pub->names = *info->parent;
    pub->names.relative_path = keep(probe, info->parent->relative_path, no_memory);
    pub->names.volume_path = keep(probe, info->parent->volume_path, no_memory);
    pub->names.absolute_win32_path = keep(probe, info->parent->absolute_win32_path, no_memory);
}

/* Closes the file. */
static vhdx_status take_strictly(struct plain_disk *it, bool *no_memory, vhdx_error *err)
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
        it->disk->trouble = keep_error(it->probe, &trouble, no_memory);
        return VHDX_OK;
    }
    take_info(it, &image->info, no_memory);
    it->metadata = image->metadata;
    it->bat = image->bat;
    if (image->log == VHDX_LOG_CORRUPT)
        it->disk->trouble = "its log must be replayed, but holds no valid active sequence";
    else if (image->info.kind == VHDX_KIND_DIFFERENCING && !image->parent_names.has_linkage &&
             !image->parent_names.has_linkage2)
        it->disk->trouble = "it has a parent, but no usable parent locator that says who it is";
    else
        it->disk->is_sound = true;
    vx_image_close(image);
    return VHDX_OK;
}

static vhdx_status take_vhdx(struct plain_disk *it, bool *no_memory, vhdx_error *err)
{
    struct vx_survey *survey = &it->probe->survey;
    struct vx_disk *disk = it->disk;
    vhdx_error trouble;
    disk->is_vhdx = true;
    if (vx_survey_headers(it->file, survey, &trouble) != VHDX_OK) {
        disk->host_failed = true;
        disk->trouble = keep_error(it->probe, &trouble, no_memory);
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

/* ---- any file ---- */

/* Not asked where the system has told that the volume is no NTFS: two calls for each file would be a tenth of its time.
 */
static bool has_descriptor(const struct plain_disk *it)
{
    return it->probe->host != vhdx_native_host() || (vx_file_facts(it->file)->attributes & VHDX_FILE_SPARSE_HARMS);
}

static vhdx_status look_at_content(struct plain_disk *it, const char *path, struct vx_sighting *out, vhdx_error *err)
{
    struct vx_probe *probe = it->probe;
    bool windows = probe->host->windows_paths, no_memory = false;
    vhdx_error trouble;
    size_t got = 0;
    vhdx_status status = vx_file_hold_size(it->file, &out->file_size, &trouble);
    if (status == VHDX_OK)
        status = vx_file_read_some(it->file, probe->first, GLANCE, 0, &got, &trouble);
    bool named = vx_named_like_disk(path, windows);
    if (status == VHDX_OK && (named || (got >= 8 && vx_get64(probe->first) == VX_SIG_FILE)) && has_descriptor(it))
        no_memory = !vx_access_read(it->file, probe->descriptor, &probe->arena, &it->disk->pub);
    if (status != VHDX_OK) {
        out->sight = named ? VX_SIGHT_DISK : VX_SIGHT_BLOCKED;
        out->disk.host_failed = true;
        out->disk.trouble = out->reason = keep_error(probe, &trouble, &no_memory);
    } else if (got >= 8 && vx_get64(probe->first) == VX_SIG_FILE) {
        out->sight = VX_SIGHT_DISK;
        VX_TRY(take_vhdx(it, &no_memory, err));
    } else if (vx_side_kind_of(path, windows)) {
        out->sight = VX_SIGHT_SIDE;
        out->side_kind = (vhdx_side_kind)vx_side_kind_of(path, windows);
    } else if (vx_config_recognize(vx_bytes_of(probe->first, got < VX_CONFIG_FIRST ? got : VX_CONFIG_FIRST), path,
                                   windows) != 0) {
        out->sight = VX_SIGHT_CONFIG;
    } else if (read_vhd(it, got, out->file_size, &no_memory)) {
        out->sight = VX_SIGHT_DISK;
    } else if (named) {
        out->sight = VX_SIGHT_DISK;
        out->disk.trouble = vx_arena_format(&probe->arena, "this is no VHDX: it is %s",
                                            content_name(probe->first, got, out->file_size));
        no_memory = !out->disk.trouble;
    }
    return no_memory ? vx_fail_memory(err, "a look at a file") : VHDX_OK;
}

/* Somebody may hold it for himself: then it is looked at without his leave where the system allows that. */
static vhdx_status open_somehow(struct vx_probe *probe, const char *path, struct vx_file **file, bool *locked,
                                vhdx_error *err)
{
    vhdx_status status = vx_file_open(probe->host, path, VHDX_FILE_READ, file, err);
    *locked = status == VHDX_BUSY;
    return *locked ? vx_file_open(probe->host, path, VHDX_FILE_PEEK, file, err) : status;
}

vhdx_status vx_probe_file(struct vx_probe *probe, const char *path, struct vx_sighting *out, vhdx_error *err)
{
    struct plain_disk it = {.probe = probe, .disk = &out->disk};
    vhdx_error trouble;
    bool windows = probe->host->windows_paths, no_memory = false;
    memset(out, 0, sizeof *out);
    out->disk.pub.parent = out->disk.pub.suspect = out->disk.pub.twin = out->disk.pub.family = VHDX_NONE;
    out->disk.first_side = VHDX_NONE;
    vhdx_status status = open_somehow(probe, path, &it.file, &out->disk.locked, &trouble);
    if (status == VHDX_NOMEM)
        return vx_fail_memory(err, "an open file");
    if (status == VHDX_OK) {
        out->facts = *vx_file_facts(it.file);
        status = look_at_content(&it, path, out, err);
        vx_file_close(it.file);
    } else if (status == VHDX_NOT_FOUND) {
        return VHDX_OK; /* a link to nowhere, or gone since */
    } else {
        out->disk.host_failed = true;
        out->reason = out->disk.trouble = keep_error(probe, &trouble, &no_memory);
        out->sight = vx_named_like_disk(path, windows) ? VX_SIGHT_DISK : VX_SIGHT_BLOCKED;
        if (vx_side_kind_of(path, windows)) {
            out->sight = VX_SIGHT_SIDE;
            out->side_kind = (vhdx_side_kind)vx_side_kind_of(path, windows);
        } else if (vx_config_recognize(vx_bytes_of(NULL, 0), path, windows)) {
            out->sight = VX_SIGHT_CONFIG;
        }
        status = no_memory ? vx_fail_memory(err, "a look at a file") : VHDX_OK;
    }
    out->disk.pub.file_size = out->file_size;
    out->disk.pub.allocated = out->facts.allocated ? out->facts.allocated : out->file_size;
    out->disk.pub.modified = out->facts.modified;
    out->disk.volume = out->facts.volume;
    memcpy(out->disk.id, out->facts.file, sizeof out->disk.id);
    return status;
}
