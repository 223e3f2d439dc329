/*
 * Derived geometry for the time of some checks. See derive.h. Easy to get wrong: a default that lets a disk be read is
 * no reason to call its BAT damaged.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/derive.h"

#include "base/text.h"
#include "verify/check_sizes.h"
#include "verify/repair_class.h"
#include "evidence/region_doubt.h"

#include <inttypes.h>
#include <stdio.h>

#define EVIDENCE_ROOM 1024

static bool is_missing(const struct vx_exam *exam)
{
    return !exam->has_geometry || !exam->has_bat;
}

static bool is_witnessed(const struct vx_rebuilt *rebuilt, enum vx_part part)
{
    return rebuilt->clues[part].witness < VX_WITNESS_DEFAULT;
}

/* The sector size says which entries are those of bitmaps; while there is but one chunk in any case, that is none. */
static bool is_enough(const struct vx_rebuilt *rebuilt)
{
    const struct vx_geometry *geometry = &rebuilt->geometry;
    bool sector = is_witnessed(rebuilt, VX_PART_LOGICAL_SECTOR) ||
                  (!geometry->has_parent && geometry->payload_count <= geometry->chunk_ratio);
    return geometry->entry_count > 0 && sector && is_witnessed(rebuilt, VX_PART_BLOCK_SIZE) &&
           is_witnessed(rebuilt, VX_PART_VIRTUAL_SIZE) && is_witnessed(rebuilt, VX_PART_REGIONS);
}

static void describe(const struct vx_rebuilt *rebuilt, char text[EVIDENCE_ROOM])
{
    static const enum vx_part parts[] = {VX_PART_REGIONS, VX_PART_BLOCK_SIZE, VX_PART_VIRTUAL_SIZE,
                                         VX_PART_LOGICAL_SECTOR};
    const uint64_t values[] = {rebuilt->bat.file_offset, rebuilt->block_size, rebuilt->virtual_size,
                               rebuilt->logical_sector};
    struct vx_text out = vx_text_begin(text, EVIDENCE_ROOM);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const struct vx_clue *clue = &rebuilt->clues[parts[i]];
        if (clue->witness == VX_WITNESS_STORED)
            continue;
        char value[48];
        if (parts[i] == VX_PART_REGIONS)
            snprintf(value, sizeof value, "BAT at 0x%" PRIx64, values[i]);
        else
            snprintf(value, sizeof value, "%s %" PRIu64, vx_part_name(parts[i]), values[i]);
        vx_text_add(&out, "%s%s (%s)", out.length ? "; " : "", value, clue->evidence);
    }
}

static bool same_place(const struct vx_region *a, const struct vx_region *b)
{
    return a->file_offset == b->file_offset && a->length == b->length;
}

static void remember(const struct vx_exam *exam, struct vx_derived *derived)
{
    derived->has_geometry = exam->has_geometry;
    derived->has_bat = exam->has_bat;
    derived->geometry = exam->geometry;
    derived->bat = exam->bat;
    derived->bat_entries = exam->bat_entries;
    derived->regions = exam->regions;
    derived->stands_in = true;
}

/* `missing`: the exam has no sizes, or they are not the disk's: the metadata are elsewhere, or all else contradicts. */
static void stand_in(struct vx_exam *exam, struct vx_derived *derived, bool missing)
{
    const struct vx_rebuilt *rebuilt = derived->rebuilt;
    remember(exam, derived);
    exam->has_geometry = exam->has_bat = true;
    if (missing)
        exam->geometry = rebuilt->geometry;
    exam->bat = rebuilt->bat;
    exam->bat_entries = vx_min(exam->geometry.entry_count, exam->bat.length / VX_BAT_ENTRY_SIZE);
    exam->regions = rebuilt->regions;
}

static void tell_of_values(struct vx_verification *v, const struct vx_derived *derived)
{
    char text[EVIDENCE_ROOM];
    describe(derived->rebuilt, text);
    struct vx_finding finding = vx_finding_at(VX_FIND_METADATA_DERIVED, "BAT", v->exam->bat.file_offset);
    finding.text = text;
    vx_verify_add(v, &finding);
}

/* ---- regions that are not where, or not as long as, the tables say ---- */

/* What check_region.c says of a region that cannot be. */
static bool is_told(struct vx_verification *v)
{
    const struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(v->report, v->file, i)) != NULL; i++)
        if (vx_evidence_is_of_regions(finding->kind))
            return true;
    return false;
}

