/*
 * Opening a VHD. See vhd_file.h. Bytes become values in format/vhd.c.
 */
/* SPDX-License-Identifier: MIT */
#include "vhd/vhd_file.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/utf.h"

#include <inttypes.h>
#include <string.h>

#define LOCATOR_MAX ((uint32_t)(64 * VX_KIB)) /* a path of Windows has at most 32,767 units */

/* ---- which footer ---- */

struct footers {
    uint64_t size; /* of the file */
    struct vx_vhd_footer found[3];
    vhdx_status status[3]; /* of decoding; by enum vx_vhd_place */
};

static vhdx_status read_footer(struct vx_file *file, struct footers *footers, enum vx_vhd_place place, uint64_t offset,
                               vhdx_error *err)
{
    uint8_t bytes[VX_VHD_FOOTER_SIZE];
    size_t got;
    VX_TRY(vx_file_read_some(file, bytes, sizeof bytes, offset, &got, err)); /* fills up with zeros */
    footers->status[place] = vx_vhd_footer_decode(vx_bytes_of(bytes, sizeof bytes), &footers->found[place]);
    return VHDX_OK;
}

static vhdx_status read_footers(struct vx_file *file, struct footers *footers, vhdx_error *err)
{
    for (size_t i = 0; i < 3; i++)
        footers->status[i] = VHDX_NOT_VHDX;
    VX_TRY(vx_file_size(file, &footers->size, err));
    if (footers->size >= VX_VHD_FOOTER_SIZE)
        VX_TRY(read_footer(file, footers, VX_VHD_AT_END, footers->size - VX_VHD_FOOTER_SIZE, err));
    if (footers->size >= VX_VHD_OLD_FOOTER_SIZE)
        VX_TRY(read_footer(file, footers, VX_VHD_AT_END_OLD, footers->size - VX_VHD_OLD_FOOTER_SIZE, err));
    return read_footer(file, footers, VX_VHD_AT_START, 0, err);
}

static bool is_sound(const struct footers *footers, enum vx_vhd_place place)
{
    return footers->status[place] == VHDX_OK && footers->found[place].checksum == footers->found[place].computed;
}

/*
 * -1: there is none. A copy at the beginning never belongs to a fixed disk: there it is the guest's. A damaged footer
 * is one at the end only: many things begin with eight letters.
 */
static int choose(const struct footers *footers)
{
    for (int i = VX_VHD_AT_END; i <= VX_VHD_AT_START; i++)
        if (is_sound(footers, (enum vx_vhd_place)i) && (i != VX_VHD_AT_START || footers->found[i].type != VX_VHD_FIXED))
            return i;
    for (int i = VX_VHD_AT_END; i <= VX_VHD_AT_END_OLD; i++)
        if (footers->status[i] == VHDX_OK)
            return i;
    return -1;
}

vhdx_status vx_vhd_find_footer(struct vx_file *file, struct vx_vhd_footer *footer, enum vx_vhd_place *place,
                               vhdx_error *err)
{
    struct footers footers;
    VX_TRY(read_footers(file, &footers, err));
    int chosen = choose(&footers);
    if (chosen < 0)
        return vx_fail(err, VHDX_NOT_VHDX, vx_at_file(vx_file_path(file)), "this is no VHD: it has no footer");
    *footer = footers.found[chosen];
    *place = (enum vx_vhd_place)chosen;
    return VHDX_OK;
}

vhdx_status vx_vhd_recognize(struct vx_file *file, bool *is_vhd, vhdx_error *err)
{
    struct footers footers;
    VX_TRY(read_footers(file, &footers, err));
    *is_vhd = choose(&footers) >= 0;
    return VHDX_OK;
}

/* ---- opening ---- */

static uint64_t footer_offset(const struct vx_vhd *vhd)
{
    static const uint32_t back[] = {VX_VHD_FOOTER_SIZE, VX_VHD_OLD_FOOTER_SIZE, 0};
    return vhd->place == VX_VHD_AT_START ? 0 : vhd->file_size - back[vhd->place];
}

