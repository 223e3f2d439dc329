/*
 * Places of the file that the host could not read while the structures were checked, with the name of what lies there
 * and, for the BAT, what of the virtual disk hangs on it. Everybody else took them for zeros.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "format/bat.h"

static bool touches(const struct vx_range *bad, uint64_t offset, uint64_t length)
{
    return length > 0 && bad->offset - offset < length; /* in subtracting form; a range begins in one structure */
}

static const char *name_place(const struct vx_exam *exam, const struct vx_range *bad)
{
    if (bad->offset < VX_HEADER1_OFFSET)
        return "file identifier";
    if (bad->offset < VX_REGION_TABLE1_OFFSET)
        return "headers";
    if (bad->offset < VX_REGION_TABLE2_OFFSET + VX_REGION_TABLE_SIZE)
        return "region tables";
    if (bad->offset < VX_HEADER_SECTION_SIZE)
        return "header section";
    if (exam->header && exam->has_log && touches(bad, exam->header->log_offset, exam->header->log_length))
        return "log";
    if (exam->has_bat && touches(bad, exam->bat.file_offset, exam->bat.length))
        return "BAT";
    if (exam->has_metadata && touches(bad, exam->metadata.file_offset, exam->metadata.length))
        return "metadata";
    return "blocks";
}

/* The blocks whose entries lie there. */
static void lose_blocks(const struct vx_exam *exam, struct vx_finding *finding)
{
    const struct vx_geometry *geometry = &exam->geometry;
    uint64_t first = (finding->offset - exam->bat.file_offset) / VX_BAT_ENTRY_SIZE, begin, end;
    uint64_t stop = vx_min(first + vx_ceil_div(finding->length, VX_BAT_ENTRY_SIZE), exam->bat_entries);
    if (first >= stop)
        return;
    if (!vx_geometry_is_payload(geometry, first, &begin))
        begin = (begin + 1) * geometry->chunk_ratio;
    if (!vx_geometry_is_payload(geometry, stop - 1, &end))
        end = (end + 1) * geometry->chunk_ratio - 1;
    end = vx_min(end + 1, geometry->payload_count);
    if (begin >= end)
        return;
    finding->lost_offset = begin * geometry->block_size;
    finding->lost_length = vx_min(end * geometry->block_size, geometry->virtual_size) - finding->lost_offset;
}

vhdx_status vx_check_unreadable(struct vx_verification *v, vhdx_error *err)
{
    const struct vx_exam *exam = v->exam;
    (void)err;
    for (size_t i = 0; i < exam->patient.ranges.count; i++) {
        const struct vx_range *bad = &exam->patient.ranges.items[i];
        struct vx_finding finding = vx_finding_at(VX_FIND_FILE_UNREADABLE, "file", bad->offset);
        finding.length = bad->length;
        finding.text = name_place(exam, bad);
        finding.advice = "copy the file from its medium with ddrescue, and go on with the copy";
        if (exam->has_geometry && exam->has_bat && touches(bad, exam->bat.file_offset, exam->bat.length))
            lose_blocks(exam, &finding);
        vx_verify_add(v, &finding);
    }
    return VHDX_OK;
}
