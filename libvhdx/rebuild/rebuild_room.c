/*
 * A BAT region that has fewer entries than the disk has blocks: either a size that makes the number of blocks is wrong,
 * or the region table is, or somebody made the disk larger and forgot the BAT. Who is right is decided by what stands
 * behind the region's end, by the blocks' spacing, by the log, and by the guest's partition table; when all of these
 * are silent the sizes are believed and the BAT is the one that gets room, because that takes no content away. See
 * rebuild.h. Easy to get wrong: whether nothing is lost hangs on the rest of the file. Where something lies that nobody
 * owns, it may be a block of an entry that the BAT has no room for.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "guest/content.h"
#include "rebuild/rebuild_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WINDOW ((size_t)(64 * VX_KIB))
#define SECTOR ((size_t)512)
#define ROOM_TIMES 2u     /* a bit is a mistake when it alone exceeds the region so often, see without_one_bit() */
#define LIKELY_ENTRIES 8u /* of which one may be damaged: fewer prove nothing when not all are right */

static void set_clue(struct vx_rebuilding *work, enum vx_room_cure cure, enum vx_witness witness, bool lossless,
                     const char *format, ...) VX_PRINTF(5, 6);
static void set_clue(struct vx_rebuilding *work, enum vx_room_cure cure, enum vx_witness witness, bool lossless,
                     const char *format, ...)
{
    struct vx_room *room = &work->out->room;
    va_list values;
    room->cure = cure;
    room->clue.witness = witness;
    room->clue.lossless = lossless;
    va_start(values, format);
    vsnprintf(room->clue.evidence, sizeof room->clue.evidence, format, values);
    va_end(values);
}

/* The geometry with these sizes; whether the region as it is has room for it. */
static bool would_fit(const struct vx_rebuilding *work, uint64_t virtual_size, uint32_t block_size,
                      struct vx_geometry *geometry)
{
    const struct vx_rebuilt *out = work->out;
    bool has_parent = (out->parameter_flags & VX_PARAMETER_HAS_PARENT) != 0;
    return vx_geometry_init(geometry, virtual_size, block_size, out->logical_sector, has_parent) &&
           geometry->entry_count <= out->room.former.length / VX_BAT_ENTRY_SIZE;
}

/* ---- the block size ---- */

/* Blocks that touch and never overlap with another size, with which there is room: nothing but that size makes them
 * so. */
static vhdx_status ask_spacing(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct vx_clue *clue = &out->clues[VX_PART_BLOCK_SIZE], stored = *clue;
    const uint32_t stored_size = out->block_size;
    struct vx_geometry geometry;
    VX_TRY(vx_rebuild_block_size(work, err));
    if (clue->witness == VX_WITNESS_GEOMETRY && clue->lossless && out->block_size != stored_size &&
        would_fit(work, out->virtual_size, out->block_size, &geometry)) {
        out->geometry = geometry;
        set_clue(work, VX_ROOM_BLOCK_SIZE, VX_WITNESS_GEOMETRY, true, "%s", clue->evidence);
        return VHDX_OK;
    }
    *clue = stored;
    out->block_size = stored_size;
    return VHDX_OK;
}

/* ---- what stands behind the region's end ---- */

struct tail {
    bool is_free;   /* the space is nobody's */
    bool is_zero;   /* all of it, as far as it lies in the file */
    uint64_t set;   /* entries that say something */
    uint64_t wrong; /* of these, entries that cannot be */
};

/* Claims of the blocks that have an entry. */
static vhdx_status claim_known(struct vx_rebuilding *work, vhdx_error *err)
{
    work->out->page_count = vx_min(work->out->room.former.length / VX_PAGE,
                                   vx_ceil_div(work->out->geometry.entry_count * VX_BAT_ENTRY_SIZE, VX_PAGE));
    return vx_rebuild_claims(work, err);
}

static vhdx_status look_at_tail_page(struct vx_rebuilding *work, uint64_t page, const uint8_t *bytes, struct tail *tail,
                                     vhdx_error *err)
{
    struct vx_page_look look;
    vx_rebuild_look_at_page(work->out, page, bytes, &look);
    tail->set += look.entries.set;
    tail->wrong += look.entries.bad + look.nowhere;
    return vx_rebuild_claim_page(work->out, page, bytes, &tail->wrong, err);
}

