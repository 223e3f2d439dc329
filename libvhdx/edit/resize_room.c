/*
 * What a resize takes of the file and of the volume, before it is done. See resize_run.h. Easy to get wrong: space is
 * taken here in the order in which the work takes it, or it would lie elsewhere, and the file end elsewhere.
 */
/* SPDX-License-Identifier: MIT */
#include "edit/resize_run.h"

#include "base/size_text.h"
#include "edit/sectors.h"
#include "edit/shrink.h"
#include "image/space.h"

#define BLOCKS_WRITTEN (2u * VX_TABLE_WRITES)

/* The blocks that the table's sectors lie in, each once. */
struct placed {
    struct vx_space *space;
    uint64_t blocks[BLOCKS_WRITTEN + 1], chunks[BLOCKS_WRITTEN + 1];
    size_t block_count, chunk_count;
};

static bool holds(const uint64_t *numbers, size_t count, uint64_t number)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static vhdx_status take(struct vx_space *space, uint64_t length, vhdx_error *err)
{
    uint64_t offset;
    bool fresh;
    return vx_space_take(space, length, &offset, &fresh, err);
}

static vhdx_status place(struct vx_resize_run *run, struct placed *placed, uint64_t number,
                         const struct vx_sectors_need *need, vhdx_error *err)
{
    uint64_t chunk = number / run->geometry.chunk_ratio;
    placed->blocks[placed->block_count++] = number;
    VX_TRY(take(placed->space, run->geometry.block_size, err));
    if (!need->bitmap || holds(placed->chunks, placed->chunk_count, chunk))
        return VHDX_OK;
    placed->chunks[placed->chunk_count++] = chunk;
    return take(placed->space, VX_BITMAP_BLOCK_SIZE, err);
}

/* What writing into a block takes: one behind the former end is as growing has left it. */
static vhdx_status place_written(struct vx_resize_run *run, struct placed *placed, uint64_t number, vhdx_error *err)
{
    const struct vx_geometry *old = &run->image->geometry;
    struct vx_sectors_need need = {.no_bitmap = true};
    uint64_t known = vx_min(number, old->payload_count - 1);
    if (holds(placed->blocks, placed->block_count, number))
        return VHDX_OK;
    if (known / old->chunk_ratio == number / old->chunk_ratio)
        VX_TRY(vx_sectors_look(run->image, known, &need, err));
    if (number >= old->payload_count) {
        need.block = !vx_image_is_fixed(run->image);
        need.bitmap = old->has_parent && number * old->block_size >= run->hidden_end && need.no_bitmap;
    }
    return need.block ? place(run, placed, number, &need, err) : VHDX_OK;
}

static vhdx_status place_table(struct vx_resize_run *run, struct placed *placed, vhdx_error *err)
{
    uint64_t block_size = run->geometry.block_size;
    for (size_t i = 0; i < run->table->count; i++) {
        const struct vx_table_write *write = &run->table->writes[i];
        uint64_t last = (write->virtual_offset + write->length - 1) / block_size;
        for (uint64_t number = write->virtual_offset / block_size; number <= last; number++)
            VX_TRY(place_written(run, placed, number, err));
    }
    return VHDX_OK;
}

static vhdx_status place_growth(struct vx_resize_run *run, struct placed *placed, vhdx_error *err)
{
    struct vx_image *image = run->image;
    const struct vx_geometry *old = &image->geometry;
    struct vx_sectors_need need;
    if (run->geometry.entry_count * VX_BAT_ENTRY_SIZE > image->bat.length) {
        VX_TRY(take(placed->space, vx_geometry_bat_region_length(&run->geometry), err));
        VX_TRY(vx_space_release(placed->space, image->bat.file_offset, image->bat.length, err));
        vx_space_committed(placed->space);
    }
    for (uint64_t i = old->payload_count; vx_image_is_fixed(image) && i < run->geometry.payload_count; i++)
        VX_TRY(take(placed->space, old->block_size, err));
    /* Of the blocks without data only one that is transparent gets a place: the others read as zeros already. */
    if (run->old_size % old->block_size == 0 || run->old_size >= run->hidden_end)
        return VHDX_OK;
    VX_TRY(vx_sectors_look(image, old->payload_count - 1, &need, err));
    return need.transparent ? place(run, placed, old->payload_count - 1, &need, err) : VHDX_OK;
}

static vhdx_status estimate(struct vx_resize_run *run, struct vx_space *space, vhdx_error *err)
{
    vhdx_resize_report *report = run->report;
    struct placed placed = {.space = space};
    if (run->size > run->old_size)
        VX_TRY(place_growth(run, &placed, err));
    VX_TRY(place_table(run, &placed, err));
    if (vx_space_taken(space) > 0 || run->size > run->old_size)
        report->file_size_after = vx_max(report->file_size_after, vx_space_end(space));
    if (run->size >= run->old_size)
        return VHDX_OK;
    VX_TRY(vx_shrink_release(run->image, space, &run->image->geometry, &run->geometry, err));
    report->file_size_after = vx_min(report->file_size_after, vx_space_end(space));
    return VHDX_OK;
}

vhdx_status vx_resize_estimate(struct vx_resize_run *run, vhdx_error *err)
{
    struct vx_space *space;
    VX_TRY(vx_space_open(run->image, &space, err));
    vhdx_status status = estimate(run, space, err);
    vx_space_close(space);
    return status;
}

vhdx_status vx_resize_check_room(const struct vx_resize_run *run, vhdx_error *err)
{
    const vhdx_host *host = run->image->host;
    const char *path = vx_image_path(run->image);
    vhdx_space space = {UINT64_MAX, UINT64_MAX};
    char wanted[VX_SIZE_TEXT], there[VX_SIZE_TEXT];
    uint64_t after = run->report->file_size_after, before = run->report->file_size_before;
    bool whole = (vx_file_facts(run->image->file)->attributes & VHDX_FILE_SPARSE_HARMS) != 0;
    if (after <= before || host->space(host->context, path, &space, NULL) != VHDX_OK)
        return VHDX_OK;
    if (after > space.max_file_size)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(path), "the file would have %s, and its file system allows %s",
                       vx_size_text(after, wanted), vx_size_text(space.max_file_size, there));
    /* Elsewhere what is gained is holes, and only tables are written: a few MiB, and the BAT where it moves. */
    uint64_t needed = whole ? after - before : vx_min(after - before, 4 * VX_MIB);
    if (needed <= space.free_bytes)
        return VHDX_OK;
    vx_fail(err, VHDX_NO_SPACE, vx_at_file(path), "%s of free space are needed; the volume has %s",
            vx_size_text(needed, wanted), vx_size_text(space.free_bytes, there));
    return vx_advise_as(err, VHDX_NO_SPACE, VHDX_ADVICE_FREE_SPACE,
                        "free space on the volume, then run the command again");
}
