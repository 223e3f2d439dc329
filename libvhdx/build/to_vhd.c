/*
 * A VHD, fixed or dynamic. See target.h.
 *
 *      dynamic: copy of the footer | header | table | (bitmap | block)... | footer
 *      fixed:   the disk | footer
 *
 * So that all programs see one size: the creator is Hyper-V's, "win ", because QEMU takes the footer's current size
 * only of programs that it knows and the geometry of all others, and a geometry hardly ever says the whole size. A
 * block's data begins at a multiple of 4096, for hosts that share extents and disks with such sectors.
 */
/* SPDX-License-Identifier: MIT */
#include "build/target.h"

#include "base/alloc.h"
#include "format/vhd.h"

#include <string.h>

#define TABLE_OFFSET ((uint64_t)VX_VHD_FOOTER_SIZE + VX_VHD_HEADER_SIZE)
#define WINDOW 65536u /* bytes of the table */
#define DATA_UNIT VX_PAGE
#define NO_BLOCK UINT64_MAX
#define EPOCH INT64_C(946684800) /* 2000, in seconds since 1970 */

struct to_vhd {
    struct vx_target target;
    uint64_t entry_count; /* that the table has */
    uint64_t next;        /* where the file ends */
    uint8_t *table;       /* a window, from entry `first` on */
    uint64_t first;
    bool changed;
    uint64_t block, block_data; /* the block that was placed last, and where its data begin */
    uint8_t *bitmap;            /* all ones */
};

static uint64_t table_size(uint64_t entry_count)
{
    return vx_ceil_div(entry_count * VX_VHD_ENTRY_SIZE, VX_VHD_SECTOR) * VX_VHD_SECTOR;
}

/* ---- the table ---- */

static vhdx_status flush_table(struct to_vhd *to, vhdx_error *err)
{
    uint64_t at = to->first * VX_VHD_ENTRY_SIZE;
    if (!to->changed)
        return VHDX_OK;
    to->changed = false;
    return vx_file_write(to->target.file, to->table, (size_t)vx_min(WINDOW, table_size(to->entry_count) - at),
                         TABLE_OFFSET + at, err);
}

static vhdx_status put_entry(struct to_vhd *to, uint64_t block, uint32_t sector, vhdx_error *err)
{
    const uint64_t held = WINDOW / VX_VHD_ENTRY_SIZE;
    if (block - block % held != to->first) {
        VX_TRY(flush_table(to, err));
        to->first = block - block % held;
        memset(to->table, 0xFF, WINDOW);
    }
    uint8_t *entry = to->table + (block - to->first) * VX_VHD_ENTRY_SIZE;
    for (size_t i = 0; i < VX_VHD_ENTRY_SIZE; i++)
        entry[i] = (uint8_t)(sector >> (24 - 8 * i));
    to->changed = true;
    return VHDX_OK;
}

/* No block is there yet. */
static vhdx_status begin_table(struct to_vhd *to, vhdx_error *err)
{
    uint64_t size = table_size(to->entry_count);
    memset(to->table, 0xFF, WINDOW);
    for (uint64_t at = 0; at < size; at += WINDOW)
        VX_TRY(vx_file_write(to->target.file, to->table, (size_t)vx_min(WINDOW, size - at), TABLE_OFFSET + at, err));
    to->next = TABLE_OFFSET + size;
    return VHDX_OK;
}

/* ---- blocks ---- */

static vhdx_status add_block(struct to_vhd *to, uint64_t block, vhdx_error *err)
{
    uint32_t block_size = to->target.spec->create.block_size, bits = vx_vhd_bitmap_size(block_size);
    uint64_t data;
    if (!vx_round_up(to->next + bits, DATA_UNIT, &data) || (data - bits) / VX_VHD_SECTOR >= VX_VHD_NO_BLOCK)
        return vx_fail(err, VHDX_LIMIT, vx_at_file(to->target.spec->path), "a dynamic VHD has no room for the disk");
    VX_TRY(vx_file_write(to->target.file, to->bitmap, bits, data - bits, err));
    VX_TRY(put_entry(to, block, (uint32_t)((data - bits) / VX_VHD_SECTOR), err));
    to->block = block;
    to->block_data = data;
    to->next = data + block_size;
    return VHDX_OK;
}

static vhdx_status vhd_place(struct vx_target *target, uint64_t virtual_offset, uint64_t length, uint64_t *file_offset,
                             uint64_t *together, vhdx_error *err)
{
    struct to_vhd *to = (struct to_vhd *)target;
    uint32_t block_size = target->spec->create.block_size;
    *file_offset = virtual_offset;
    *together = length;
    if (target->spec->fixed)
        return VHDX_OK;
    uint32_t in_block = (uint32_t)(virtual_offset % block_size);
    if (to->block != virtual_offset / block_size)
        VX_TRY(add_block(to, virtual_offset / block_size, err));
    *file_offset = to->block_data + in_block;
    *together = vx_min(length, block_size - in_block);
    return VHDX_OK;
}

