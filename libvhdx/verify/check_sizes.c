/*
 * Sizes of an exam that contradict everything else, as sizes.h settles them, told as findings. Easy to get wrong: a
 * parent that the locator does not name is no witness.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/check_sizes.h"

#include "base/guid.h"
#include "format/locator.h"
#include "evidence/sizes.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t place_of(const struct vx_exam *exam, const vhdx_guid *id)
{
    const struct vx_metadata_entry *entry = exam->table ? vx_metadata_find(exam->table, id) : NULL;
    return entry ? exam->metadata.file_offset + entry->offset : exam->metadata.file_offset;
}

static void add_size(struct vx_verification *v, const struct vx_size_answer *sizes, enum vx_part part,
                     const vhdx_guid *id, uint64_t found, uint64_t expected)
{
    char value[24];
    struct vx_finding finding = vx_finding_at(VX_FIND_METADATA_CONTRADICTED, "metadata item", place_of(v->exam, id));
    finding.text = vx_part_name(part);
    finding.note = sizes->evidence;
    finding.repair = sizes->lossless ? VHDX_REPAIR_LOSSLESS : VHDX_REPAIR_SALVAGE;
    if (sizes->by_guest_only)
        finding.severity = VHDX_SEVERITY_WARNING;
    vx_finding_set_values(&finding, found, expected);
    snprintf(value, sizeof value, "%" PRIu64, expected);
    vx_finding_advise(&finding, sizes->lossless ? VHDX_ADVICE_REPAIR_SETS : VHDX_ADVICE_LOSSY_SETS, value, NULL);
    vx_verify_add(v, &finding);
}

/* Which of the values is wrong is not known: the finding is about the first in which the answers differ. */
static void add_tie(struct vx_verification *v, const struct vx_size_answer *sizes)
{
    char one[64], other[64];
    const struct {
        enum vx_part part;
        const vhdx_guid *id;
        const char *word;
        uint64_t stored, one, other;
    } rows[] = {
        {VX_PART_BLOCK_SIZE, &vx_guid_file_parameters, "block-size", sizes->stored_block_size, sizes->block_size,
         sizes->other_block_size},
        {VX_PART_LOGICAL_SECTOR, &vx_guid_logical_sector_size, "logical-sector", sizes->stored_logical_sector,
         sizes->logical_sector, sizes->other_logical_sector},
        {VX_PART_VIRTUAL_SIZE, &vx_guid_virtual_disk_size, "virtual-size", sizes->stored_virtual_size,
         sizes->virtual_size, sizes->other_virtual_size},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].one == rows[i].other)
            continue;
        struct vx_finding finding =
            vx_finding_at(VX_FIND_METADATA_CONTRADICTED, "metadata item", place_of(v->exam, rows[i].id));
        finding.text = vx_part_name(rows[i].part);
        finding.note = sizes->evidence;
        finding.repair = VHDX_REPAIR_NONE;
        vx_finding_set_found(&finding, rows[i].stored);
        snprintf(one, sizeof one, "%s=%" PRIu64, rows[i].word, rows[i].one);
        snprintf(other, sizeof other, "%s=%" PRIu64, rows[i].word, rows[i].other);
        vx_finding_advise(&finding, VHDX_ADVICE_REPAIR_ASSUME, one, other);
        vx_verify_add(v, &finding);
        return;
    }
}

/* No other size agrees with all of it, or too little speaks for one: nothing is measured by the stored one. */
static void add_contradiction(struct vx_verification *v, const struct vx_size_answer *sizes)
{
    struct vx_finding finding =
        vx_finding_at(VX_FIND_METADATA_CONTRADICTED, "metadata item", place_of(v->exam, &vx_guid_file_parameters));
    finding.text = vx_part_name(VX_PART_BLOCK_SIZE);
    finding.note = sizes->evidence[0] ? sizes->evidence : "the BAT has entries of blocks behind the disk's end";
    finding.repair = VHDX_REPAIR_NONE;
    vx_finding_set_found(&finding, sizes->stored_block_size);
    finding.advice_code = VHDX_ADVICE_REPAIR_ASSUME_BLOCK_SIZE;
    vx_verify_add(v, &finding);
}

