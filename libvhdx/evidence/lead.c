/*
 * Places that lead to content. See lead.h.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/lead.h"

#include "base/alloc.h"
#include "format/bitmap.h"

#define PIECE (64 * VX_KIB)
#define READ_MOST (512 * VX_MIB) /* the first bytes of a block mostly tell */
#define FEW_STRAYS 4u            /* a writer that leaves places in states 0 and 2 leaves more */

/* ---- who owns what ---- */

static vhdx_status own_structures(const struct vx_header *header, const struct vx_region_table *regions,
                                  struct vx_claims *owned, vhdx_error *err)
{
    VX_TRY(vx_claims_take(owned, 0, VX_HEADER_SECTION_SIZE, err));
    if (header)
        VX_TRY(vx_claims_take(owned, header->log_offset, header->log_length, err));
    uint32_t count = regions ? (uint32_t)vx_min(regions->count, VX_REGION_MAX) : 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct vx_region *region = &regions->entries[i];
        if (!(vx_region_rules(region) & (VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH | VX_REGION_OVERFLOW)))
            VX_TRY(vx_claims_take(owned, region->file_offset, region->length, err));
    }
    return VHDX_OK;
}

static vhdx_status own_entry(struct vx_leads *leads, uint64_t bat_index, const struct vx_bat_entry *entry,
                             vhdx_error *err)
{
    const struct vx_geometry *geometry = leads->source.geometry;
    uint64_t which;
    if (entry->file_offset == 0)
        return VHDX_OK;
    if (!vx_geometry_is_payload(geometry, bat_index, &which))
        return geometry->has_parent && entry->state == VX_BITMAP_PRESENT
                   ? vx_claims_take(&leads->owned, entry->file_offset, VX_BITMAP_BLOCK_SIZE, err)
                   : VHDX_OK;
    if (which >= geometry->payload_count)
        return VHDX_OK;
    leads->strays += (vx_bat_payload_rules(entry, geometry->has_parent) & VX_BAT_STRAY_OFFSET) != 0;
    if (entry->state != VX_PAYLOAD_FULLY_PRESENT && entry->state != VX_PAYLOAD_PARTIALLY_PRESENT)
        return VHDX_OK;
    uint64_t base = entry->file_offset - which * geometry->block_size; /* may wrap around: then nothing is straight */
    leads->straight = leads->present == 0 ? base < entry->file_offset + 1 : leads->straight && base == leads->base;
    leads->base = leads->present++ == 0 ? base : leads->base;
    leads->cut_off += entry->reserved == 0 && entry->file_offset >= leads->source.file_size;
    return vx_claims_take(&leads->owned, entry->file_offset, geometry->block_size, err);
}

static vhdx_status own_entries(struct vx_leads *leads, struct vx_bat_walk *bat, vhdx_error *err)
{
    for (;; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            return VHDX_OK;
        struct vx_bat_entry entry = vx_bat_entry_decode(bat->raw);
        VX_TRY(own_entry(leads, bat->index, &entry, err));
    }
}

vhdx_status vx_leads_begin(const struct vx_bat_source *source, const struct vx_claims *owned, struct vx_leads *leads,
                           vhdx_error *err)
{
    struct vx_bat_walk bat;
    *leads = (struct vx_leads){.open = true, .source = *source, .owned = *owned, .left = READ_MOST};
    VX_TRY(vx_bat_walk_begin(source, source->geometry->entry_count, &bat, err));
    vhdx_status status = own_entries(leads, &bat, err);
    vx_bat_walk_close(&bat);
    return status;
}

vhdx_status vx_leads_of(const struct vx_bat_source *source, const struct vx_header *header,
                        const struct vx_region_table *regions, struct vx_leads *leads, vhdx_error *err)
{
    struct vx_claims owned;
    vhdx_status status = vx_claims_open(source->file_size, &owned, err);
    if (status == VHDX_OK)
        status = own_structures(header, regions, &owned, err);
    if (status == VHDX_OK)
        return vx_leads_begin(source, &owned, leads, err);
    vx_claims_close(&owned);
    return status;
}

vhdx_status vx_leads_open(struct vx_exam *exam, struct vx_leads *leads, vhdx_error *err)
{
    if (leads->open)
        return VHDX_OK;
    const struct vx_bat_source source = vx_bat_source_of(exam);
    return vx_leads_of(&source, exam->has_log ? exam->header : NULL, exam->regions, leads, err);
}

