/*
 * Damaged VHDs. See faults_vhd.h.
 */
/* SPDX-License-Identifier: MIT */
#include "faults_vhd.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "vhd.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK ((uint32_t)(512 * VX_KIB))
#define HEADER 512u
#define TABLE 1536u

static void put_be32(uint8_t *p, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The footer and, of a dynamic disk, its copy. */
static void change_footers(uint8_t *bytes, size_t size, size_t at, uint8_t value)
{
    uint8_t *footers[] = {bytes + size - 512, bytes};
    for (size_t i = 0; i < 2; i++) {
        if (memcmp(footers[i], "conectix", 8) != 0)
            continue;
        footers[i][at] = value;
        vhd_sum(footers[i], 512, 64);
    }
}

static void change_entry(uint8_t *bytes, unsigned block, uint32_t sector)
{
    put_be32(bytes + TABLE + 4 * block, sector);
}

static uint32_t entry(const uint8_t *bytes, unsigned block)
{
    return vx_get32_be(bytes + TABLE + 4 * block);
}

static size_t both_footers(uint8_t *bytes, size_t size)
{
    bytes[60] ^= 1;
    bytes[size - 512 + 60] ^= 1;
    return size;
}

static size_t no_header(uint8_t *bytes, size_t size)
{
    memset(bytes + HEADER, 0, 8);
    return size;
}

static size_t header_sum(uint8_t *bytes, size_t size)
{
    bytes[HEADER + 700] ^= 1;
    return size;
}

static size_t short_table(uint8_t *bytes, size_t size)
{
    put_be32(bytes + HEADER + 28, 3);
    vhd_sum(bytes + HEADER, 1024, 36);
    return size;
}

static size_t no_footer(uint8_t *bytes, size_t size)
{
    (void)bytes;
    return size - 512;
}

static size_t damaged_footer(uint8_t *bytes, size_t size)
{
    bytes[size - 100] = 1;
    return size;
}

static size_t damaged_copy(uint8_t *bytes, size_t size)
{
    bytes[400] = 1;
    return size;
}

static size_t other_copy(uint8_t *bytes, size_t size)
{
    bytes[27] ^= 1; /* another time */
    vhd_sum(bytes, 512, 64);
    return size;
}

static size_t old_footer(uint8_t *bytes, size_t size)
{
    (void)bytes;
    return size - 1;
}

static size_t odd_size(uint8_t *bytes, size_t size)
{
    change_footers(bytes, size, 55, 0xFF);
    change_footers(bytes, size, 54, 0xFF);
    change_footers(bytes, size, 53, 0x1F);
    return size;
}

static size_t other_creator(uint8_t *bytes, size_t size)
{
    change_footers(bytes, size, 28, 'x');
    return size;
}

static size_t saved_state(uint8_t *bytes, size_t size)
{
    change_footers(bytes, size, 84, 1);
    return size;
}

static size_t beyond_end(uint8_t *bytes, size_t size)
{
    change_entry(bytes, 2, 0x01000000);
    return size;
}

static size_t among_structures(uint8_t *bytes, size_t size)
{
    change_entry(bytes, 1, 1);
    return size;
}

static size_t overlap(uint8_t *bytes, size_t size)
{
    change_entry(bytes, 3, entry(bytes, 0) + 1);
    return size;
}

static size_t same_place(uint8_t *bytes, size_t size)
{
    change_entry(bytes, 3, entry(bytes, 2));
    return size;
}

static size_t clear_bit(uint8_t *bytes, size_t size)
{
    bytes[entry(bytes, 1) * 512u + 5] = 0xFE;
    return size;
}

static size_t child(uint8_t *bytes, size_t size)
{
    change_footers(bytes, size, 63, 4);
    memset(bytes + HEADER + 40, 0x77, 16);
    bytes[HEADER + 64 + 1] = 'x';
    vhd_sum(bytes + HEADER, 1024, 36);
    return size;
}

static const struct fault_vhd faults[] = {
    {VX_FIND_VHD_UNUSABLE, "both footers are damaged", both_footers, false, 0, 0},
    {VX_FIND_VHD_UNUSABLE, "there is no header", no_header, false, 0, 0},
    {VX_FIND_VHD_UNUSABLE, "the header is damaged", header_sum, false, 0, 0},
    {VX_FIND_VHD_UNUSABLE, "the table is too short", short_table, false, 0, 0},
    {VX_FIND_VHD_FOOTER_LOST, "the footer is gone", no_footer, false, 0, 0},
    {VX_FIND_VHD_FOOTER_LOST, "the footer is damaged", damaged_footer, false, 0, 0},
    {VX_FIND_VHD_COPY, "the copy is damaged", damaged_copy, false, 0, 0},
    {VX_FIND_VHD_COPY, "the copy is another", other_copy, false, 0, 0},
    {VX_FIND_VHD_FOOTER_OLD, "511 bytes", old_footer, true, 0, 0},
    {VX_FIND_VHD_SIZE_UNALIGNED, "a byte is missing", odd_size, false, 0, 0},
    {VX_FIND_VHD_GEOMETRY, "made by somebody", other_creator, false, 0, 0},
    {VX_FIND_VHD_SAVED_STATE, "a saved machine", saved_state, true, 0, 0},
    {VX_FIND_VHD_BLOCK_BEYOND_END, "far away", beyond_end, false, 2 * BLOCK, BLOCK},
    {VX_FIND_VHD_BLOCK_LOW, "in the header", among_structures, false, BLOCK, BLOCK},
    {VX_FIND_VHD_BLOCK_OVERLAP, "by all but a sector", overlap, false, 3 * BLOCK, BLOCK},
    {VX_FIND_VHD_BLOCK_OVERLAP, "at one place", same_place, false, 3 * BLOCK, BLOCK},
    {VX_FIND_VHD_BITS_CLEAR, "one bit", clear_bit, false, 0, 0},
    {VX_FIND_VHD_CHAIN, "no parent", child, false, 0, 0},
};

size_t fault_vhd_count(void)
{
    return sizeof faults / sizeof faults[0];
}

const struct fault_vhd *fault_vhd_at(size_t row)
{
    return &faults[row];
}

static vhdx_status yield(void *context, vhdx_piece *piece, vhdx_error *err)
{
    static uint8_t bytes[4 * BLOCK];
    bool *done = context;
    (void)err;
    memset(bytes, 0xA5, sizeof bytes);
    if (!*done)
        *piece = (vhdx_piece){VHDX_PIECE_DATA, sizeof bytes, bytes};
    *done = true;
    return VHDX_OK;
}

/* All of the file at once, through the host. */
static uint8_t *take_file(vhdx_io *io, uint64_t *size)
{
    vhdx_error err;
    if (io->ops->size(io->file, size, &err) != VHDX_OK)
        abort();
    uint8_t *bytes = malloc(*size);
    if (!bytes || io->ops->read(io->file, bytes, *size, 0, &err) != VHDX_OK)
        abort();
    return bytes;
}

void fault_vhd_make(const struct fault_vhd *fault, const vhdx_host *host)
{
    const vhdx_build_options options = {.struct_size = sizeof options,
                                        .host = host,
                                        .format = VHDX_FORMAT_VHD,
                                        .fixed = fault && fault->fixed,
                                        .block_size = BLOCK,
                                        .overwrite = true};
    bool done = false;
    uint64_t size;
    vhdx_io io;
    if (vhdx_build(FAULT_VHD_PATH, &options, yield, &done, NULL, NULL) != VHDX_OK ||
        host->open(host->context, FAULT_VHD_PATH, VHDX_OPEN_WRITE, &io, NULL) != VHDX_OK)
        abort();
    uint8_t *bytes = take_file(&io, &size);
    if (fault)
        size = fault->damage(bytes, size);
    if (io.ops->write(io.file, bytes, size, 0, NULL) != VHDX_OK || io.ops->set_size(io.file, size, NULL) != VHDX_OK)
        abort();
    io.ops->close(io.file);
    free(bytes);
}