static vhdx_status check_footer(const struct vx_vhd *vhd, vhdx_error *err)
{
    const struct vx_vhd_footer *footer = &vhd->footer;
    struct vx_where where = vx_at(vx_file_path(vhd->file), "VHD footer", footer_offset(vhd));
    uint32_t rules = vx_vhd_footer_rules(footer);
    if (rules & VX_VHD_BAD_CHECKSUM)
        return vx_fail(err, VHDX_CORRUPT, where,
                       "the footer is damaged, and so is its copy: checksum 0x%08" PRIx32 ", expected 0x%08" PRIx32,
                       footer->checksum, footer->computed);
    if (rules & VX_VHD_BAD_VERSION)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the version of the VHD is 0x%" PRIx32 ", expected 0x10000",
                       footer->version);
    if (rules & VX_VHD_BAD_TYPE)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the VHD is of type %" PRIu32 ", which no program makes",
                       footer->type);
    if (footer->current_size == 0 || footer->current_size > INT64_MAX / 2)
        return vx_fail(err, VHDX_CORRUPT, where, "the VHD says that its disk has %" PRIu64 " bytes",
                       footer->current_size);
    if (vx_vhd_is_fixed(vhd) && footer->current_size > footer_offset(vhd))
        return vx_fail(err, VHDX_TRUNCATED, where,
                       "the disk has %" PRIu64 " bytes, but only %" PRIu64 " are in the file before its footer",
                       footer->current_size, footer_offset(vhd));
    return VHDX_OK;
}

static vhdx_status check_header(struct vx_vhd *vhd, vhdx_error *err)
{
    const struct vx_vhd_header *header = &vhd->header;
    struct vx_where where = vx_at(vx_file_path(vhd->file), "VHD header", vhd->footer.data_offset);
    uint32_t rules = vx_vhd_header_rules(header);
    if (rules & VX_VHD_BAD_CHECKSUM)
        return vx_fail(err, VHDX_CORRUPT, where,
                       "the dynamic header is damaged: checksum 0x%08" PRIx32 ", expected 0x%08" PRIx32,
                       header->checksum, header->computed);
    if (rules & VX_VHD_BAD_VERSION)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the version of the dynamic header is 0x%" PRIx32,
                       header->version);
    if (rules & VX_VHD_BAD_BLOCK_SIZE)
        return vx_fail(err, VHDX_CORRUPT, where, "the block size is %" PRIu32 ", no power of two of sectors",
                       header->block_size);
    vhd->entry_count = vx_ceil_div(vhd->footer.current_size, header->block_size);
    if (vhd->entry_count > header->entry_count)
        return vx_fail(err, VHDX_CORRUPT, where,
                       "the block allocation table has %" PRIu32 " entries, the disk needs %" PRIu64,
                       header->entry_count, vhd->entry_count);
    if (header->table_offset > vhd->file_size ||
        vhd->entry_count > (vhd->file_size - header->table_offset) / VX_VHD_ENTRY_SIZE)
        return vx_fail(err, VHDX_TRUNCATED, vx_at(vx_file_path(vhd->file), "VHD table", header->table_offset),
                       "the block allocation table ends beyond the end of the file");
    return VHDX_OK;
}

/* A path that a locator leads to, UTF-8. *text NULL: there is none, or none that makes sense. */
static vhdx_status read_path(struct vx_vhd *vhd, uint32_t platform, char **text, vhdx_error *err)
{
    const struct vx_vhd_locator *locator = vx_vhd_locator_find(&vhd->header, platform);
    size_t got = 0;
    *text = NULL;
    if (!locator || locator->length > LOCATOR_MAX || locator->offset > vhd->file_size)
        return VHDX_OK;
    uint8_t *bytes = vx_alloc(locator->length, 1);
    char *path = vx_alloc(VX_UTF8_ROOM(locator->length), 1);
    vhdx_status status = bytes && path
                             ? vx_file_read_some(vhd->file, bytes, locator->length, locator->offset, &got, err)
                             : vx_fail_memory(err, "a path of the parent");
    if (status == VHDX_OK && vx_utf16_to_utf8(vx_bytes_of(bytes, got), path) > 0) {
        *text = path;
        path = NULL;
    }
    vx_free(bytes);
    vx_free(path);
    return status;
}

