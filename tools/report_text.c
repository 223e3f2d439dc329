/*
 * Facts as text. See report.h. Words and numbers only, no decisions; whatever comes out of a disk goes through text.h.
 */
/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "text.h"

#include <inttypes.h>
#include <string.h>

enum { LABEL_WIDTH = 24 };

void report_size_short(uint64_t bytes, char text[REPORT_SIZE_ROOM])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    while (unit < 6 && bytes >> (10 * (unit + 1)))
        unit++;
    uint64_t whole = bytes >> (10 * unit);
    uint64_t rest = bytes & ((UINT64_C(1) << (10 * unit)) - 1);
    if (rest == 0)
        snprintf(text, REPORT_SIZE_ROOM, "%" PRIu64 " %s", whole, bytes == 1 ? "byte" : units[unit]);
    else
        snprintf(text, REPORT_SIZE_ROOM, "%" PRIu64 ".%" PRIu64 " %s", whole, (rest >> (10 * (unit - 1))) * 10 / 1024,
                 units[unit]);
}

void report_size(uint64_t bytes, char text[REPORT_SIZE_ROOM])
{
    report_size_short(bytes, text);
    size_t used = strlen(text);
    if (bytes >= 1024)
        snprintf(text + used, REPORT_SIZE_ROOM - used, " (%" PRIu64 " bytes)", bytes);
}

void report_row(FILE *out, int indent, const char *label, const char *value)
{
    int gap = LABEL_WIDTH - indent - (int)strlen(label) - 1;
    fprintf(out, "%*s%s:%*s", indent, "", label, gap > 1 ? gap : 1, "");
    text_put(out, value);
    fputc('\n', out);
}

void report_size_row(FILE *out, int indent, const char *label, uint64_t bytes)
{
    char text[REPORT_SIZE_ROOM];
    report_size(bytes, text);
    report_row(out, indent, label, text);
}

const char *report_kind(vhdx_kind kind)
{
    switch (kind) {
    case VHDX_KIND_FIXED:
        return "fixed";
    case VHDX_KIND_DYNAMIC:
        return "dynamic";
    case VHDX_KIND_DIFFERENCING:
        return "differencing";
    }
    return "unknown";
}

const char *report_format(vhdx_format format)
{
    switch (format) {
    case VHDX_FORMAT_VHDX:
        return "vhdx";
    case VHDX_FORMAT_VHD:
        return "vhd";
    case VHDX_FORMAT_RAW:
        return "raw";
    }
    return "unknown";
}

const char *report_log(vhdx_log_state state)
{
    switch (state) {
    case VHDX_LOG_STATE_CLEAN:
        return "clean";
    case VHDX_LOG_STATE_REPLAYED:
    case VHDX_LOG_STATE_UNBEGUN:
    case VHDX_LOG_STATE_STALE:
        return "dirty";
    case VHDX_LOG_STATE_CORRUPT:
        return "corrupt";
    }
    return "unknown";
}

const char *report_extent_state(vhdx_extent_state state)
{
    switch (state) {
    case VHDX_EXTENT_DATA:
        return "data";
    case VHDX_EXTENT_ZERO:
        return "zero";
    case VHDX_EXTENT_ABSENT:
        return "absent";
    }
    return "unknown";
}

static const char *log_sentence(vhdx_log_state state)
{
    switch (state) {
    case VHDX_LOG_STATE_CLEAN:
        return "clean";
    case VHDX_LOG_STATE_REPLAYED:
        return "dirty (replayed in memory; the file is as it was)";
    case VHDX_LOG_STATE_UNBEGUN:
        return "dirty (nothing was ever logged; the disk is complete as it is)";
    case VHDX_LOG_STATE_STALE:
        return "dirty (older than the disk, and therefore not replayed)";
    case VHDX_LOG_STATE_CORRUPT:
        return "corrupt (must be replayed, but cannot be; content is not readable)";
    }
    return "unknown";
}

static void guid_row(FILE *out, int indent, const char *label, bool present, const vhdx_guid *guid)
{
    char text[37];
    vhdx_guid_format(guid, text);
    report_row(out, indent, label, present ? text : "none");
}

static bool guid_is_zero(const vhdx_guid *guid)
{
    static const vhdx_guid zero;
    return memcmp(guid, &zero, sizeof zero) == 0;
}

static void path_row(FILE *out, int indent, const char *label, const char *path)
{
    report_row(out, indent, label, path ? path : "none");
}

static void parent_text(FILE *out, const vhdx_parent_names *parent, int indent)
{
    fprintf(out, "%*sparent:\n", indent, "");
    indent += 2;
    guid_row(out, indent, "linkage", parent->has_linkage, &parent->linkage);
    guid_row(out, indent, "second linkage", parent->has_linkage2 && !guid_is_zero(&parent->linkage2),
             &parent->linkage2);
    path_row(out, indent, "relative path", parent->relative_path);
    path_row(out, indent, "absolute path", parent->absolute_win32_path);
    path_row(out, indent, "volume path", parent->volume_path);
}

static void vhdx_rows(FILE *out, const vhdx_info *info, int indent)
{
    guid_row(out, indent, "virtual disk id", true, &info->virtual_disk_id);
    guid_row(out, indent, "file write guid", true, &info->file_write_guid);
    guid_row(out, indent, "data write guid", true, &info->data_write_guid);
    report_row(out, indent, "log", log_sentence(info->log));
}

void report_info_text(FILE *out, const vhdx_info *info, int indent)
{
    report_row(out, indent, "file", info->path);
    report_row(out, indent, "kind", report_kind(info->kind));
    if (info->format != VHDX_FORMAT_VHDX)
        report_row(out, indent, "format", report_format(info->format));
    report_size_row(out, indent, "virtual size", info->virtual_size);
    report_size_row(out, indent, "file size", info->file_size);
    if (info->block_size > 0)
        report_size_row(out, indent, "block size", info->block_size);
    report_size_row(out, indent, "logical sector size", info->logical_sector_size);
    report_size_row(out, indent, "physical sector size", info->physical_sector_size);
    if (info->format == VHDX_FORMAT_VHDX)
        vhdx_rows(out, info, indent);
    else
        guid_row(out, indent, "unique id", true, &info->data_write_guid);
    report_row(out, indent, "creator", info->creator[0] ? info->creator : "none");
    if (info->parent)
        parent_text(out, info->parent, indent);
}
