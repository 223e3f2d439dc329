/*
 * What contradicts the region tables. See region_doubt.h.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/region_doubt.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "base/status.h"
#include "format/bat.h"
#include "format/metadata.h"
#include "image/region_look.h"

#define WINDOW ((size_t)(64 * VX_KIB))
#define UNPLACED (VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH | VX_REGION_OVERFLOW)

const char *vx_region_rival_name(enum vx_region_rival rival)
{
    static const char *const names[] = {"",
                                        "the end of the file",
                                        "the log",
                                        "another region",
                                        "payload blocks that hold something",
                                        "content that is no part of a BAT"};
    return (unsigned)rival < sizeof names / sizeof names[0] ? names[rival] : "";
}

/* ---- bytes ---- */

vhdx_status vx_region_is_blank(struct vx_file *view, uint64_t offset, uint64_t length, bool *blank, vhdx_error *err)
{
    uint8_t *bytes = vx_alloc(WINDOW, 1);
    uint64_t end = offset + length, data, there;
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a window of the file");
    *blank = true;
    while (status == VHDX_OK && *blank && offset < end) {
        size_t got;
        vx_file_next_data(view, offset, &data, &there);
        if (there == 0 || data >= end)
            break;
        offset = data;
        status = vx_file_read_some(view, bytes, (size_t)vx_min(WINDOW, end - offset), offset, &got, err);
        if (status != VHDX_OK || got == 0)
            break;
        *blank = vx_is_zero(bytes, got);
        offset += got;
    }
    vx_free(bytes);
    return status;
}

uint64_t vx_region_metadata_needs(struct vx_file *view, uint64_t offset)
{
    struct vx_metadata_table *table = vx_alloc(1, sizeof *table);
    uint8_t *bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    uint64_t needs = VX_MIB, size = 0;
    size_t got;
    (void)vx_file_size(view, &size, NULL);
    if (table && bytes && vx_file_read_some(view, bytes, VX_METADATA_TABLE_SIZE, offset, &got, NULL) == VHDX_OK &&
        vx_metadata_table_decode(vx_bytes_of(bytes, got), table) == VHDX_OK && table->count <= VX_METADATA_MAX)
        for (uint32_t i = 0; i < table->count; i++) {
            const struct vx_metadata_entry *entry = &table->entries[i];
            uint64_t end = (uint64_t)entry->offset + entry->length;
            if (entry->length > 0 && !vx_metadata_entry_rules(entry, VX_METADATA_REGION_MAX) && offset + end <= size)
                needs = vx_max(needs, vx_ceil_div(end, VX_MIB) * VX_MIB);
        }
    vx_free(table);
    vx_free(bytes);
    return needs;
}

/* ---- who else claims a part of a region ---- */

static bool meets(uint64_t offset, uint64_t length, uint64_t other, uint64_t other_length)
{
    return length > 0 && other_length > 0 && (offset < other ? other - offset < length : offset - other < other_length);
}

static bool meets_region(const struct vx_region_world *world, const struct vx_region *region, uint64_t offset,
                         uint64_t length)
{
    for (uint32_t i = 0; i < world->regions->count && i < VX_REGION_MAX; i++) {
        const struct vx_region *other = &world->regions->entries[i];
        if (!vx_guid_equal(&other->guid, &region->guid) && !(vx_region_rules(other) & UNPLACED) &&
            meets(offset, length, other->file_offset, other->length))
            return true;
    }
    return false;
}

struct blocks {
    const struct vx_region_world *world;
    uint64_t offset, length; /* the bytes in question */
};

/* A block with an entry there, in which something else than zeros stands. */
static vhdx_status is_block_there(const struct blocks *blocks, uint64_t index, uint64_t raw, bool *there,
                                  vhdx_error *err)
{
    const struct vx_geometry *geometry = blocks->world->geometry;
    struct vx_bat_entry entry = vx_bat_entry_decode(raw);
    uint64_t which;
    bool payload = vx_geometry_is_payload(geometry, index, &which), blank;
    bool holds = payload ? entry.state >= VX_PAYLOAD_FULLY_PRESENT : entry.state == VX_BITMAP_PRESENT;
    if (!holds || entry.file_offset == 0 || entry.file_offset < blocks->offset ||
        entry.file_offset - blocks->offset >= blocks->length)
        return VHDX_OK;
    VX_TRY(vx_region_is_blank(blocks->world->view, entry.file_offset, VX_MIB, &blank, err));
    *there = !blank;
    return VHDX_OK;
}

