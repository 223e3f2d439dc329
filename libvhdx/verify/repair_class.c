/*
 * Evidence for findings. See repair_class.h. The search is made once, and only when something is lost.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/repair_class.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

static enum vx_part part_of_item(const char *name)
{
    static const struct {
        const char *name;
        enum vx_part part;
    } items[] = {
        {"file parameters", VX_PART_BLOCK_SIZE},
        {"virtual disk size", VX_PART_VIRTUAL_SIZE},
        {"virtual disk id", VX_PART_DISK_ID},
        {"logical sector size", VX_PART_LOGICAL_SECTOR},
        {"physical sector size", VX_PART_PHYSICAL_SECTOR},
        {"parent locator", VX_PART_LOCATOR},
    };
    for (size_t i = 0; name && i < sizeof items / sizeof items[0]; i++)
        if (strcmp(name, items[i].name) == 0)
            return items[i].part;
    return VX_PART_COUNT;
}

bool vx_evidence_is_of_regions(enum vx_find kind)
{
    switch (kind) {
    case VX_FIND_REGION_TABLES_LOST:
    case VX_FIND_REGION_TABLES_DIFFER:
    case VX_FIND_REGION_COUNT:
    case VX_FIND_REGION_DUPLICATE:
    case VX_FIND_REGION_OFFSET:
    case VX_FIND_REGION_LENGTH:
    case VX_FIND_REGION_BEYOND_END:
    case VX_FIND_REGION_OVERLAP:
    case VX_FIND_REGION_NO_BAT:
    case VX_FIND_REGION_NO_METADATA:
    case VX_FIND_REGION_CONTRADICTED:
        return true;
    default:
        return false;
    }
}

/* The part that a finding says is lost; VX_PART_COUNT = none of those that can be rebuilt. */
static enum vx_part part_of(const struct vx_finding *finding)
{
    if (vx_evidence_is_of_regions(finding->kind))
        return VX_PART_REGIONS;
    switch (finding->kind) {
    case VX_FIND_METADATA_SIGNATURE:
    case VX_FIND_METADATA_COUNT:
        return VX_PART_METADATA;
    case VX_FIND_METADATA_NO_LOCATOR:
        return VX_PART_LOCATOR;
    case VX_FIND_METADATA_ITEM_MISSING:
    case VX_FIND_METADATA_ITEM_LONG:
    case VX_FIND_METADATA_ITEM_IN_TABLE:
    case VX_FIND_METADATA_ITEM_OUTSIDE:
        return part_of_item(finding->text);
    case VX_FIND_METADATA_ITEM_OVERLAP: /* with one of them in another place the other is alone */
        return part_of_item(finding->text) != VX_PART_COUNT ? part_of_item(finding->text) : part_of_item(finding->note);
    case VX_FIND_METADATA_BLOCK_SIZE:
        return VX_PART_BLOCK_SIZE;
    case VX_FIND_METADATA_VIRTUAL_SIZE:
        return VX_PART_VIRTUAL_SIZE;
    case VX_FIND_METADATA_LOGICAL_SECTOR:
        return VX_PART_LOGICAL_SECTOR;
    default:
        return VX_PART_COUNT;
    }
}

/* Both values are told to the guest and change nothing of what it finds. */
static bool content_depends(enum vx_part part)
{
    return part != VX_PART_PHYSICAL_SECTOR && part != VX_PART_DISK_ID;
}

vhdx_repair_class vx_evidence_class(const struct vx_rebuilt *rebuilt, enum vx_part part)
{
    const struct vx_clue *clue = &rebuilt->clues[part];
    if (clue->witness == VX_WITNESS_NONE || (part == VX_PART_REGIONS && rebuilt->region_taken))
        return VHDX_REPAIR_NONE;
    return clue->lossless || !content_depends(part) ? VHDX_REPAIR_LOSSLESS : VHDX_REPAIR_SALVAGE;
}

