/*
 * The sketch as it will be once the plan has gone through the journal. What the log remembered of former times is
 * overwritten then, and the journal's own entries stand there, which say of every page that it is as it should be:
 * readers who ask the log for evidence see another one than in the sketch.
 */
/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/guid.h"
#include "io/overlay.h"
#include "plan/audit_parts.h"

#include <string.h>

#define MOST_PAGES 100u /* in the one entry that stands for all of them: half of a usual log at most */
#define LOG_LIMIT (4 * VX_MIB)

struct journaled {
    uint8_t *bytes; /* MOST_PAGES pages, and behind them the entry */
    struct vx_log_page pages[MOST_PAGES];
    uint32_t count;
};

static bool goes_through_log(const struct vx_auditing *work, const struct vx_range *write)
{
    return write->offset + write->length > VX_LOG_LOWEST_TARGET && write->offset < work->plan->old_size;
}

const struct vx_range *vx_audit_first_journaled(const struct vx_auditing *work)
{
    for (size_t i = 0; i < work->written.count; i++)
        if (goes_through_log(work, &work->written.items[i]))
            return &work->written.items[i];
    return NULL;
}

static vhdx_status take_page(struct vx_auditing *work, struct journaled *journaled, uint64_t offset, vhdx_error *err)
{
    uint8_t *bytes = journaled->bytes + journaled->count * VX_PAGE;
    size_t got;
    if (journaled->count > 0 && journaled->pages[journaled->count - 1].file_offset >= offset)
        return VHDX_OK;
    memset(bytes, 0, VX_PAGE);
    VX_TRY(vx_file_read_some(work->plan->sketch, bytes, VX_PAGE, offset, &got, err));
    journaled->pages[journaled->count++] = (struct vx_log_page){offset, bytes};
    return VHDX_OK;
}

static vhdx_status take_pages(struct vx_auditing *work, struct journaled *journaled, vhdx_error *err)
{
    for (size_t i = 0; i < work->written.count; i++) {
        const struct vx_range *write = &work->written.items[i];
        uint64_t end = write->offset + write->length;
        for (uint64_t at = vx_round_down(write->offset, VX_PAGE); goes_through_log(work, write) && at < end;
             at += VX_PAGE)
            if (journaled->count < MOST_PAGES)
                VX_TRY(take_page(work, journaled, at, err));
    }
    return VHDX_OK;
}

static vhdx_status put_entry(struct vx_auditing *work, const struct vx_header *place, struct journaled *journaled,
                             vhdx_error *err)
{
    uint64_t length = vx_log_entry_size(journaled->count);
    struct vx_log_header header = {.sequence_number = 1,
                                   .log_guid = work->plan->header.file_write_guid,
                                   .flushed_file_offset = work->plan->new_size,
                                   .last_file_offset = work->plan->new_size};
    uint8_t *entry = journaled->bytes + MOST_PAGES * VX_PAGE;
    if (vx_guid_is_zero(&header.log_guid))
        header.log_guid.bytes[0] = 1;
    if (journaled->count == 0 || length > place->log_length)
        return VHDX_OK;
    vx_log_entry_encode(&header, journaled->pages, journaled->count, entry);
    return vx_file_write(work->journaled, entry, (size_t)length, place->log_offset, err);
}

static vhdx_status renew_log(struct vx_auditing *work, const struct vx_header *place, vhdx_error *err)
{
    struct journaled *journaled = vx_alloc(1, sizeof *journaled);
    if (!journaled)
        return vx_fail_memory(err, "the journal of a plan");
    journaled->bytes = vx_alloc((size_t)(MOST_PAGES * VX_PAGE + vx_log_entry_size(MOST_PAGES)), 1);
    vhdx_status status = journaled->bytes ? VHDX_OK : vx_fail_memory(err, "the journal of a plan");
    if (status == VHDX_OK)
        status = vx_overlay_open(work->plan->sketch, LOG_LIMIT, &work->journaled, err);
    if (status == VHDX_OK)
        status = vx_file_zero(work->journaled, place->log_offset, place->log_length, err);
    if (status == VHDX_OK)
        status = take_pages(work, journaled, err);
    if (status == VHDX_OK)
        status = put_entry(work, place, journaled, err);
    vx_free(journaled->bytes);
    vx_free(journaled);
    return status;
}

vhdx_status vx_audit_journal(struct vx_auditing *work, struct vx_file **view, vhdx_error *err)
{
    struct vx_survey *survey = NULL;
    *view = work->plan->sketch;
    if (!vx_audit_first_journaled(work))
        return VHDX_OK;
    VX_TRY(vx_survey_make(work->plan->sketch, &survey, err));
    const struct vx_header *header = survey->current >= 0 ? &survey->headers[survey->current].header : NULL;
    vhdx_status status = VHDX_OK;
    if (header && vx_guid_is_zero(&header->log_guid) && header->log_length > 0 &&
        header->log_offset < work->plan->new_size && header->log_length <= work->plan->new_size - header->log_offset) {
        status = renew_log(work, header, err);
        *view = work->journaled;
    }
    vx_survey_free(survey);
    return status;
}
