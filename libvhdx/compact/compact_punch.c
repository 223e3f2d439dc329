/*
 * Holes inside of blocks that stay: zeros that take space on the host, and what the guest does not use. They are
 * punched in place, where that does no harm; a block of which only some sectors are present is left alone. Easy to get
 * wrong: what is unused reads as zeros afterwards, so the disk must have its new identity before.
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact_run.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "image/bat_window.h"

#define PIECE ((size_t)(64 * VX_KIB)) /* shorter holes cost the host more than they give */

struct punch {
    struct vx_compact_run *run;
    struct vx_bat_window bat;
    uint8_t *buf;
    bool for_real;
    uint64_t bytes;
    bool unused; /* some of them */
};

/* Whether every byte of the piece is in no use. */
static bool is_unused(const struct punch *punch, uint64_t virtual_offset, size_t length)
{
    const struct vx_free_map *map = &punch->run->free;
    for (uint64_t at = virtual_offset; at < virtual_offset + length; at += map->unit)
        if (!map->bits || !vx_free_map_has(map, at))
            return false;
    return true;
}

static vhdx_status punch_piece(struct punch *punch, uint64_t virtual_offset, uint64_t file_offset, size_t length,
                               vhdx_error *err)
{
    struct vx_image *disk = punch->run->disk;
    struct vx_file *file = punch->for_real ? disk->file : disk->view;
    uint64_t data, data_length;
    size_t got;
    vx_file_next_data(file, file_offset, &data, &data_length);
    if (data_length == 0 || data >= file_offset + length)
        return VHDX_OK; /* a hole already */
    bool unused = is_unused(punch, virtual_offset, length);
    if (!unused) {
        VX_TRY(vx_file_read_some(file, punch->buf, length, file_offset, &got, err));
        if (!vx_is_zero(punch->buf, length))
            return VHDX_OK;
    }
    if (punch->for_real) {
        vhdx_status status = vx_file_give_back(file, file_offset, length, err);
        if (status == VHDX_UNSUPPORTED)
            return VHDX_OK;
        VX_TRY(status);
    }
    punch->bytes += length;
    punch->unused = punch->unused || unused;
    return VHDX_OK;
}

static vhdx_status punch_block(struct punch *punch, uint64_t block, uint64_t file_offset, vhdx_error *err)
{
    const struct vx_geometry *geometry = &punch->run->disk->geometry;
    uint64_t begin = block * geometry->block_size, size;
    uint64_t length = vx_min(geometry->block_size, geometry->virtual_size - begin);
    VX_TRY(vx_file_size(punch->run->disk->file, &size, err));
    length = file_offset < size ? vx_min(length, size - file_offset) : 0;
    for (uint64_t at = 0; at + PIECE <= length; at += PIECE)
        VX_TRY(punch_piece(punch, begin + at, file_offset + at, PIECE, err));
    return VHDX_OK;
}

static vhdx_status punch_all(struct punch *punch, vhdx_error *err)
{
    const struct vx_geometry *geometry = &punch->run->disk->geometry;
    for (uint64_t at = 0; at < geometry->entry_count && !punch->run->cancelled; at++) {
        struct vx_bat_entry entry;
        uint64_t which;
        VX_TRY(vx_bat_window_next_set(&punch->bat, at, geometry->entry_count, &at, err));
        if (at == geometry->entry_count)
            break;
        VX_TRY(vx_bat_window_get(&punch->bat, at, &entry, err));
        if (vx_geometry_is_payload(geometry, at, &which) && which < geometry->payload_count &&
            entry.state == VX_PAYLOAD_FULLY_PRESENT && (punch->for_real || !vx_compact_drops(punch->run, at)))
            VX_TRY(punch_block(punch, which, entry.file_offset, err));
    }
    return VHDX_OK;
}

vhdx_status vx_compact_punch(struct vx_compact_run *run, bool for_real, vhdx_error *err)
{
    struct punch punch = {.run = run, .for_real = for_real};
    punch.buf = vx_alloc(PIECE, 1);
    if (!punch.buf)
        return vx_fail_memory(err, "a buffer");
    vhdx_status status = vx_bat_window_open(run->disk, VX_BAT_WINDOW_LARGE, &punch.bat, err);
    if (status == VHDX_OK)
        status = punch_all(&punch, err);
    vx_bat_window_close(&punch.bat);
    vx_free(punch.buf);
    run->report->bytes_punched = punch.bytes;
    run->content_changes = run->content_changes || punch.unused;
    return status;
}
