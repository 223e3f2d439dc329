/*
 * Place and length of BAT and metadata, settled from all witnesses before anything is judged by them: what stands
 * there, the bits that may have gone wrong, the log's targets, the blocks of the BAT, the other regions, the file's
 * end, and the length that the disk needs. What nothing contradicts stays as the tables have it. Easy to get wrong: a
 * place that shows nothing is not a wrong place; only a better one makes it so.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "base/text.h"
#include "image/region_look.h"
#include "rebuild/rebuild_parts.h"
#include "evidence/region_doubt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNPLACED (VX_REGION_UNALIGNED | VX_REGION_OVERFLOW)
#define HIGHEST_BIT 46u   /* of places in files that there are */
#define ITEMS_ENOUGH 3u   /* fewer are no evidence, see vx_rebuild_count_items() */
#define RECENT_SESSION 1u /* rank of a witness */

/* ---- what is there ---- */

static bool has_place(const struct vx_rebuilding *work, const struct vx_region *region)
{
    return !(vx_region_rules(region) & UNPLACED) && region->file_offset < work->view_size;
}

static bool in_log(const struct vx_rebuilding *work, uint64_t offset)
{
    const struct vx_header *header = &work->out->header;
    return offset >= header->log_offset && offset - header->log_offset < header->log_length;
}

/* A header may be wrong about the log as well: only where entries of it are, it is. */
static bool is_taken(const struct vx_rebuilding *work, uint64_t offset)
{
    return (work->log.entries > 0 && in_log(work, offset)) || offset == work->out->metadata.file_offset;
}

/* All known writers put the two side by side. */
static bool are_neighbours(const struct vx_rebuilding *work, uint64_t a, uint64_t b)
{
    uint64_t bat = work->out->bat.file_offset == a || work->out->bat.file_offset == b ? work->out->bat.length : VX_MIB;
    return vx_max(a, b) - vx_min(a, b) <= vx_max(bat, VX_MIB);
}

/* Whether the log has written a metadata table there of late, or what looks like a part of a BAT. */
static vhdx_status log_speaks_for(struct vx_rebuilding *work, uint64_t offset, uint64_t length, bool metadata,
                                  bool *speaks, vhdx_error *err)
{
    *speaks = false;
    for (size_t i = 0; i < work->log.count && !*speaks; i++) {
        const struct vx_log_witness *witness = &work->log.pages[i];
        struct vx_bat_look look = {0};
        uint8_t page[VX_PAGE];
        if (witness->rank > RECENT_SESSION || witness->target < offset || witness->target - offset >= length)
            continue;
        VX_TRY(vx_log_witness_page(&work->log, witness, page, err));
        vx_rebuild_bat_look(vx_bytes_of(page, sizeof page), work->view_size, 0, &look);
        *speaks = metadata ? vx_get64(page) == VX_SIG_METADATA : look.present > 0 && look.bad == 0;
    }
    return VHDX_OK;
}

static vhdx_status is_metadata(struct vx_rebuilding *work, const struct vx_region *region, uint8_t *bytes, bool *is,
                               vhdx_error *err)
{
    unsigned count;
    *is = false;
    if (!has_place(work, region))
        return VHDX_OK;
    VX_TRY(vx_rebuild_count_items(work, region->file_offset, bytes, &count, err));
    *is = count > 0 || vx_rebuild_has_usual_items(work, region->file_offset);
    return *is ? VHDX_OK : log_speaks_for(work, region->file_offset, VX_PAGE, true, is, err);
}

/* The next place that is one wrong bit away and can be one; false: there are no more. */
static bool next_by_bit(const struct vx_rebuilding *work, const struct vx_region *stored, unsigned *bit,
                        uint64_t *place)
{
    if (stored->file_offset == 0 && stored->length == 0) /* the tables name none */
        return false;
    while (*bit <= HIGHEST_BIT) {
        *place = stored->file_offset ^ (UINT64_C(1) << (*bit)++);
        if (*place % VX_OBJECT_ALIGNMENT == 0 && *place >= VX_HEADER_SECTION_SIZE && *place < work->view_size)
            return true;
    }
    return false;
}

/* ---- places ---- */

