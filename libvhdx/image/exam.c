/*
 * Learning what can be learnt. See exam.h. Each step takes what the one before found out, and does without when it
 * found nothing.
 */
/* SPDX-License-Identifier: MIT */
#include "image/exam.h"

#include "base/alloc.h"
#include "base/guid.h"

#include <string.h>

/* ---- header and regions ----------------------------------------------------------------------------------------- */

/* Of two headers without a right checksum, the one that makes more sense. */
static int guess_header(const struct vx_survey *survey)
{
    int best = -1, fewest = 0;
    for (int i = 0; i < 2; i++) {
        const struct vx_survey_header *header = &survey->headers[i];
        if (header->status != VHDX_OK)
            continue;
        int broken = __builtin_popcount(header->rules);
        bool newer = best >= 0 && broken == fewest &&
                     header->header.sequence_number > survey->headers[best].header.sequence_number;
        if (best < 0 || broken < fewest || newer) {
            best = i;
            fewest = broken;
        }
    }
    return best;
}

static void take_header(struct vx_exam *exam)
{
    exam->header_slot = exam->survey->current;
    if (exam->header_slot < 0) {
        exam->header_slot = guess_header(exam->survey);
        exam->header_guessed = exam->header_slot >= 0;
    }
    if (exam->header_slot < 0)
        return;
    exam->header = &exam->survey->headers[exam->header_slot].header;
    uint32_t rules = exam->survey->headers[exam->header_slot].rules;
    exam->has_log = exam->header->log_length > 0 && !(rules & VX_HEADER_LOG_MISPLACED);
}

static bool take_region(const struct vx_exam *exam, const vhdx_guid *id, struct vx_region *region)
{
    const struct vx_region *entry = vx_region_find(exam->regions, id);
    if (!entry || (vx_region_rules(entry) & (VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH | VX_REGION_OVERFLOW)))
        return false;
    *region = *entry;
    return true;
}

/* A copy that is not usable as a whole may still name one region rightly. */
static int guess_regions(const struct vx_survey *survey)
{
    int best = -1;
    for (int i = 0; i < 2; i++) {
        const struct vx_survey_regions *regions = &survey->regions[i];
        if (regions->status != VHDX_OK || regions->table.count > VX_REGION_MAX)
            continue;
        bool better = best < 0 || ((survey->regions[best].rules & VX_REGION_BAD_CHECKSUM) &&
                                   !(regions->rules & VX_REGION_BAD_CHECKSUM));
        if (better)
            best = i;
    }
    return best;
}

static void take_regions(struct vx_exam *exam)
{
    exam->region_copy = vx_survey_choose_regions(exam->survey, exam->view);
    if (exam->region_copy < 0)
        exam->region_copy = guess_regions(exam->survey);
    if (exam->region_copy < 0)
        return;
    exam->regions = &exam->survey->regions[exam->region_copy].table;
    exam->has_bat = take_region(exam, &vx_guid_bat_region, &exam->bat);
    exam->has_metadata = take_region(exam, &vx_guid_metadata_region, &exam->metadata);
}

/* ---- metadata --------------------------------------------------------------------------------------------------- */

/* Without its signature the table is still taken when what is in it names the disk's parameters. */
static vhdx_status take_table(struct vx_exam *exam, vhdx_error *err)
{
    size_t got;
    if (!exam->has_metadata)
        return VHDX_OK;
    exam->table_bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    exam->table = vx_alloc(1, sizeof *exam->table);
    if (!exam->table_bytes || !exam->table)
        return vx_fail_memory(err, "the metadata table");
    VX_TRY(vx_file_read_some(exam->view, exam->table_bytes, VX_METADATA_TABLE_SIZE, exam->metadata.file_offset, &got,
                             err));
    struct vx_bytes bytes = vx_bytes_of(exam->table_bytes, VX_METADATA_TABLE_SIZE);
    if (vx_metadata_table_decode(bytes, exam->table) == VHDX_OK)
        return VHDX_OK;
    uint64_t signature = vx_get64(exam->table_bytes);
    vx_put64(exam->table_bytes, VX_SIG_METADATA);
    (void)vx_metadata_table_decode(bytes, exam->table);
    vx_put64(exam->table_bytes, signature);
    exam->table_guessed = true;
    if (exam->table->count <= VX_METADATA_MAX && vx_metadata_find(exam->table, &vx_guid_file_parameters))
        return VHDX_OK;
    vx_free(exam->table);
    exam->table = NULL;
    return VHDX_OK;
}

