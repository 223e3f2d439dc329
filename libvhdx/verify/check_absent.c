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
    bool cut_off; /* the file, before some blocks */
};

struct look {
    struct vx_absent_room room;
    struct vx_absent_left found;
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
    struct vx_finding finding = vx_finding_at_index(VX_FIND_BAT_LOST_ENTRIES, "BAT", place, absent->first_block);
    finding.length = absent->count * VX_BAT_ENTRY_SIZE;
    finding.other = absent->last_block;
    finding.text = reason_of(absent);
    finding.severity = absent->sure ? VHDX_SEVERITY_ERROR : VHDX_SEVERITY_WARNING;
    finding.repair = absent->lossless ? VHDX_REPAIR_LOSSLESS : VHDX_REPAIR_SALVAGE;
    finding.advice_code = absent->lossless ? VHDX_ADVICE_REPAIR_ENTRIES : VHDX_ADVICE_LOSSY_ENTRIES;
    finding.lost_offset = absent->first_block * geometry->block_size;
    if (!absent->lossless) /* else it is at its place, and a plain repair says so */
        finding.lost_length =
            vx_min((absent->last_block + 1) * geometry->block_size, geometry->virtual_size) - finding.lost_offset;
    vx_verify_add(v, &finding);
    return take(check, absent, err);
}

/* ---- entries of which nothing tells that they are the ones ---- */

static void lose_blocks(struct vx_verification *v, enum vx_find kind, uint64_t first, uint64_t end)
{
    const struct vx_geometry *geometry = &v->exam->geometry;
    uint64_t from = first * geometry->block_size, to = vx_min(end * geometry->block_size, geometry->virtual_size);
    const vhdx_lost_range lost = vx_finding_lost(kind, from, to - from);
    if (to > from)
        vx_report_add_lost(v->report, v->file, &lost);
}

/* Whether something without an owner may be the content of the block, see absent.h. */
static vhdx_status may_be_elsewhere(const struct look *look, const struct vx_bat_entry *entry, uint64_t *left,
                                    bool *elsewhere, vhdx_error *err)
{
    bool has_data = entry->state >= VX_PAYLOAD_FULLY_PRESENT;
    *elsewhere = look->found.block && !has_data && !vx_bat_payload_owns_space(entry);
    if (!has_data || entry->file_offset < VX_HEADER_SECTION_SIZE || entry->file_offset >= look->room.file_size)
        return VHDX_OK;
    if (look->found.block)
        VX_TRY(vx_absent_is_zeros(look->room.file, entry->file_offset, look->room.block_size, left, elsewhere, err));
    if (!*elsewhere && look->found.part)
        VX_TRY(vx_absent_touches(&look->room, entry->file_offset, elsewhere, err));
    return VHDX_OK;
}

/* Blocks without an entry are as those whose entry says nothing. */
static vhdx_status lose_all(struct vx_verification *v, const struct look *look, struct vx_bat_walk *bat,
                            vhdx_error *err)
{
    const struct vx_geometry *geometry = &v->exam->geometry;
    uint64_t next = 0, block, left = VX_ABSENT_READ_MOST; /* next: behind those that are beyond doubt */
    bool elsewhere;
    for (unsigned ranges = 0; ranges < RANGES_MAX; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            break;
        const struct vx_bat_entry entry = vx_bat_entry_decode(bat->raw);
        if (!vx_geometry_is_payload(geometry, bat->index, &block) || block >= geometry->payload_count)
            continue;
        VX_TRY(may_be_elsewhere(look, &entry, &left, &elsewhere, err));
        if (elsewhere && !look->found.block) /* what has no entry is no part of a block */
            lose_blocks(v, VX_FIND_BAT_UNOWNED, block, block + 1);
        if (elsewhere || !look->found.block)
            continue;
        ranges += block > next;
        lose_blocks(v, VX_FIND_BAT_UNOWNED, next, block);
        next = block + 1;
    }
    if (look->found.block)
        lose_blocks(v, VX_FIND_BAT_UNOWNED, next, geometry->payload_count);
    return VHDX_OK;
}

/* Runs of blocks without data: in a fixed disk each of them had its place once. */
static vhdx_status lose_empty(struct vx_verification *v, struct vx_bat_walk *bat, vhdx_error *err)
{
    const struct vx_geometry *geometry = &v->exam->geometry;
    uint64_t next = 0, block; /* behind those that have data */
    for (unsigned ranges = 0; ranges < RANGES_MAX; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            break;
        const struct vx_bat_entry entry = vx_bat_entry_decode(bat->raw);
        if (!vx_geometry_is_payload(geometry, bat->index, &block) || block >= geometry->payload_count ||
            !vx_bat_payload_owns_space(&entry))
            continue;
        ranges += block > next;
        lose_blocks(v, VX_FIND_BAT_FIXED_SHORT, next, block);
        next = block + 1;
    }
    lose_blocks(v, VX_FIND_BAT_FIXED_SHORT, next, geometry->payload_count);
    return VHDX_OK;
}