static vhdx_status look_at_window(const struct blocks *blocks, const uint8_t *bytes, size_t size, uint64_t first,
                                  bool *there, vhdx_error *err)
{
    size_t i = vx_zero_run(bytes, size) / VX_BAT_ENTRY_SIZE * VX_BAT_ENTRY_SIZE;
    for (; i + VX_BAT_ENTRY_SIZE <= size && !*there; i += VX_BAT_ENTRY_SIZE)
        VX_TRY(is_block_there(blocks, first + i / VX_BAT_ENTRY_SIZE, vx_get64(bytes + i), there, err));
    return VHDX_OK;
}

static vhdx_status find_block(const struct blocks *blocks, bool *there, vhdx_error *err)
{
    const struct vx_region_world *world = blocks->world;
    uint64_t length = world->geometry->entry_count * VX_BAT_ENTRY_SIZE, data, run;
    uint8_t *bytes = vx_alloc(WINDOW, 1);
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a window of the BAT");
    *there = false;
    for (uint64_t at = 0; status == VHDX_OK && !*there && at < length;) {
        size_t got;
        vx_file_next_data(world->view, world->bat->file_offset + at, &data, &run);
        if (run == 0 || data - world->bat->file_offset >= length)
            break;
        at = vx_round_down(data - world->bat->file_offset, VX_BAT_ENTRY_SIZE);
        status = vx_file_read_some(world->view, bytes, (size_t)vx_min(WINDOW, length - at),
                                   world->bat->file_offset + at, &got, err);
        if (status == VHDX_OK && got == 0)
            break;
        if (status == VHDX_OK)
            status = look_at_window(blocks, bytes, got, at / VX_BAT_ENTRY_SIZE, there, err);
        at += WINDOW;
    }
    vx_free(bytes);
    return status;
}

/* Bits that each entry of a BAT has as zeros are not: what stands there is something else. */
static vhdx_status find_content(const struct blocks *blocks, bool *there, vhdx_error *err)
{
    struct vx_file *view = blocks->world->view;
    uint8_t *bytes = vx_alloc(WINDOW, 1);
    uint64_t end = blocks->offset + blocks->length, data, length;
    vhdx_status status = bytes ? VHDX_OK : vx_fail_memory(err, "a window of the BAT");
    for (uint64_t at = blocks->offset; status == VHDX_OK && !*there && at < end; at += WINDOW) {
        size_t got;
        vx_file_next_data(view, at, &data, &length);
        if (length == 0 || data >= end)
            break;
        at = vx_round_down(vx_max(at, data), VX_BAT_ENTRY_SIZE);
        status = vx_file_read_some(view, bytes, (size_t)vx_min(WINDOW, end - at), at, &got, err);
        for (size_t i = 0; status == VHDX_OK && i + VX_BAT_ENTRY_SIZE <= got && !*there; i += VX_BAT_ENTRY_SIZE)
            *there = vx_bat_entry_decode(vx_get64(bytes + i)).reserved != 0;
    }
    vx_free(bytes);
    return status;
}

vhdx_status vx_region_rival_of(const struct vx_region_world *world, const struct vx_region *region, uint64_t needed,
                               enum vx_region_rival *rival, vhdx_error *err)
{
    *rival = VX_RIVAL_NONE;
    if (region->length <= needed)
        return VHDX_OK;
    struct blocks blocks = {world, region->file_offset + needed, region->length - needed};
    bool there = false;
    if (blocks.offset > world->file_size || blocks.length > world->file_size - blocks.offset)
        *rival = VX_RIVAL_FILE_END;
    else if (world->header && meets(blocks.offset, blocks.length, world->header->log_offset, world->header->log_length))
        *rival = VX_RIVAL_LOG;
    else if (meets_region(world, region, blocks.offset, blocks.length))
        *rival = VX_RIVAL_REGION;
    else if (world->geometry && world->geometry->entry_count > 0)
        VX_TRY(find_block(&blocks, &there, err));
    if (there)
        *rival = VX_RIVAL_BLOCK;
    if (*rival == VX_RIVAL_NONE && world->bat->file_offset == region->file_offset) {
        VX_TRY(find_content(&blocks, &there, err));
        *rival = there ? VX_RIVAL_CONTENT : VX_RIVAL_NONE;
    }
    return VHDX_OK;
}