/* The header has the parent's path too, without saying of which system. */
static vhdx_status take_parent(struct vx_vhd *vhd, vhdx_error *err)
{
    char name[VX_UTF8_ROOM(VX_VHD_NAME_SIZE)];
    vx_vhd_name(vhd->header.parent_name, name);
    vhd->header.parent_name = (struct vx_bytes){0}; /* it points into bytes that are gone soon */
    if (!vx_vhd_has_parent(vhd))
        return VHDX_OK;
    VX_TRY(read_path(vhd, VX_VHD_W2RU, &vhd->relative_path, err));
    VX_TRY(read_path(vhd, VX_VHD_W2KU, &vhd->absolute_path, err));
    if (vhd->absolute_path || !name[0])
        return VHDX_OK;
    vhd->absolute_path = vx_copy_string(name);
    return vhd->absolute_path ? VHDX_OK : vx_fail_memory(err, "a path of the parent");
}

static vhdx_status take_header(struct vx_vhd *vhd, vhdx_error *err)
{
    uint8_t bytes[VX_VHD_HEADER_SIZE];
    size_t got = 0;
    uint64_t offset = vhd->footer.data_offset;
    if (offset <= vhd->file_size)
        VX_TRY(vx_file_read_some(vhd->file, bytes, sizeof bytes, offset, &got, err));
    if (got < sizeof bytes || vx_vhd_header_decode(vx_bytes_of(bytes, got), &vhd->header) != VHDX_OK)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_file_path(vhd->file), "VHD header", offset),
                       "the dynamic header is not where the footer says");
    VX_TRY(check_header(vhd, err));
    return take_parent(vhd, err);
}

vhdx_status vx_vhd_open(struct vx_file *file, struct vx_vhd **out, vhdx_error *err)
{
    struct vx_vhd *vhd = vx_alloc(1, sizeof *vhd);
    if (!vhd)
        return vx_fail_memory(err, "a VHD");
    vhd->file = file;
    vhdx_status status = vx_file_size(file, &vhd->file_size, err);
    if (status == VHDX_OK)
        status = vx_vhd_find_footer(file, &vhd->footer, &vhd->place, err);
    if (status == VHDX_OK)
        status = check_footer(vhd, err);
    if (status == VHDX_OK && !vx_vhd_is_fixed(vhd))
        status = take_header(vhd, err);
    if (status == VHDX_OK)
        *out = vhd;
    else
        vx_vhd_close(vhd);
    return status;
}

void vx_vhd_close(struct vx_vhd *vhd)
{
    if (!vhd)
        return;
    vx_free(vhd->relative_path);
    vx_free(vhd->absolute_path);
    vx_free(vhd);
}

vhdx_status vx_vhd_peek_identity(const vhdx_host *host, const char *path, vhdx_guid *id, vhdx_error *err)
{
    struct vx_file *file;
    struct vx_vhd_footer footer;
    enum vx_vhd_place place;
    VX_TRY(vx_file_open(host, path, VHDX_OPEN_PEEK, &file, err));
    vhdx_status status = vx_vhd_find_footer(file, &footer, &place, err);
    if (status == VHDX_OK && vx_vhd_footer_rules(&footer))
        status = vx_fail(err, VHDX_CORRUPT, vx_at_file(path), "the footer of this VHD is damaged");
    vx_file_close(file);
    if (status == VHDX_OK)
        *id = footer.id;
    return status;
}
