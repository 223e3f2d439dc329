/*
 * Identifier and headers. A header is mended by writing both copies anew, one after the other, with higher sequence
 * numbers (repair_apply.c does that); what is decided here is which values they get. A log that lies where none can be
 * is placed at the end of the file, but only while nothing in it is needed.
 *
 * Easy to get wrong: never one copy over the other as it is: equal sequence numbers leave nobody in charge.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/guid.h"
#include "image/log_needed.h"
#include "rebuild/rebuild.h"

#define LOG_LENGTH ((uint32_t)VX_MIB)

/* ---- identifier ---- */

vhdx_status vx_mend_file_id(struct vx_mending *m, vhdx_error *err)
{
    const struct vx_reason reason = {VX_FIND_FILE_SIGNATURE, vx_mend_is_present(m, VX_FIND_FILE_BEGINNING_LOST),
                                     "the file is known as a VHDX again", NULL};
    uint8_t bytes[8];
    if (!vx_mend_is_wanted(m, VX_FIND_FILE_SIGNATURE))
        return VHDX_OK;
    vx_put64(bytes, VX_SIG_FILE);
    return vx_plan_put(m->plan, bytes, sizeof bytes, VX_FILE_ID_OFFSET, &reason, err);
}

/* ---- which header ---- */

static vhdx_status looks_active(struct vx_mending *m, const struct vx_header *header, bool *active, vhdx_error *err)
{
    struct vx_log_sequence sequence = {0};
    uint32_t rules = vx_header_rules(header);
    *active = false;
    if (vx_guid_is_zero(&header->log_guid) || header->log_length == 0 || (rules & ~(uint32_t)VX_HEADER_BAD_CHECKSUM))
        return VHDX_OK;
    VX_TRY(vx_log_scan(m->plan->sketch, header, &sequence, err));
    *active = sequence.found;
    return VHDX_OK;
}

/*
 * Two headers of one number that say different things. The one whose log is there is the one that was in use; where
 * both or neither have one, the copy that a writer touches last in a pair (MS-VHDX 2.2.2.1) is taken.
 */
static vhdx_status settle_tie(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_HEADER_TIE, true, "one header is in charge again",
                                            "what the other header said"};
    const struct vx_survey *survey = m->exam->survey;
    bool active[2];
    for (int i = 0; i < 2; i++)
        VX_TRY(looks_active(m, &survey->headers[i].header, &active[i], err));
    int chosen = active[0] != active[1] ? (active[0] ? 0 : 1) : 1;
    if (!active[chosen] && !vx_guid_is_zero(&survey->headers[chosen].header.log_guid) &&
        vx_guid_is_zero(&survey->headers[1 - chosen].header.log_guid))
        chosen = 1 - chosen; /* a log that is not there cannot have been in use */
    return vx_plan_put_header(m->plan, &survey->headers[chosen].header, chosen, &reason, err);
}

/* Without its checksum a header is believed only where all of it makes sense. */
static bool makes_sense(const struct vx_mending *m, const struct vx_survey_header *slot)
{
    const struct vx_header *header = &slot->header;
    if (slot->status != VHDX_OK || (slot->rules & ~(uint32_t)VX_HEADER_BAD_CHECKSUM))
        return false;
    return header->log_offset <= m->plan->new_size && header->log_length <= m->plan->new_size - header->log_offset;
}

/* Nothing is left of either copy. Whether a log was to be replayed only the ring itself can tell. */
static vhdx_status make_header(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_HEADERS_LOST, true, "the disk has a header", vx_costs_ids};
    VX_TRY(vx_mending_rebuild(m, false, err));
    const struct vx_header *header = &m->rebuilt->header;
    uint64_t end = header->log_offset + header->log_length;
    if (end > m->plan->new_size) /* a new log */
        VX_TRY(vx_plan_resize(m->plan, end, &reason, err));
    return vx_plan_put_header(m->plan, header, -1, &reason, err);
}