vhdx_status vx_check_fixed_absent(struct vx_verification *v, vhdx_error *err)
{
    struct vx_bat_walk bat;
    if (v->exam->bat_entries < v->exam->geometry.entry_count ||
        v->owned_blocks < v->exam->geometry.payload_count / 2) /* no fixed disk, whatever it says */
        return VHDX_OK;
    VX_TRY(vx_bat_walk_open(v->exam, v->exam->geometry.entry_count, &bat, err));
    vhdx_status status = lose_empty(v, &bat, err);
    vx_bat_walk_close(&bat);
    return status;
}

/* The state of a walk through the BAT of a child. */
struct bitmaps {
    uint64_t chunk;
    bool partial, present, lacks; /* of that chunk; one of those before lacks its bitmap */
};

static void next_chunk(struct bitmaps *b, uint64_t chunk)
{
    if (chunk != b->chunk)
        *b = (struct bitmaps){.chunk = chunk, .lacks = b->lacks || (b->partial && !b->present)};
}

/* Whether a chunk with partial blocks has lost its bitmap: then that is what lies somewhere without an owner. */
static vhdx_status lacks_bitmap(const struct look *look, const struct vx_geometry *geometry, struct vx_bat_walk *bat,
                                bool *lacks, vhdx_error *err)
{
    struct bitmaps b = {0};
    uint64_t which;
    for (;; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            break;
        const struct vx_bat_entry entry = vx_bat_entry_decode(bat->raw);
        bool is_payload = vx_geometry_is_payload(geometry, bat->index, &which);
        next_chunk(&b, is_payload ? which / geometry->chunk_ratio : which);
        if (is_payload)
            b.partial |= entry.state == VX_PAYLOAD_PARTIALLY_PRESENT;
        else
            b.present = entry.state == VX_BITMAP_PRESENT && entry.file_offset >= VX_HEADER_SECTION_SIZE &&
                        entry.file_offset < look->room.file_size &&
                        !vx_claims_contested(look->room.owned, entry.file_offset, VX_BITMAP_BLOCK_SIZE);
    }
    next_chunk(&b, UINT64_MAX);
    *lacks = b.lacks;
    return VHDX_OK;
}

static vhdx_status is_a_bitmap(struct vx_verification *v, const struct look *look, bool *is, vhdx_error *err)
{
    struct vx_bat_walk bat;
    *is = false;
    if (look->found.block || !v->exam->geometry.has_parent)
        return VHDX_OK;
    VX_TRY(vx_bat_walk_open(v->exam, v->exam->geometry.entry_count, &bat, err));
    vhdx_status status = lacks_bitmap(look, &v->exam->geometry, &bat, is, err);
    vx_bat_walk_close(&bat);
    return status;
}

static vhdx_status check_left(const struct check *check, vhdx_error *err)
{
    struct vx_verification *v = check->v;
    struct vx_bat_walk bat;
    const struct vx_survey *survey = v->exam->survey;
    struct look look = {.room = {.file = v->exam->view,
                                 .file_size = survey->file_size,
                                 .owned = check->claims,
                                 .block_size = v->exam->geometry.block_size,
                                 .cut_off = check->cut_off,
                                 .creator = survey->file_id.creator}};
    if (v->nonsense_has_blocks)
        return VHDX_OK;
    VX_TRY(vx_absent_look(&look.room, &look.found, err));
    bool is_bitmap;
    if (!look.found.block && !look.found.part)
        return VHDX_OK;
    VX_TRY(is_a_bitmap(v, &look, &is_bitmap, err));
    if (is_bitmap)
        return VHDX_OK;
    struct vx_finding finding = vx_finding_at(VX_FIND_BAT_UNOWNED, "BAT", v->exam->bat.file_offset);
    finding.text = look.found.block ? "has room for a block" : "lies beside a block";
    finding.advice_code = VHDX_ADVICE_SALVAGE_PIECES;
    if (vx_absent_is_qemu(&look.room)) /* it leaves a block each time it is killed, and was mostly just that */
        finding.severity = VHDX_SEVERITY_INFO;
    vx_verify_add(v, &finding);
    if (finding.severity == VHDX_SEVERITY_INFO)
        return VHDX_OK;
    if (look.found.block && v->larger_fits) { /* it may be the rest of the blocks that there are */
        lose_blocks(v, VX_FIND_BAT_UNOWNED, 0, v->exam->geometry.payload_count);
        return VHDX_OK;
    }
    VX_TRY(vx_bat_walk_open(v->exam, v->exam->geometry.entry_count, &bat, err));
    vhdx_status status = lose_all(v, &look, &bat, err);
    vx_bat_walk_close(&bat);
    return status;
}

/* `unowned`: bytes of the file that nobody owns. Without any nothing can be missing. */
vhdx_status vx_check_absent(struct vx_verification *v, struct vx_claims *claims, uint64_t unowned, vhdx_error *err)
{
    struct check check = {.v = v, .claims = claims};
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
    check.cut_off = v->leads.cut_off > 0;
    vx_leads_close(&v->leads); /* it knows the missing blocks as owners now */
    return status == VHDX_OK ? check_left(&check, err) : status;
}