struct settling {
    struct vx_rebuilding *work;
    uint8_t *bytes; /* room */
    bool changed, lossless;
    char evidence[160];
};

static void found_at(struct settling *s, struct vx_region *region, uint64_t offset, bool lossless, const char *name,
                     const char *how)
{
    struct vx_text text = vx_text_go_on(s->evidence, sizeof s->evidence);
    vx_text_add(&text, "%s%s was found at 0x%" PRIx64 " %s", text.length ? "; " : "", name, offset, how);
    region->file_offset = offset;
    s->lossless = s->lossless && lossless;
    s->changed = true;
}

struct metadata_search {
    uint64_t offset;
    unsigned best;
    bool rival;
};

static vhdx_status try_metadata(struct settling *s, uint64_t offset, struct metadata_search *found, vhdx_error *err)
{
    unsigned count;
    if (offset == s->work->out->bat.file_offset || (found->best > 0 && offset == found->offset))
        return VHDX_OK;
    VX_TRY(vx_rebuild_count_items(s->work, offset, s->bytes, &count, err));
    if (count <= ITEMS_ENOUGH || count < found->best)
        return VHDX_OK;
    found->rival = count == found->best;
    found->best = count;
    found->offset = offset;
    return VHDX_OK;
}

static vhdx_status settle_metadata(struct settling *s, vhdx_error *err)
{
    struct vx_rebuilding *work = s->work;
    struct vx_region *region = &work->out->metadata;
    struct metadata_search found = {0};
    unsigned bit = 0;
    bool there, logged;
    uint64_t place = 2 * VX_MIB;
    VX_TRY(is_metadata(work, region, s->bytes, &there, err));
    if (there)
        return VHDX_OK;
    while (next_by_bit(work, region, &bit, &place))
        VX_TRY(try_metadata(s, place, &found, err));
    if (found.best > 0) {
        found_at(s, region, found.offset, !found.rival, "the metadata table", "(one bit of its place is wrong)");
        return VHDX_OK;
    }
    VX_TRY(vx_rebuild_scan_metadata(work, s->bytes, &place, &there, err));
    if (there) {
        VX_TRY(log_speaks_for(work, place, VX_PAGE, true, &logged, err));
        bool sure = !has_place(work, region) || logged || are_neighbours(work, place, work->out->bat.file_offset);
        found_at(s, region, place, sure, "the metadata table", "by what is in it");
    } else if (!has_place(work, region) || (work->log.entries > 0 && in_log(work, region->file_offset))) {
        place = 2 * VX_MIB;
        VX_TRY(vx_rebuild_guess_place(work, work->out->bat.file_offset, &place, err));
        found_at(s, region, place, false, "no metadata table", "nor elsewhere");
    }
    return VHDX_OK; /* else lost where it is, as far as anything tells */
}

/* What is there may be a BAT: keeps it if nothing else is better. */
static vhdx_status is_bat(struct vx_rebuilding *work, bool *is, vhdx_error *err)
{
    const struct vx_region *region = &work->out->bat;
    uint64_t length = vx_max(region->length, VX_MIB);
    bool logged = false;
    *is = has_place(work, region) && !is_taken(work, region->file_offset);
    if (*is)
        VX_TRY(log_speaks_for(work, region->file_offset, length, false, &logged, err));
    if (!*is || logged)
        return VHDX_OK;
    *is = vx_region_bat_looks(work->view, work->view_size, region) == VX_BAT_LOOKS_SOUND;
    return VHDX_OK;
}

static vhdx_status try_bits(struct settling *s, const struct vx_region *stored, struct vx_bat_candidate *best,
                            vhdx_error *err)
{
    unsigned bit = 0;
    uint64_t place;
    while (next_by_bit(s->work, stored, &bit, &place))
        if (!is_taken(s->work, place))
            VX_TRY(vx_rebuild_try_bat(s->work, place, s->bytes, best, err));
    return VHDX_OK;
}

/* The only place with an aligned offset that is one bit away. */
static bool realign(const struct vx_rebuilding *work, const struct vx_region *stored, uint64_t *place)
{
    unsigned bit = 0;
    return stored->file_offset % VX_OBJECT_ALIGNMENT != 0 && next_by_bit(work, stored, &bit, place);
}