static vhdx_status revive_header(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_HEADERS_LOST, true,
                                            "a header that makes sense but for its checksum is in charge again",
                                            "the certainty that none of its fields is damaged"};
    const struct vx_survey *survey = m->exam->survey;
    int chosen = -1;
    for (int i = 0; i < 2; i++)
        if (makes_sense(m, &survey->headers[i]) &&
            (chosen < 0 || survey->headers[i].header.sequence_number > survey->headers[chosen].header.sequence_number))
            chosen = i;
    VX_TRY(vx_mending_rebuild(m, false, err));
    const struct vx_header *found = &m->rebuilt->header;
    if (chosen < 0 || found->log_offset + found->log_length > m->plan->new_size)
        return make_header(m, err);
    struct vx_header header = survey->headers[chosen].header;
    bool moved = header.log_offset != found->log_offset || header.log_length != found->log_length;
    header.log_offset = found->log_offset;
    header.log_length = found->log_length;
    if (moved || (!vx_guid_is_zero(&header.log_guid) && !vx_guid_is_zero(&found->log_guid)))
        header.log_guid = found->log_guid; /* by the ring, which has checksums */
    return vx_plan_put_header(m->plan, &header, -1, &reason, err);
}

/* ---- a place for the log ---- */

static vhdx_status end_of_file(const struct vx_mending *m, uint64_t *end, vhdx_error *err)
{
    if (vx_round_up(m->plan->new_size, VX_OBJECT_ALIGNMENT, end))
        return VHDX_OK;
    return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(m->plan->file)),
                   "the file is too long for a log behind it");
}

static vhdx_status place_log(struct vx_mending *m, struct vx_header *header, const struct vx_reason *reason,
                             vhdx_error *err)
{
    VX_TRY(end_of_file(m, &header->log_offset, err));
    header->log_length = LOG_LENGTH;
    VX_TRY(vx_plan_resize(m->plan, header->log_offset + LOG_LENGTH, reason, err));
    return vx_plan_put_header(m->plan, header, m->exam->survey->current, reason, err);
}

/* Where the log that is asked for lies, if that is where the other header says, or where logs usually begin. */
static vhdx_status find_log(struct vx_mending *m, struct vx_header *header, bool *found, vhdx_error *err)
{
    const struct vx_survey *survey = m->exam->survey;
    const struct vx_survey_header *other = &survey->headers[1 - survey->current];
    enum vx_log_trace trace;
    *found = false;
    if (vx_survey_header_valid(other) &&
        (other->header.log_offset != header->log_offset || other->header.log_length != header->log_length)) {
        header->log_offset = other->header.log_offset;
        header->log_length = other->header.log_length;
        VX_TRY(looks_active(m, header, found, err));
    }
    if (*found)
        return VHDX_OK;
    VX_TRY(vx_log_search(m->plan->sketch, m->exam->header, header, &trace, err));
    *found = trace == VX_LOG_FOUND;
    return VHDX_OK;
}

/* The header asks for a log, and names a place where it is not. *done: it is found, and the header mended. */
static vhdx_status mend_lost_place(struct vx_mending *m, bool *done, vhdx_error *err)
{
    static const enum vx_find kinds[] = {
        VX_FIND_HEADER_LOG_LENGTH, VX_FIND_HEADER_LOG_OFFSET, VX_FIND_HEADER_LOG_LOW,   VX_FIND_HEADER_LOG_BEYOND_END,
        VX_FIND_HEADER_NO_LOG,     VX_FIND_SPACE_LOG_OVERLAP, VX_FIND_LOG_NEVER_WRITTEN};
    struct vx_reason reason = {.gives = "the log is found, and the header says where it lies"};
    struct vx_header header = *m->exam->header;
    *done = false;
    if (vx_guid_is_zero(&header.log_guid) || m->exam->survey->log == VX_SURVEY_LOG_ACTIVE)
        return VHDX_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && reason.finding == 0; i++)
        if (vx_mend_is_present(m, kinds[i]))
            reason.finding = kinds[i];
    if (reason.finding == 0)
        return VHDX_OK;
    VX_TRY(find_log(m, &header, done, err));
    return *done ? vx_plan_put_header(m->plan, &header, m->exam->survey->current, &reason, err) : VHDX_OK;
}

