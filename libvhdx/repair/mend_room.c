/*
 * A BAT region that is too short for its disk, as rebuild_room.c has judged it: the value that is wrong is put right,
 * or the region gets the length that it needs, where it is or at the end of the file. Entries are copied, never made
 * up: a new one says what an entry of an empty disk says, and where a block may have stood there, its range is listed.
 *
 * Easy to get wrong: in a differencing disk an entry of which nothing is known must not say "ask the parent".
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "verify/repair_class.h"

#include <string.h>

#define WINDOW ((size_t)(64 * VX_KIB))
#define PAGE_ENTRIES (VX_PAGE / VX_BAT_ENTRY_SIZE)
enum { ENTRY_OFFSET = 16, ENTRY_LENGTH = 24 };

static const struct vx_loss doubtful = {"its entry had no place in the BAT, which was too short", true, false};

static struct vx_reason reason_of(const struct vx_mending *m)
{
    bool salvage = vx_evidence_room_class(m->rebuilt) != VHDX_REPAIR_LOSSLESS;
    return (struct vx_reason){VX_FIND_BAT_SHORT, salvage, "the BAT has an entry for each block of the disk",
                              salvage ? "the certainty that blocks without entry held nothing" : NULL};
}

/* ---- a value ---- */

static vhdx_status mend_value(struct vx_mending *m, enum vx_part part, vhdx_error *err)
{
    bool size = part == VX_PART_VIRTUAL_SIZE, put;
    struct vx_reason reason = reason_of(m);
    uint8_t bytes[16];
    uint32_t length = vx_mend_value_of(m->rebuilt, part, bytes);
    reason.costs = reason.salvage ? "the certainty that it is the right one" : NULL;
    reason.gives =
        size ? "the disk has the size for which its BAT was made" : "the block size is the distance of the blocks";
    return vx_mend_put_item(m, size ? &vx_guid_virtual_disk_size : &vx_guid_file_parameters,
                            size ? VX_ITEM_IS_REQUIRED | VX_ITEM_IS_VIRTUAL_DISK : VX_ITEM_IS_REQUIRED, bytes, length,
                            &reason, &put, err);
}

/* ---- entries ---- */

static vhdx_status put_window(struct vx_mending *m, const uint8_t *bytes, size_t length, uint64_t to,
                              const struct vx_reason *reason, vhdx_error *err)
{
    for (size_t at = 0; at < length; at += VX_PAGE) {
        size_t here = (size_t)vx_min(VX_PAGE, length - at);
        if (!vx_is_zero(bytes + at, here))
            VX_TRY(vx_plan_put(m->plan, bytes + at, here, to + at, reason, err));
    }
    return VHDX_OK;
}

static vhdx_status copy_entries(struct vx_mending *m, uint64_t to, const struct vx_reason *reason, vhdx_error *err)
{
    const struct vx_region *former = &m->rebuilt->room.former;
    uint8_t *bytes = vx_alloc(WINDOW, 1);
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a window of the BAT");
    for (uint64_t at = 0; status == VHDX_OK && at < former->length; at += WINDOW) {
        size_t got;
        status = vx_file_read_some(m->plan->sketch, bytes, WINDOW, former->file_offset + at, &got, err);
        if (status == VHDX_OK)
            status = put_window(m, bytes, (size_t)vx_min(got, former->length - at), to + at, reason, err);
    }
    vx_free(bytes);
    return status;
}

/* What the entry says when the file has none: where evidence has found the block, or nothing. */
static vhdx_status new_entry(const struct vx_rebuilt *rebuilt, uint64_t index, uint64_t *raw, vhdx_error *err)
{
    const struct vx_bat_entry zero = {.state = VX_PAYLOAD_ZERO};
    uint64_t block;
    if (vx_rebuilt_witness(rebuilt, index) != VX_WITNESS_STORED)
        return vx_rebuilt_entry(rebuilt, index, raw, err);
    bool payload = vx_geometry_is_payload(&rebuilt->geometry, index, &block) && block < rebuilt->geometry.payload_count;
    *raw = payload && rebuilt->geometry.has_parent ? vx_bat_entry_encode(&zero) : 0;
    return VHDX_OK;
}

/* Blocks may have stood there: each gets an entry that vouches for nothing, and all of them are listed. */
static vhdx_status put_unknown(struct vx_mending *m, uint64_t to, const struct vx_reason *reason, vhdx_error *err)
{
    const struct vx_rebuilt *rebuilt = m->rebuilt;
    uint64_t index = rebuilt->room.former.length / VX_BAT_ENTRY_SIZE, count = rebuilt->geometry.entry_count;
    while (index < count) {
        uint8_t page[VX_PAGE] = {0};
        uint64_t first = index;
        for (; index < count && index - first < PAGE_ENTRIES; index++) {
            uint64_t raw;
            VX_TRY(new_entry(rebuilt, index, &raw, err));
            vx_put64(page + (index - first) * VX_BAT_ENTRY_SIZE, raw);
        }
        VX_TRY(put_window(m, page, sizeof page, to + first * VX_BAT_ENTRY_SIZE, reason, err));
    }
    return VHDX_OK;
}