#define MISPLACED (VX_METADATA_ITEM_TOO_LONG | VX_METADATA_ITEM_IN_TABLE | VX_METADATA_ITEM_OUTSIDE)

/* Whether other items claim bytes of it: then what is there may be theirs. */
static bool is_contested(const struct vx_exam *exam, const struct vx_metadata_entry *entry)
{
    uint64_t end = (uint64_t)entry->offset + entry->length;
    for (uint32_t i = 0; i < exam->table->count && i < VX_METADATA_MAX; i++) {
        const struct vx_metadata_entry *other = &exam->table->entries[i];
        bool twin = vx_guid_equal(&other->item_id, &entry->item_id) && other->offset == entry->offset &&
                    other->length == entry->length;
        if (!twin && other->length > 0 && entry->offset < (uint64_t)other->offset + other->length &&
            other->offset < end && !(vx_metadata_entry_rules(other, exam->metadata.length) & MISPLACED))
            return true;
    }
    return false;
}

/* Where the item's bytes can be read: inside of the region, not in the table, and not another item's. */
static const struct vx_metadata_entry *placed_item(const struct vx_exam *exam, const vhdx_guid *id)
{
    const struct vx_metadata_entry *entry = exam->table ? vx_metadata_find(exam->table, id) : NULL;
    if (!entry || entry->length == 0 || (vx_metadata_entry_rules(entry, exam->metadata.length) & MISPLACED))
        return NULL;
    return is_contested(exam, entry) ? NULL : entry;
}

/* Reads a small item of known length; *there says whether it is there with that length. */
static vhdx_status read_item(struct vx_exam *exam, const vhdx_guid *id, uint32_t length, uint8_t bytes[16], bool *there,
                             vhdx_error *err)
{
    const struct vx_metadata_entry *entry = placed_item(exam, id);
    size_t got;
    *there = entry && entry->length == length;
    if (!*there)
        return VHDX_OK;
    uint64_t offset = exam->metadata.file_offset + entry->offset;
    VX_TRY(vx_file_read_some(exam->view, bytes, length, offset, &got, err));
    *there = got == length && !vx_patient_bad(&exam->patient, offset, length, NULL);
    return VHDX_OK;
}

static vhdx_status take_values(struct vx_exam *exam, vhdx_error *err)
{
    uint8_t bytes[16];
    bool there;
    VX_TRY(read_item(exam, &vx_guid_file_parameters, 8, bytes, &there, err));
    if (there && vx_file_parameters_decode(vx_bytes_of(bytes, 8), &exam->parameters) == VHDX_OK)
        exam->knows |= VX_KNOWS_PARAMETERS;
    VX_TRY(read_item(exam, &vx_guid_virtual_disk_size, 8, bytes, &there, err));
    if (there && vx_item_u64_decode(vx_bytes_of(bytes, 8), &exam->virtual_size) == VHDX_OK)
        exam->knows |= VX_KNOWS_VIRTUAL_SIZE;
    VX_TRY(read_item(exam, &vx_guid_virtual_disk_id, 16, bytes, &there, err));
    if (there && vx_item_guid_decode(vx_bytes_of(bytes, 16), &exam->disk_id) == VHDX_OK)
        exam->knows |= VX_KNOWS_DISK_ID;
    VX_TRY(read_item(exam, &vx_guid_logical_sector_size, 4, bytes, &there, err));
    if (there && vx_item_u32_decode(vx_bytes_of(bytes, 4), &exam->logical_sector_size) == VHDX_OK)
        exam->knows |= VX_KNOWS_LOGICAL_SECTOR;
    VX_TRY(read_item(exam, &vx_guid_physical_sector_size, 4, bytes, &there, err));
    if (there && vx_item_u32_decode(vx_bytes_of(bytes, 4), &exam->physical_sector_size) == VHDX_OK)
        exam->knows |= VX_KNOWS_PHYSICAL_SECTOR;
    return VHDX_OK;
}

