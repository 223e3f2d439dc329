/*
 * Entries of the BAT that are zero although they should not be (absent.h). Easy to get wrong: every disk has empty
 * entries, and leaks are legal; only what contradicts the zeros makes a finding.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/absent.h"
#include "verify/verify.h"

static const char *reason_of(const struct vx_absent *absent)
{
    switch (absent->witness) {
    case VX_ABSENT_LOG:
        return "the last version of them in the log leads to blocks that nobody else has";
    case VX_ABSENT_FIXED:
        return "the disk is fixed, and their blocks lie in the file";
    default:
        return "content that nobody owns fills the gap in the file that they leave";
    }
}

static vhdx_status add(void *context, const struct vx_absent *absent, vhdx_error *err)
{
    struct vx_verification *v = context;
    const struct vx_geometry *geometry = &v->exam->geometry;
    uint64_t place = v->exam->bat.file_offset + absent->first_index * VX_BAT_ENTRY_SIZE;
    struct vx_finding finding = vx_found_index(VX_FIND_BAT_LOST_ENTRIES, "BAT", place, absent->first_block);
    (void)err;
    finding.length = absent->count * VX_BAT_ENTRY_SIZE;
    finding.other = absent->last_block;
    finding.text = reason_of(absent);
    finding.severity = absent->sure ? VHDX_SEVERITY_ERROR : VHDX_SEVERITY_WARNING;
    finding.repair = absent->lossless ? VHDX_REPAIR_LOSSLESS : VHDX_REPAIR_SALVAGE;
    finding.advice = absent->lossless ? "'vhdx repair' puts them back: each block has one place in the file"
                                      : "'vhdx repair --salvage' puts them back, and lists the blocks as in doubt";
    finding.lost_offset = absent->first_block * geometry->block_size;
    finding.lost_length = vx_min((absent->last_block + 1) * geometry->block_size, geometry->virtual_size) -
                          finding.lost_offset;
    vx_verify_add(v, &finding);
    return VHDX_OK;
}

/* `unowned`: bytes of the file that nobody owns. Without any nothing can be missing. */
vhdx_status vx_check_absent(struct vx_verification *v, uint64_t unowned, vhdx_error *err)
{
    struct vx_exam *exam = v->exam;
    struct vx_log_witnesses log = {0};
    if (unowned == 0 || v->owned_blocks == 0 || exam->bat_entries < exam->geometry.entry_count)
        return VHDX_OK;
    VX_TRY(vx_leads_open(exam, &v->leads, err));
    vhdx_status status = vx_absent_open_log(exam, &log, err);
    const struct vx_absent_search search = {
        .leads = &v->leads,
        .log = log.open ? &log : NULL,
        .fixed = (exam->parameters.flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED) && !exam->geometry.has_parent,
        .visit = add,
        .context = v,
    };
    if (status == VHDX_OK)
        status = vx_absent_find(&search, err);
    vx_log_witnesses_close(&log);
    vx_leads_close(&v->leads); /* it knows the missing blocks as owners now */
    return status;
}
