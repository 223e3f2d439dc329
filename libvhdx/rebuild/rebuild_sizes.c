/*
 * Stored sizes that contradict everything else, as sizes.h settles them, and sizes that the caller says. See rebuild.h.
 * Before all that is derived from them. Easy to get wrong: a value that is missing is rebuild_values.c's; only three
 * that are there can contradict.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "evidence/sizes.h"
#include "format/locator.h"
#include "rebuild/rebuild_parts.h"

static uint64_t place_of(const struct vx_rebuilding *work, const vhdx_guid *id)
{
    const struct vx_metadata_entry *entry = vx_metadata_find(work->table, id);
    return entry ? work->out->metadata.file_offset + entry->offset : 0;
}

static struct vx_size_facts facts_of(const struct vx_rebuilding *work)
{
    const struct vx_rebuilt *out = work->out;
    const struct vx_told_sizes *told = &work->options->told;
    struct vx_size_facts facts = {
        .view = work->view,
        .payload = work->view,
        .bat = out->bat,
        .metadata = out->metadata,
        .parameter_flags = out->parameter_flags,
        .stored = {out->virtual_size, out->block_size, out->logical_sector},
        .size_place = place_of(work, &vx_guid_virtual_disk_size),
        .parameters_place = place_of(work, &vx_guid_file_parameters),
        .sector_place = place_of(work, &vx_guid_logical_sector_size),
        .log_offset = out->header.log_offset,
        .log_length = out->header.log_length,
        .told = {told->virtual_size, told->block_size, told->logical_sector},
    };
    facts.parent = vx_rebuild_parent(work, &facts.parent_proven);
    return facts;
}

static void take(struct vx_rebuilding *work)
{
    struct vx_rebuilt *out = work->out;
    static const enum vx_part parts[] = {VX_PART_BLOCK_SIZE, VX_PART_VIRTUAL_SIZE, VX_PART_LOGICAL_SECTOR};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (vx_sizes_changed(&out->sizes, parts[i]))
            vx_clue_set(work, parts[i], out->sizes.witness, out->sizes.lossless, "%s", out->sizes.evidence);
    out->virtual_size = out->sizes.virtual_size;
    out->block_size = out->sizes.block_size;
    out->logical_sector = out->sizes.logical_sector;
}

/* What is not there is as the caller says, without a question. */
void vx_rebuild_take_told(struct vx_rebuilding *work)
{
    const struct vx_told_sizes *told = &work->options->told;
    struct vx_rebuilt *out = work->out;
    if (told->virtual_size && vx_clue_missing(work, VX_PART_VIRTUAL_SIZE)) {
        out->virtual_size = told->virtual_size;
        vx_clue_set(work, VX_PART_VIRTUAL_SIZE, VX_WITNESS_CALLER, true, "%s", "the caller says so");
    }
    if (told->block_size && vx_clue_missing(work, VX_PART_BLOCK_SIZE)) {
        out->block_size = told->block_size;
        vx_clue_set(work, VX_PART_BLOCK_SIZE, VX_WITNESS_CALLER, true, "%s", "the caller says so");
    }
    if (told->logical_sector && vx_clue_missing(work, VX_PART_LOGICAL_SECTOR)) {
        out->logical_sector = told->logical_sector;
        vx_clue_set(work, VX_PART_LOGICAL_SECTOR, VX_WITNESS_CALLER, true, "%s", "the caller says so");
    }
}

/* Values that were found elsewhere, next to those that are stored: what contradicts them puts all of them in doubt. */
vhdx_status vx_rebuild_doubt_sizes(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_size_answer doubts = {0};
    if (out->sizes.stored_virtual_size > 0 || out->geometry.entry_count == 0)
        return VHDX_OK;
    struct vx_size_facts facts = facts_of(work);
    if (out->clues[VX_PART_PARAMETER_FLAGS].witness != VX_WITNESS_STORED) /* it may have been a fixed one */
        facts.parameter_flags |= VX_PARAMETER_LEAVE_BLOCK_ALLOCATED;
    VX_TRY(vx_settle_sizes(&facts, &doubts, err));
    out->sizes.larger_fits = doubts.larger_fits;
    out->sizes.certain_end = doubts.certain_end;
    out->sizes.contradicted = doubts.contradicted || doubts.verdict != VX_SIZES_STAND;
    return VHDX_OK;
}

/* Of a BAT that is damaged: entries that were put back may contradict the sizes by which they were. */
vhdx_status vx_rebuild_doubt_measures(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_size_answer doubts = {0};
    if (out->sizes.contradicted || out->sizes.witness == VX_WITNESS_CALLER)
        return VHDX_OK;
    const struct vx_size_facts facts = facts_of(work);
    VX_TRY(vx_settle_sizes(&facts, &doubts, err));
    out->sizes.contradicted = doubts.contradicted || doubts.verdict != VX_SIZES_STAND;
    return VHDX_OK;
}

vhdx_status vx_rebuild_has_bitmaps(const struct vx_rebuilding *work, bool *bitmaps, vhdx_error *err)
{
    const struct vx_size_facts facts = facts_of(work);
    bool partial;
    return vx_sizes_ask_kind(&facts, &partial, bitmaps, err);
}

vhdx_status vx_rebuild_sizes(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    if (vx_clue_missing(work, VX_PART_VIRTUAL_SIZE) || vx_clue_missing(work, VX_PART_BLOCK_SIZE) ||
        vx_clue_missing(work, VX_PART_LOGICAL_SECTOR))
        return VHDX_OK;
    const struct vx_size_facts facts = facts_of(work);
    VX_TRY(vx_settle_sizes(&facts, &out->sizes, err));
    if (out->sizes.verdict == VX_SIZES_SETTLED)
        take(work);
    return VHDX_OK;
}

const struct vx_parent_hint *vx_rebuild_parent(const struct vx_rebuilding *work, bool *proven)
{
    const struct vx_parent_hint *parent = work->options->parent;
    const struct vx_rebuilt *out = work->out;
    vhdx_guid linkage;
    *proven = false;
    if (!parent || !(out->parameter_flags & VX_PARAMETER_HAS_PARENT))
        return NULL;
    struct vx_locator *locator = out->locator ? vx_alloc(1, sizeof *locator) : NULL;
    bool named = locator && vx_locator_decode(vx_bytes_of(out->locator, out->locator_size), locator) == VHDX_OK &&
                 vx_locator_guid(locator, VX_KEY_LINKAGE, &linkage);
    *proven = named && vx_guid_equal(&linkage, &parent->identity);
    vx_free(locator);
    return named && !*proven ? NULL : parent;
}
