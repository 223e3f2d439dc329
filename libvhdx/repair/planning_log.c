/*
 * The log through which a plan changes the disk. See planning.h. Pages of metadata change through a log, so there must
 * be one, and in space of its own: what the journal writes into space that a block has as well is lost for the block.
 *
 * Easy to get wrong: who owns the space must be asked of the disk as it was. A plan that has given the block up shows a
 * log without rivals.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/planning.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "rebuild/rebuild.h"

#define LOG_LENGTH ((uint32_t)VX_MIB)

static vhdx_status place_at_end(struct vx_plan *plan, struct vx_header *header, const struct vx_reason *reason,
                                int slot, vhdx_error *err)
{
    if (!vx_round_up(plan->new_size, VX_OBJECT_ALIGNMENT, &header->log_offset))
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(plan->file)), "the file is too long");
    header->log_length = LOG_LENGTH;
    VX_TRY(vx_plan_resize(plan, header->log_offset + LOG_LENGTH, reason, err));
    return vx_plan_put_header(plan, header, slot, reason, err);
}

static bool is_taken(const struct vx_rebuilt *before, const struct vx_header *header)
{
    bool same = before->header.log_offset == header->log_offset && before->header.log_length == header->log_length;
    if (before->claims.slots == 0)
        return false;
    if (vx_rebuilt_withdrawn(before, header->log_offset, header->log_length))
        return true;
    return same ? vx_rebuilt_shared(before, header->log_offset, header->log_length)
                : !vx_claims_is_free(&before->claims, header->log_offset, header->log_length);
}

/* The copy that is not current, of a disk whose copies are both good, says where the log was a moment before. */
static const struct vx_header *former_place(const struct vx_survey *survey, const struct vx_header *header)
{
    const struct vx_survey_header *other = &survey->headers[1 - (survey->current > 0)];
    if (survey->current < 0 || survey->tie || !vx_survey_header_valid(other) || other->header.log_length == 0 ||
        (vx_header_rules(&other->header) & ~(uint32_t)VX_HEADER_BAD_CHECKSUM) ||
        (other->header.log_offset == header->log_offset && other->header.log_length == header->log_length))
        return NULL;
    return &other->header;
}

/*
 * An empty log whose space a block has, too. The other copy of the header may know a place without rivals. Else a plan
 * without losses leaves the two as they are: to move the log would say that the block was right.
 */
static vhdx_status evade(struct vx_planning *p, struct vx_header *header, int slot, vhdx_error *err)
{
    const struct vx_rebuild_options options = {.host = p->host};
    struct vx_plan *plan = p->plan;
    struct vx_file *file = plan->readable ? plan->readable : plan->file;
    struct vx_reason reason = plan->writes[0].reason;
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    struct vx_rebuilt *before = NULL;
    vhdx_status status = survey ? vx_survey_headers(file, survey, err) : vx_fail_memory(err, "a look at a disk");
    if (status == VHDX_OK)
        status = vx_rebuild(file, &options, &before, err);
    const struct vx_header *former = status == VHDX_OK ? former_place(survey, header) : NULL;
    reason.gives = "the log has a place of its own, through which the metadata can change safely";
    if (status != VHDX_OK || !is_taken(before, header)) {
        ; /* nothing is to be done */
    } else if (former && !is_taken(before, former)) {
        header->log_offset = former->log_offset;
        header->log_length = former->log_length;
        status = vx_plan_put_header(plan, header, slot, &reason, err);
    } else if (p->options->salvage && !p->gentle) {
        status = place_at_end(plan, header, &reason, slot, err);
    }
    vx_rebuild_free(before);
    vx_free(survey);
    return status;
}

/* Where all else is well the disk is not searched for rivals of the log. */
static bool may_have_rivals(const struct vx_planning *p)
{
    const struct vx_finding *finding;
    for (size_t i = 0; (finding = vx_report_record(p->report, 0, i)) != NULL; i++)
        if (finding->kind == VX_FIND_BAT_ON_STRUCTURE || finding->kind == VX_FIND_BITMAP_OVERLAP ||
            finding->kind == VX_FIND_SPACE_LOG_OVERLAP || finding->kind == VX_FIND_HEADERS_LOST ||
            finding->kind == VX_FIND_BAT_ANCHOR)
            return true;
    return false;
}

vhdx_status vx_planning_provide_log(struct vx_planning *p, vhdx_error *err)
{
    struct vx_plan *plan = p->plan;
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(plan->sketch, survey, err);
    if (status == VHDX_OK && survey->current >= 0 && plan->count > 0) {
        struct vx_header header = survey->headers[survey->current].header;
        struct vx_reason reason = plan->writes[0].reason;
        reason.gives = "the disk has a log, through which its metadata can change safely";
        if (header.log_length == 0)
            status = place_at_end(plan, &header, &reason, survey->current, err);
        else if (vx_guid_is_zero(&header.log_guid) && may_have_rivals(p))
            status = evade(p, &header, survey->current, err);
    }
    vx_free(survey);
    return status;
}
