/*
 * Gathering. See survey.h. The order is the format's own: identifier, headers, log, and everything else through the
 * replayed log.
 */
/* SPDX-License-Identifier: MIT */
#include "image/survey.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/log_past.h"
#include "image/log_replay.h"
#include "image/region_look.h"
#include "io/overlay.h"

#include <string.h>

/* Data pages that a replay in memory may hold; logs of real disks have 1 MiB. */
#define OVERLAY_LIMIT (48 * VX_MIB)

/* A log at such a place, or of another kind, is not read. */
#define LOG_UNUSABLE (VX_HEADER_BAD_LOG_VERSION | VX_HEADER_LOG_MISPLACED | VX_HEADER_LOG_GUID_WITHOUT_LOG)

static vhdx_status gather_file_id(struct vx_file *file, struct vx_survey *survey, vhdx_error *err)
{
    uint8_t bytes[VX_FILE_ID_SIZE];
    size_t got;
    VX_TRY(vx_file_read_some(file, bytes, sizeof bytes, VX_FILE_ID_OFFSET, &got, err));
    survey->file_id_status = vx_file_id_decode(vx_bytes_of(bytes, got), &survey->file_id);
    return VHDX_OK;
}

static vhdx_status gather_header(struct vx_file *file, uint64_t offset, struct vx_survey_header *header,
                                 vhdx_error *err)
{
    uint8_t bytes[VX_HEADER_SIZE];
    size_t got;
    VX_TRY(vx_file_read_some(file, bytes, sizeof bytes, offset, &got, err));
    header->status = vx_header_decode(vx_bytes_of(bytes, got), &header->header);
    header->rules = header->status == VHDX_OK ? vx_header_rules(&header->header) : 0;
    return VHDX_OK;
}

/* Equal sequence numbers are what Disk2vhd leaves behind: harmless while both say the same. */
static bool say_the_same(const struct vx_header *a, const struct vx_header *b)
{
    return vx_guid_equal(&a->file_write_guid, &b->file_write_guid) &&
           vx_guid_equal(&a->data_write_guid, &b->data_write_guid) && vx_guid_equal(&a->log_guid, &b->log_guid) &&
           a->log_version == b->log_version && a->version == b->version && a->log_length == b->log_length &&
           a->log_offset == b->log_offset;
}

static void choose_header(struct vx_survey *survey)
{
    const struct vx_header *first = &survey->headers[0].header, *second = &survey->headers[1].header;
    bool first_valid = vx_survey_header_valid(&survey->headers[0]);
    bool second_valid = vx_survey_header_valid(&survey->headers[1]);
    survey->current = first_valid ? 0 : second_valid ? 1 : -1;
    if (!first_valid || !second_valid)
        return;
    if (second->sequence_number > first->sequence_number)
        survey->current = 1;
    survey->tie = second->sequence_number == first->sequence_number && !say_the_same(first, second);
}

static vhdx_status replay(struct vx_file *file, const struct vx_header *header, struct vx_survey *survey,
                          vhdx_error *err)
{
    VX_TRY(vx_overlay_open(file, OVERLAY_LIMIT, &survey->overlay, err));
    vhdx_status status = vx_log_replay(file, header, &survey->sequence, survey->overlay, &survey->log_error);
    if (status == VHDX_OK)
        return VHDX_OK;
    vx_file_close(survey->overlay);
    survey->overlay = NULL;
    survey->log = VX_SURVEY_LOG_UNUSABLE;
    if (status != VHDX_IO && status != VHDX_NOMEM)
        return VHDX_OK;
    if (err)
        *err = survey->log_error;
    return status;
}

