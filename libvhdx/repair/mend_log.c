/*
 * The log: applied when it is whole, emptied when nothing of it is needed, and, when something is given up, applied as
 * far as it is whole. While a log must be replayed and is not, nothing else of the metadata is what it seems: the other
 * menders wait.
 *
 * Easy to get wrong: which entries to apply when the first of them is gone. Those that are whole and newest: what is
 * missing is older than they are.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/mend.h"

#include "base/guid.h"
#include "image/log_needed.h"

#define LOG_LENGTH ((uint32_t)VX_MIB)

/* ---- what is done ---- */

/*
 * Entries that aim where no metadata can be are not to be applied, whoever wrote them; beyond the end they are
 * harmless, but not so far that the file would become longer than the disk can need.
 */
static bool aims_astray(const struct vx_mending *m)
{
    return vx_mend_is_present(m, VX_FIND_LOG_TARGET_LOW) || vx_mend_is_present(m, VX_FIND_LOG_TARGET_LOG) ||
           vx_is_error(m, VX_FIND_LOG_TARGET_STRAY) || vx_mend_is_present(m, VX_FIND_LOG_TARGET_RANGE) ||
           (vx_mend_is_present(m, VX_FIND_LOG_TARGET_FAR) && vx_mend_is_present(m, VX_FIND_LOG_TARGET_STRAY));
}

/* What a log would have changed can be the place of any block. */
static const struct vx_loss doubtful_log = {"the log that is given up may have changed it", true, false};

static vhdx_status drop(struct vx_mending *m, const struct vx_reason *reason, vhdx_error *err)
{
    if (reason->salvage)
        m->plan->doubt = &doubtful_log;
    return vx_plan_drop_log(m->plan, m->exam->header, m->exam->survey->current, reason, err);
}

/* The log and the disk both have what the other lacks: the format says that the log counts. */
static vhdx_status replay_against(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_LOG_STALE, true, "the log is applied and empty",
                                            "blocks to which the disk led, and of which the log does not know"};
    static const struct vx_loss loss = {"the log was replayed over a disk that is newer in part", true, false};
    m->plan->doubt = &loss;
    return vx_plan_replay(m->plan, m->exam->header, m->exam->survey->current, &m->exam->survey->sequence, &reason, err);
}

static vhdx_status apply_whole(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_HEADER_DIRTY, false, "the log is applied and empty", NULL};
    static const struct vx_reason astray = {VX_FIND_LOG_TARGET_STRAY, true, "the disk can be used without its log",
                                            "what the last entries of the log would have changed"};
    if (aims_astray(m))
        return m->salvage ? drop(m, &astray, err) : VHDX_OK;
    if (vx_mend_is_present(m, VX_FIND_LOG_STALE))
        return m->salvage ? replay_against(m, err) : VHDX_OK;
    if (!vx_mend_is_wanted(m, VX_FIND_HEADER_DIRTY))
        return VHDX_OK;
    struct vx_log_sequence sequence = m->exam->survey->sequence;
    if (vx_mend_is_present(m,
                           VX_FIND_LOG_TARGET_FAR)) /* no disk needs a file of that length, whatever the entry says */
        sequence.head.last_file_offset = 0;
    return vx_plan_replay(m->plan, m->exam->header, m->exam->survey->current, &sequence, &reason, err);
}

/* Whole entries are there, but not the one where replay should begin. */
static vhdx_status apply_rest(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_LOG_NO_SEQUENCE, true, "the whole entries of the log are applied",
                                            "what the damaged entries of the log would have changed"};
    struct vx_log_sequence sequence;
    VX_TRY(vx_log_scan_rest(m->plan->sketch, m->exam->header, &sequence, err));
    if (!sequence.found || aims_astray(m))
        return VHDX_OK;
    m->plan->doubt = &doubtful_log;
    return vx_plan_replay(m->plan, m->exam->header, m->exam->survey->current, &sequence, &reason, err);
}

