/*
 * Sector bitmaps of a differencing disk, MS-VHDX 2.5.1.2 and 2.5.2: whether each chunk that needs one has it, and what
 * its bits say. Chunk by chunk, so that memory does not grow with the disk. The one thing that is easy to get wrong:
 * only blocks in state 7 ask the bitmap; bits of all others mean nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "evidence/absent.h"
#include "evidence/old_bits.h"

#include "base/alloc.h"
#include "format/bat.h"
#include "format/bitmap.h"
#include "format/bat_page.h"
#include "image/claims.h"

/* One chunk: its entries, and its bits when they can be had. */
struct chunk {
    struct vx_verification *v;
    const struct vx_geometry *geometry;
    uint64_t number;
    uint64_t first_block;
    uint32_t block_count; /* that the BAT describes and the disk has */
    uint8_t *entries;     /* chunk_ratio + 1 of them */
    struct vx_bat_entry bitmap;
    bool has_bitmap_entry; /* the region reaches that far */
    uint32_t partial_count;
    uint8_t *bits;
    uint64_t file_size;
};

static uint64_t bat_offset(const struct chunk *chunk, uint64_t index)
{
    return chunk->v->exam->bat.file_offset + index * VX_BAT_ENTRY_SIZE;
}

static struct vx_bat_entry entry_at(const struct chunk *chunk, uint32_t i)
{
    return vx_bat_entry_decode(vx_get64(chunk->entries + (size_t)i * VX_BAT_ENTRY_SIZE));
}

/* Entries in pages of nonsense are none. */
static void blank_nonsense(struct chunk *chunk, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; chunk->v->nonsense && i < count; i++)
        if (vx_verify_is_nonsense(chunk->v, (first + i) / VX_BAT_PAGE_ENTRIES))
            vx_put64(chunk->entries + i * VX_BAT_ENTRY_SIZE, 0);
}

/* Reads the chunk's entries; what the region has no room for reads as zeros. */
static vhdx_status load(struct chunk *chunk, uint64_t number, vhdx_error *err)
{
    const struct vx_exam *exam = chunk->v->exam;
    const struct vx_geometry *geometry = chunk->geometry;
    uint64_t stride = (uint64_t)geometry->chunk_ratio + 1, first = number * stride;
    uint64_t room = exam->bat_entries > first ? vx_min(exam->bat_entries - first, stride) : 0;
    size_t got, wanted = (size_t)(stride * VX_BAT_ENTRY_SIZE);
    chunk->number = number;
    chunk->first_block = number * geometry->chunk_ratio;
    chunk->block_count = (uint32_t)vx_min(geometry->payload_count - chunk->first_block, geometry->chunk_ratio);
    chunk->block_count = (uint32_t)vx_min(chunk->block_count, room);
    chunk->has_bitmap_entry = room == stride;
    VX_TRY(vx_file_read_some(exam->view, chunk->entries, wanted, bat_offset(chunk, first), &got, err));
    blank_nonsense(chunk, first, stride);
    chunk->bitmap = chunk->has_bitmap_entry ? entry_at(chunk, geometry->chunk_ratio) : (struct vx_bat_entry){0};
    chunk->partial_count = 0;
    for (uint32_t i = 0; i < chunk->block_count; i++)
        chunk->partial_count += (chunk->entries[(size_t)i * VX_BAT_ENTRY_SIZE] & 7) == VX_PAYLOAD_PARTIALLY_PRESENT;
    return VHDX_OK;
}

static uint64_t block_length(const struct vx_geometry *geometry, uint64_t block)
{
    return vx_min(geometry->block_size, geometry->virtual_size - block * geometry->block_size);
}

static void lose_partial(const struct chunk *chunk, const char *reason)
{
    for (uint32_t i = 0; i < chunk->block_count; i++) {
        uint64_t block = chunk->first_block + i;
        const vhdx_lost_range range = {block * chunk->geometry->block_size, block_length(chunk->geometry, block),
                                       reason, true}; /* all sectors are there; which of them count nobody knows */
        if (entry_at(chunk, i).state == VX_PAYLOAD_PARTIALLY_PRESENT)
            vx_report_add_lost(chunk->v->report, chunk->v->file, &range);
    }
}

