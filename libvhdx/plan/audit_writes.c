/*
 * What a plan writes to, apart from what is read from it: pieces, foreign structures, values (R2, R4, R5 of audit.h).
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "plan/audit_parts.h"
#include "findings/findings.h"

#include <string.h>

#define AT_ONCE ((size_t)(64 * VX_KIB))

static bool share(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length)
{
    return a < b + b_length && b < a + a_length;
}

/* ---- pieces ---- */

/* Whether the bytes of the file are the same in the sketch. */
static vhdx_status same_bytes(const struct vx_auditing *work, uint64_t offset, uint64_t length, bool *same,
                              vhdx_error *err)
{
    struct vx_file *file = work->plan->readable ? work->plan->readable : work->plan->file;
    uint8_t *bytes = vx_alloc(2 * AT_ONCE, 1);
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a buffer");
    *same = true;
    for (uint64_t at = 0; status == VHDX_OK && at < length && *same; at += AT_ONCE) {
        size_t part = (size_t)vx_min(AT_ONCE, length - at), old, now = 0;
        status = vx_file_read_some(file, bytes, part, offset + at, &old, err);
        if (status == VHDX_OK)
            status = vx_file_read_some(work->plan->sketch, bytes + AT_ONCE, part, offset + at, &now, err);
        *same = old == now && memcmp(bytes, bytes + AT_ONCE, now) == 0;
    }
    vx_free(bytes);
    return status;
}

static vhdx_status audit_piece(struct vx_auditing *work, const struct vx_stray *piece, vhdx_error *err)
{
    bool same = true;
    for (size_t i = 0; i < work->written.count && same; i++) {
        const struct vx_range *write = &work->written.items[i];
        uint64_t from = vx_max(write->offset, piece->file_offset);
        uint64_t to = vx_min(write->offset + write->length, piece->file_offset + piece->length);
        if (from < to)
            VX_TRY(same_bytes(work, from, to - from, &same, err));
    }
    if (!same || work->plan->new_size < piece->file_offset + piece->length)
        vx_audit_found(work, "content that has no place on the virtual disk would be overwritten or cut off",
                       VHDX_NOWHERE, piece->file_offset, piece->length);
    return VHDX_OK;
}

/* Whether an export of the sketch would still write these bytes, with a place or as a piece. */
static bool is_kept(const struct vx_rebuilt *after, uint64_t offset)
{
    if (!vx_rebuilt_is_free(after, offset, VX_MIB))
        return true;
    for (size_t i = 0; i < after->stray_count; i++)
        if (share(offset, 1, after->strays[i].file_offset, after->strays[i].length))
            return true;
    return false;
}

vhdx_status vx_audit_pieces(struct vx_auditing *work, vhdx_error *err)
{
    const struct vx_rebuilt *before = vx_audit_layer(&work->before)->rebuilt;
    const struct vx_rebuilt *after = vx_audit_layer(&work->after)->rebuilt;
    for (size_t i = 0; i < before->stray_count && !work->fault->what; i++) {
        const struct vx_stray *piece = &before->strays[i];
        VX_TRY(audit_piece(work, piece, err));
        for (uint64_t at = 0; !work->options->salvage && at < piece->length && !work->fault->what; at += VX_MIB)
            if (!is_kept(after, piece->file_offset + at))
                vx_audit_found(work, "content that has no place on the virtual disk would be forgotten", VHDX_NOWHERE,
                               VHDX_NOWHERE, piece->length);
    }
    return VHDX_OK;
}

/* ---- structures ---- */

/* The finding's number says which structure it is about, see findings.def. */
static bool is_about(unsigned finding, unsigned first, unsigned last)
{
    return finding / 100 >= first && finding / 100 <= last &&
           finding != VX_FIND_BAT_SHORT; /* a wrong size makes it so */
}

static bool in_region(const struct vx_region *region, const struct vx_range *write)
{
    return region->length > 0 && share(region->file_offset, region->length, write->offset, write->length);
}