static vhdx_status settle_bat(struct settling *s, vhdx_error *err)
{
    struct vx_rebuilding *work = s->work;
    struct vx_region *region = &work->out->bat;
    struct vx_bat_candidate best = {0};
    uint64_t place;
    bool there;
    VX_TRY(is_bat(work, &there, err));
    if (there)
        return VHDX_OK;
    VX_TRY(try_bits(s, region, &best, err));
    if (best.found) {
        found_at(s, region, best.offset, !best.rival, "the BAT", "(one bit of its place is wrong)");
        return VHDX_OK;
    }
    bool placed = has_place(work, region) && !is_taken(work, region->file_offset);
    VX_TRY(vx_rebuild_scan_bat(work, s->bytes, &best, err));
    if (best.found && placed && best.offset == region->file_offset) /* no better one, and damaged where it is */
        return VHDX_OK;
    if (best.found)
        VX_TRY(log_speaks_for(work, best.offset, VX_MIB, false, &there, err));
    if (best.found && (there || !best.rival || !placed))
        found_at(s, region, best.offset,
                 there || (!best.rival && are_neighbours(work, best.offset, work->out->metadata.file_offset)),
                 "the BAT", there ? "by its blocks and the log's entries" : "by its blocks");
    else if (!placed && realign(work, region, &place))
        found_at(s, region, place, true, "the BAT", "(one bit of its place is wrong)");
    else if (!placed) {
        place = vx_rebuild_usual_bat(work, true);
        VX_TRY(vx_rebuild_guess_place(work, work->out->metadata.file_offset, &place, err));
        found_at(s, region, place, false, "no BAT", "nor elsewhere");
    }
    return VHDX_OK;
}

/* ---- lengths ---- */

static void put_region(struct vx_region_table *table, const struct vx_region *region)
{
    for (uint32_t i = 0; i < table->count && i < VX_REGION_MAX; i++)
        if (vx_guid_equal(&table->entries[i].guid, &region->guid)) {
            table->entries[i] = *region;
            return;
        }
    if (table->count < VX_REGION_MAX)
        table->entries[table->count++] = *region;
}

/* Until the disk's size is known the BAT ends with the next thing behind it: what reads it must not read that. */
static vhdx_status cut_bat(struct settling *s, vhdx_error *err)
{
    struct vx_rebuilding *work = s->work;
    struct vx_region *bat = &work->out->bat;
    size_t got;
    memset(s->bytes, 0, VX_BAT_LOOK_SIZE);
    VX_TRY(vx_file_read_some(work->view, s->bytes, VX_BAT_LOOK_SIZE, bat->file_offset, &got, err));
    work->bat_length_unknown = (vx_region_rules(bat) & VX_REGION_BAD_LENGTH) != 0;
    work->stored_bat = *bat;
    uint32_t room = vx_rebuild_bat_room(work, bat->file_offset, s->bytes);
    if (work->bat_length_unknown || bat->length > room)
        bat->length = room;
    return VHDX_OK;
}

static void fit_metadata(struct settling *s)
{
    struct vx_rebuilding *work = s->work;
    struct vx_region *region = &work->out->metadata;
    uint64_t needs = vx_region_metadata_needs(work->view, region->file_offset);
    if (!(vx_region_rules(region) & VX_REGION_BAD_LENGTH) && region->length >= needs)
        return;
    struct vx_text text = vx_text_go_on(s->evidence, sizeof s->evidence);
    vx_text_add(&text, "%sthe metadata items take 0x%" PRIx64 " bytes", text.length ? "; " : "", needs);
    region->length = (uint32_t)needs;
    s->changed = true;
}

static vhdx_status settle_places(struct vx_rebuilding *work, uint8_t *bytes, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct settling s = {.work = work, .bytes = bytes, .lossless = true};
    struct vx_clue *clue = &out->clues[VX_PART_REGIONS];
    VX_TRY(settle_metadata(&s, err));
    VX_TRY(settle_bat(&s, err));
    fit_metadata(&s);
    VX_TRY(cut_bat(&s, err));
    put_region(out->regions, &work->stored_bat);
    put_region(out->regions, &out->metadata);
    if (s.changed) {
        char former[sizeof clue->evidence];
        memcpy(former, clue->evidence, sizeof former);
        vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_GEOMETRY, s.lossless && clue->lossless, "%.70s%s%s", former,
                    former[0] ? "; " : "", s.evidence);
    }
    return VHDX_OK;
}

