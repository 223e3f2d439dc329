/*
 * Runs of a VHD. See vhd_runs.h. No place can wrap around: a table has 32 bits for a sector, so blocks begin below
 * 2 TiB.
 */
/* SPDX-License-Identifier: MIT */
#include "vhd/vhd_runs.h"

#include "base/alloc.h"
#include "base/checked.h"

#define BITS_WINDOW 4096u

vhdx_status vx_vhd_runs_open(const struct vx_vhd *vhd, uint32_t window, struct vx_vhd_runs *runs, vhdx_error *err)
{
    *runs = (struct vx_vhd_runs){.vhd = vhd, .window = window / VX_VHD_ENTRY_SIZE};
    runs->table = vx_alloc(window, 1);
    runs->bits = vx_alloc(BITS_WINDOW, 1);
    if (runs->table && runs->bits)
        return VHDX_OK;
    vx_vhd_runs_close(runs);
    return vx_fail_memory(err, "a window of the table of a VHD");
}

void vx_vhd_runs_close(struct vx_vhd_runs *runs)
{
    vx_free(runs->table);
    vx_free(runs->bits);
    runs->table = runs->bits = NULL;
}

vhdx_status vx_vhd_entry(struct vx_vhd_runs *runs, uint64_t block, uint32_t *sector, vhdx_error *err)
{
    if (block < runs->first || block - runs->first >= runs->count) {
        uint64_t first = block - block % runs->window;
        uint32_t count = (uint32_t)vx_min(runs->window, runs->vhd->entry_count - first);
        runs->count = 0;
        VX_TRY(vx_file_read(runs->vhd->file, runs->table, (size_t)count * VX_VHD_ENTRY_SIZE,
                            runs->vhd->header.table_offset + first * VX_VHD_ENTRY_SIZE, err));
        runs->first = first;
        runs->count = count;
    }
    *sector = vx_get32_be(runs->table + (block - runs->first) * VX_VHD_ENTRY_SIZE);
    return VHDX_OK;
}

/* Sectors of the block at `block_offset`, from `first` on, that share one bit; looks at one window only. */
static vhdx_status bit_run(struct vx_vhd_runs *runs, uint64_t block_offset, uint32_t first, uint32_t limit,
                           uint32_t *count, bool *here, vhdx_error *err)
{
    uint32_t size = vx_vhd_bitmap_size(runs->vhd->header.block_size);
    uint32_t window = first / 8 / BITS_WINDOW * BITS_WINDOW;
    if (runs->bits_length == 0 || runs->bits_offset != block_offset + window) {
        runs->bits_length = 0;
        VX_TRY(vx_file_read(runs->vhd->file, runs->bits, (size_t)vx_min(BITS_WINDOW, size - window),
                            block_offset + window, err));
        runs->bits_offset = block_offset + window;
        runs->bits_length = (uint32_t)vx_min(BITS_WINDOW, size - window);
    }
    first -= window * 8;
    *count = vx_vhd_bitmap_run(runs->bits, first, (uint32_t)vx_min(limit, runs->bits_length * 8 - first), here);
    return VHDX_OK;
}

static vhdx_status partial_run(struct vx_vhd_runs *runs, uint64_t block_offset, uint32_t in_block, struct vx_run *run,
                               vhdx_error *err)
{
    uint32_t first = in_block / VX_VHD_SECTOR, count;
    uint32_t limit = (uint32_t)vx_ceil_div(in_block + run->length, VX_VHD_SECTOR) - first;
    bool here;
    VX_TRY(bit_run(runs, block_offset, first, limit, &count, &here, err));
    run->length = vx_min(run->length, ((uint64_t)first + count) * VX_VHD_SECTOR - in_block);
    if (!here)
        run->kind = VX_RUN_TRANSPARENT;
    return VHDX_OK;
}

static vhdx_status block_run(struct vx_vhd_runs *runs, uint64_t virtual_offset, uint64_t limit, struct vx_run *run,
                             vhdx_error *err)
{
    uint32_t block_size = runs->vhd->header.block_size, sector;
    uint32_t in_block = (uint32_t)(virtual_offset % block_size);
    *run = (struct vx_run){.virtual_offset = virtual_offset, .length = vx_min(limit, block_size - in_block)};
    VX_TRY(vx_vhd_entry(runs, virtual_offset / block_size, &sector, err));
    if (sector == VX_VHD_NO_BLOCK)
        return VHDX_OK;
    uint64_t block_offset = (uint64_t)sector * VX_VHD_SECTOR;
    run->kind = VX_RUN_DATA;
    if (vx_vhd_has_parent(runs->vhd))
        VX_TRY(partial_run(runs, block_offset, in_block, run, err));
    if (run->kind == VX_RUN_DATA)
        run->file_offset = block_offset + vx_vhd_bitmap_size(block_size) + in_block;
    return VHDX_OK;
}

/* Only what says nothing can be joined: between two blocks lies the bitmap of the second. */
vhdx_status vx_vhd_run_at(struct vx_vhd_runs *runs, uint64_t virtual_offset, uint64_t limit, struct vx_run *run,
                          vhdx_error *err)
{
    VX_TRY(block_run(runs, virtual_offset, limit, run, err));
    while (run->length < limit) {
        struct vx_run next;
        uint64_t at = virtual_offset + run->length;
        if (block_run(runs, at, limit - run->length, &next, NULL) != VHDX_OK || next.kind != run->kind ||
            (run->kind == VX_RUN_DATA && next.file_offset != run->file_offset + run->length))
            break;
        run->length += next.length;
    }
    return VHDX_OK;
}
