/*
 * Which blocks leave the file: those in which every byte that the guest uses is zero. Bytes are read only where the
 * guest uses them and the file has no hole, and no further than the first that is not zero. Easy to get wrong: a block
 * of a child that holds only some of its sectors reads as zeros when its parent's part does too.
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact_run.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "chain/layered.h"
#include "image/bat_window.h"
#include "image/space.h"

#define FIRST_PIECE ((size_t)(16 * VX_KIB)) /* most blocks show here that they are no zeros */
#define PIECE ((size_t)(256 * VX_KIB))
#define TELL_BYTES (16 * VX_MIB)

struct scan {
    struct vx_compact_run *run;
    struct vx_image *disk;
    struct vx_bat_window bat;
    uint8_t *buf;
    uint64_t hole, hole_end; /* of the file, as far as was asked last */
    bool partial_left;       /* in the chunk: a block that needs the sector bitmap */
    uint64_t scanned;
};

/* A range that the guest uses, of the virtual disk and, for a whole block, of the file. */
struct range {
    uint64_t virtual_offset, length;
    uint64_t file_offset; /* 0: through the chain */
};

/* Whether the range lies in a hole of the host's file. */
static bool is_hole(struct scan *scan, uint64_t offset, uint64_t length)
{
    if (offset < scan->hole || offset >= scan->hole_end) {
        uint64_t data, data_length;
        vx_file_next_data(scan->disk->view, offset, &data, &data_length);
        scan->hole = offset;
        scan->hole_end = data_length == 0 ? UINT64_MAX : data;
    }
    return offset >= scan->hole && offset < scan->hole_end && length <= scan->hole_end - offset;
}

static vhdx_status read_range(const struct scan *scan, const struct range *range, vhdx_error *err)
{
    size_t got;
    if (range->file_offset == 0)
        return vx_chain_read(scan->run->chain, 0, scan->buf, (size_t)range->length, range->virtual_offset, err);
    return vx_file_read_some(scan->disk->view, scan->buf, (size_t)range->length, range->file_offset, &got, err);
}

static vhdx_status is_zero(struct scan *scan, const struct range *range, bool *zero, vhdx_error *err)
{
    struct range piece = *range;
    *zero = true;
    for (uint64_t done = 0; done < range->length && *zero; done += piece.length) {
        piece.length = vx_min(done == 0 ? FIRST_PIECE : PIECE, range->length - done);
        piece.virtual_offset = range->virtual_offset + done;
        piece.file_offset = range->file_offset ? range->file_offset + done : 0;
        if (piece.file_offset && is_hole(scan, piece.file_offset, piece.length))
            continue;
        VX_TRY(read_range(scan, &piece, err));
        *zero = vx_is_zero(scan->buf, (size_t)piece.length);
    }
    return VHDX_OK;
}

/* How far what is used, or what is not, goes on from `at`. */
static uint64_t same_until(const struct vx_free_map *map, uint64_t at, uint64_t end)
{
    bool free = vx_free_map_has(map, at);
    if (!map->bits)
        return end;
    while (at < end && vx_free_map_has(map, at) == free)
        at = at - at % map->unit + map->unit;
    return vx_min(at, end);
}

/* *unused: some of it is free for the guest, and may hold anything. */
static vhdx_status needs_nothing(struct scan *scan, uint64_t block, uint64_t file_offset, bool *nothing, bool *unused,
                                 vhdx_error *err)
{
    const struct vx_geometry *geometry = &scan->disk->geometry;
    const struct vx_free_map *map = &scan->run->free;
    uint64_t begin = block * geometry->block_size;
    uint64_t end = begin + vx_min(geometry->block_size, geometry->virtual_size - begin);
    *nothing = true;
    *unused = false;
    for (uint64_t at = begin, next; at < end && *nothing; at = next) {
        next = same_until(map, at, end);
        struct range range = {at, next - at, file_offset ? file_offset + (at - begin) : 0};
        if (vx_free_map_has(map, at))
            *unused = true;
        else
            VX_TRY(is_zero(scan, &range, nothing, err));
    }
    return VHDX_OK;
}

static void mark(struct scan *scan, uint64_t bat_index)
{
    scan->run->drop[bat_index / 8] |= (uint8_t)(1u << (bat_index % 8));
}

/* Blocks that are not present, but own space all the same, are given up with it. */
static vhdx_status scan_payload(struct scan *scan, uint64_t bat_index, uint64_t block, const struct vx_bat_entry *entry,
                                vhdx_error *err)
{
    vhdx_compact_report *report = scan->run->report;
    bool partial = entry->state == VX_PAYLOAD_PARTIALLY_PRESENT, nothing = true, unused = false;
    if (!vx_bat_payload_owns_space(entry))
        return VHDX_OK;
    if (partial || entry->state == VX_PAYLOAD_FULLY_PRESENT)
        VX_TRY(needs_nothing(scan, block, partial ? 0 : entry->file_offset, &nothing, &unused, err));
    scan->scanned += scan->disk->geometry.block_size;
    if (!nothing) {
        scan->partial_left = scan->partial_left || partial;
        return VHDX_OK;
    }
    mark(scan, bat_index);
    *(unused ? &report->blocks_unused : &report->blocks_zero) += 1;
    scan->run->content_changes = scan->run->content_changes || unused;
    return VHDX_OK;
}

/* The bitmap's entry comes behind those of its chunk. */
static void scan_bitmap(struct scan *scan, uint64_t bat_index, const struct vx_bat_entry *entry)
{
    if (entry->state == VX_BITMAP_PRESENT && !scan->partial_left)
        mark(scan, bat_index);
    scan->partial_left = false;
}

static vhdx_status scan_all(struct scan *scan, vhdx_error *err)
{
    const struct vx_geometry *geometry = &scan->disk->geometry;
    for (uint64_t at = 0; at < geometry->entry_count; at++) {
        struct vx_bat_entry entry;
        uint64_t which;
        VX_TRY(vx_bat_window_next_set(&scan->bat, at, geometry->entry_count, &at, err));
        if (at == geometry->entry_count)
            break;
        VX_TRY(vx_bat_window_get(&scan->bat, at, &entry, err));
        if (!vx_geometry_is_payload(geometry, at, &which))
            scan_bitmap(scan, at, &entry);
        else if (which < geometry->payload_count)
            VX_TRY(scan_payload(scan, at, which, &entry, err));
        if (scan->scanned - scan->run->told >= TELL_BYTES) {
            vx_compact_tell(scan->run, VHDX_PHASE_PLAN, scan->scanned, scan->disk->info.file_size);
            if (scan->run->cancelled)
                return vx_fail(err, VHDX_CANCELLED, vx_at_file(scan->run->path), "the compaction was cancelled");
        }
    }
    return VHDX_OK;
}

vhdx_status vx_compact_scan(struct vx_compact_run *run, vhdx_error *err)
{
    struct scan scan = {.run = run, .disk = run->disk};
    run->drop = vx_alloc((size_t)vx_ceil_div(run->disk->geometry.entry_count, 8), 1);
    scan.buf = vx_alloc(PIECE, 1);
    if (!run->drop || !scan.buf) {
        vx_free(scan.buf);
        return vx_fail_memory(err, "the plan of a compaction");
    }
    vhdx_status status = vx_bat_window_open(run->disk, VX_BAT_WINDOW_LARGE, &scan.bat, err);
    if (status == VHDX_OK)
        status = scan_all(&scan, err);
    vx_bat_window_close(&scan.bat);
    vx_free(scan.buf);
    return status;
}