static struct vx_finding found(const struct chunk *chunk, enum vx_find kind)
{
    uint64_t index = vx_geometry_bitmap_index(chunk->geometry, chunk->number);
    struct vx_finding finding = vx_finding_at_index(kind, "BAT entry", bat_offset(chunk, index), chunk->number);
    finding.length = VX_BAT_ENTRY_SIZE;
    return finding;
}

/* Each partial block of a chunk without bitmap, neighbours in one. */
static void add_missing(struct chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->block_count; i++) {
        uint64_t block = chunk->first_block + i;
        if (entry_at(chunk, i).state != VX_PAYLOAD_PARTIALLY_PRESENT)
            continue;
        uint64_t index = vx_geometry_payload_index(chunk->geometry, block);
        struct vx_finding finding =
            vx_finding_at_index(VX_FIND_BITMAP_MISSING, "BAT entry", bat_offset(chunk, index), block);
        finding.other = chunk->number;
        finding.gather = true;
        finding.lost_offset = block * chunk->geometry->block_size;
        finding.lost_length = block_length(chunk->geometry, block);
        vx_verify_add(chunk->v, &finding);
    }
}

/* A reserved state beside a place that nobody else has is mended by itself. */
static vhdx_status add_bad_state(struct chunk *chunk, vhdx_error *err)
{
    uint64_t place = chunk->bitmap.file_offset;
    struct vx_finding finding = found(chunk, VX_FIND_BITMAP_STATE);
    vx_finding_set_values(&finding, chunk->bitmap.state, VX_BITMAP_PRESENT);
    VX_TRY(vx_leads_open(chunk->v->exam, &chunk->v->leads, err));
    if (place < VX_HEADER_SECTION_SIZE || place >= chunk->file_size ||
        !vx_claims_is_free(&chunk->v->leads.owned, place, VX_BITMAP_BLOCK_SIZE))
        finding.repair = VHDX_REPAIR_SALVAGE;
    vx_verify_add(chunk->v, &finding);
    lose_partial(chunk, vx_finding_kind(VX_FIND_BITMAP_STATE)->id);
    return VHDX_OK;
}

/* What no block needs may be remembered; where it leads to something it is left alone. */
static vhdx_status add_stray(struct chunk *chunk, vhdx_error *err)
{
    struct vx_finding finding = found(chunk, VX_FIND_BITMAP_STRAY_OFFSET);
    bool content;
    vx_finding_set_values(&finding, chunk->bitmap.file_offset, 0);
    VX_TRY(vx_leads_open(chunk->v->exam, &chunk->v->leads, err));
    VX_TRY(vx_lead_has_content(&chunk->v->leads, chunk->bitmap.file_offset, VX_BITMAP_BLOCK_SIZE, &content, err));
    if (content) {
        finding.repair = VHDX_REPAIR_NONE;
        finding.advice = "the place leads to content that no block owns, so it stays";
    }
    vx_verify_add(chunk->v, &finding);
    return VHDX_OK;
}

/* The entry alone. *readable: its bits can be read. */
static vhdx_status check_entry(struct chunk *chunk, bool *readable, vhdx_error *err)
{
    *readable = false;
    const struct vx_bat_entry *entry = &chunk->bitmap;
    uint32_t rules = vx_bat_bitmap_rules(entry, true);
    struct vx_finding finding;
    if (rules & VX_BAT_RESERVED_SET) {
        finding = found(chunk, VX_FIND_BAT_RESERVED);
        finding.index = vx_geometry_bitmap_index(chunk->geometry, chunk->number);
        vx_finding_set_values(&finding, entry->reserved, 0);
        vx_verify_add(chunk->v, &finding);
    }
    if (rules & VX_BAT_BAD_STATE)
        return add_bad_state(chunk, err);
    if (entry->state == VX_BITMAP_NOT_PRESENT) {
        if (chunk->partial_count > 0)
            add_missing(chunk);
        return chunk->partial_count == 0 && entry->file_offset != 0 ? add_stray(chunk, err) : VHDX_OK;
    }
    bool is_far = entry->file_offset > chunk->file_size || chunk->file_size - entry->file_offset < VX_BITMAP_BLOCK_SIZE;
    *readable = !(rules & VX_BAT_NO_PLACE) && !is_far;
    if (*readable)
        return VHDX_OK;
    enum vx_find kind = rules & VX_BAT_NO_PLACE ? VX_FIND_BITMAP_NO_PLACE : VX_FIND_BITMAP_BEYOND_END;
    finding = found(chunk, kind);
    vx_finding_set_values(&finding, entry->file_offset + VX_BITMAP_BLOCK_SIZE, chunk->file_size);
    vx_verify_add(chunk->v, &finding);
    lose_partial(chunk, vx_finding_kind(kind)->id);
    return VHDX_OK;
}

