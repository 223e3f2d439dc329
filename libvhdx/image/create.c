/*
 * Making a disk. See create.h. Nothing refers to the structures before they are complete, so they are written plainly;
 * only the last step, which makes it a disk, goes through the log.
 */
/* SPDX-License-Identifier: MIT */
#include "image/create.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/size_text.h"
#include "format/bat.h"
#include "image/header_update.h"
#include "image/journal.h"
#include "image/writing.h"
#include "base/path.h"
#include "io/new_file.h"

#include <inttypes.h>
#include <string.h>

#define LOG_OFFSET VX_MIB
#define LOG_LENGTH ((uint32_t)VX_MIB)
#define METADATA_OFFSET (2 * VX_MIB)
#define METADATA_LENGTH ((uint32_t)VX_MIB)
#define BAT_OFFSET (3 * VX_MIB)
#define CREATOR "libvhdx"

#define DYNAMIC_BLOCK_SIZE ((uint32_t)(32 * VX_MIB))
#define OTHER_BLOCK_SIZE ((uint32_t)(2 * VX_MIB))

static vhdx_status check_spec(const struct vx_create_spec *spec, vhdx_error *err)
{
    struct vx_where where = vx_at_file(NULL);
    struct vx_file_parameters parameters = {.block_size = spec->block_size};
    uint32_t rules =
        vx_values_rules(&parameters, spec->virtual_size, spec->logical_sector_size, spec->physical_sector_size);
    if (rules & (VX_VALUES_BAD_LOGICAL_SECTOR | VX_VALUES_BAD_PHYSICAL_SECTOR))
        return vx_fail(err, VHDX_ARG, where, "sector sizes must be 512 or 4096");
    if (rules & VX_VALUES_BAD_BLOCK_SIZE)
        return vx_fail(err, VHDX_ARG, where, "the block size must be a power of two from 1 MiB to 256 MiB");
    if (rules & VX_VALUES_BAD_VIRTUAL_SIZE)
        return vx_fail(err, VHDX_ARG, where,
                       "the size must be a multiple of the sector size (%" PRIu32 "), more than 0 and at most 64 TiB",
                       spec->logical_sector_size);
    if (spec->fixed && spec->locator)
        return vx_fail(err, VHDX_ARG, where, "a differencing disk cannot be fixed");
    return VHDX_OK;
}

/* The values that Windows would choose; MS-VHDX 2.6.2. */
vhdx_status vx_create_settle(struct vx_create_spec *spec, vhdx_error *err)
{
    if (spec->block_size == 0)
        spec->block_size = spec->fixed || spec->locator ? OTHER_BLOCK_SIZE : DYNAMIC_BLOCK_SIZE;
    if (spec->logical_sector_size == 0)
        spec->logical_sector_size = 512;
    if (spec->physical_sector_size == 0)
        spec->physical_sector_size = 4096;
    return check_spec(spec, err);
}

/* The metadata region in memory, filled item by item as Windows packs them. */
struct builder {
    struct vx_metadata_table *table;
    uint8_t *region;
    uint32_t end;
};

static vhdx_status add_item(struct builder *builder, const vhdx_guid *id, uint32_t flags, const uint8_t *bytes,
                            uint32_t length, vhdx_error *err)
{
    if (builder->table->count >= VX_METADATA_MAX || length > METADATA_LENGTH - builder->end)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(NULL), "the metadata items need more than 1 MiB");
    builder->table->entries[builder->table->count++] = (struct vx_metadata_entry){
        .item_id = *id, .offset = length > 0 ? builder->end : 0, .length = length, .flags = flags};
    if (length > 0)
        memcpy(builder->region + builder->end, bytes, length);
    builder->end += (uint32_t)vx_round_down(length + 3, 4);
    return VHDX_OK;
}