void vx_leads_close(struct vx_leads *leads)
{
    if (leads->open)
        vx_claims_close(&leads->owned);
    *leads = (struct vx_leads){0};
}

/* ---- is there something? ---- */

/* Of one MiB that nobody owns, from `at` on. */
static vhdx_status look(struct vx_leads *leads, uint64_t at, uint64_t end, uint8_t *bytes, bool *content,
                        vhdx_error *err)
{
    while (at < end && !*content) {
        uint64_t data, length;
        size_t got;
        vx_file_next_data(leads->source.file, at, &data, &length);
        if (length == 0 || data >= end)
            return VHDX_OK;
        at = vx_max(at, data);
        if (leads->left < PIECE) {
            *content = true;
            return VHDX_OK;
        }
        leads->left -= PIECE;
        VX_TRY(vx_file_read_some(leads->source.file, bytes, (size_t)vx_min(PIECE, end - at), at, &got, err));
        *content = !vx_is_zero(bytes, got);
        at += PIECE;
    }
    return VHDX_OK;
}

vhdx_status vx_lead_has_content(struct vx_leads *leads, uint64_t file_offset, uint64_t length, bool *content,
                                vhdx_error *err)
{
    uint64_t size = leads->source.file_size;
    uint8_t *bytes;
    *content = leads->cut_off > 0 && file_offset >= size;
    if (file_offset < VX_HEADER_SECTION_SIZE || file_offset >= size)
        return VHDX_OK;
    bytes = vx_alloc(PIECE, 1);
    if (!bytes)
        return vx_fail_memory(err, "a piece of a block");
    uint64_t end = file_offset + vx_min(length, size - file_offset);
    uint64_t stop = vx_min(vx_ceil_div(end, VX_MIB), leads->owned.slots);
    uint64_t slot = vx_claims_next_free(&leads->owned, file_offset / VX_MIB);
    vhdx_status status = VHDX_OK;
    while (status == VHDX_OK && slot < stop && !*content) {
        uint64_t run = vx_min(vx_claims_next_taken(&leads->owned, slot), stop);
        status = look(leads, slot * VX_MIB, vx_min(run * VX_MIB, end), bytes, content, err);
        slot = vx_claims_next_free(&leads->owned, run);
    }
    vx_free(bytes);
    return status;
}

/* ---- what was it? ---- */

static vhdx_status entry_at(const struct vx_leads *leads, uint64_t bat_index, struct vx_bat_entry *entry,
                            vhdx_error *err)
{
    uint8_t raw[VX_BAT_ENTRY_SIZE] = {0};
    size_t got;
    VX_TRY(vx_file_read_some(leads->source.file, raw, sizeof raw, leads->source.offset + bat_index * VX_BAT_ENTRY_SIZE,
                             &got, err));
    *entry = vx_bat_entry_decode(vx_get64(raw));
    return VHDX_OK;
}

/* Whether a neighbour of the block on the disk is its neighbour in the file, on the same side. */
static vhdx_status lies_in_order(const struct vx_leads *leads, uint64_t block, uint64_t place, bool *in_order,
                                 vhdx_error *err)
{
    const struct vx_geometry *geometry = leads->source.geometry;
    struct vx_bat_entry entry;
    *in_order = false;
    if (block > 0) {
        VX_TRY(entry_at(leads, vx_geometry_payload_index(geometry, block - 1), &entry, err));
        *in_order = entry.state == VX_PAYLOAD_FULLY_PRESENT && entry.file_offset + geometry->block_size == place;
    }
    if (!*in_order && block + 1 < geometry->payload_count) {
        VX_TRY(entry_at(leads, vx_geometry_payload_index(geometry, block + 1), &entry, err));
        *in_order = entry.state == VX_PAYLOAD_FULLY_PRESENT && entry.file_offset == place + geometry->block_size;
    }
    return VHDX_OK;
}

/* Between two owners (or an owner and the end of the file) there is just the block. */
static bool fills_gap(const struct vx_leads *leads, uint64_t place)
{
    const struct vx_claims *owned = &leads->owned;
    uint64_t slot = place / VX_MIB, behind = slot + leads->source.geometry->block_size / VX_MIB;
    return place >= VX_HEADER_SECTION_SIZE && !vx_claims_is_free(owned, place - VX_MIB, VX_MIB) &&
           vx_claims_next_taken(owned, slot) == behind;
}