static vhdx_status gather_log(struct vx_file *file, struct vx_survey *survey, vhdx_error *err)
{
    survey->log = VX_SURVEY_LOG_CLEAN;
    vx_clear(&survey->log_error);
    if (survey->current < 0)
        return VHDX_OK;
    const struct vx_survey_header *current = &survey->headers[survey->current];
    if (vx_guid_is_zero(&current->header.log_guid))
        return VHDX_OK;
    if (current->rules & LOG_UNUSABLE) {
        survey->log = VX_SURVEY_LOG_UNUSABLE;
        return VHDX_OK;
    }
    VX_TRY(vx_log_scan(file, &current->header, &survey->sequence, err));
    survey->log = survey->sequence.found ? VX_SURVEY_LOG_ACTIVE : VX_SURVEY_LOG_MISSING;
    return survey->sequence.found ? replay(file, &current->header, survey, err) : VHDX_OK;
}

static vhdx_status gather_regions(struct vx_file *view, uint64_t offset, uint8_t *bytes,
                                  struct vx_survey_regions *regions, vhdx_error *err)
{
    size_t got;
    VX_TRY(vx_file_read_some(view, bytes, VX_REGION_TABLE_SIZE, offset, &got, err));
    regions->status = vx_region_table_decode(vx_bytes_of(bytes, got), &regions->table);
    regions->rules = regions->status == VHDX_OK ? vx_region_table_rules(&regions->table) : 0;
    return VHDX_OK;
}

vhdx_status vx_survey_headers(struct vx_file *file, struct vx_survey *survey, vhdx_error *err)
{
    VX_TRY(vx_file_size(file, &survey->file_size, err));
    VX_TRY(gather_file_id(file, survey, err));
    VX_TRY(gather_header(file, VX_HEADER1_OFFSET, &survey->headers[0], err));
    VX_TRY(gather_header(file, VX_HEADER2_OFFSET, &survey->headers[1], err));
    choose_header(survey);
    return VHDX_OK;
}

/* Replay is right, except where the log is older than the file, or has no entry because none was ever written. */
static vhdx_status judge_log(struct vx_file *file, struct vx_survey *survey, vhdx_error *err)
{
    bool unbegun = false;
    if (survey->log == VX_SURVEY_LOG_MISSING) {
        VX_TRY(vx_log_is_unbegun_by_proof(file, survey, &unbegun, err));
        survey->log = unbegun ? VX_SURVEY_LOG_UNBEGUN : VX_SURVEY_LOG_MISSING;
    }
    if (survey->log != VX_SURVEY_LOG_ACTIVE)
        return VHDX_OK;
    VX_TRY(vx_log_compare_age(file, survey->overlay, survey, err));
    if (survey->age.newer_blocks == 0 || survey->age.log_is_needed)
        return VHDX_OK;
    /* the region tables need no second look: a log that is older changes pages of the BAT and of bitmaps only */
    vx_file_close(survey->overlay);
    survey->overlay = NULL;
    survey->log = VX_SURVEY_LOG_STALE;
    return VHDX_OK;
}

static vhdx_status gather(struct vx_file *file, struct vx_survey *survey, uint8_t *bytes, vhdx_error *err)
{
    VX_TRY(vx_survey_headers(file, survey, err));
    VX_TRY(gather_log(file, survey, err));
    struct vx_file *view = survey->overlay ? survey->overlay : file;
    VX_TRY(gather_regions(view, VX_REGION_TABLE1_OFFSET, bytes, &survey->regions[0], err));
    VX_TRY(gather_regions(view, VX_REGION_TABLE2_OFFSET, bytes, &survey->regions[1], err));
    return judge_log(file, survey, err);
}

vhdx_status vx_survey_make(struct vx_file *file, struct vx_survey **out, vhdx_error *err)
{
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    vhdx_status status;
    if (survey && bytes)
        status = gather(file, survey, bytes, err);
    else
        status = vx_fail_memory(err, "the survey of a disk");
    vx_free(bytes);
    if (status == VHDX_OK)
        *out = survey;
    else
        vx_survey_free(survey);
    return status;
}

void vx_survey_free(struct vx_survey *survey)
{
    if (!survey)
        return;
    vx_file_close(survey->overlay);
    vx_free(survey);
}