static vhdx_status add_items(struct builder *builder, const struct vx_create_spec *spec, vhdx_error *err)
{
    const uint32_t disk = VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK;
    struct vx_file_parameters parameters = {.block_size = spec->block_size,
                                            .flags = (spec->fixed ? VX_PARAMETER_LEAVE_BLOCK_ALLOCATED : 0) |
                                                     (spec->locator ? VX_PARAMETER_HAS_PARENT : 0)};
    uint8_t bytes[8];
    VX_TRY(add_item(builder, &vx_guid_incomplete_file, VX_ITEM_IS_REQUIRED, NULL, 0, err));
    vx_file_parameters_encode(&parameters, bytes);
    VX_TRY(add_item(builder, &vx_guid_file_parameters, VX_ITEM_IS_REQUIRED, bytes, 8, err));
    vx_put64(bytes, spec->virtual_size);
    VX_TRY(add_item(builder, &vx_guid_virtual_disk_size, disk, bytes, 8, err));
    vx_put32(bytes, spec->logical_sector_size);
    VX_TRY(add_item(builder, &vx_guid_logical_sector_size, disk, bytes, 4, err));
    vx_put32(bytes, spec->physical_sector_size);
    VX_TRY(add_item(builder, &vx_guid_physical_sector_size, disk, bytes, 4, err));
    VX_TRY(add_item(builder, &vx_guid_virtual_disk_id, disk, spec->virtual_disk_id.bytes, 16, err));
    if (spec->locator)
        VX_TRY(add_item(builder, &vx_guid_parent_locator, VX_ITEM_IS_REQUIRED, spec->locator, spec->locator_size, err));
    for (size_t i = 0; i < spec->inherited_count; i++)
        VX_TRY(add_item(builder, &spec->inherited[i].item_id, spec->inherited[i].flags, spec->inherited[i].bytes,
                        spec->inherited[i].length, err));
    return VHDX_OK;
}

static vhdx_status write_metadata(struct vx_file *file, const struct vx_create_spec *spec, vhdx_error *err)
{
    struct builder builder = {.end = VX_METADATA_TABLE_SIZE};
    vhdx_status status;
    builder.table = vx_alloc(1, sizeof *builder.table);
    builder.region = vx_alloc(METADATA_LENGTH, 1);
    if (builder.table && builder.region)
        status = add_items(&builder, spec, err);
    else
        status = vx_fail_memory(err, "the metadata region");
    if (status == VHDX_OK) {
        vx_metadata_table_encode(builder.table, builder.region);
        status = vx_file_write(file, builder.region, builder.end, METADATA_OFFSET, err);
    }
    vx_free(builder.table);
    vx_free(builder.region);
    return status;
}

static vhdx_status write_region_tables(struct vx_file *file, uint32_t bat_length, vhdx_error *err)
{
    struct vx_region_table *table = vx_alloc(1, sizeof *table);
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    vhdx_status status;
    if (table && bytes) {
        table->count = 2;
        table->entries[0] = (struct vx_region){vx_guid_bat_region, BAT_OFFSET, bat_length, 1};
        table->entries[1] = (struct vx_region){vx_guid_metadata_region, METADATA_OFFSET, METADATA_LENGTH, 1};
        vx_region_table_encode(table, bytes);
        status = vx_file_write(file, bytes, VX_REGION_TABLE_SIZE, VX_REGION_TABLE1_OFFSET, err);
        if (status == VHDX_OK)
            status = vx_file_write(file, bytes, VX_REGION_TABLE_SIZE, VX_REGION_TABLE2_OFFSET, err);
    } else {
        status = vx_fail_memory(err, "the region table");
    }
    vx_free(table);
    vx_free(bytes);
    return status;
}