static const struct {
    enum vx_find kind;
    const char *gives;
} log_places[] = {
    {VX_FIND_HEADER_LOG_LENGTH, "the (empty) log has a usable place again"},
    {VX_FIND_HEADER_LOG_OFFSET, "the (empty) log has a usable place again"},
    {VX_FIND_HEADER_LOG_LOW, "the (empty) log has a usable place again"},
    {VX_FIND_HEADER_LOG_BEYOND_END, "the (empty) log has a usable place again"},
    {VX_FIND_HEADER_NO_LOG, "the disk does not ask any more for a log that it does not have"},
    {VX_FIND_SPACE_LOG_OVERLAP, "the (empty) log has a place of its own"},
};

static vhdx_status mend_log_place(struct vx_mending *m, size_t row, vhdx_error *err)
{
    struct vx_header header = *m->exam->header;
    struct vx_reason reason = {log_places[row].kind, false, log_places[row].gives, NULL};
    if (vx_guid_is_zero(&header.log_guid))
        return place_log(m, &header, &reason, err);
    if (reason.finding != VX_FIND_HEADER_NO_LOG)
        return VHDX_OK; /* a log that is needed, and cannot be found: mend_log.c's matter */
    if (!(m->classes[VX_FIND_HEADER_NO_LOG] & 1u << VHDX_REPAIR_LOSSLESS)) {
        reason.salvage = true;
        reason.costs = "what a log held of which only traces are there";
    }
    VX_TRY(vx_plan_drop_log(m->plan, &header, m->exam->survey->current, &reason, err));
    header = m->plan->header;
    return place_log(m, &header, &reason, err);
}

/* ---- values ---- */

static const struct {
    enum vx_find kind;
    const char *gives;
} plain[] = {
    {VX_FIND_HEADER_DAMAGED, "both copies of the header are good again"},
    {VX_FIND_HEADER_IDLE_LOG_VERSION, "the version of the empty log is what it must be"},
    {VX_FIND_HEADER_SEQUENCE, "the headers have sequence numbers that can grow"},
    {VX_FIND_HEADER_FILE_GUID, "the file has a FileWriteGuid"},
};

vhdx_status vx_mend_headers(struct vx_mending *m, vhdx_error *err)
{
    const struct vx_survey *survey = m->exam->survey;
    if (survey->current < 0)
        return vx_mend_is_wanted(m, VX_FIND_HEADERS_LOST) ? revive_header(m, err) : VHDX_OK;
    if (survey->tie)
        return vx_mend_is_wanted(m, VX_FIND_HEADER_TIE) ? settle_tie(m, err) : VHDX_OK;
    struct vx_header header = survey->headers[survey->current].header;
    if (vx_header_rules(&header) & VX_HEADER_BAD_VERSION)
        return VHDX_OK; /* of another format: nobody here knows what it says */
    bool done;
    VX_TRY(mend_lost_place(m, &done, err));
    if (done)
        return VHDX_OK;
    for (size_t i = 0; i < sizeof log_places / sizeof log_places[0]; i++)
        if (vx_mend_is_wanted(m, log_places[i].kind))
            return mend_log_place(m, i, err);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        const struct vx_reason reason = {plain[i].kind, false, plain[i].gives, NULL};
        if (!vx_mend_is_wanted(m, plain[i].kind))
            continue;
        if (vx_guid_is_zero(&header.log_guid))
            header.log_version = VX_LOG_VERSION;
        VX_TRY(vx_plan_put_header(m->plan, &header, survey->current, &reason, err));
    }
    return VHDX_OK;
}
