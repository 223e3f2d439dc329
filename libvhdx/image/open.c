/*
 * Opening, strictly: turns a survey into an image or refuses with the place. See image.h. No structure is decoded here,
 * nothing written.
 */
/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/foreign.h"
#include "image/survey.h"
#include "image/writing.h"

#include <inttypes.h>
#include <string.h>

static uint64_t header_offset(int slot)
{
    return slot == 0 ? VX_HEADER1_OFFSET : VX_HEADER2_OFFSET;
}

static vhdx_status check_file_id(const struct vx_image *image, const struct vx_survey *survey, vhdx_error *err)
{
    const char *path = vx_image_path(image), *foreign = NULL;
    if (survey->file_id_status == VHDX_OK)
        return VHDX_OK;
    if (survey->file_size == 0)
        return vx_fail(err, VHDX_NOT_VHDX, vx_at_file(path), "the file is empty");
    if (vx_foreign_look(image->file, &foreign, NULL) == VHDX_OK && foreign) {
        vx_fail(err, VHDX_NOT_VHDX, vx_at_file(path), "this is no VHDX file: it is %s", foreign);
        if (vx_foreign_converts(foreign))
            return vx_advise_code(err, VHDX_NOT_VHDX, VHDX_ADVICE_CONVERT, path);
        return vx_advise(err, VHDX_NOT_VHDX,
                         "check that this is the right file; 'qemu-img convert -O vhdx' makes a VHDX of most disks");
    }
    return vx_fail(err, VHDX_NOT_VHDX, vx_at(path, "file identifier", VX_FILE_ID_OFFSET),
                   "this is no VHDX file: its first bytes are not 'vhdxfile'");
}

static vhdx_status take_header(struct vx_image *image, const struct vx_survey *survey, unsigned flags, vhdx_error *err)
{
    const char *path = vx_image_path(image);
    if (survey->current < 0)
        return vx_fail(err, VHDX_CORRUPT, vx_at(path, "header", VX_HEADER1_OFFSET),
                       "neither copy of the header is valid");
    if (survey->tie && !(flags & VX_OPEN_INSPECT))
        return vx_fail(err, VHDX_CORRUPT, vx_at(path, "header", VX_HEADER1_OFFSET),
                       "both copies of the header have sequence number %" PRIu64 " but different content",
                       survey->headers[0].header.sequence_number);
    const struct vx_survey_header *current = &survey->headers[survey->current];
    struct vx_where where = vx_at(path, "header", header_offset(survey->current));
    if (current->rules & VX_HEADER_BAD_VERSION)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the format's version is %u, expected 1", current->header.version);
    if ((current->rules & VX_HEADER_BAD_LOG_VERSION) && !vx_guid_is_zero(&current->header.log_guid) &&
        !(flags & VX_OPEN_INSPECT))
        return vx_fail(err, VHDX_UNSUPPORTED, where, "the log's version is %u, expected 0",
                       current->header.log_version);
    image->header = current->header;
    image->header_slot = survey->current;
    return VHDX_OK;
}

static vhdx_status fail_log(const struct vx_image *image, const struct vx_survey *survey, vhdx_error *err)
{
    struct vx_where where = vx_at(vx_image_path(image), "log", image->header.log_offset);
    if (survey->log == VX_SURVEY_LOG_UNUSABLE && survey->log_error.status != VHDX_OK) {
        if (err)
            *err = survey->log_error;
        return survey->log_error.status;
    }
    if (survey->log == VX_SURVEY_LOG_UNUSABLE)
        return vx_fail(err, VHDX_CORRUPT, where,
                       "the log must be replayed, but the header gives it no usable place (length 0x%" PRIx32 ")",
                       image->header.log_length);
    return vx_fail(err, VHDX_CORRUPT, where,
                   "the log must be replayed, but holds no valid active sequence (%" PRIu32
                   " sectors begin an entry of it)",
                   survey->sequence.own_sectors);
}

static vhdx_status take_log(struct vx_image *image, struct vx_survey *survey, unsigned flags, vhdx_error *err)
{
    image->view = image->file;
    image->log = vx_survey_log_state(survey);
    image->log_age = survey->age;
    if (survey->log == VX_SURVEY_LOG_ACTIVE) {
        image->view = survey->overlay;
        survey->overlay = NULL;
        image->sequence = survey->sequence;
    }
    return image->log != VHDX_LOG_STATE_CORRUPT || (flags & VX_OPEN_INSPECT) ? VHDX_OK : fail_log(image, survey, err);
}