/* A fixed disk: all blocks present, in order, behind the BAT. */
static vhdx_status write_fixed_bat(struct vx_file *file, const struct vx_geometry *geometry, uint64_t payload_offset,
                                   vhdx_error *err)
{
    enum { ENTRIES = 8192 };
    uint8_t *bytes = vx_alloc(ENTRIES, VX_BAT_ENTRY_SIZE);
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "the BAT");
    for (uint64_t first = 0; status == VHDX_OK && first < geometry->entry_count; first += ENTRIES) {
        uint64_t count = vx_min(ENTRIES, geometry->entry_count - first);
        memset(bytes, 0, ENTRIES * VX_BAT_ENTRY_SIZE);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t block;
            if (!vx_geometry_is_payload(geometry, first + i, &block))
                continue;
            struct vx_bat_entry entry = {.state = VX_PAYLOAD_FULLY_PRESENT,
                                         .file_offset = payload_offset + block * geometry->block_size};
            vx_put64(bytes + i * VX_BAT_ENTRY_SIZE, vx_bat_entry_encode(&entry));
        }
        status =
            vx_file_write(file, bytes, (size_t)count * VX_BAT_ENTRY_SIZE, BAT_OFFSET + first * VX_BAT_ENTRY_SIZE, err);
    }
    vx_free(bytes);
    return status;
}

static vhdx_status write_headers(struct vx_file *file, const vhdx_host *host, const struct vx_create_spec *spec,
                                 vhdx_error *err)
{
    uint8_t bytes[VX_HEADER_SIZE];
    struct vx_header header = {.version = VX_HEADER_VERSION,
                               .log_length = LOG_LENGTH,
                               .log_offset = LOG_OFFSET,
                               .data_write_guid = spec->data_write_guid};
    VX_TRY(vx_new_guid(host, &header.file_write_guid, err));
    if (vx_guid_is_zero(&header.data_write_guid))
        VX_TRY(vx_new_guid(host, &header.data_write_guid, err));
    vx_header_encode(&header, bytes);
    VX_TRY(vx_file_write(file, bytes, sizeof bytes, VX_HEADER1_OFFSET, err));
    header.sequence_number = 1;
    vx_header_encode(&header, bytes);
    return vx_file_write(file, bytes, sizeof bytes, VX_HEADER2_OFFSET, err);
}

static vhdx_status write_file_id(struct vx_file *file, vhdx_error *err)
{
    uint8_t bytes[VX_FILE_ID_SIZE];
    struct vx_file_id id = {.creator = ""};
    size_t used = sizeof CREATOR - 1;
    const char *version = vhdx_version();
    memcpy(id.creator, CREATOR, used);
    id.creator[used++] = ' ';
    memcpy(id.creator + used, version, vx_min(strlen(version), sizeof id.creator - used - 1));
    vx_file_id_encode(&id, bytes);
    return vx_file_write(file, bytes, sizeof bytes, VX_FILE_ID_OFFSET, err);
}

/* The identifier comes last: without it the file is nothing. */
static vhdx_status write_structures(struct vx_file *file, const vhdx_host *host, struct vx_create_spec *spec,
                                    vhdx_error *err)
{
    struct vx_geometry geometry;
    if (!vx_geometry_init(&geometry, spec->virtual_size, spec->block_size, spec->logical_sector_size,
                          spec->locator != NULL))
        return vx_fail(err, VHDX_ARG, vx_at_file(NULL), "block size, sector size and disk size do not fit together");
    uint64_t bat_length = vx_geometry_bat_region_length(&geometry);
    uint64_t payload_offset = BAT_OFFSET + bat_length;
    uint64_t payload_length = spec->fixed ? geometry.payload_count * spec->block_size : 0;
    if (vx_guid_is_zero(&spec->virtual_disk_id))
        VX_TRY(vx_new_guid(host, &spec->virtual_disk_id, err));
    VX_TRY(vx_file_grow(file, payload_offset + payload_length, err));
    VX_TRY(write_metadata(file, spec, err));
    VX_TRY(write_region_tables(file, (uint32_t)bat_length, err));
    if (spec->fixed)
        VX_TRY(write_fixed_bat(file, &geometry, payload_offset, err));
    VX_TRY(write_headers(file, host, spec, err));
    VX_TRY(write_file_id(file, err));
    return vx_file_flush(file, err);
}

