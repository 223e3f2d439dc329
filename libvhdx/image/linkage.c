/*
 * Reading a linkage from what is left of a disk. See linkage.h. Where the metadata table does not lead to the parent
 * locator, it is looked for by the GUID with which it begins.
 */
/* SPDX-License-Identifier: MIT */
#include "image/linkage.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/exam.h"

#include <string.h>

/* Where a metadata region may begin that no region table names, and how much of a region is searched. */
#define SEARCH_END (64 * VX_MIB)
#define SEARCH_BYTES ((size_t)(4 * VX_MIB))

static bool take_locator(const struct vx_locator *locator, struct vx_linkage *linkage)
{
    vhdx_guid linkage2;
    linkage->has_linkage = vx_locator_guid(locator, VX_KEY_LINKAGE, &linkage->linkage);
    linkage->has_linkage2 = vx_locator_guid(locator, VX_KEY_LINKAGE2, &linkage2) && !vx_guid_is_zero(&linkage2);
    if (linkage->has_linkage2)
        linkage->linkage2 = linkage2;
    return linkage->has_linkage || linkage->has_linkage2;
}

/* The first locator in the bytes that names a parent. */
static bool search_bytes(const uint8_t *bytes, size_t size, struct vx_locator *scratch, struct vx_linkage *linkage)
{
    const uint8_t *guid = vx_guid_locator_type_vhdx.bytes;
    for (size_t at = 0; size - at >= sizeof vx_guid_locator_type_vhdx; at++) {
        const uint8_t *next = memchr(bytes + at, guid[0], size - at);
        if (!next || size - (size_t)(next - bytes) < sizeof vx_guid_locator_type_vhdx)
            return false;
        at = (size_t)(next - bytes);
        if (memcmp(next, guid, sizeof vx_guid_locator_type_vhdx) == 0 &&
            vx_locator_decode(vx_bytes_of(next, size - at), scratch) == VHDX_OK && take_locator(scratch, linkage))
            return true;
    }
    return false;
}

static bool is_metadata(struct vx_file *view, uint64_t offset)
{
    uint8_t bytes[8];
    size_t got;
    return vx_file_read_some(view, bytes, sizeof bytes, offset, &got, NULL) == VHDX_OK && got == sizeof bytes &&
           vx_get64(bytes) == VX_SIG_METADATA;
}

static vhdx_status search_region(struct vx_file *view, uint64_t offset, uint64_t length, struct vx_linkage *linkage,
                                 bool *found, vhdx_error *err)
{
    size_t size = (size_t)vx_min(length, SEARCH_BYTES), got = 0;
    uint8_t *bytes = vx_alloc(size, 1);
    struct vx_locator *scratch = vx_alloc(1, sizeof *scratch);
    vhdx_status status = bytes && scratch ? vx_file_read_some(view, bytes, size, offset, &got, err)
                                          : vx_fail_memory(err, "the search for a parent locator");
    *found = status == VHDX_OK && search_bytes(bytes, got, scratch, linkage);
    vx_free(scratch);
    vx_free(bytes);
    return status;
}

/* In whatever begins as a metadata region, where no table names it. */
static vhdx_status search_everywhere(struct vx_file *view, struct vx_linkage *linkage, bool *found, vhdx_error *err)
{
    uint64_t size;
    *found = false;
    VX_TRY(vx_file_size(view, &size, err));
    for (uint64_t at = VX_MIB; !*found && at < vx_min(size, SEARCH_END); at += VX_MIB)
        if (is_metadata(view, at))
            VX_TRY(search_region(view, at, VX_MIB, linkage, found, err));
    return VHDX_OK;
}

static vhdx_status search(const struct vx_exam *exam, struct vx_linkage *linkage, bool *found, vhdx_error *err)
{
    if (!exam->has_metadata)
        return search_everywhere(exam->view, linkage, found, err);
    return search_region(exam->view, exam->metadata.file_offset, exam->metadata.length, linkage, found, err);
}

static vhdx_status take(const struct vx_exam *exam, struct vx_linkage *linkage, vhdx_error *err)
{
    /* What could not be read looks like zeros, and like a disk without parent. */
    bool certain = vx_exam_knows(exam, VX_KNOWS_PARAMETERS) && !exam->table_guessed && exam->patient.ranges.count == 0;
    bool found;
    linkage->has_identity = exam->header && !exam->header_guessed;
    if (linkage->has_identity)
        linkage->data_write_guid = exam->header->data_write_guid;
    linkage->kind = VX_LINKAGE_NONE;
    if (certain && !(exam->parameters.flags & VX_PARAMETER_HAS_PARENT))
        return VHDX_OK;
    linkage->kind = VX_LINKAGE_KNOWN;
    if (vx_exam_knows(exam, VX_KNOWS_LOCATOR) && take_locator(exam->locator, linkage))
        return VHDX_OK;
    VX_TRY(search(exam, linkage, &found, err));
    linkage->kind = found ? VX_LINKAGE_KNOWN : VX_LINKAGE_UNKNOWN;
    return VHDX_OK;
}

vhdx_status vx_linkage_read(const vhdx_host *host, struct vx_file *file, struct vx_linkage *linkage, vhdx_error *err)
{
    struct vx_exam *exam;
    memset(linkage, 0, sizeof *linkage);
    vhdx_status status = vx_exam_of(host, file, NULL, &exam, err);
    if (status == VHDX_NOT_VHDX || (status == VHDX_OK && !vx_exam_is_plain(exam))) {
        bool found;
        if (status == VHDX_OK)
            vx_exam_close(exam);
        vx_clear(err);
        VX_TRY(search_everywhere(file, linkage, &found, err));
        linkage->kind = found ? VX_LINKAGE_KNOWN : VX_LINKAGE_NO_DISK;
        return VHDX_OK;
    }
    if (status != VHDX_OK)
        return status;
    if (!exam->table || !vx_metadata_find(exam->table, &vx_guid_incomplete_file))
        status = take(exam, linkage, err);
    vx_exam_close(exam);
    return status;
}