static vhdx_status look_at_tail(struct vx_rebuilding *work, uint64_t needed, struct tail *tail, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    const struct vx_region *former = &out->room.former;
    uint64_t end = former->file_offset + needed, at = former->file_offset + former->length, data, length;
    uint64_t pages = vx_ceil_div(out->geometry.entry_count * VX_BAT_ENTRY_SIZE, VX_PAGE);
    tail->is_free = vx_claims_is_free(&out->claims, at, end - at);
    tail->is_zero = true;
    while (tail->is_free && at < vx_min(end, work->view_size)) {
        uint8_t bytes[VX_PAGE];
        uint64_t page = (at - former->file_offset) / VX_PAGE;
        size_t got;
        vx_file_next_data(work->view, at, &data, &length);
        if (length == 0)
            return VHDX_OK;
        if (data >= at + VX_PAGE) {
            at = vx_round_down(data, VX_PAGE);
            continue;
        }
        memset(bytes, 0, sizeof bytes);
        VX_TRY(vx_file_read_some(work->view, bytes, VX_PAGE, at, &got, err));
        if (!vx_is_zero(bytes, got)) {
            tail->is_zero = false;
            if (page < pages)
                VX_TRY(look_at_tail_page(work, page, bytes, tail, err));
        }
        at += VX_PAGE;
    }
    /* entries that claim the place where they stand */
    at = former->file_offset + former->length;
    tail->is_free = tail->is_free && vx_claims_is_free(&out->claims, at, end - at);
    return VHDX_OK;
}

static void take_region(struct vx_rebuilding *work, uint64_t offset, uint64_t length)
{
    work->out->bat.file_offset = offset;
    work->out->bat.length = (uint32_t)length; /* at most 513 MiB */
}

static bool is_the_rest(const struct tail *tail)
{
    return tail->is_free && tail->set > 0 &&
           (tail->wrong == 0 || (tail->set >= LIKELY_ENTRIES && tail->wrong <= tail->set / LIKELY_ENTRIES));
}

static void take_the_rest(struct vx_rebuilding *work, uint64_t needed, const struct tail *tail)
{
    work->out->room.tail_stands = true;
    take_region(work, work->out->room.former.file_offset, needed);
    set_clue(work, VX_ROOM_LENGTH, VX_WITNESS_GEOMETRY, tail->wrong == 0,
             "behind the region's end stand %" PRIu64 " entries; %" PRIu64
             " of them lead to blocks in the file that nobody else claims",
             tail->set, tail->set - vx_min(tail->set, tail->wrong));
}

/* ---- the size of the disk ---- */

static void take_size(struct vx_rebuilding *work, uint64_t size, const struct vx_geometry *geometry,
                      enum vx_witness witness, bool lossless, const char *evidence)
{
    struct vx_rebuilt *out = work->out;
    out->virtual_size = size;
    out->geometry = *geometry;
    vx_clue_set(work, VX_PART_VIRTUAL_SIZE, witness, lossless, "%s", evidence);
    set_clue(work, VX_ROOM_VIRTUAL_SIZE, witness, lossless, "%s", evidence);
}

/* The last session of the log has written another size than stands there now: all metadata change through the log. */
static vhdx_status ask_log(struct vx_rebuilding *work, vhdx_error *err)
{
    const struct vx_metadata_entry *entry = vx_metadata_find(work->table, &vx_guid_virtual_disk_size);
    uint64_t place = entry ? work->out->metadata.file_offset + entry->offset : 0;
    const struct vx_log_witness *witness =
        entry && place % VX_PAGE <= VX_PAGE - 8 ? vx_log_witness_find(&work->log, vx_round_down(place, VX_PAGE)) : NULL;
    struct vx_geometry geometry;
    uint8_t page[VX_PAGE];
    if (!witness || witness->rank > 1)
        return VHDX_OK;
    VX_TRY(vx_log_witness_page(&work->log, witness, page, err));
    uint64_t size = vx_get64(page + place % VX_PAGE);
    if (size < work->out->virtual_size && would_fit(work, size, work->out->block_size, &geometry))
        take_size(work, size, &geometry, VX_WITNESS_LOG, true, "the last entry of the log that holds it says so");
    return VHDX_OK;
}

static void ask_guest(struct vx_rebuilding *work, struct vx_content *content)
{
    struct vx_geometry geometry;
    char evidence[128];
    vx_rebuild_ask_guest(work, content);
    uint64_t size = vx_round_down(content->implied_size, work->out->logical_sector);
    if (!content->backup.found || size >= work->out->virtual_size ||
        !would_fit(work, size, work->out->block_size, &geometry))
        return;
    snprintf(evidence, sizeof evidence, "the GPT ends at %" PRIu64 " bytes, and its backup stands there", size);
    take_size(work, size, &geometry, VX_WITNESS_CONTENT, true, evidence);
}