static vhdx_status check_volume(const vhdx_host *host, const char *path, const struct vx_create_spec *spec,
                                vhdx_error *err)
{
    vhdx_space space;
    char most[VX_SIZE_TEXT], wanted[VX_SIZE_TEXT];
    if (!spec->fixed || host->space(host->context, path, &space, NULL) != VHDX_OK)
        return VHDX_OK;
    if (space.max_file_size < spec->virtual_size)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(path),
                       "this volume's files hold at most %s, the fixed disk needs %s",
                       vx_size_text(space.max_file_size, most), vx_size_text(spec->virtual_size, wanted));
    return VHDX_OK;
}

/* Whatever an interrupted run has left under the unfinished name is of no use to anybody. */
vhdx_status vx_create_at(const vhdx_host *host, const char *unfinished, struct vx_create_spec *spec,
                         struct vx_image **image, vhdx_error *err)
{
    struct vx_file *file;
    VX_TRY(vx_file_open(host, unfinished, VHDX_OPEN_REPLACE, &file, err));
    vhdx_status status = write_structures(file, host, spec, err);
    if (status == VHDX_OK)
        status = vx_image_open_file(host, file, VX_OPEN_WRITE | VX_OPEN_UNFINISHED, image, err);
    else
        vx_file_close(file);
    if (status != VHDX_OK) {
        vx_locate(err, vx_at_file(unfinished));
        host->remove(host->context, unfinished, NULL);
    }
    return status;
}

vhdx_status vx_create_unfinished(const vhdx_host *host, const char *path, const struct vx_create_spec *spec,
                                 struct vx_image **image, vhdx_error *err)
{
    struct vx_create_spec complete = *spec;
    bool replaces;
    host = vx_host_or_native(host);
    VX_TRY(vx_create_settle(&complete, err));
    VX_TRY(check_volume(host, path, &complete, err));
    VX_TRY(vx_new_file_check(host, path, false, &replaces, err));
    char *unfinished = vx_path_unfinished(path, host->windows_paths);
    if (!unfinished)
        return vx_fail_memory(err, "a path");
    vhdx_status status = vx_create_at(host, unfinished, &complete, image, err);
    vx_free(unfinished);
    return status;
}

void vx_create_abandon(struct vx_image *image)
{
    const vhdx_host *host = image->host;
    char *unfinished = vx_copy_string(vx_image_path(image));
    vx_image_close(image);
    if (unfinished)
        host->remove(host->context, unfinished, NULL);
    vx_free(unfinished);
}

static vhdx_status take_mark_off(struct vx_image *image, vhdx_error *err)
{
    struct vx_item_change mark = {.item_id = vx_guid_incomplete_file};
    if (!image->journal)
        VX_TRY(vx_image_begin_write(image, NULL, err));
    VX_TRY(vx_items_change(image, &mark, 1, err));
    return vx_image_end_write(image, err);
}

vhdx_status vx_create_complete(struct vx_image *image, vhdx_error *err)
{
    vhdx_status status = take_mark_off(image, err);
    if (status == VHDX_OK)
        vx_image_close(image);
    else
        vx_create_abandon(image);
    return status;
}

vhdx_status vx_create_finish(struct vx_image *image, const char *path, vhdx_error *err)
{
    const vhdx_host *host = image->host;
    char *unfinished = vx_copy_string(vx_image_path(image));
    vhdx_status status = VHDX_OK;
    if (unfinished) {
        status = vx_create_complete(image, err);
    } else {
        vx_create_abandon(image);
        status = vx_fail_memory(err, "a path");
    }
    if (status == VHDX_OK)
        status = vx_new_file_give_name(host, unfinished, path, err);
    vx_free(unfinished);
    return status;
}

vhdx_status vx_create(const vhdx_host *host, const char *path, const struct vx_create_spec *spec, vhdx_error *err)
{
    struct vx_image *image;
    VX_TRY(vx_create_unfinished(host, path, spec, &image, err));
    return vx_create_finish(image, path, err);
}
