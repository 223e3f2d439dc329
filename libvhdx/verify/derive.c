/*
 * Derived geometry for the time of some checks. See derive.h. Easy to get wrong: a default that lets a disk be read is
 * no reason to call its BAT damaged.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/derive.h"

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
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const struct vx_clue *clue = &rebuilt->clues[parts[i]];
        if (clue->witness == VX_WITNESS_STORED)
            continue;
        char value[48];
        if (parts[i] == VX_PART_REGIONS)
            snprintf(value, sizeof value, "BAT at 0x%" PRIx64, values[i]);
        else
            snprintf(value, sizeof value, "%s %" PRIu64, vx_part_name(parts[i]), values[i]);
        int length = snprintf(text + used, EVIDENCE_ROOM - used, "%s%s (%s)", used ? "; " : "", value, clue->evidence);
        if (length < 0 || (size_t)length >= EVIDENCE_ROOM - used)
            return; /* cut to fit */
        used += (size_t)length;
    }
}

static void stand_in(struct vx_exam *exam, struct vx_derived *derived)
{
    const struct vx_rebuilt *rebuilt = derived->rebuilt;
    derived->has_geometry = exam->has_geometry;
    derived->has_bat = exam->has_bat;
    derived->geometry = exam->geometry;
    derived->bat = exam->bat;
    derived->bat_entries = exam->bat_entries;
    derived->regions = exam->regions;
    derived->stands_in = true;
    exam->has_geometry = exam->has_bat = true;
    exam->geometry = rebuilt->geometry;
    exam->bat = rebuilt->bat;
    exam->bat_entries = vx_min(exam->geometry.entry_count, exam->bat.length / VX_BAT_ENTRY_SIZE);
    exam->regions = rebuilt->regions;
}

vhdx_status vx_derive_begin(struct vx_verification *v, struct vx_derived *derived, vhdx_error *err)
{
    *derived = (struct vx_derived){0};
    if (!is_missing(v->exam))
        return VHDX_OK;
    struct vx_parent_hint hint;
    bool known_parent = vx_parent_hint_find(v->host, v->options->parents, v->options->parent_count, &hint);
    const struct vx_rebuild_options options = {.host = v->host,
                                               .parent = known_parent ? &hint : NULL,
                                               .progress = v->options->progress,
                                               .progress_context = v->options->progress_context};
    char text[EVIDENCE_ROOM];
    VX_TRY(vx_rebuild(v->exam->file, &options, &derived->rebuilt, err));
    if (!is_enough(derived->rebuilt))
        return VHDX_OK;
    stand_in(v->exam, derived);
    describe(derived->rebuilt, text);
    struct vx_finding finding = vx_found(VX_FIND_METADATA_DERIVED, "BAT", v->exam->bat.file_offset);
    finding.text = text;
    vx_verify_add(v, &finding);
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