/* ---- bits ------------------------------------------------------------------------------------------------------- */

static void add_block(struct chunk *chunk, enum vx_find kind, uint32_t i)
{
    uint64_t block = chunk->first_block + i, index = vx_geometry_payload_index(chunk->geometry, block);
    struct vx_finding finding = vx_finding_at_index(kind, "BAT entry", bat_offset(chunk, index), block);
    finding.gather = true;
    vx_verify_add(chunk->v, &finding);
}

/* What the bits of a partial block say about it; returns those that lie beyond the end of the disk. */
static uint64_t check_block(struct chunk *chunk, uint32_t i, uint64_t set)
{
    const struct vx_geometry *geometry = chunk->geometry;
    uint64_t sectors = block_length(geometry, chunk->first_block + i) / geometry->logical_sector_size;
    uint64_t first = (uint64_t)i * geometry->sectors_per_block;
    uint64_t beyond = vx_bitmap_count(chunk->bits, first + sectors, geometry->sectors_per_block - sectors);
    if (set - beyond == 0)
        add_block(chunk, VX_FIND_BITMAP_NO_BIT, i);
    else if (set - beyond == sectors)
        add_block(chunk, VX_FIND_BITMAP_ALL_BITS, i);
    return beyond;
}

static void check_bits(struct chunk *chunk)
{
    const struct vx_geometry *geometry = chunk->geometry;
    uint64_t stale = 0, seen = 0;
    for (uint32_t i = 0; i < chunk->block_count; i++) {
        uint64_t first = (uint64_t)i * geometry->sectors_per_block;
        uint64_t set = vx_bitmap_count(chunk->bits, first, geometry->sectors_per_block);
        bool partial = entry_at(chunk, i).state == VX_PAYLOAD_PARTIALLY_PRESENT;
        stale += partial ? check_block(chunk, i, set) : set;
        seen = first + geometry->sectors_per_block;
    }
    stale += vx_bitmap_count(chunk->bits, seen, VX_SECTORS_PER_CHUNK - seen);
    if (stale == 0)
        return;
    struct vx_finding finding =
        vx_finding_at_index(VX_FIND_BITMAP_STALE, "sector bitmap", chunk->bitmap.file_offset, chunk->number);
    vx_finding_set_found(&finding, stale);
    vx_verify_add(chunk->v, &finding);
}

static vhdx_status check_chunk(struct chunk *chunk, vhdx_error *err)
{
    size_t got;
    bool readable;
    VX_TRY(check_entry(chunk, &readable, err));
    if (!readable)
        return VHDX_OK;
    if (chunk->partial_count == 0) {
        struct vx_finding finding = found(chunk, VX_FIND_BITMAP_UNUSED);
        vx_verify_add(chunk->v, &finding);
    }
    VX_TRY(vx_file_read_some(chunk->v->exam->view, chunk->bits, VX_BITMAP_BLOCK_SIZE, chunk->bitmap.file_offset, &got,
                             err));
    check_bits(chunk);
    return VHDX_OK;
}

/* ---- all chunks ------------------------------------------------------------------------------------------------- */

/* The first chunk at or after this one whose entries may be something else than zeros. */
static uint64_t skip_hole(const struct chunk *chunk, uint64_t number)
{
    uint64_t stride = (uint64_t)chunk->geometry->chunk_ratio + 1, data, length;
    vx_file_next_data(chunk->v->exam->view, bat_offset(chunk, number * stride), &data, &length);
    if (length == 0)
        return chunk->geometry->chunk_count;
    return vx_max(number, (data - chunk->v->exam->bat.file_offset) / VX_BAT_ENTRY_SIZE / stride);
}