/* A fixed disk has the space of all its blocks; a file that is shorter than the disk is that of a smaller one. */
static vhdx_status ask_file(struct vx_rebuilding *work, vhdx_error *err)
{
    const struct vx_rebuilt *out = work->out;
    struct vx_geometry geometry;
    char evidence[128];
    uint64_t size;
    if (!(out->parameter_flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED) || out->geometry.has_parent ||
        out->file_size >= out->virtual_size)
        return VHDX_OK;
    VX_TRY(vx_rebuild_least_size(work, false, &size, err));
    if (size >= out->virtual_size || !would_fit(work, size, out->block_size, &geometry))
        return VHDX_OK;
    snprintf(evidence, sizeof evidence,
             "the file of the fixed disk has %" PRIu64 " bytes, and the BAT's last block ends at %" PRIu64,
             out->file_size, size);
    take_size(work, size, &geometry, VX_WITNESS_GEOMETRY, false, evidence);
    return VHDX_OK;
}

/* The only size with which the region has room and that is the stored one but for a bit that was set by mistake: a bit
 * so high that the region would be less than half as long as it must. Below that, a wrong length is as likely. */
static bool without_one_bit(const struct vx_rebuilding *work, uint64_t least, uint64_t *size,
                            struct vx_geometry *geometry)
{
    const struct vx_rebuilt *out = work->out;
    unsigned found = 0;
    for (uint64_t bit = out->logical_sector; bit <= out->virtual_size; bit *= 2) {
        struct vx_geometry with, alone;
        uint64_t rest = out->virtual_size & ~bit;
        if (rest == out->virtual_size || rest <= least - vx_min(least, out->block_size) ||
            !would_fit(work, rest, out->block_size, &with) ||
            would_fit(work, bit / ROOM_TIMES, out->block_size, &alone))
            continue;
        *size = rest;
        *geometry = with;
        found++;
    }
    return found == 1;
}

static vhdx_status ask_bits(struct vx_rebuilding *work, vhdx_error *err)
{
    const struct vx_rebuilt *out = work->out;
    struct vx_geometry geometry;
    char evidence[128];
    uint64_t least, size;
    VX_TRY(vx_rebuild_least_size(work, true, &least, err));
    if (!without_one_bit(work, least, &size, &geometry) || vx_geometry_bat_region_length(&geometry) != out->bat.length)
        return VHDX_OK;
    snprintf(evidence, sizeof evidence,
             "without one bit of it the size is %" PRIu64 " bytes, and the region is as long as such a disk needs",
             size);
    take_size(work, size, &geometry, VX_WITNESS_GEOMETRY, false, evidence);
    return VHDX_OK;
}

static vhdx_status ask_for_size(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_content *content = vx_alloc(1, sizeof *content);
    if (!content)
        return vx_fail_memory(err, "a look inside of the disk");
    ask_guest(work, content);
    vx_free(content);
    if (work->out->room.cure == VX_ROOM_ENOUGH)
        VX_TRY(ask_log(work, err));
    if (work->out->room.cure == VX_ROOM_ENOUGH)
        VX_TRY(ask_file(work, err));
    return work->out->room.cure == VX_ROOM_ENOUGH ? ask_bits(work, err) : VHDX_OK;
}

/* ---- room for entries ---- */

/* The entries that there are, at the end of the view. */
static vhdx_status move_entries(struct vx_rebuilding *work, vhdx_error *err)
{
    const struct vx_rebuilt *out = work->out;
    uint8_t *bytes = vx_alloc(WINDOW, 1);
    vhdx_status status = bytes ? vx_file_grow(work->view, out->bat.file_offset + out->bat.length, err)
                               : vx_fail_memory(err, "a window of the BAT");
    for (uint64_t at = 0; status == VHDX_OK && at < out->room.former.length; at += WINDOW) {
        size_t got, here = (size_t)vx_min(WINDOW, out->room.former.length - at);
        status = vx_file_read_some(work->view, bytes, here, out->room.former.file_offset + at, &got, err);
        for (size_t page = 0; status == VHDX_OK && page < got; page += VX_PAGE)
            if (!vx_is_zero(bytes + page, vx_min(VX_PAGE, got - page)))
                status = vx_file_write(work->view, bytes + page, (size_t)vx_min(VX_PAGE, got - page),
                                       out->bat.file_offset + at + page, err);
    }
    vx_free(bytes);
    return status;
}

/*
 * A repair that was cut off while it moved the BAT has left a part of the copy behind the file's former end: each
 * sector of a MiB is zeros, or what the BAT has at the same place of one of its own.
 */