static vhdx_status take_locator(struct vx_exam *exam, vhdx_error *err)
{
    const struct vx_metadata_entry *entry = placed_item(exam, &vx_guid_parent_locator);
    size_t got;
    if (!entry)
        return VHDX_OK;
    exam->locator_bytes = vx_alloc(entry->length, 1);
    exam->locator = vx_alloc(1, sizeof *exam->locator);
    if (!exam->locator_bytes || !exam->locator)
        return vx_fail_memory(err, "the parent locator");
    exam->locator_size = entry->length;
    VX_TRY(vx_file_read_some(exam->view, exam->locator_bytes, entry->length, exam->metadata.file_offset + entry->offset,
                             &got, err));
    if (vx_locator_decode(vx_bytes_of(exam->locator_bytes, entry->length), exam->locator) == VHDX_OK)
        exam->knows |= VX_KNOWS_LOCATOR;
    return VHDX_OK;
}

/* ---- geometry --------------------------------------------------------------------------------------------------- */

static void take_geometry(struct vx_exam *exam)
{
    if (!vx_exam_knows(exam, VX_KNOWS_PARAMETERS | VX_KNOWS_VIRTUAL_SIZE | VX_KNOWS_LOGICAL_SECTOR))
        return;
    bool has_parent = (exam->parameters.flags & VX_PARAMETER_HAS_PARENT) != 0;
    exam->has_geometry = vx_geometry_init(&exam->geometry, exam->virtual_size, exam->parameters.block_size,
                                          exam->logical_sector_size, has_parent);
    if (exam->has_geometry && exam->has_bat)
        exam->bat_entries = vx_min(exam->geometry.entry_count, exam->bat.length / VX_BAT_ENTRY_SIZE);
}

/* Of two good copies that lead to the same metadata, the one whose BAT has room for the disk that these describe. */
static void take_longer_bat(struct vx_exam *exam)
{
    if (!exam->has_geometry || !exam->has_bat || exam->bat_entries == exam->geometry.entry_count)
        return;
    const struct vx_survey_regions *other = &exam->survey->regions[1 - exam->region_copy];
    const struct vx_region_table *table = exam->regions;
    if (other->status != VHDX_OK || (other->rules & VX_REGIONS_UNUSABLE))
        return;
    exam->regions = &other->table;
    struct vx_region bat, metadata;
    if (take_region(exam, &vx_guid_bat_region, &bat) && take_region(exam, &vx_guid_metadata_region, &metadata) &&
        metadata.file_offset == exam->metadata.file_offset &&
        bat.length / VX_BAT_ENTRY_SIZE >= exam->geometry.entry_count) {
        exam->region_copy = 1 - exam->region_copy;
        exam->bat = bat;
        exam->metadata = metadata;
        exam->bat_entries = exam->geometry.entry_count;
    } else {
        exam->regions = table;
    }
}

static enum vhdx_kind kind_of(const struct vx_exam *exam)
{
    if (exam->parameters.flags & VX_PARAMETER_HAS_PARENT)
        return VHDX_KIND_DIFFERENCING;
    return exam->parameters.flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED ? VHDX_KIND_FIXED : VHDX_KIND_DYNAMIC;
}

/* What the readers of this room want: an image as open.c would have made it. */
static vhdx_status fill_image(struct vx_exam *exam, vhdx_error *err)
{
    struct vx_image *image = &exam->image;
    image->host = exam->host;
    image->file = exam->file;
    image->view = exam->view;
    image->header_slot = exam->header_slot;
    if (exam->header)
        image->header = *exam->header;
    memcpy(image->creator, exam->survey->file_id.creator, sizeof image->creator);
    image->log = vx_survey_log_state(exam->survey);
    image->log_age = exam->survey->age;
    image->sequence = exam->survey->sequence;
    if (exam->region_copy >= 0)
        image->regions = &exam->survey->regions[exam->region_copy].table;
    image->bat = exam->bat;
    image->metadata = exam->metadata;
    image->geometry = exam->geometry;
    image->items.table = exam->table;
    image->items.parameters = exam->parameters;
    image->items.locator = vx_exam_knows(exam, VX_KNOWS_LOCATOR) ? exam->locator : NULL;
    image->items.locator_bytes = exam->locator_bytes;
    image->items.locator_size = exam->locator_size;
    image->info = (vhdx_info){.path = vx_file_path(exam->raw),
                              .kind = kind_of(exam),
                              .log = image->log,
                              .virtual_size = exam->virtual_size,
                              .file_size = exam->survey->file_size,
                              .block_size = exam->parameters.block_size,
                              .logical_sector_size = exam->logical_sector_size,
                              .physical_sector_size = exam->physical_sector_size,
                              .virtual_disk_id = exam->disk_id,
                              .file_write_guid = image->header.file_write_guid,
                              .data_write_guid = image->header.data_write_guid,
                              .creator = image->creator};
    if (!image->items.locator)
        return VHDX_OK;
    VX_TRY(vx_items_take_paths(&image->items, err));
    vx_image_take_parent_names(image);
    return VHDX_OK;
}