static vhdx_status open_chunk(struct vx_verification *v, struct chunk *chunk, vhdx_error *err)
{
    uint64_t size;
    *chunk = (struct chunk){.v = v, .geometry = &v->exam->geometry, .file_size = v->exam->survey->file_size};
    if (vx_file_size(v->exam->view, &size, NULL) == VHDX_OK)
        chunk->file_size = vx_max(chunk->file_size, size);
    chunk->entries = vx_alloc((size_t)chunk->geometry->chunk_ratio + 1, VX_BAT_ENTRY_SIZE);
    chunk->bits = vx_alloc(VX_BITMAP_BLOCK_SIZE, 1);
    return chunk->entries && chunk->bits ? VHDX_OK : vx_fail_memory(err, "a sector bitmap");
}

static void close_chunk(struct chunk *chunk)
{
    vx_free(chunk->entries);
    vx_free(chunk->bits);
}

static vhdx_status check_chunks(struct chunk *chunk, vhdx_error *err)
{
    uint64_t end = chunk->geometry->chunk_count;
    for (uint64_t number = skip_hole(chunk, 0); number < end;) {
        VX_TRY(load(chunk, number, err));
        size_t size = ((size_t)chunk->geometry->chunk_ratio + 1) * VX_BAT_ENTRY_SIZE;
        number = vx_is_zero(chunk->entries, size) ? skip_hole(chunk, number + 1) : number + 1;
        if (chunk->block_count == 0 && !chunk->has_bitmap_entry)
            return VHDX_OK; /* the BAT has no room for more */
        VX_TRY(check_chunk(chunk, err));
        VX_TRY(vx_verify_step(chunk->v, vx_min(number, end), end, err));
    }
    return VHDX_OK;
}

static bool has_bitmaps(const struct vx_exam *exam)
{
    return exam->has_geometry && exam->has_bat && exam->geometry.has_parent;
}

/* ---- bitmaps that are older than the log ------------------------------------------------------------------------ */

static vhdx_status add_old(void *context, uint64_t payload_block, vhdx_error *err)
{
    struct vx_verification *v = context;
    const struct vx_geometry *geometry = &v->exam->geometry;
    uint64_t index = vx_geometry_payload_index(geometry, payload_block);
    uint64_t offset = v->exam->bat.file_offset + index * VX_BAT_ENTRY_SIZE;
    struct vx_finding finding = vx_finding_at_index(VX_FIND_BITMAP_OLD, "BAT entry", offset, payload_block);
    (void)err;
    finding.gather = true;
    finding.advice = "the log was never replayed, and no header names it any more: these sectors read as the parent's";
    finding.lost_offset = payload_block * geometry->block_size;
    finding.lost_length = block_length(geometry, payload_block);
    vx_verify_add(v, &finding);
    return VHDX_OK;
}

static vhdx_status check_old(struct vx_verification *v, vhdx_error *err)
{
    struct vx_log_witnesses log = {0};
    const struct vx_bat_source source = vx_bat_source_of(v->exam);
    if (v->nonsense || v->exam->bat_entries < v->exam->geometry.entry_count)
        return VHDX_OK;
    vhdx_status status = vx_absent_open_log(v->exam, &log, err);
    if (status == VHDX_OK && log.open)
        status = vx_old_bits_find(&source, &log, add_old, v, err);
    vx_log_witnesses_close(&log);
    return status;
}

vhdx_status vx_check_bitmaps(struct vx_verification *v, vhdx_error *err)
{
    struct chunk chunk;
    if (!has_bitmaps(v->exam))
        return VHDX_OK;
    vhdx_status status = open_chunk(v, &chunk, err);
    if (status == VHDX_OK)
        status = check_chunks(&chunk, err);
    close_chunk(&chunk);
    return status == VHDX_OK ? check_old(v, err) : status;
}

vhdx_status vx_lose_partial_blocks(struct vx_verification *v, uint64_t number, const char *reason, vhdx_error *err)
{
    struct chunk chunk;
    vhdx_status status = open_chunk(v, &chunk, err);
    if (status == VHDX_OK)
        status = load(&chunk, number, err);
    if (status == VHDX_OK)
        lose_partial(&chunk, reason);
    close_chunk(&chunk);
    return status;
}