static void audit_write(struct vx_auditing *work, const struct vx_range *write)
{
    const struct vx_salvage_layer *layer = vx_audit_layer(&work->before);
    const struct vx_rebuilt *before = layer->rebuilt;
    bool new_log = work->plan->has_header && work->plan->header.log_offset != before->header.log_offset;
    if (write->offset >= work->plan->old_size)
        return;
    if (in_region(&before->metadata, write) && is_about(write->owner_kind, 5, 6))
        vx_audit_found(work, "metadata would be overwritten by a repair of the BAT", VHDX_NOWHERE, write->offset,
                       write->length);
    else if (in_region(&before->bat, write) && !in_region(&before->metadata, write) &&
             is_about(write->owner_kind, 2, 3))
        vx_audit_found(work, "the BAT would be overwritten by a repair of the metadata", VHDX_NOWHERE, write->offset,
                       write->length);
    else if (!new_log && share(before->header.log_offset, before->header.log_length, write->offset, write->length))
        vx_audit_found(work, "the log would be overwritten", VHDX_NOWHERE, write->offset, write->length);
}

/* ---- the log ---- */

/* Of the write that names the log; of the first one when the log is where it was. */
static unsigned finding_of_header(const struct vx_plan *plan)
{
    for (size_t i = plan->count; i > 0; i--)
        if (plan->writes[i - 1].offset == VX_HEADER1_OFFSET)
            return plan->writes[i - 1].reason.finding;
    return plan->writes[0].reason.finding;
}

static bool is_known_log(const struct vx_rebuilt *before, const struct vx_header *header)
{
    return before->header.log_offset == header->log_offset && before->header.log_length == header->log_length &&
           before->clues[VX_PART_HEADER].witness != VX_WITNESS_DEFAULT;
}

/* The header that the writes go by: not the one that the evidence speaks for, which may have its log elsewhere. */
static vhdx_status header_of_writes(const struct vx_auditing *work, struct vx_header *header, vhdx_error *err)
{
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    *header = vx_audit_layer(&work->before)->rebuilt->header;
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(work->plan->sketch, survey, err);
    if (status == VHDX_OK && survey->current >= 0)
        *header = survey->headers[survey->current].header;
    vx_free(survey);
    return status;
}

/* A journal writes all over its log, and so does whoever uses the disk next: a new place must be nobody else's. */
static void audit_log(struct vx_auditing *work, const struct vx_header *header)
{
    const struct vx_rebuilt *before = vx_audit_layer(&work->before)->rebuilt;
    uint64_t offset = header->log_offset, length = header->log_length;
    const struct vx_range *journaled = vx_audit_first_journaled(work);
    bool known = is_known_log(before, header);
    if ((known && !journaled) || length == 0)
        return;
    bool refuted = journaled && !known && !work->plan->has_header; /* the evidence has it elsewhere */
    bool taken = refuted || (before->claims.slots > 0 && (known ? vx_rebuilt_shared(before, offset, length)
                                                                : !vx_claims_is_free(&before->claims, offset, length)));
    taken = taken || vx_rebuilt_withdrawn(before, offset, length);
    for (size_t i = 0; i < before->stray_count && !taken; i++)
        taken = share(before->strays[i].file_offset, before->strays[i].length, offset, length);
    if (!taken)
        return;
    vx_audit_found(work, "the log would be in space that something else has", VHDX_NOWHERE, VHDX_NOWHERE, length);
    if (work->fault->finding == 0 && work->plan->count > 0)
        work->fault->finding = finding_of_header(work->plan);
}

vhdx_status vx_audit_log(struct vx_auditing *work, vhdx_error *err)
{
    struct vx_header header = {0};
    VX_TRY(header_of_writes(work, &header, err));
    audit_log(work, &header);
    return VHDX_OK;
}

/* Space of the file that a block owns, and no structure. */
static bool owned_by_block(const struct vx_rebuilt *before, const struct vx_range *write)
{
    if (write->offset < VX_HEADER_SECTION_SIZE)
        return false;
    for (uint32_t i = 0; i < vx_min(before->regions->count, VX_REGION_MAX); i++)
        if (in_region(&before->regions->entries[i], write) && !vx_rebuilt_shared(before, write->offset, write->length))
            return false;
    return !vx_rebuilt_is_free(before, write->offset, write->length);
}

/* The entry of a sector bitmap, which says something about blocks whose entries are in other pages. */
static bool covers_bitmap_entry(const struct vx_rebuilt *before, const struct vx_range *write)
{
    uint64_t ratio = before->geometry.chunk_ratio, start = before->bat.file_offset;
    if (!before->geometry.has_parent || !in_region(&before->bat, write))
        return false;
    uint64_t first = (vx_max(write->offset, start) - start) / VX_BAT_ENTRY_SIZE;
    uint64_t last = (write->offset + write->length - 1 - start) / VX_BAT_ENTRY_SIZE;
    return (last + 1) / (ratio + 1) != first / (ratio + 1);
}

