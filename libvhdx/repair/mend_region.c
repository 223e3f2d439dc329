/*
 * Region tables: the bad copy from the good one, stray bits cleared in both, and where neither copy can be used a new
 * table from what the file still shows (rebuild.h). Unknown regions are kept wherever they can be read.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "evidence/region_doubt.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "verify/repair_class.h"

#include <string.h>

enum { TABLE_CHECKSUM = 4, TABLE_RESERVED = 12, ENTRY_REQUIRED = 28 };

static uint64_t copy_offset(int copy)
{
    return copy == 0 ? VX_REGION_TABLE1_OFFSET : VX_REGION_TABLE2_OFFSET;
}

static vhdx_status put_both(struct vx_mending *m, const uint8_t *bytes, const struct vx_reason *reason, vhdx_error *err)
{
    for (int copy = 0; copy < 2; copy++)
        VX_TRY(vx_plan_put(m->plan, bytes, VX_REGION_TABLE_SIZE, copy_offset(copy), reason, err));
    return VHDX_OK;
}

static void seal(uint8_t *bytes)
{
    vx_put32(bytes + TABLE_CHECKSUM, 0);
    vx_put32(bytes + TABLE_CHECKSUM, vx_crc32c(0, bytes, VX_REGION_TABLE_SIZE));
}

vhdx_status vx_mend_put_regions(struct vx_mending *m, uint8_t bytes[VX_REGION_TABLE_SIZE],
                                const struct vx_reason *reason, vhdx_error *err)
{
    seal(bytes);
    return put_both(m, bytes, reason, err);
}

/* The copy that is in use, as it stands, into both places. */
static vhdx_status mend_copies(struct vx_mending *m, uint8_t *bytes, vhdx_error *err)
{
    static const struct vx_reason damaged = {VX_FIND_REGION_TABLE_DAMAGED, false,
                                             "both copies of the region table are good again", NULL};
    static const struct vx_reason differ = {VX_FIND_REGION_TABLES_DIFFER, false,
                                            "both copies of the region table say the same", NULL};
    if (vx_mend_is_wanted(m, VX_FIND_REGION_TABLE_DAMAGED))
        return put_both(m, bytes, &damaged, err);
    return vx_mend_is_wanted(m, VX_FIND_REGION_TABLES_DIFFER) ? put_both(m, bytes, &differ, err) : VHDX_OK;
}

static vhdx_status mend_bits(struct vx_mending *m, uint8_t *bytes, vhdx_error *err)
{
    static const struct vx_reason reserved = {VX_FIND_REGION_RESERVED, false, "the reserved field is zero", NULL};
    static const struct vx_reason bits = {VX_FIND_REGION_REQUIRED_BITS, false, "the reserved bits are zero", NULL};
    if (vx_mend_is_wanted(m, VX_FIND_REGION_RESERVED)) {
        vx_put32(bytes + TABLE_RESERVED, 0);
        seal(bytes);
        VX_TRY(put_both(m, bytes, &reserved, err));
    }
    if (!vx_mend_is_wanted(m, VX_FIND_REGION_REQUIRED_BITS))
        return VHDX_OK;
    for (uint32_t i = 0; i < vx_min(m->exam->regions->count, VX_REGION_MAX); i++) {
        uint8_t *required = bytes + VX_REGION_ENTRIES_OFFSET + (size_t)i * VX_REGION_ENTRY_SIZE + ENTRY_REQUIRED;
        vx_put32(required, vx_get32(required) & 1u);
    }
    seal(bytes);
    return put_both(m, bytes, &bits, err);
}

#define PADDING_MOST (4 * VX_MIB) /* of a region that is longer than it must be; a length far beyond is a wrong one */

/* In the file, or where regions are put of which nothing was left. */
static bool begins_near(const struct vx_mending *m, const struct vx_region *region)
{
    return region->file_offset < m->plan->new_size + 2 * VX_OBJECT_ALIGNMENT;
}

/* Missing space behind a region that is all there but for padding, or all that can be had of it. */
static vhdx_status mend_end(struct vx_mending *m, vhdx_error *err)
{
    bool salvage = (m->classes[VX_FIND_REGION_BEYOND_END] & 1u << VHDX_REPAIR_SALVAGE) != 0;
    const struct vx_reason reason = {VX_FIND_REGION_BEYOND_END, salvage, "the region lies inside of the file",
                                     salvage ? "what stood behind the end of the file" : NULL};
    const struct vx_exam *exam = m->exam;
    uint64_t end = 0;
    if (!vx_mend_is_wanted(m, VX_FIND_REGION_BEYOND_END))
        return VHDX_OK;
    uint64_t entries = exam->has_geometry ? vx_geometry_bat_region_length(&exam->geometry) : VX_MIB;
    uint64_t items = exam->has_metadata ? vx_region_metadata_needs(exam->view, exam->metadata.file_offset) : VX_MIB;
    if (exam->has_bat && begins_near(m, &exam->bat) && exam->bat.length <= entries + PADDING_MOST)
        end = exam->bat.file_offset + exam->bat.length;
    if (exam->has_metadata && begins_near(m, &exam->metadata) && exam->metadata.length <= items + PADDING_MOST)
        end = vx_max(end, exam->metadata.file_offset + exam->metadata.length);
    return end > m->plan->new_size ? vx_plan_resize(m->plan, end, &reason, err) : VHDX_OK;
}