bool vx_exam_is_readable(const struct vx_exam *exam)
{
    return exam->has_geometry && exam->has_bat && exam->bat_entries == exam->geometry.entry_count &&
           exam->image.log != VHDX_LOG_STATE_CORRUPT;
}

/* ---- doors ------------------------------------------------------------------------------------------------------ */

bool vx_exam_is_plain(const struct vx_exam *exam)
{
    const struct vx_survey *survey = exam->survey;
    return survey->file_id_status == VHDX_OK || survey->headers[0].status == VHDX_OK ||
           survey->headers[1].status == VHDX_OK || survey->regions[0].status == VHDX_OK ||
           survey->regions[1].status == VHDX_OK;
}

static vhdx_status learn(struct vx_exam *exam, vhdx_error *err)
{
    VX_TRY(vx_patient_open(exam->raw, &exam->patient, &exam->file, err));
    VX_TRY(vx_survey_make(exam->file, &exam->survey, err));
    if (exam->survey->file_size == 0)
        return vx_fail(err, VHDX_NOT_VHDX, vx_at_file(vx_file_path(exam->raw)), "the file is empty");
    exam->view = exam->survey->overlay ? exam->survey->overlay : exam->file;
    take_header(exam);
    take_regions(exam);
    VX_TRY(take_table(exam, err));
    VX_TRY(take_values(exam, err));
    VX_TRY(take_locator(exam, err));
    take_geometry(exam);
    take_longer_bat(exam);
    return fill_image(exam, err);
}

static vhdx_status take_known_bad(struct vx_exam *exam, const struct vx_ranges *known_bad, vhdx_error *err)
{
    for (size_t i = 0; known_bad && i < known_bad->count; i++)
        if (!vx_ranges_add(&exam->patient.ranges, &known_bad->items[i]))
            return vx_fail_memory(err, "the list of unreadable places");
    vx_ranges_sort(&exam->patient.ranges);
    return VHDX_OK;
}

static vhdx_status begin(const vhdx_host *host, struct vx_exam **exam, vhdx_error *err)
{
    *exam = vx_alloc(1, sizeof **exam);
    if (!*exam)
        return vx_fail_memory(err, "the exam of a disk");
    (*exam)->host = vx_host_or_native(host);
    (*exam)->header_slot = (*exam)->region_copy = -1;
    return VHDX_OK;
}

/* `status`: of what was done with the exam before. */
static vhdx_status examine(struct vx_exam *exam, vhdx_status status, const struct vx_ranges *known_bad,
                           struct vx_exam **out, vhdx_error *err)
{
    if (status == VHDX_OK)
        status = take_known_bad(exam, known_bad, err);
    if (status == VHDX_OK)
        status = learn(exam, err);
    if (status == VHDX_OK)
        *out = exam;
    else
        vx_exam_close(exam);
    return status;
}

vhdx_status vx_exam_open(const vhdx_host *host, const char *path, vhdx_open_mode access,
                         const struct vx_ranges *known_bad, struct vx_exam **out, vhdx_error *err)
{
    struct vx_exam *exam;
    VX_TRY(begin(host, &exam, err));
    return examine(exam, vx_file_open(exam->host, path, access, &exam->raw, err), known_bad, out, err);
}

vhdx_status vx_exam_of(const vhdx_host *host, struct vx_file *file, const struct vx_ranges *known_bad,
                       struct vx_exam **out, vhdx_error *err)
{
    struct vx_exam *exam;
    VX_TRY(begin(host, &exam, err));
    exam->raw = file;
    exam->borrowed = true;
    return examine(exam, VHDX_OK, known_bad, out, err);
}

void vx_exam_close(struct vx_exam *exam)
{
    if (!exam)
        return;
    vx_free(exam->table);
    vx_free(exam->table_bytes);
    vx_free(exam->image.items.relative_path);
    vx_free(exam->image.items.volume_path);
    vx_free(exam->image.items.absolute_win32_path);
    vx_free(exam->locator);
    vx_free(exam->locator_bytes);
    vx_survey_free(exam->survey); /* closes the overlay */
    vx_file_close(exam->file);
    if (!exam->borrowed)
        vx_file_close(exam->raw);
    vx_ranges_clear(&exam->patient.ranges);
    vx_free(exam);
}