void vx_sizes_tell(struct vx_verification *v, const struct vx_size_answer *sizes)
{
    v->larger_fits = sizes->larger_fits;
    if (sizes->verdict == VX_SIZES_STAND && sizes->unusable)
        add_contradiction(v, sizes);
    if (sizes->verdict == VX_SIZES_TIED)
        add_tie(v, sizes);
    if (vx_sizes_changed(sizes, VX_PART_BLOCK_SIZE))
        add_size(v, sizes, VX_PART_BLOCK_SIZE, &vx_guid_file_parameters, sizes->stored_block_size, sizes->block_size);
    if (vx_sizes_changed(sizes, VX_PART_LOGICAL_SECTOR))
        add_size(v, sizes, VX_PART_LOGICAL_SECTOR, &vx_guid_logical_sector_size, sizes->stored_logical_sector,
                 sizes->logical_sector);
    if (vx_sizes_changed(sizes, VX_PART_VIRTUAL_SIZE))
        add_size(v, sizes, VX_PART_VIRTUAL_SIZE, &vx_guid_virtual_disk_size, sizes->stored_virtual_size,
                 sizes->virtual_size);
}

/* Only one that may be the parent: the locator names it, or there is none that names another. */
static void take_parent(const struct vx_exam *exam, const struct vx_parent_hint *hint, struct vx_size_facts *facts)
{
    vhdx_guid linkage;
    bool named = vx_exam_knows(exam, VX_KNOWS_LOCATOR) && vx_locator_guid(exam->locator, VX_KEY_LINKAGE, &linkage);
    if (!(exam->parameters.flags & VX_PARAMETER_HAS_PARENT))
        return;
    facts->parent_proven = named && vx_guid_equal(&linkage, &hint->identity);
    facts->parent = named && !facts->parent_proven ? NULL : hint;
}

vhdx_status vx_sizes_ask(struct vx_verification *v, struct vx_size_answer *sizes, vhdx_error *err)
{
    const struct vx_exam *exam = v->exam;
    struct vx_parent_hint hint;
    struct vx_size_facts facts = {
        .view = exam->view,
        .payload = exam->raw,
        .bat = exam->bat,
        .metadata = exam->metadata,
        .parameter_flags = exam->parameters.flags,
        .stored = {exam->virtual_size, exam->parameters.block_size, exam->logical_sector_size},
        .size_place = place_of(exam, &vx_guid_virtual_disk_size),
        .parameters_place = place_of(exam, &vx_guid_file_parameters),
        .sector_place = place_of(exam, &vx_guid_logical_sector_size),
        .told = {v->told.virtual_size, v->told.block_size, v->told.logical_sector},
    };
    bool partial = false, bitmaps = false;
    if (!(facts.parameter_flags & VX_PARAMETER_HAS_PARENT) && vx_exam_knows(exam, VX_KNOWS_LOCATOR))
        VX_TRY(vx_sizes_ask_kind(&facts, &partial, &bitmaps, err));
    if (partial || bitmaps)
        facts.parameter_flags = VX_PARAMETER_HAS_PARENT;
    if (exam->has_log) {
        facts.log_offset = exam->header->log_offset;
        facts.log_length = exam->header->log_length;
    }
    if (vx_parent_hint_find(v->host, v->options->parents, v->options->parent_count, &hint))
        take_parent(exam, &hint, &facts);
    return vx_settle_sizes(&facts, sizes, err);
}

/* Entries and bitmaps of the BAT. */
static bool is_of_bat(const struct vx_finding *finding)
{
    return finding->kind >= VX_FIND_BAT_OVERLAP && finding->kind <= VX_FIND_BITMAP_STRAY_OFFSET;
}

/* What has to be done about sizes first; LOSSLESS when there is nothing in the way. */
static vhdx_repair_class class_of_sizes(struct vx_verification *v)
{
    vhdx_repair_class class = VHDX_REPAIR_LOSSLESS;
    const struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(v->report, v->file, i)) != NULL; i++) {
        if (finding->kind != VX_FIND_METADATA_CONTRADICTED || finding->severity != VHDX_SEVERITY_ERROR)
            continue;
        if (finding->repair == VHDX_REPAIR_NONE)
            return VHDX_REPAIR_NONE;
        class = finding->repair == VHDX_REPAIR_SALVAGE ? VHDX_REPAIR_SALVAGE : class;
    }
    return class;
}

void vx_sizes_hold_back(struct vx_verification *v)
{
    const vhdx_repair_class class = class_of_sizes(v);
    struct vx_finding *finding;
    if (class == VHDX_REPAIR_LOSSLESS)
        return;
    for (size_t i = 0; (finding = vx_report_record(v->report, v->file, i)) != NULL; i++)
        if (is_of_bat(finding) && (finding->repair == VHDX_REPAIR_LOSSLESS || class == VHDX_REPAIR_NONE))
            finding->repair = class;
}
