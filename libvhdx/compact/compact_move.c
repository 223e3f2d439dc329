/*
 * Carrying out the plan: entries leave the BAT, then blocks move down, in the order of the file, a window at a time:
 * bytes to free places, flush, one commit of the entries. Easy to get wrong: the plan has counted holes below the new
 * end only, so no place behind it may be taken, and the places of the small objects are claimed before the first block
 * moves.
 */
/* SPDX-License-Identifier: MIT */
#include "compact/compact_run.h"

#include "base/alloc.h"
#include "image/bat_window.h"
#include "image/journal.h"
#include "image/payload.h"
#include "image/region_move.h"
#include "image/space.h"
#include "merge/copy.h"

#include <stdlib.h>

#define WINDOW_BYTES (64 * VX_MIB)
#define BATCH 131072u /* blocks of the file's end that are sorted at once: 2 MiB */

/* ---- what leaves ------------------------------------------------------------------------------------------------- */

static vhdx_status drop_entry(struct vx_compact_run *run, uint64_t bat_index, vhdx_error *err)
{
    struct vx_image *disk = run->disk;
    const struct vx_bat_entry gone = {.state = disk->geometry.has_parent ? VX_PAYLOAD_ZERO : VX_PAYLOAD_NOT_PRESENT};
    struct vx_bat_entry entry;
    uint64_t which;
    if (vx_journal_room(disk->journal) == 0)
        VX_TRY(vx_image_commit(disk, err));
    if (!vx_geometry_is_payload(&disk->geometry, bat_index, &which))
        return vx_payload_drop_bitmap(disk, which, err);
    VX_TRY(vx_payload_entry(disk, which, &entry, err));
    VX_TRY(vx_space_release(disk->space, entry.file_offset, disk->geometry.block_size, err));
    return vx_payload_set_entry(disk, which, &gone, err);
}

vhdx_status vx_compact_drop(struct vx_compact_run *run, vhdx_error *err)
{
    for (uint64_t at = 0; at < run->disk->geometry.entry_count; at++) {
        if (at % 8 == 0 && run->drop[at / 8] == 0)
            at += 7;
        else if (vx_compact_drops(run, at))
            VX_TRY(drop_entry(run, at, err));
    }
    return vx_image_commit(run->disk, err);
}

/* ---- payload blocks ---------------------------------------------------------------------------------------------- */

struct moving {
    uint64_t from, block;
};

struct mover {
    struct vx_compact_run *run;
    struct vx_image *disk;
    struct vx_copier copier;
    uint64_t file_size, next_hole, window_bytes;
    struct moving *batch;
    size_t count;
};

static int by_place(const void *a, const void *b)
{
    const struct moving *left = a, *right = b;
    return (left->from > right->from) - (left->from < right->from);
}

static vhdx_status tell_copied(void *context, uint64_t moved, vhdx_error *err)
{
    struct mover *mover = context;
    (void)err;
    if (moved - mover->run->told >= 4 * VX_MIB)
        vx_compact_tell(mover->run, VHDX_PHASE_COPY, moved, mover->run->report->bytes_to_move);
    return VHDX_OK;
}

/* Holes stay holes where the host likes them; what lies behind the end of the file is zeros. */
static vhdx_status add_jobs(struct mover *mover, uint64_t from, uint64_t to, uint64_t length, vhdx_error *err)
{
    struct vx_file *file = mover->disk->file;
    for (uint64_t at = 0; at < length;) {
        struct vx_copy_job job = {.target_offset = to + at, .source_offset = from + at};
        uint64_t data = UINT64_MAX, data_length = 0;
        if (from + at < mover->file_size)
            vx_file_next_data(file, from + at, &data, &data_length);
        if (data_length > 0 && data <= from + at) {
            job.source = file;
            job.length = vx_min(vx_min(data + data_length, mover->file_size) - (from + at), length - at);
        } else {
            job.length = data_length == 0 ? length - at : vx_min(data - (from + at), length - at);
        }
        VX_TRY(vx_copier_add(&mover->copier, &job, err));
        at += job.length;
    }
    return VHDX_OK;
}

static vhdx_status end_window(struct mover *mover, vhdx_error *err)
{
    VX_TRY(vx_copier_run(&mover->copier, err));
    return vx_image_commit(mover->disk, err);
}

static vhdx_status move_block(struct mover *mover, const struct moving *moving, vhdx_error *err)
{
    struct vx_image *disk = mover->disk;
    uint64_t size = disk->geometry.block_size, to;
    struct vx_bat_entry entry;
    if (mover->copier.load >= mover->window_bytes || vx_journal_room(disk->journal) == 0)
        VX_TRY(end_window(mover, err));
    if (mover->run->cancelled)
        return VHDX_OK;
    if (!vx_space_find(disk->space, mover->next_hole, mover->run->pack.end, size, &to))
        return vx_fail(err, VHDX_STATE, vx_at_file(mover->run->path), "no room is left for a block that was to move");
    mover->next_hole = to + size;
    vx_space_claim(disk->space, to, size);
    VX_TRY(add_jobs(mover, moving->from, to, size, err));
    VX_TRY(vx_payload_entry(disk, moving->block, &entry, err));
    entry.file_offset = to;
    VX_TRY(vx_space_release(disk->space, moving->from, size, err));
    return vx_payload_set_entry(disk, moving->block, &entry, err);
}