/* Which of the block's sectors the chunk's bitmap says that the layer has. */
static vhdx_status bits_set(const struct vx_leads *leads, uint64_t block, uint64_t *set, vhdx_error *err)
{
    const struct vx_geometry *geometry = leads->source.geometry;
    uint32_t length = vx_geometry_bitmap_length(geometry);
    struct vx_bat_entry entry;
    size_t got;
    *set = 0;
    VX_TRY(entry_at(leads, vx_geometry_bitmap_index(geometry, block / geometry->chunk_ratio), &entry, err));
    if (entry.state != VX_BITMAP_PRESENT || entry.file_offset < VX_HEADER_SECTION_SIZE ||
        entry.file_offset >= leads->source.file_size)
        return VHDX_OK;
    uint8_t *bits = vx_alloc(length, 1);
    if (!bits)
        return vx_fail_memory(err, "a sector bitmap");
    vhdx_status status = vx_file_read_some(leads->source.file, bits, length,
                                           entry.file_offset + vx_geometry_bitmap_offset(geometry, block), &got, err);
    if (status == VHDX_OK)
        *set = vx_bitmap_count(bits, 0, geometry->sectors_per_block);
    vx_free(bits);
    return status;
}

/* Whether all of the space is in the file, as far as it goes, nobody's, and not zero. */
static vhdx_status is_content(struct vx_leads *leads, uint64_t place, uint64_t length, bool *is, vhdx_error *err)
{
    *is = place >= VX_HEADER_SECTION_SIZE && place < leads->source.file_size &&
          vx_claims_is_free(&leads->owned, place, length);
    return *is ? vx_lead_has_content(leads, place, length, is, err) : VHDX_OK;
}

static vhdx_status bitmap_truth(struct vx_leads *leads, struct vx_bat_entry *truth, bool *changed, vhdx_error *err)
{
    if (!leads->source.geometry->has_parent ||
        !(vx_bat_bitmap_rules(truth, true) & (VX_BAT_BAD_STATE | VX_BAT_STRAY_OFFSET)))
        return VHDX_OK;
    VX_TRY(is_content(leads, truth->file_offset, VX_BITMAP_BLOCK_SIZE, changed, err));
    if (*changed)
        *truth = (struct vx_bat_entry){.state = VX_BITMAP_PRESENT, .file_offset = truth->file_offset};
    return VHDX_OK;
}

/* States 0 and 2, whose place means nothing: whether it does all the same. */
static vhdx_status is_proven(struct vx_leads *leads, uint64_t block, uint64_t place, bool *proven, vhdx_error *err)
{
    *proven = false;
    if (leads->source.geometry->has_parent || leads->strays > FEW_STRAYS)
        return VHDX_OK;
    VX_TRY(lies_in_order(leads, block, place, proven, err));
    *proven = *proven || (leads->strays == 1 && fills_gap(leads, place));
    return VHDX_OK;
}

vhdx_status vx_lead_truth(struct vx_leads *leads, uint64_t bat_index, struct vx_bat_entry *truth, bool *changed,
                          vhdx_error *err)
{
    const struct vx_geometry *geometry = leads->source.geometry;
    uint32_t rules = vx_bat_payload_rules(truth, geometry->has_parent);
    uint64_t block, set = 0, place = truth->file_offset;
    bool proven = true;
    *changed = false;
    if (!vx_geometry_is_payload(geometry, bat_index, &block))
        return bitmap_truth(leads, truth, changed, err);
    if (!(rules & (VX_BAT_BAD_STATE | VX_BAT_STRAY_OFFSET)) || block >= geometry->payload_count)
        return VHDX_OK;
    if (rules & VX_BAT_STRAY_OFFSET)
        VX_TRY(is_proven(leads, block, place, &proven, err));
    if (proven)
        VX_TRY(is_content(leads, place, geometry->block_size, changed, err));
    if (!*changed)
        return VHDX_OK;
    if (geometry->has_parent)
        VX_TRY(bits_set(leads, block, &set, err));
    *truth = (struct vx_bat_entry){.state = set > 0 ? VX_PAYLOAD_PARTIALLY_PRESENT : VX_PAYLOAD_FULLY_PRESENT,
                                   .file_offset = place};
    return VHDX_OK;
}
