/*
 * Entries of the BAT that are zero although they should not be (absent.h). Easy to get wrong: every disk has empty
 * entries, and leaks are legal; only what contradicts the zeros makes a finding.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/absent.h"
#include "verify/verify.h"

#define RANGES_MAX 1024u /* that are listed; what follows is one range */

struct check {
    struct vx_verification *v;
    struct vx_claims *claims;
};

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

/* What is found is nobody's no more. */
static vhdx_status take(const struct check *check, const struct vx_absent *absent, vhdx_error *err)
{
    const struct vx_geometry *geometry = &check->v->exam->geometry;
    for (uint64_t i = 0; i < absent->count; i++) {
        uint64_t index = absent->first_index + i, which;
        uint64_t place = vx_bat_entry_decode(vx_absent_entry(absent, geometry, index)).file_offset;
        bool payload = vx_geometry_is_payload(geometry, index, &which);
        if (place != 0)
            VX_TRY(vx_claims_take(check->claims, place, payload ? geometry->block_size : VX_BITMAP_BLOCK_SIZE, err));
    }
    return VHDX_OK;
}

static vhdx_status add(void *context, const struct vx_absent *absent, vhdx_error *err)
{
    const struct check *check = context;
    struct vx_verification *v = check->v;
    const struct vx_geometry *geometry = &v->exam->geometry;
    uint64_t place = v->exam->bat.file_offset + absent->first_index * VX_BAT_ENTRY_SIZE;
    struct vx_finding finding = vx_found_index(VX_FIND_BAT_LOST_ENTRIES, "BAT", place, absent->first_block);
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
    return take(check, absent, err);
}

/* ---- entries of which nothing tells that they are the ones ---- */

static void lose_blocks(struct vx_verification *v, uint64_t first, uint64_t end)
{
    const struct vx_geometry *geometry = &v->exam->geometry;
    uint64_t from = first * geometry->block_size, to = vx_min(end * geometry->block_size, geometry->virtual_size);
    const vhdx_lost_range lost = vx_finding_lost(VX_FIND_BAT_UNOWNED, from, to - from);
    if (to > from)
        vx_report_add_lost(v->report, v->file, &lost);
}

static vhdx_status lose_absent(struct vx_verification *v, struct vx_bat_walk *bat, vhdx_error *err)
{
    const struct vx_geometry *geometry = &v->exam->geometry;
    uint64_t next = 0, block; /* the first block behind those of which the BAT says something */
    for (unsigned ranges = 0; ranges < RANGES_MAX; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            break;
        if (!vx_geometry_is_payload(geometry, bat->index, &block) || block >= geometry->payload_count ||
            vx_bat_entry_decode(bat->raw).state == VX_PAYLOAD_NOT_PRESENT)
            continue;
        ranges += block > next;
        lose_blocks(v, next, block);
        next = block + 1;
    }
    lose_blocks(v, next, geometry->payload_count);
    return VHDX_OK;
}

static vhdx_status check_room(const struct check *check, vhdx_error *err)
{
    struct vx_verification *v = check->v;
    struct vx_bat_walk bat;
    bool has_room;
    const struct vx_survey *survey = v->exam->survey;
    const struct vx_absent_room room = {v->exam->view, survey->file_size, check->claims, v->exam->geometry.block_size,
                                        survey->file_id.creator};
    if (v->absent_blocks == 0 || v->nonsense)
        return VHDX_OK;
    VX_TRY(vx_absent_has_room(&room, &has_room, err));
    if (!has_room)
        return VHDX_OK;
    struct vx_finding finding = vx_found(VX_FIND_BAT_UNOWNED, "BAT", v->exam->bat.file_offset);
    vx_found_value(&finding, v->absent_blocks);
    finding.advice = "if something is missing on the disk, 'vhdx export --salvage' saves it in pieces";
    if (vx_absent_is_qemu(&room)) /* it leaves a block each time it is killed, and was mostly just that */
        finding.severity = VHDX_SEVERITY_INFO;
    vx_verify_add(v, &finding);
    if (finding.severity == VHDX_SEVERITY_INFO)
        return VHDX_OK;
    VX_TRY(vx_bat_walk_open(v->exam, v->exam->geometry.entry_count, &bat, err));
    vhdx_status status = lose_absent(v, &bat, err);
    vx_bat_walk_close(&bat);
    return status;
}

/* `unowned`: bytes of the file that nobody owns. Without any nothing can be missing. */
vhdx_status vx_check_absent(struct vx_verification *v, struct vx_claims *claims, uint64_t unowned, vhdx_error *err)
{
    struct check check = {v, claims};
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
        .context = &check,
    };
    if (status == VHDX_OK)
        status = vx_absent_find(&search, err);
    vx_log_witnesses_close(&log);
    vx_leads_close(&v->leads); /* it knows the missing blocks as owners now */
    return status == VHDX_OK ? check_room(&check, err) : status;
}
