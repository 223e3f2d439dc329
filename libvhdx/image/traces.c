/*
 * Looking for traces. See traces.h. Each structure must prove itself alone: a metadata table by its signature and three
 * known items at possible places, a log entry by its checksum, a BAT by entries that all could be, are in the file, and
 * do not share a MiB.
 */
/* SPDX-License-Identifier: MIT */
#include "image/traces.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "format/bat.h"
#include "format/metadata.h"
#include "image/foreign.h"
#include "image/log_scan.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_END (64 * VX_MIB)
#define BAT_LOOK ((size_t)(64 * VX_KIB))
#define FEWEST_ITEMS 3u
#define FEWEST_BLOCKS 4u
#define LONGEST_LOG (8 * VX_MIB)

/* ---- metadata ---- */

static bool is_known_entry(const uint8_t *bytes)
{
    static const struct {
        const vhdx_guid *id;
        uint32_t length;
    } known[] = {{&vx_guid_file_parameters, 8},
                 {&vx_guid_virtual_disk_size, 8},
                 {&vx_guid_virtual_disk_id, 16},
                 {&vx_guid_logical_sector_size, 4},
                 {&vx_guid_physical_sector_size, 4}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (memcmp(bytes, known[i].id->bytes, sizeof known[i].id->bytes) == 0)
            return vx_get32(bytes + 20) == known[i].length && vx_get32(bytes + 16) >= VX_METADATA_TABLE_SIZE &&
                   vx_get32(bytes + 16) < VX_METADATA_REGION_MAX;
    return false;
}

static void look_for_metadata(const uint8_t *page, uint64_t offset, struct vx_traces *traces)
{
    uint32_t items = 0;
    if (traces->metadata_offset != 0 || vx_get64(page) != VX_SIG_METADATA)
        return;
    for (size_t at = VX_METADATA_ENTRY_SIZE; at + VX_METADATA_ENTRY_SIZE <= VX_PAGE; at += VX_METADATA_ENTRY_SIZE)
        items += is_known_entry(page + at);
    if (items < FEWEST_ITEMS)
        return;
    traces->metadata_offset = offset;
    traces->metadata_items = items;
}

/* ---- log ---- */

/* The first entry that is whole, in what would be a log if one lay here. */
static vhdx_status look_for_log(struct vx_file *file, const uint8_t *page, uint64_t offset, uint64_t size,
                                struct vx_traces *traces, vhdx_error *err)
{
    struct vx_ring ring = {0};
    struct vx_log_header header;
    struct vx_log_judgement judgement;
    uint64_t length = vx_round_down(vx_min(size - offset, LONGEST_LOG), VX_MIB);
    if (traces->log_offset != 0 || length == 0 || vx_get32(page) != VX_SIG_LOG_ENTRY)
        return VHDX_OK;
    VX_TRY(vx_ring_open(&ring, file, offset, (uint32_t)length, err));
    vhdx_status status = vx_log_judge(&ring, 0, NULL, &header, &judgement, err);
    if (status == VHDX_OK && judgement.fault == VX_LOG_FAULT_NONE)
        traces->log_offset = offset;
    vx_ring_close(&ring);
    return status;
}

/* ---- BAT ---- */

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Places of the entries; false: something in it cannot be an entry. */
static bool take_places(struct vx_bytes bytes, uint64_t offset, uint64_t size, uint64_t *places, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i + VX_BAT_ENTRY_SIZE <= bytes.size; i += VX_BAT_ENTRY_SIZE) {
        uint64_t raw = vx_get64(bytes.data + i);
        struct vx_bat_entry entry = vx_bat_entry_decode(raw);
        if (raw == 0)
            continue;
        if (vx_bat_payload_rules(&entry, true) & (VX_BAT_RESERVED_SET | VX_BAT_BAD_STATE | VX_BAT_NO_PLACE))
            return false;
        if (!vx_bat_payload_owns_space(&entry))
            continue;
        if (entry.file_offset < VX_MIB || entry.file_offset >= size || entry.file_offset == offset)
            return false;
        places[(*count)++] = entry.file_offset;
    }
    return *count >= FEWEST_BLOCKS;
}

static vhdx_status look_for_bat(struct vx_file *file, const uint8_t *page, uint64_t offset, uint64_t size,
                                struct vx_traces *traces, vhdx_error *err)
{
    size_t room = BAT_LOOK / VX_BAT_ENTRY_SIZE, got = 0, count;
    uint64_t *places = vx_alloc(room, sizeof *places);
    uint8_t *bytes = vx_alloc(BAT_LOOK, 1);
    vhdx_status status = places && bytes ? VHDX_OK : vx_fail_memory(err, "a window of the file");
    bool likely = status == VHDX_OK && take_places(vx_bytes_of(page, VX_PAGE), offset, size, places, &count);
    if (likely)
        status = vx_file_read_some(file, bytes, BAT_LOOK, offset, &got, err);
    likely = likely && status == VHDX_OK && take_places(vx_bytes_of(bytes, got), offset, size, places, &count);
    if (likely)
        qsort(places, count, sizeof *places, ascending);
    for (size_t i = 1; likely && i < count; i++)
        likely = places[i] != places[i - 1];
    if (likely && count > traces->bat_blocks) {
        traces->bat_offset = offset;
        traces->bat_blocks = count;
    }
    vx_free(bytes);
    vx_free(places);
    return status;
}

/* ---- all of it ---- */

static vhdx_status look_at(struct vx_file *file, uint64_t offset, uint64_t size, struct vx_traces *traces,
                           vhdx_error *err)
{
    uint8_t page[VX_PAGE];
    size_t got;
    VX_TRY(vx_file_read_some(file, page, sizeof page, offset, &got, err));
    if (got < sizeof page || vx_is_zero(page, sizeof page))
        return VHDX_OK;
    look_for_metadata(page, offset, traces);
    VX_TRY(look_for_log(file, page, offset, size, traces, err));
    return look_for_bat(file, page, offset, size, traces, err);
}

vhdx_status vx_traces_look(struct vx_file *file, struct vx_traces *traces, vhdx_error *err)
{
    uint64_t size;
    *traces = (struct vx_traces){0};
    VX_TRY(vx_file_size(file, &size, err));
    VX_TRY(vx_foreign_look(file, &traces->foreign, err));
    for (uint64_t at = VX_MIB; !traces->foreign && at < vx_min(size, LOOK_END); at += VX_MIB)
        VX_TRY(look_at(file, at, size, traces, err));
    return VHDX_OK;
}