static vhdx_status take_regions(struct vx_image *image, const struct vx_survey *survey, vhdx_error *err)
{
    int copy = vx_survey_choose_regions(survey, image->view);
    const struct vx_survey_regions *chosen = copy < 0 ? NULL : &survey->regions[copy];
    struct vx_where where = vx_at(vx_image_path(image), "region table", VX_REGION_TABLE1_OFFSET);
    if (!chosen)
        return vx_fail(err, VHDX_CORRUPT, where, "neither copy of the region table is usable");
    if (chosen->rules & VX_REGION_UNKNOWN_REQUIRED)
        return vx_fail(err, VHDX_UNSUPPORTED, where, "a region that is required is not known to this program");
    image->regions = vx_alloc(1, sizeof *image->regions);
    if (!image->regions)
        return vx_fail_memory(err, "the region table");
    *image->regions = chosen->table;
    image->bat = *vx_region_find(image->regions, &vx_guid_bat_region);
    image->metadata = *vx_region_find(image->regions, &vx_guid_metadata_region);
    if (image->metadata.length > VX_METADATA_REGION_MAX)
        return vx_fail(err, VHDX_LIMIT, vx_at(vx_image_path(image), "metadata region", image->metadata.file_offset),
                       "the metadata region has 0x%" PRIx32 " bytes, more than any disk needs", image->metadata.length);
    return VHDX_OK;
}

static vhdx_status take_survey(struct vx_image *image, struct vx_survey *survey, unsigned flags, vhdx_error *err)
{
    VX_TRY(check_file_id(image, survey, err));
    memcpy(image->creator, survey->file_id.creator, sizeof image->creator);
    VX_TRY(take_header(image, survey, flags, err));
    VX_TRY(take_log(image, survey, flags, err));
    VX_TRY(take_regions(image, survey, err));
    image->info.file_size = survey->file_size;
    VX_TRY(vx_items_load(image->view, &image->metadata, (flags & VX_OPEN_UNFINISHED) != 0, &image->items, err));
    return vx_image_refresh(image, err);
}

vhdx_status vx_image_open_file(const vhdx_host *host, struct vx_file *file, unsigned flags, struct vx_image **out,
                               vhdx_error *err)
{
    struct vx_survey *survey = NULL;
    struct vx_image *image = vx_alloc(1, sizeof *image);
    if (!image) {
        vx_file_close(file);
        return vx_fail_memory(err, "an image");
    }
    image->host = vx_host_or_native(host);
    image->file = file;
    bool other;
    vhdx_status status = vx_image_take_other(image, flags, &other, err);
    if (status == VHDX_OK && !other)
        status = vx_survey_make(file, &survey, err);
    if (status == VHDX_OK && !other)
        status = take_survey(image, survey, flags, err);
    vx_survey_free(survey);
    if (status == VHDX_OK)
        *out = image;
    else
        vx_image_close(image);
    return status;
}

vhdx_status vx_image_open(const vhdx_host *host, const char *path, unsigned flags, struct vx_image **image,
                          vhdx_error *err)
{
    struct vx_file *file;
    vhdx_open_mode access = flags & VX_OPEN_WRITE  ? VHDX_OPEN_WRITE
                            : flags & VX_OPEN_PEEK ? VHDX_OPEN_PEEK
                                                   : VHDX_OPEN_READ;
    VX_TRY(vx_file_open(vx_host_or_native(host), path, access, &file, err));
    return vx_image_open_file(host, file, flags, image, err);
}

static vhdx_status identity(struct vx_image *image, struct vx_survey *survey, vhdx_error *err)
{
    VX_TRY(vx_survey_headers(image->file, survey, err));
    VX_TRY(check_file_id(image, survey, err));
    return take_header(image, survey, 0, err);
}

vhdx_status vx_image_peek_identity(const vhdx_host *host, const char *path, vhdx_guid *data_write_guid, vhdx_error *err)
{
    struct vx_image image = {.host = vx_host_or_native(host)};
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_file_open(image.host, path, VHDX_OPEN_PEEK, &image.file, err);
    if (status == VHDX_OK)
        status = identity(&image, survey, err);
    vx_file_close(image.file);
    vx_free(survey);
    if (status == VHDX_OK)
        *data_write_guid = image.header.data_write_guid;
    return status;
}

void vx_image_close(struct vx_image *image)
{
    if (!image)
        return;
    vx_image_close_writer(image);
    vx_items_free(&image->items);
    vx_vhd_close(image->vhd);
    vx_free(image->regions);
    if (image->view != image->file)
        vx_file_close(image->view);
    vx_file_close(image->file);
    vx_free(image);
}