static bool is_intact(const struct vx_survey_regions *regions)
{
    return regions->status == VHDX_OK && !(regions->rules & VX_REGION_BAD_CHECKSUM);
}

/* In the order in which they are named as the reason. */
static const enum vx_find place_kinds[] = {
    VX_FIND_REGION_TABLES_LOST, VX_FIND_REGION_COUNT,        VX_FIND_REGION_DUPLICATE,     VX_FIND_REGION_NO_BAT,
    VX_FIND_REGION_NO_METADATA, VX_FIND_REGION_OFFSET,       VX_FIND_REGION_LENGTH,        VX_FIND_REGION_OVERLAP,
    VX_FIND_REGION_BEYOND_END,  VX_FIND_REGION_CONTRADICTED, VX_FIND_REGION_TABLES_DIFFER,
};

static bool first_place_kind(const struct vx_mending *m, enum vx_find *kind)
{
    for (size_t i = 0; i < sizeof place_kinds / sizeof place_kinds[0]; i++)
        if (vx_mend_is_present(m, place_kinds[i])) {
            *kind = place_kinds[i];
            return true;
        }
    return false;
}

/* What the copies say cannot be, or they do not say the same: both are made anew from what the evidence has settled. */
static vhdx_status mend_places(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_loss doubtful_place = {"where the BAT is was not certain", true, false};
    enum vx_find kind;
    if (!first_place_kind(m, &kind))
        return VHDX_OK;
    VX_TRY(vx_mending_rebuild(m, false, err));
    vhdx_repair_class class = vx_evidence_class(m->rebuilt, VX_PART_REGIONS);
    const struct vx_reason reason = {kind, class != VHDX_REPAIR_LOSSLESS,
                                     "the region table says again where BAT and metadata are",
                                     class == VHDX_REPAIR_LOSSLESS ? NULL : "the certainty that it is right"};
    if (m->rebuilt->clues[VX_PART_REGIONS].witness == VX_WITNESS_STORED || class == VHDX_REPAIR_NONE ||
        (class == VHDX_REPAIR_SALVAGE && !m->salvage))
        return VHDX_OK;
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    if (!bytes)
        return vx_fail_memory(err, "the region table");
    vx_rebuilt_encode_regions(m->rebuilt, bytes);
    vhdx_status status = put_both(m, bytes, &reason, err);
    vx_free(bytes);
    if (class == VHDX_REPAIR_SALVAGE)
        m->plan->doubt = &doubtful_place;
    return status;
}

static bool is_inside(const struct vx_mending *m, const struct vx_region *region)
{
    return region->file_offset <= m->plan->new_size && region->length <= m->plan->new_size - region->file_offset;
}

bool vx_mend_regions_settled(const struct vx_mending *m)
{
    static const enum vx_find unsettled[] = {
        VX_FIND_REGION_TABLES_LOST, VX_FIND_REGION_TABLES_DIFFER, VX_FIND_REGION_OFFSET,       VX_FIND_REGION_LENGTH,
        VX_FIND_REGION_NO_BAT,      VX_FIND_REGION_NO_METADATA,   VX_FIND_REGION_CONTRADICTED, VX_FIND_REGION_COUNT,
    };
    const struct vx_exam *exam = m->exam;
    for (size_t i = 0; i < sizeof unsettled / sizeof unsettled[0]; i++)
        if (vx_mend_is_present(m, unsettled[i]))
            return false;
    if ((exam->has_bat && !is_inside(m, &exam->bat)) || (exam->has_metadata && !is_inside(m, &exam->metadata)))
        return false;
    return !exam->has_bat || !exam->has_metadata ||
           exam->bat.file_offset + exam->bat.length <= exam->metadata.file_offset ||
           exam->metadata.file_offset + exam->metadata.length <= exam->bat.file_offset;
}

vhdx_status vx_mend_regions(struct vx_mending *m, vhdx_error *err)
{
    uint64_t before = m->plan->changes;
    VX_TRY(mend_places(m, err));
    if (m->plan->changes != before)
        return VHDX_OK;
    if (m->exam->region_copy < 0 || !is_intact(&m->exam->survey->regions[m->exam->region_copy]))
        return VHDX_OK;
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    if (!bytes)
        return vx_fail_memory(err, "the region table");
    vhdx_status status =
        vx_file_read(m->plan->sketch, bytes, VX_REGION_TABLE_SIZE, copy_offset(m->exam->region_copy), err);
    if (status == VHDX_OK)
        status = mend_copies(m, bytes, err);
    if (status == VHDX_OK)
        status = mend_bits(m, bytes, err);
    vx_free(bytes);
    return status == VHDX_OK ? mend_end(m, err) : status;
}