vhdx_repair_class vx_evidence_table_class(const struct vx_rebuilt *rebuilt)
{
    vhdx_repair_class class = VHDX_REPAIR_LOSSLESS;
    if (rebuilt->geometry.entry_count == 0)
        return VHDX_REPAIR_NONE;
    for (int part = VX_PART_METADATA; part <= VX_PART_LOCATOR; part++) {
        vhdx_repair_class one = vx_evidence_class(rebuilt, (enum vx_part)part);
        bool no_locator = part == VX_PART_LOCATOR && !(rebuilt->parameter_flags & VX_PARAMETER_HAS_PARENT);
        if (!no_locator && one != VHDX_REPAIR_LOSSLESS)
            class = VHDX_REPAIR_SALVAGE;
    }
    return class;
}

/* The file ends within a region. Padding can be made anew; what entries were there, nobody knows. */
static void tell_of_end(struct vx_finding *finding, const struct vx_rebuilt *rebuilt)
{
    uint64_t bat = rebuilt->bat.file_offset + rebuilt->geometry.entry_count * VX_BAT_ENTRY_SIZE;
    uint64_t metadata = rebuilt->metadata.file_offset + VX_METADATA_TABLE_SIZE;
    if (finding->kind == VX_FIND_REGION_BEYOND_END && (rebuilt->file_size < bat || rebuilt->file_size < metadata))
        finding->repair = VHDX_REPAIR_SALVAGE;
}

/* About the place of a region of another program. */
static bool is_foreign(const struct vx_finding *finding)
{
    bool place = finding->kind == VX_FIND_REGION_BEYOND_END || finding->kind == VX_FIND_REGION_OFFSET ||
                 finding->kind == VX_FIND_REGION_LENGTH;
    return place && finding->text && strcmp(finding->text, "BAT") != 0 && strcmp(finding->text, "metadata") != 0;
}

/* The size is no multiple of a sector size that is wrong itself: with the right one it is in order. */
static bool is_others_fault(const struct vx_rebuilt *rebuilt, enum vx_part part)
{
    return part == VX_PART_VIRTUAL_SIZE && rebuilt->clues[part].witness == VX_WITNESS_STORED &&
           rebuilt->clues[VX_PART_LOGICAL_SECTOR].witness != VX_WITNESS_STORED;
}

static void tell(struct vx_verification *v, struct vx_finding *finding, const struct vx_rebuilt *rebuilt,
                 enum vx_part part)
{
    if (finding->kind == VX_FIND_METADATA_SIGNATURE && v->exam->table && v->exam->table->count <= VX_METADATA_MAX)
        return; /* the table behind it is whole */
    if (is_foreign(finding))
        return;
    if (part == VX_PART_REGIONS && rebuilt->clues[part].witness == VX_WITNESS_STORED) {
        tell_of_end(finding, rebuilt);
        return; /* the tables are right about BAT and metadata, and whatever is wrong is something else */
    }
    if (is_others_fault(rebuilt, part)) {
        finding->repair = vx_evidence_class(rebuilt, VX_PART_LOGICAL_SECTOR);
        vx_report_advise(v->report, finding, VHDX_ADVICE_TEXT, "the size is right when the logical sector size is",
                         NULL);
        return;
    }
    finding->repair = part == VX_PART_METADATA ? vx_evidence_table_class(rebuilt) : vx_evidence_class(rebuilt, part);
    if (finding->repair == VHDX_REPAIR_NONE)
        return;
    const char *evidence = rebuilt->clues[part].evidence;
    bool lossless = finding->repair == VHDX_REPAIR_LOSSLESS;
    if (evidence[0])
        vx_report_advise(v->report, finding, lossless ? VHDX_ADVICE_REPAIR_MAKES_BY : VHDX_ADVICE_LOSSY_MAKES_BY,
                         vx_part_name(part), evidence);
    else
        vx_report_advise(v->report, finding, lossless ? VHDX_ADVICE_REPAIR_MAKES : VHDX_ADVICE_LOSSY_MAKES,
                         vx_part_name(part), NULL);
}