static vhdx_status is_copy(struct vx_rebuilding *work, struct vx_bytes window, uint8_t *bat, bool *copy,
                           vhdx_error *err)
{
    const struct vx_region *former = &work->out->room.former;
    size_t first = vx_zero_run(window.data, window.size) / SECTOR * SECTOR;
    *copy = false;
    for (uint64_t at = 0; at < former->length && !*copy; at += VX_MIB) {
        size_t got, room = (size_t)vx_min(SECTOR, window.size - first);
        VX_TRY(vx_file_read_some(work->view, bat, room, former->file_offset + at + first, &got, err));
        if (got < room || memcmp(bat, window.data + first, room) != 0)
            continue;
        VX_TRY(vx_file_read_some(work->view, bat, window.size, former->file_offset + at, &got, err));
        *copy = got == window.size;
        for (size_t i = first; i < window.size && *copy; i += SECTOR) {
            size_t here = (size_t)vx_min(SECTOR, window.size - i);
            *copy = vx_is_zero(window.data + i, here) || memcmp(bat + i, window.data + i, here) == 0;
        }
    }
    return VHDX_OK;
}

/* Whether something stands where nobody claims it; reads no farther than to the first. */
static vhdx_status has_stray(struct vx_rebuilding *work, uint8_t *window, uint8_t *bat, bool *has, vhdx_error *err)
{
    uint64_t mib = vx_rebuild_next_unowned(work, 1);
    *has = false;
    while (!*has && mib < work->out->claims.slots) {
        size_t got;
        bool copy = false;
        VX_TRY(vx_file_read_some(work->view, window, (size_t)VX_MIB, mib * VX_MIB, &got, err));
        *has = !vx_is_zero(window, got);
        if (*has)
            VX_TRY(is_copy(work, vx_bytes_of(window, got), bat, &copy, err));
        *has = *has && !copy;
        VX_TRY(vx_rebuild_progress(work, mib * VX_MIB, work->view_size, err));
        mib = vx_rebuild_next_unowned(work, mib + 1);
    }
    return VHDX_OK;
}

static vhdx_status find_stray(struct vx_rebuilding *work, bool *has, vhdx_error *err)
{
    uint8_t *window = vx_alloc((size_t)VX_MIB, 1), *bat = vx_alloc((size_t)VX_MIB, 1);
    vhdx_status status =
        window && bat ? has_stray(work, window, bat, has, err) : vx_fail_memory(err, "a window of the file");
    vx_free(window);
    vx_free(bat);
    return status;
}

static vhdx_status make_room(struct vx_rebuilding *work, uint64_t needed, const struct tail *tail, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    bool here = tail->is_free && tail->is_zero, stray = false;
    uint64_t end = vx_max(work->view_size, out->header.log_offset + out->header.log_length); /* a new log is there */
    VX_TRY(claim_known(work, err)); /* what garbage behind the region's end has claimed is nobody's */
    VX_TRY(find_stray(work, &stray, err));
    set_clue(work, here ? VX_ROOM_LENGTH : VX_ROOM_MOVE, VX_WITNESS_GEOMETRY, !stray, "%s; %s",
             here ? "the space behind the region is nobody's"
                  : "the space behind the region is not free, that at the file's end is",
             stray ? "but something lies in the file that nobody owns, and may have had an entry there"
                   : "all that lies in the file has an owner, so no block is missing");
    if (here) {
        take_region(work, out->room.former.file_offset, needed);
        return VHDX_OK;
    }
    if (!vx_round_up(end, VX_OBJECT_ALIGNMENT, &end) || end > INT64_MAX / 2)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(work->file)), "the file is too long");
    take_region(work, end, needed);
    return work->options->search_content ? move_entries(work, err) : VHDX_OK;
}

static vhdx_status find_room(struct vx_rebuilding *work, uint64_t needed, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    struct tail tail = {0};
    if (out->clues[VX_PART_BLOCK_SIZE].witness == VX_WITNESS_STORED)
        VX_TRY(ask_spacing(work, err));
    if (out->room.cure != VX_ROOM_ENOUGH)
        return VHDX_OK;
    VX_TRY(vx_rebuild_open_claims(work, err));
    VX_TRY(claim_known(work, err));
    VX_TRY(look_at_tail(work, needed, &tail, err));
    if (is_the_rest(&tail)) {
        take_the_rest(work, needed, &tail);
        return VHDX_OK;
    }
    if (out->clues[VX_PART_VIRTUAL_SIZE].witness == VX_WITNESS_STORED)
        VX_TRY(ask_for_size(work, err));
    return out->room.cure == VX_ROOM_ENOUGH ? make_room(work, needed, &tail, err) : VHDX_OK;
}

vhdx_status vx_rebuild_room(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    uint64_t needed = vx_geometry_bat_region_length(&out->geometry);
    bool taken;
    if (out->geometry.entry_count <= out->bat.length / VX_BAT_ENTRY_SIZE)
        return VHDX_OK;
    VX_TRY(vx_rebuild_longer_copy(work, needed, &taken, err));
    if (taken)
        return VHDX_OK;
    out->room.former = out->bat;
    return find_room(work, needed, err);
}