/* ---- an exam ---- */

static bool same_place(const struct vx_region_table *a, const struct vx_region_table *b, const vhdx_guid *id)
{
    const struct vx_region *left = vx_region_find(a, id), *right = vx_region_find(b, id);
    if (!left || !right)
        return left == right;
    return left->file_offset == right->file_offset && left->length == right->length;
}

static bool copies_differ(const struct vx_survey_regions regions[2])
{
    for (int i = 0; i < 2; i++)
        if (regions[i].status != VHDX_OK || (regions[i].rules & (VX_REGION_BAD_CHECKSUM | VX_REGION_TOO_MANY)))
            return false;
    return !same_place(&regions[0].table, &regions[1].table, &vx_guid_bat_region) ||
           !same_place(&regions[0].table, &regions[1].table, &vx_guid_metadata_region);
}

static vhdx_status is_too_long(const struct vx_exam *exam, bool *long_one, vhdx_error *err)
{
    struct vx_region_world world = {.view = exam->view,
                                    .file_size = exam->survey->file_size,
                                    .header = exam->has_log ? exam->header : NULL,
                                    .regions = exam->regions,
                                    .bat = &exam->bat,
                                    .geometry = exam->has_geometry ? &exam->geometry : NULL};
    uint64_t bat = exam->has_geometry ? vx_geometry_bat_region_length(&exam->geometry) : VX_MIB;
    uint64_t metadata = vx_region_metadata_needs(exam->view, exam->metadata.file_offset);
    enum vx_region_rival rival;
    VX_TRY(vx_file_size(exam->view, &world.file_size, err));
    VX_TRY(vx_region_rival_of(&world, &exam->bat, bat, &rival, err));
    if (rival == VX_RIVAL_NONE)
        VX_TRY(vx_region_rival_of(&world, &exam->metadata, metadata, &rival, err));
    *long_one = rival != VX_RIVAL_NONE;
    return VHDX_OK;
}

/* Not a BAT where it should be; or nothing at all, in a file that is longer than its structures. */
static vhdx_status is_elsewhere(const struct vx_exam *exam, bool *elsewhere, vhdx_error *err)
{
    uint64_t size, structures = VX_HEADER_SECTION_SIZE + (uint64_t)exam->bat.length + exam->metadata.length;
    VX_TRY(vx_file_size(exam->view, &size, err));
    structures += exam->header && exam->has_log ? exam->header->log_length : 0;
    enum vx_bat_looks looks = vx_region_bat_looks(exam->view, size, &exam->bat);
    bool in_log = exam->header && exam->has_log &&
                  (meets(exam->bat.file_offset, VX_MIB, exam->header->log_offset, exam->header->log_length) ||
                   meets(exam->metadata.file_offset, VX_MIB, exam->header->log_offset, exam->header->log_length));
    *elsewhere = looks == VX_BAT_LOOKS_WRONG || in_log;
    *elsewhere = *elsewhere || (looks == VX_BAT_LOOKS_EMPTY && size > structures);
    return VHDX_OK;
}

vhdx_status vx_regions_doubtful(const struct vx_exam *exam, bool *doubtful, vhdx_error *err)
{
    *doubtful = true;
    if (!exam->has_bat || !exam->has_metadata || !exam->table || exam->table_guessed ||
        copies_differ(exam->survey->regions))
        return VHDX_OK;
    VX_TRY(is_elsewhere(exam, doubtful, err));
    return *doubtful ? VHDX_OK : is_too_long(exam, doubtful, err);
}