vhdx_repair_class vx_evidence_room_class(const struct vx_rebuilt *rebuilt)
{
    const struct vx_room *room = &rebuilt->room;
    if (room->cure == VX_ROOM_ENOUGH)
        return VHDX_REPAIR_NONE;
    return room->clue.lossless ? VHDX_REPAIR_LOSSLESS : VHDX_REPAIR_SALVAGE;
}

/* What is done about a BAT that is too short. */
static const char *cure_of(enum vx_room_cure cure)
{
    switch (cure) {
    case VX_ROOM_BLOCK_SIZE:
        return "makes the block size anew";
    case VX_ROOM_VIRTUAL_SIZE:
        return "makes the disk's size anew";
    case VX_ROOM_LENGTH:
        return "makes the region longer";
    default:
        return "moves the BAT to the end of the file";
    }
}

static void tell_of_room(struct vx_verification *v, struct vx_finding *finding, const struct vx_rebuilt *rebuilt)
{
    const struct vx_room *room = &rebuilt->room;
    finding->repair = vx_evidence_room_class(rebuilt);
    if (finding->repair == VHDX_REPAIR_NONE)
        return;
    vx_report_advise(v->report, finding,
                     finding->repair == VHDX_REPAIR_LOSSLESS ? VHDX_ADVICE_REPAIR_ROOM : VHDX_ADVICE_LOSSY_ROOM,
                     cure_of(room->cure), room->clue.evidence);
}

static bool hangs_on_evidence(const struct vx_finding *finding)
{
    return finding->kind == VX_FIND_BAT_SHORT || part_of(finding) != VX_PART_COUNT;
}

static bool something_is_lost(struct vx_verification *v)
{
    const struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(v->report, v->file, i)) != NULL; i++)
        if (hangs_on_evidence(finding))
            return true;
    return false;
}

static void tell_all(struct vx_verification *v, const struct vx_rebuilt *rebuilt)
{
    struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(v->report, v->file, i)) != NULL; i++)
        if (finding->kind == VX_FIND_BAT_SHORT)
            tell_of_room(v, finding, rebuilt);
        else if (part_of(finding) != VX_PART_COUNT)
            tell(v, finding, rebuilt, part_of(finding));
}

#define FIRST_BEHIND_REGIONS 300u /* numbers of findings: metadata, BAT, bitmaps, space */
#define CHAIN_NUMBER 700u

/* Nothing is mended by tables that are not settled: what is behind them waits, whatever its own class is. */
static void hold_back(struct vx_verification *v)
{
    vhdx_repair_class class = VHDX_REPAIR_LOSSLESS;
    struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(v->report, v->file, i)) != NULL; i++)
        if (vx_evidence_is_of_regions(finding->kind) && !is_foreign(finding) &&
            finding->kind != VX_FIND_REGION_OVERLAP && finding->kind != VX_FIND_REGION_DUPLICATE &&
            finding->repair != VHDX_REPAIR_LOSSLESS)
            class = finding->repair == VHDX_REPAIR_NONE || class == VHDX_REPAIR_NONE ? VHDX_REPAIR_NONE
                                                                                     : VHDX_REPAIR_SALVAGE;
    if (class == VHDX_REPAIR_LOSSLESS)
        return;
    for (size_t i = 0; (finding = vx_report_record(v->report, v->file, i)) != NULL; i++)
        if ((unsigned)finding->kind >= FIRST_BEHIND_REGIONS && (unsigned)finding->kind / 100 * 100 != CHAIN_NUMBER &&
            finding->repair == VHDX_REPAIR_LOSSLESS)
            finding->repair = class;
}

vhdx_status vx_check_evidence(struct vx_verification *v, const struct vx_rebuilt *known, vhdx_error *err)
{
    struct vx_rebuilt *rebuilt = NULL;
    if (!something_is_lost(v))
        return VHDX_OK;
    if (!known)
        VX_TRY(vx_verify_rebuild(v, &rebuilt, err));
    tell_all(v, known ? known : rebuilt);
    hold_back(v);
    vx_rebuild_free(rebuilt);
    return VHDX_OK;
}