static vhdx_status vhd_zeros(struct vx_target *target, uint64_t virtual_offset, uint64_t length, vhdx_error *err)
{
    (void)target;
    (void)virtual_offset;
    (void)length;
    (void)err;
    return VHDX_OK;
}

/* ---- the end ---- */

static void make_footer(const struct to_vhd *to, uint64_t virtual_size, uint8_t bytes[VX_VHD_FOOTER_SIZE])
{
    const struct vx_build_spec *spec = to->target.spec;
    int64_t now = vx_file_facts(to->target.file)->modified; /* it is new */
    struct vx_vhd_footer footer = {.features = 2,           /* a bit that is always set */
                                   .version = 0x00010000,
                                   .data_offset = spec->fixed ? UINT64_MAX : VX_VHD_FOOTER_SIZE,
                                   .time = now > EPOCH ? (uint32_t)(now - EPOCH) : 0,
                                   .creator = {'w', 'i', 'n', ' '},
                                   .creator_version = 0x000A0000,
                                   .creator_host = {'W', 'i', '2', 'k'},
                                   .original_size = virtual_size,
                                   .current_size = virtual_size,
                                   .type = spec->fixed ? VX_VHD_FIXED : VX_VHD_DYNAMIC,
                                   .id = spec->create.data_write_guid};
    vx_vhd_geometry(virtual_size, &footer);
    vx_vhd_footer_encode(&footer, bytes);
}

static vhdx_status end_dynamic(struct to_vhd *to, uint64_t virtual_size, const uint8_t footer[VX_VHD_FOOTER_SIZE],
                               vhdx_error *err)
{
    uint8_t bytes[VX_VHD_HEADER_SIZE];
    uint32_t block_size = to->target.spec->create.block_size;
    const struct vx_vhd_header header = {.table_offset = TABLE_OFFSET,
                                         .version = 0x00010000,
                                         .entry_count = (uint32_t)vx_ceil_div(virtual_size, block_size),
                                         .block_size = block_size};
    VX_TRY(flush_table(to, err));
    vx_vhd_header_encode(&header, bytes);
    VX_TRY(vx_file_write(to->target.file, bytes, sizeof bytes, VX_VHD_FOOTER_SIZE, err));
    return vx_file_write(to->target.file, footer, VX_VHD_FOOTER_SIZE, 0, err);
}

static vhdx_status vhd_finish(struct vx_target *target, uint64_t virtual_size, vhdx_error *err)
{
    struct to_vhd *to = (struct to_vhd *)target;
    uint8_t footer[VX_VHD_FOOTER_SIZE];
    uint64_t end = target->spec->fixed ? virtual_size : to->next;
    make_footer(to, virtual_size, footer);
    VX_TRY(vx_file_grow(target->file, end, err));
    if (!target->spec->fixed)
        VX_TRY(end_dynamic(to, virtual_size, footer, err));
    VX_TRY(vx_file_write(target->file, footer, sizeof footer, end, err));
    VX_TRY(vx_file_flush(target->file, err));
    vx_file_close(target->file);
    target->file = NULL;
    return VHDX_OK;
}

static void vhd_close(struct vx_target *target)
{
    struct to_vhd *to = (struct to_vhd *)target;
    vx_file_close(target->file);
    vx_free(to->table);
    vx_free(to->bitmap);
    vx_free(to);
}

static const struct vx_target_ops vhd_ops = {vhd_place, vhd_zeros, vhd_zeros, vhd_finish, vhd_close};

static vhdx_status begin(struct to_vhd *to, const char *unfinished, vhdx_error *err)
{
    const struct vx_build_spec *spec = to->target.spec;
    uint32_t bits = vx_vhd_bitmap_size(spec->create.block_size);
    to->table = vx_alloc(WINDOW, 1);
    to->bitmap = vx_alloc(bits, 1);
    if (!to->table || !to->bitmap)
        return vx_fail_memory(err, "a new disk");
    memset(to->bitmap, 0xFF, bits);
    to->entry_count = vx_ceil_div(spec->room, spec->create.block_size);
    VX_TRY(vx_file_open(spec->host, unfinished, VHDX_OPEN_REPLACE, &to->target.file, err));
    return spec->fixed ? VHDX_OK : begin_table(to, err);
}

vhdx_status vx_target_vhd(const struct vx_build_spec *spec, const char *unfinished, struct vx_target **target,
                          vhdx_error *err)
{
    struct to_vhd *to = vx_alloc(1, sizeof *to);
    if (!to)
        return vx_fail_memory(err, "a new disk");
    to->target = (struct vx_target){.ops = &vhd_ops, .spec = spec};
    to->block = NO_BLOCK;
    vhdx_status status = begin(to, unfinished, err);
    if (status == VHDX_OK)
        *target = &to->target;
    else
        vhd_close(&to->target);
    return status;
}