/* The payload blocks in [from, end) of the file. */
static vhdx_status gather(struct mover *mover, uint64_t from, uint64_t end, vhdx_error *err)
{
    struct vx_image *disk = mover->disk;
    struct vx_bat_window *bat = disk->bat_window;
    mover->count = 0;
    for (uint64_t at = 0; at < disk->geometry.entry_count; at++) {
        struct vx_bat_entry entry;
        uint64_t which;
        VX_TRY(vx_bat_window_next_set(bat, at, disk->geometry.entry_count, &at, err));
        if (at == disk->geometry.entry_count)
            break;
        VX_TRY(vx_bat_window_get(bat, at, &entry, err));
        if (vx_geometry_is_payload(&disk->geometry, at, &which) && which < disk->geometry.payload_count &&
            vx_bat_payload_owns_space(&entry) && entry.file_offset >= from && entry.file_offset < end &&
            mover->count < BATCH)
            mover->batch[mover->count++] = (struct moving){entry.file_offset, which};
    }
    if (mover->count > 1)
        qsort(mover->batch, mover->count, sizeof *mover->batch, by_place);
    return VHDX_OK;
}

/* No more than BATCH blocks have room in such a piece of the file. */
static vhdx_status move_payload(struct mover *mover, vhdx_error *err)
{
    uint64_t step = (uint64_t)BATCH * mover->disk->geometry.block_size;
    if (mover->run->pack.payload_count == 0)
        return VHDX_OK;
    for (uint64_t from = mover->run->pack.end; from < mover->file_size && !mover->run->cancelled; from += step) {
        VX_TRY(gather(mover, from, from + step, err));
        for (size_t i = 0; i < mover->count && !mover->run->cancelled; i++)
            VX_TRY(move_block(mover, &mover->batch[i], err));
        VX_TRY(end_window(mover, err));
    }
    return VHDX_OK;
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static bool moves(const struct vx_object *object)
{
    return object->to != object->from;
}

static vhdx_status move_bitmaps(struct mover *mover, vhdx_error *err)
{
    const struct vx_pack *pack = &mover->run->pack;
    for (size_t i = 0; i < pack->count; i++) {
        const struct vx_object *object = &pack->objects[i];
        if (object->kind != VX_OBJECT_BITMAP || !moves(object))
            continue;
        if (mover->copier.load >= mover->window_bytes || vx_journal_room(mover->disk->journal) == 0)
            VX_TRY(end_window(mover, err));
        VX_TRY(add_jobs(mover, object->from, object->to, object->length, err));
        VX_TRY(vx_payload_place_bitmap(mover->disk, object->index, object->to, err));
    }
    return end_window(mover, err);
}

static vhdx_status move_regions(struct mover *mover, vhdx_error *err)
{
    const struct vx_pack *pack = &mover->run->pack;
    for (size_t i = 0; i < pack->count; i++)
        if (pack->objects[i].kind == VX_OBJECT_REGION && moves(&pack->objects[i]))
            VX_TRY(vx_region_move(mover->disk, pack->objects[i].from, pack->objects[i].to, err));
    return VHDX_OK;
}

static vhdx_status move_all(struct mover *mover, vhdx_error *err)
{
    const struct vx_pack *pack = &mover->run->pack;
    for (size_t i = 0; i < pack->count; i++)
        if (moves(&pack->objects[i]))
            vx_space_claim(mover->disk->space, pack->objects[i].to, pack->objects[i].length);
    VX_TRY(move_payload(mover, err));
    if (mover->run->cancelled)
        return VHDX_OK;
    VX_TRY(move_bitmaps(mover, err));
    return move_regions(mover, err);
}

vhdx_status vx_compact_move(struct vx_compact_run *run, vhdx_error *err)
{
    struct mover mover = {.run = run, .disk = run->disk};
    mover.window_bytes = run->options->window_bytes ? run->options->window_bytes : WINDOW_BYTES;
    VX_TRY(vx_file_size(run->disk->file, &mover.file_size, err));
    VX_TRY(vx_copier_open(&mover.copier, run->disk->file, err));
    mover.copier.tell = tell_copied;
    mover.copier.tell_context = &mover;
    mover.batch = vx_alloc(BATCH, sizeof *mover.batch);
    run->told = 0;
    vhdx_status status = mover.batch ? move_all(&mover, err) : vx_fail_memory(err, "the blocks that move");
    run->report->bytes_moved = vx_copier_moved(&mover.copier);
    run->report->bytes_shared = mover.copier.shared;
    vx_free(mover.batch);
    vx_copier_close(&mover.copier);
    return status;
}
