/*
 * Bits that the log has and home has not. See old_bits.h.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/old_bits.h"

#include "format/bat.h"
#include "format/bitmap.h"

#define SECTORS_OF_PAGE (UINT64_C(8) * VX_PAGE)

struct search {
    const struct vx_bat_source *source;
    struct vx_log_witnesses *log;
    vx_old_bits_fn *visit;
    void *context;
};

static vhdx_status entry_at(const struct vx_bat_source *source, uint64_t bat_index, struct vx_bat_entry *entry,
                            vhdx_error *err)
{
    uint8_t raw[VX_BAT_ENTRY_SIZE] = {0};
    size_t got;
    VX_TRY(vx_file_read_some(source->file, raw, sizeof raw, source->offset + bat_index * VX_BAT_ENTRY_SIZE, &got, err));
    *entry = vx_bat_entry_decode(vx_get64(raw));
    return VHDX_OK;
}

static vhdx_status name_blocks(const struct search *s, uint64_t first, uint64_t last, vhdx_error *err)
{
    const struct vx_geometry *geometry = s->source->geometry;
    for (uint64_t block = first; block <= last && block < geometry->payload_count; block++) {
        struct vx_bat_entry entry;
        VX_TRY(entry_at(s->source, vx_geometry_payload_index(geometry, block), &entry, err));
        if (entry.state == VX_PAYLOAD_PARTIALLY_PRESENT)
            VX_TRY(s->visit(s->context, block, err));
    }
    return VHDX_OK;
}

static vhdx_status compare_page(const struct search *s, uint64_t chunk, uint64_t page,
                                const struct vx_log_witness *witness, vhdx_error *err)
{
    const struct vx_geometry *geometry = s->source->geometry;
    uint8_t home[VX_PAGE] = {0}, logged[VX_PAGE];
    uint64_t first = UINT64_MAX, last = 0, base = chunk * geometry->chunk_ratio, sector = page * SECTORS_OF_PAGE;
    size_t got;
    VX_TRY(vx_log_witness_page(s->log, witness, logged, err));
    VX_TRY(vx_file_read_some(s->source->file, home, sizeof home, witness->target, &got, err));
    for (uint64_t i = 0; i < VX_PAGE; i++) {
        if (!(logged[i] & ~home[i]))
            continue;
        first = vx_min(first, i);
        last = i;
    }
    if (first == UINT64_MAX)
        return VHDX_OK;
    return name_blocks(s, base + (sector + first * 8) / geometry->sectors_per_block,
                       base + (sector + last * 8 + 7) / geometry->sectors_per_block, err);
}

static vhdx_status compare_bitmap(const struct search *s, uint64_t chunk, uint64_t place, vhdx_error *err)
{
    for (uint64_t page = 0; page < VX_BITMAP_BLOCK_SIZE / VX_PAGE; page++) {
        const struct vx_log_witness *witness = vx_log_witness_find(s->log, place + page * VX_PAGE);
        if (witness && witness->rank <= 1)
            VX_TRY(compare_page(s, chunk, page, witness, err));
    }
    return VHDX_OK;
}

vhdx_status vx_old_bits_find(const struct vx_bat_source *source, struct vx_log_witnesses *log, vx_old_bits_fn *visit,
                             void *context, vhdx_error *err)
{
    const struct search search = {source, log, visit, context};
    const struct vx_geometry *geometry = source->geometry;
    for (uint64_t chunk = 0; log->count > 0 && chunk < geometry->chunk_count; chunk++) {
        struct vx_bat_entry entry;
        VX_TRY(entry_at(source, vx_geometry_bitmap_index(geometry, chunk), &entry, err));
        if (entry.state == VX_BITMAP_PRESENT && entry.file_offset >= VX_HEADER_SECTION_SIZE &&
            entry.file_offset < source->file_size)
            VX_TRY(compare_bitmap(&search, chunk, entry.file_offset, err));
    }
    return VHDX_OK;
}