static vhdx_status mend_damaged(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason idle = {VX_FIND_LOG_DAMAGED, false,
                                          "the log is empty; all that it holds stands already where it belongs", NULL};
    static const struct vx_reason lost = {VX_FIND_LOG_DAMAGED, true, "the disk can be used without its log",
                                          "what the damaged entries of the log would have changed"};
    bool needed = true;
    VX_TRY(vx_log_needed(m->plan->sketch, m->exam->header, &needed, err));
    if (!needed)
        return drop(m, &idle, err);
    if (vx_mend_is_wanted(m, VX_FIND_LOG_NO_SEQUENCE))
        return apply_rest(m, err);
    return m->salvage ? drop(m, &lost, err) : VHDX_OK;
}

/*
 * Nothing of the log is where the header says. It may be elsewhere, and what lies there a block's whose entry only the
 * log knows: zeros, as far as it was written. So the new log gets space of its own.
 */
static vhdx_status give_up_missing(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason gone = {VX_FIND_LOG_NEVER_WRITTEN, true, "the disk can be used without its log",
                                          "what the log held: nothing of it is there"};
    struct vx_header header = *m->exam->header;
    if (!vx_round_up(m->plan->new_size, VX_OBJECT_ALIGNMENT, &header.log_offset))
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(m->plan->file)),
                       "the file is too long for a log behind it");
    header.log_length = LOG_LENGTH;
    VX_TRY(vx_plan_resize(m->plan, header.log_offset + LOG_LENGTH, &gone, err));
    m->plan->doubt = &doubtful_log;
    return vx_plan_drop_log(m->plan, &header, m->exam->survey->current, &gone, err);
}

static vhdx_status mend_missing(struct vx_mending *m, vhdx_error *err)
{
    if (!vx_mend_is_present(m, VX_FIND_LOG_NEVER_WRITTEN))
        return mend_damaged(m, err);
    return m->salvage ? give_up_missing(m, err) : VHDX_OK;
}

/*
 * The file is shorter than its log knows it was. What the log says holds all the same; blocks behind the cut are the
 * BAT's matter, so the file does not grow here.
 */
static vhdx_status apply_to_cut_file(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason reason = {VX_FIND_LOG_FILE_CUT, true, "the log is applied and empty",
                                            "what lay behind the place where the file was cut"};
    struct vx_log_sequence sequence = m->exam->survey->sequence;
    sequence.head.flushed_file_offset = 0;
    sequence.head.last_file_offset = 0;
    return vx_plan_replay(m->plan, m->exam->header, m->exam->survey->current, &sequence, &reason, err);
}

/* The log cannot be applied, or cannot even be found. */
static vhdx_status mend_unusable(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason lost = {VX_FIND_LOG_REPLAY, true, "the disk can be used without its log",
                                          "what the log would have changed"};
    if (!m->salvage)
        return VHDX_OK;
    if (m->exam->survey->log_error.status == VHDX_TRUNCATED && !aims_astray(m))
        return apply_to_cut_file(m, err);
    return drop(m, &lost, err);
}

vhdx_status vx_mend_log(struct vx_mending *m, vhdx_error *err)
{
    static const struct vx_reason never = {VX_FIND_LOG_NEVER_WRITTEN, false,
                                           "the log is empty, as it was when the disk was last used", NULL};
    static const struct vx_reason stale = {VX_FIND_LOG_STALE, false,
                                           "the log is empty; the disk has all that it holds, and more", NULL};
    const struct vx_survey *survey = m->exam->survey;
    if (survey->current < 0 || survey->tie || vx_guid_is_zero(&m->exam->header->log_guid) ||
        (vx_header_rules(m->exam->header) & (VX_HEADER_BAD_VERSION | VX_HEADER_BAD_LOG_VERSION)))
        return VHDX_OK;
    switch (survey->log) {
    case VX_SURVEY_LOG_ACTIVE:
        return apply_whole(m, err);
    case VX_SURVEY_LOG_MISSING:
        return mend_missing(m, err);
    case VX_SURVEY_LOG_UNBEGUN:
        return drop(m, &never, err);
    case VX_SURVEY_LOG_STALE:
        return drop(m, &stale, err);
    case VX_SURVEY_LOG_UNUSABLE:
        return mend_unusable(m, err);
    case VX_SURVEY_LOG_CLEAN:
        break;
    }
    return VHDX_OK;
}