void vx_audit_writes(struct vx_auditing *work)
{
    const struct vx_rebuilt *before = vx_audit_layer(&work->before)->rebuilt;
    work->blocks_written = before->geometry.has_parent && work->plan->log != VX_PLAN_LOG_AS_IS;
    for (size_t i = 0; i < work->written.count; i++) {
        const struct vx_range *write = &work->written.items[i];
        audit_write(work, write);
        work->blocks_written =
            work->blocks_written || owned_by_block(before, write) || covers_bitmap_entry(before, write);
    }
}

/* ---- values ---- */

static bool is_supported(const struct vx_rebuilt *before, enum vx_part part)
{
    if (part == VX_PART_VIRTUAL_SIZE && before->size_rounded)
        return false;
    return before->clues[part].witness < VX_WITNESS_DEFAULT;
}

static uint64_t value_of(const struct vx_rebuilt *rebuilt, enum vx_part part)
{
    switch (part) {
    case VX_PART_BLOCK_SIZE:
        return rebuilt->block_size;
    case VX_PART_VIRTUAL_SIZE:
        return rebuilt->virtual_size;
    case VX_PART_LOGICAL_SECTOR:
        return rebuilt->logical_sector;
    case VX_PART_PHYSICAL_SECTOR:
        return rebuilt->physical_sector;
    case VX_PART_PARAMETER_FLAGS:
        return rebuilt->parameter_flags & (VX_PARAMETER_HAS_PARENT | VX_PARAMETER_LEAVE_BLOCK_ALLOCATED);
    default:
        return 0;
    }
}

void vx_audit_values(struct vx_auditing *work)
{
    static const struct {
        enum vx_part part;
        const char *what;
    } values[] = {
        {VX_PART_BLOCK_SIZE, "the block size would be replaced by one that the evidence contradicts"},
        {VX_PART_VIRTUAL_SIZE, "the disk's size would be replaced by one that the evidence contradicts"},
        {VX_PART_LOGICAL_SECTOR, "the logical sector size would be replaced by one that the evidence contradicts"},
        {VX_PART_PHYSICAL_SECTOR, "the physical sector size would be replaced by one that the evidence contradicts"},
        {VX_PART_PARAMETER_FLAGS, "the disk's kind would be replaced by one that the evidence contradicts"},
    };
    static const enum vx_part stored[] = {VX_PART_REGIONS,         VX_PART_METADATA,     VX_PART_BLOCK_SIZE,
                                          VX_PART_PARAMETER_FLAGS, VX_PART_VIRTUAL_SIZE, VX_PART_LOGICAL_SECTOR,
                                          VX_PART_DISK_ID,         VX_PART_LOCATOR,      VX_PART_PHYSICAL_SECTOR};
    const struct vx_rebuilt *before = vx_audit_layer(&work->before)->rebuilt;
    const struct vx_rebuilt *after = vx_audit_layer(&work->after)->rebuilt;
    uint64_t place = after->metadata.file_offset, length = after->metadata.length;
    if (work->plan->doubt) /* a log is given up, and with it whatever it knew; all of the disk is in doubt */
        return;
    for (size_t i = 0; i < sizeof stored / sizeof stored[0]; i++)
        if (before->clues[stored[i]].witness == VX_WITNESS_STORED &&
            after->clues[stored[i]].witness != VX_WITNESS_STORED)
            vx_audit_found(work, "a sound structure would be damaged", VHDX_NOWHERE, place, length);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (is_supported(before, values[i].part) && value_of(before, values[i].part) != value_of(after, values[i].part))
            vx_audit_found(work, values[i].what, VHDX_NOWHERE, place, length);
    if (before->clues[VX_PART_DISK_ID].witness <= VX_WITNESS_PARENT && !vx_guid_is_zero(&before->virtual_disk_id) &&
        !vx_guid_equal(&before->virtual_disk_id, &after->virtual_disk_id))
        vx_audit_found(work, "the virtual disk id would be replaced", VHDX_NOWHERE, place, length);
    if ((before->parameter_flags & VX_PARAMETER_HAS_PARENT) && before->locator_size > 0 &&
        is_supported(before, VX_PART_LOCATOR) && after->locator_size == 0)
        vx_audit_found(work, "the parent locator would be lost", VHDX_NOWHERE, place, length);
}