static void tell_of_region(struct vx_verification *v, const struct vx_rebuilt *rebuilt, const struct vx_region *stored,
                           const struct vx_region *settled, const char *name)
{
    char note[sizeof rebuilt->clues[0].evidence + 64];
    if (same_place(stored, settled))
        return;
    struct vx_finding finding = vx_finding_at(VX_FIND_REGION_CONTRADICTED, "region table", VX_REGION_TABLE1_OFFSET);
    snprintf(note, sizeof note, "0x%" PRIx64 " and 0x%" PRIx32 "; %s", settled->file_offset, settled->length,
             rebuilt->clues[VX_PART_REGIONS].evidence);
    finding.text = name;
    finding.note = note;
    vx_finding_set_values(&finding, stored->file_offset, stored->length);
    vx_verify_add(v, &finding);
}

static bool differs(const struct vx_exam *exam, const struct vx_rebuilt *rebuilt)
{
    const struct vx_clue *clue = &rebuilt->clues[VX_PART_REGIONS];
    return clue->witness != VX_WITNESS_STORED && clue->witness < VX_WITNESS_DEFAULT &&
           rebuilt->room.cure == VX_ROOM_ENOUGH &&
           (!same_place(&exam->bat, &rebuilt->bat) || !same_place(&exam->metadata, &rebuilt->metadata));
}

static void tell_of_regions(struct vx_verification *v, const struct vx_rebuilt *rebuilt)
{
    if (is_told(v))
        return;
    tell_of_region(v, rebuilt, &v->exam->bat, &rebuilt->bat, "BAT");
    tell_of_region(v, rebuilt, &v->exam->metadata, &rebuilt->metadata, "metadata");
}

/* The geometry as it is, but for the sizes. */
static vhdx_status settle_sizes(struct vx_verification *v, struct vx_derived *derived, vhdx_error *err)
{
    struct vx_exam *exam = v->exam;
    struct vx_size_answer sizes = {0};
    struct vx_geometry geometry;
    VX_TRY(vx_sizes_ask(v, &sizes, err));
    vx_sizes_tell(v, &sizes);
    if (sizes.verdict != VX_SIZES_SETTLED || !vx_geometry_init(&geometry, sizes.virtual_size, sizes.block_size,
                                                               sizes.logical_sector, exam->geometry.has_parent))
        return VHDX_OK;
    remember(exam, derived);
    exam->geometry = geometry;
    exam->bat_entries = vx_min(geometry.entry_count, exam->bat.length / VX_BAT_ENTRY_SIZE);
    return VHDX_OK;
}

vhdx_status vx_derive_begin(struct vx_verification *v, struct vx_derived *derived, vhdx_error *err)
{
    const bool missing = is_missing(v->exam);
    bool doubtful = true;
    *derived = (struct vx_derived){0};
    if (!missing)
        VX_TRY(vx_regions_doubtful(v->exam, &doubtful, err));
    if (!doubtful)
        return settle_sizes(v, derived, err);
    VX_TRY(vx_verify_rebuild(v, &derived->rebuilt, err));
    const bool moved = differs(v->exam, derived->rebuilt);
    if (moved)
        tell_of_regions(v, derived->rebuilt);
    vx_sizes_tell(v, &derived->rebuilt->sizes);
    bool settled = derived->rebuilt->sizes.verdict == VX_SIZES_SETTLED;
    if (!is_enough(derived->rebuilt) || (!missing && !moved && !settled))
        return VHDX_OK;
    bool elsewhere = missing || settled || v->exam->metadata.file_offset != derived->rebuilt->metadata.file_offset;
    stand_in(v->exam, derived, elsewhere);
    if (missing)
        tell_of_values(v, derived);
    return VHDX_OK;
}

void vx_derive_end(struct vx_verification *v, struct vx_derived *derived)
{
    struct vx_exam *exam = v->exam;
    if (derived->stands_in) {
        exam->has_geometry = derived->has_geometry;
        exam->has_bat = derived->has_bat;
        exam->geometry = derived->geometry;
        exam->bat = derived->bat;
        exam->bat_entries = derived->bat_entries;
        exam->regions = derived->regions;
    }
    vx_rebuild_free(derived->rebuilt);
    *derived = (struct vx_derived){0};
}