vhdx_status vx_rebuild_settle_places(struct vx_rebuilding *work, vhdx_error *err)
{
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    if (!bytes)
        return vx_fail_memory(err, "the region tables");
    vhdx_status status = settle_places(work, bytes, err);
    vx_free(bytes);
    return status;
}

static bool sizes_are_sure(const struct vx_rebuilding *work)
{
    const struct vx_clue *clues = work->out->clues;
    return clues[VX_PART_BLOCK_SIZE].lossless && clues[VX_PART_VIRTUAL_SIZE].lossless &&
           clues[VX_PART_LOGICAL_SECTOR].lossless && clues[VX_PART_PARAMETER_FLAGS].lossless;
}

static void shorten(struct vx_rebuilding *work, struct vx_region *region, uint64_t needed, enum vx_region_rival rival)
{
    struct vx_clue *clue = &work->out->clues[VX_PART_REGIONS];
    char former[sizeof clue->evidence];
    bool bat = vx_guid_equal(&region->guid, &vx_guid_bat_region);
    memcpy(former, clue->evidence, sizeof former);
    vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_GEOMETRY, clue->lossless && (!bat || sizes_are_sure(work)),
                "%.100s%s%s needs 0x%" PRIx64 " bytes; with the 0x%" PRIx32 " of the table it would reach into %s",
                former, former[0] ? "; " : "", bat ? "the BAT" : "the metadata", needed, region->length,
                vx_region_rival_name(rival));
    region->length = (uint32_t)needed;
}

static struct vx_region_world world_of(const struct vx_rebuilding *work)
{
    const struct vx_rebuilt *out = work->out;
    return (struct vx_region_world){.view = work->view,
                                    .file_size = work->view_size,
                                    .header = &out->header,
                                    .regions = out->regions,
                                    .bat = &work->stored_bat,
                                    .geometry = &out->geometry};
}

static vhdx_status settle_metadata_length(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    const struct vx_region_world world = world_of(work);
    uint64_t needs = vx_region_metadata_needs(work->view, out->metadata.file_offset);
    enum vx_region_rival rival;
    VX_TRY(vx_region_rival_of(&world, &out->metadata, needs, &rival, err));
    if (rival != VX_RIVAL_NONE)
        shorten(work, &out->metadata, needs, rival);
    put_region(out->regions, &out->metadata);
    return VHDX_OK;
}

static vhdx_status settle_bat_length(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint64_t needed = vx_geometry_bat_region_length(&out->geometry);
    enum vx_region_rival rival;
    if (work->bat_length_unknown) {
        out->bat.length = (uint32_t)needed;
        if (out->clues[VX_PART_REGIONS].witness < VX_WITNESS_GEOMETRY)
            vx_clue_set(work, VX_PART_REGIONS, VX_WITNESS_GEOMETRY,
                        out->clues[VX_PART_REGIONS].lossless && sizes_are_sure(work),
                        "the BAT of such a disk takes 0x%" PRIx64 " bytes", needed);
        return VHDX_OK;
    }
    const struct vx_region_world world = world_of(work);
    struct vx_region bat = work->stored_bat;
    VX_TRY(vx_region_rival_of(&world, &bat, needed, &rival, err));
    if (rival != VX_RIVAL_NONE)
        shorten(work, &bat, needed, rival);
    out->bat = bat;
    return VHDX_OK;
}

vhdx_status vx_rebuild_settle_lengths(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    if (work->stored_bat.file_offset != out->bat.file_offset)
        work->stored_bat = out->bat; /* found by a scan */
    if (out->geometry.entry_count > 0) {
        VX_TRY(settle_bat_length(work, err));
        put_region(out->regions, &out->bat);
        return settle_metadata_length(work, err);
    }
    put_region(out->regions, &out->bat);
    return VHDX_OK;
}
