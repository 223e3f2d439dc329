/*
 * Facts as JSON. See report.h. The names are a contract with scripts: they are added to, never changed.
 */
/* SPDX-License-Identifier: MIT */
#include "report.h"

static void optional_guid(struct json *json, const char *key, bool present, const vhdx_guid *guid)
{
    if (present)
        json_guid(json, key, guid);
    else
        json_null(json, key);
}

static void parent_json(struct json *json, const vhdx_parent_names *parent)
{
    json_object_begin(json, "parent");
    optional_guid(json, "linkage", parent->has_linkage, &parent->linkage);
    optional_guid(json, "linkage2", parent->has_linkage2, &parent->linkage2);
    json_text(json, "relative_path", parent->relative_path);
    json_text(json, "absolute_win32_path", parent->absolute_win32_path);
    json_text(json, "volume_path", parent->volume_path);
    json_object_end(json);
}

void report_info_json(struct json *json, const vhdx_info *info)
{
    json_text(json, "path", info->path);
    json_text(json, "kind", report_kind(info->kind));
    json_text(json, "image_format", report_format(info->format));
    json_number(json, "virtual_size", info->virtual_size);
    json_number(json, "block_size", info->block_size);
    json_number(json, "logical_sector_size", info->logical_sector_size);
    json_number(json, "physical_sector_size", info->physical_sector_size);
    json_guid(json, "virtual_disk_id", &info->virtual_disk_id);
    json_guid(json, "file_write_guid", &info->file_write_guid);
    json_guid(json, "data_write_guid", &info->data_write_guid);
    json_text(json, "log", report_log(info->log));
    json_number(json, "file_size", info->file_size);
    json_text(json, "creator", info->creator);
    if (info->parent)
        parent_json(json, info->parent);
    else
        json_null(json, "parent");
}