static vhdx_status list_unknown(struct vx_mending *m, vhdx_error *err)
{
    const struct vx_geometry *geometry = &m->rebuilt->geometry;
    uint64_t index = m->rebuilt->room.former.length / VX_BAT_ENTRY_SIZE, block;
    if (!vx_geometry_is_payload(geometry, index, &block))
        block = (block + 1) * geometry->chunk_ratio;
    if (block >= geometry->payload_count)
        return VHDX_OK;
    uint64_t offset = block * geometry->block_size;
    return vx_plan_lose(m->plan, offset, geometry->virtual_size - offset, &doubtful, err);
}

/* ---- the region ---- */

static vhdx_status name_region(struct vx_mending *m, uint64_t offset, const struct vx_reason *reason, vhdx_error *err)
{
    const uint64_t from = m->exam->region_copy == 0 ? VX_REGION_TABLE1_OFFSET : VX_REGION_TABLE2_OFFSET;
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    vhdx_status status = bytes ? vx_file_read(m->plan->sketch, bytes, VX_REGION_TABLE_SIZE, from, err)
                               : vx_fail_memory(err, "the region table");
    for (uint32_t i = 0; status == VHDX_OK && i < vx_min(m->exam->regions->count, VX_REGION_MAX); i++) {
        uint8_t *entry = bytes + VX_REGION_ENTRIES_OFFSET + (size_t)i * VX_REGION_ENTRY_SIZE;
        if (memcmp(entry, vx_guid_bat_region.bytes, sizeof vx_guid_bat_region.bytes) != 0)
            continue;
        vx_put64(entry + ENTRY_OFFSET, offset);
        vx_put32(entry + ENTRY_LENGTH, m->rebuilt->bat.length);
    }
    if (status == VHDX_OK)
        status = vx_mend_put_regions(m, bytes, reason, err);
    vx_free(bytes);
    return status;
}

static vhdx_status mend_region(struct vx_mending *m, vhdx_error *err)
{
    const struct vx_room *room = &m->rebuilt->room;
    const struct vx_reason reason = reason_of(m);
    uint64_t offset = room->former.file_offset;
    bool moves = room->cure == VX_ROOM_MOVE;
    if (moves && !vx_round_up(m->plan->new_size, VX_OBJECT_ALIGNMENT, &offset))
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(m->plan->file)), "the file is too long");
    if (offset + m->rebuilt->bat.length > m->plan->new_size)
        VX_TRY(vx_plan_resize(m->plan, offset + m->rebuilt->bat.length, &reason, err));
    if (moves)
        VX_TRY(copy_entries(m, offset, &reason, err));
    if (reason.salvage && !room->tail_stands)
        VX_TRY(put_unknown(m, offset, &reason, err));
    if (reason.salvage)
        VX_TRY(list_unknown(m, err));
    return name_region(m, offset, &reason, err);
}

/* ---- all of it ---- */

static bool can_be_mended(const struct vx_mending *m)
{
    const struct vx_exam *exam = m->exam;
    return vx_mend_is_present(m, VX_FIND_BAT_SHORT) && exam->has_geometry && exam->has_bat && exam->region_copy >= 0 &&
           exam->survey->regions[exam->region_copy].status == VHDX_OK &&
           !(exam->survey->regions[exam->region_copy].rules & VX_REGION_BAD_CHECKSUM);
}

vhdx_status vx_mend_room(struct vx_mending *m, vhdx_error *err)
{
    if (!can_be_mended(m) || !vx_mend_is_wanted(m, VX_FIND_BAT_SHORT) || vx_sizes_are_doubted(m))
        return VHDX_OK;
    VX_TRY(vx_mending_rebuild(m, m->salvage, err));
    const struct vx_rebuilt *rebuilt = m->rebuilt;
    vhdx_repair_class class = vx_evidence_room_class(rebuilt);
    bool same = rebuilt->room.former.file_offset == m->exam->bat.file_offset &&
                rebuilt->room.former.length == m->exam->bat.length;
    if (class == VHDX_REPAIR_NONE || (class == VHDX_REPAIR_SALVAGE && !m->salvage) || !same)
        return VHDX_OK;
    if (rebuilt->room.cure == VX_ROOM_BLOCK_SIZE)
        return mend_value(m, VX_PART_BLOCK_SIZE, err);
    if (rebuilt->room.cure == VX_ROOM_VIRTUAL_SIZE)
        return mend_value(m, VX_PART_VIRTUAL_SIZE, err);
    return rebuilt->geometry.entry_count == m->exam->geometry.entry_count ? mend_region(m, err) : VHDX_OK;
}
