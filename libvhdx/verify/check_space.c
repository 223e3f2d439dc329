/*
 * The space of the file, MS-VHDX 2.2: every MiB has one owner, or none. The BAT is walked once with one bit for each
 * MiB; only when something is claimed twice it is walked again, to name the claimants. The one thing that is easy to
 * get wrong: states 0 and 2 own nothing, whatever their offset says, and free space may hold anything.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/log_needed.h"
#include "evidence/absent.h"
#include "image/bat_walk.h"
#include "image/claims.h"
#include "evidence/log_witnesses.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RIVALS_MAX 131072u /* claimants of contested places that are compared */
#define PROBES_MAX 256u    /* places that are read to see whether free space holds something */
#define PROBE_SIZE 4096u
#define NAME_ROOM 64

/* In the order in which they are named when two of them meet. */
enum owner { OWNER_HEADERS, OWNER_LOG, OWNER_REGION, OWNER_PAYLOAD, OWNER_ANCHOR, OWNER_BITMAP };

static bool is_structure(uint32_t owner)
{
    return owner <= OWNER_REGION;
}

/* ---- claims of everything but blocks ---------------------------------------------------------------------------- */

typedef vhdx_status (*owner_fn)(void *context, const struct vx_range *owner, vhdx_error *err);

static vhdx_status visit_structures(const struct vx_exam *exam, owner_fn visit, void *context, vhdx_error *err)
{
    struct vx_range range = {0, VX_HEADER_SECTION_SIZE, OWNER_HEADERS, 0};
    VX_TRY(visit(context, &range, err));
    if (exam->header && exam->has_log) {
        range = (struct vx_range){exam->header->log_offset, exam->header->log_length, OWNER_LOG, 0};
        VX_TRY(visit(context, &range, err));
    }
    uint32_t count = exam->regions ? (uint32_t)vx_min(exam->regions->count, VX_REGION_MAX) : 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct vx_region *region = &exam->regions->entries[i];
        if (vx_region_rules(region) & (VX_REGION_UNALIGNED | VX_REGION_BAD_LENGTH | VX_REGION_OVERFLOW))
            continue;
        range = (struct vx_range){region->file_offset, region->length, OWNER_REGION, i};
        VX_TRY(visit(context, &range, err));
    }
    return VHDX_OK;
}

static vhdx_status take(void *context, const struct vx_range *owner, vhdx_error *err)
{
    return vx_claims_take(context, owner->offset, owner->length, err);
}

/* ---- who contests what ------------------------------------------------------------------------------------------ */

struct rivals {
    const struct vx_claims *claims;
    struct vx_ranges ranges;
    bool more;
};

static vhdx_status gather_rival(void *context, const struct vx_range *owner, vhdx_error *err)
{
    struct rivals *rivals = context;
    if (!vx_claims_contested(rivals->claims, owner->offset, owner->length))
        return VHDX_OK;
    if (rivals->ranges.count >= RIVALS_MAX) {
        rivals->more = true;
        return VHDX_OK;
    }
    return vx_ranges_add(&rivals->ranges, owner) ? VHDX_OK : vx_fail_memory(err, "the claims to the same bytes");
}

static vhdx_status gather_blocks(struct vx_exam *exam, struct rivals *rivals, struct vx_bat_walk *bat, vhdx_error *err)
{
    const struct vx_geometry *geometry = &exam->geometry;
    for (;; bat->index++) {
        VX_TRY(vx_bat_walk_next(bat, err));
        if (bat->index >= bat->end)
            return VHDX_OK;
        struct vx_bat_entry entry = vx_bat_entry_decode(bat->raw);
        struct vx_range owner = {.offset = entry.file_offset};
        bool is_payload = vx_geometry_is_payload(geometry, bat->index, &owner.owner_index);
        if (is_payload && owner.owner_index < geometry->payload_count && entry.file_offset != 0 &&
            vx_bat_payload_owns_space(&entry)) {
            owner.owner_kind = entry.state >= VX_PAYLOAD_FULLY_PRESENT ? OWNER_PAYLOAD : OWNER_ANCHOR;
            owner.length = geometry->block_size;
        } else if (!is_payload && geometry->has_parent && entry.state == VX_BITMAP_PRESENT && entry.file_offset != 0) {
            owner.owner_kind = OWNER_BITMAP;
            owner.length = VX_BITMAP_BLOCK_SIZE;
        }
        if (owner.length > 0)
            VX_TRY(gather_rival(rivals, &owner, err));
    }
}

static vhdx_status gather_rivals(struct vx_verification *v, struct rivals *rivals, vhdx_error *err)
{
    struct vx_bat_walk bat;
    VX_TRY(visit_structures(v->exam, gather_rival, rivals, err));
    if (!v->exam->has_geometry || !v->exam->has_bat)
        return VHDX_OK;
    VX_TRY(vx_bat_walk_open(v->exam, v->exam->bat_entries, &bat, err));
    vhdx_status status = gather_blocks(v->exam, rivals, &bat, err);
    vx_bat_walk_close(&bat);
    return status;
}

/* "the log", "payload block 7" */
static void name_owner(const struct vx_exam *exam, const struct vx_range *owner, char text[NAME_ROOM])
{
    const vhdx_guid *id;
    char guid[40];
    switch (owner->owner_kind) {
    case OWNER_HEADERS:
        snprintf(text, NAME_ROOM, "the header section");
        break;
    case OWNER_LOG:
        snprintf(text, NAME_ROOM, "the log");
        break;
    case OWNER_REGION:
        id = &exam->regions->entries[owner->owner_index].guid;
        vx_guid_format(id, guid);
        snprintf(text, NAME_ROOM, "the %s region",
                 vx_guid_equal(id, &vx_guid_bat_region)        ? "BAT"
                 : vx_guid_equal(id, &vx_guid_metadata_region) ? "metadata"
                                                               : guid);
        break;
    case OWNER_BITMAP:
        snprintf(text, NAME_ROOM, "the sector bitmap of chunk %" PRIu64, owner->owner_index);
        break;
    default:
        snprintf(text, NAME_ROOM, "payload block %" PRIu64, owner->owner_index);
        break;
    }
}

/* All of a payload block that shares bytes: where its entry is wrong, what nobody else claims is not the block's
 * either. */
static void whole_block(const struct vx_geometry *geometry, const struct vx_range *block, uint64_t *offset,
                        uint64_t *length)
{
    uint64_t begin = block->owner_index * geometry->block_size;
    *offset = begin;
    *length = begin < geometry->virtual_size ? vx_min(geometry->block_size, geometry->virtual_size - begin) : 0;
}

static enum vx_find kind_of(uint32_t low, uint32_t high)
{
    if (high == OWNER_BITMAP)
        return VX_FIND_BITMAP_OVERLAP;
    if (high == OWNER_ANCHOR)
        return VX_FIND_BAT_ANCHOR;
    if (high == OWNER_PAYLOAD)
        return is_structure(low) ? VX_FIND_BAT_ON_STRUCTURE : VX_FIND_BAT_OVERLAP;
    return VX_FIND_SPACE_LOG_OVERLAP;
}

/* A log that must be replayed can leave the place only when it is found to lie elsewhere. */
static vhdx_status class_of_log(const struct vx_exam *exam, struct vx_finding *finding, vhdx_error *err)
{
    struct vx_header place;
    enum vx_log_trace trace = VX_LOG_NOWHERE;
    if (exam->survey->log != VX_SURVEY_LOG_ACTIVE)
        VX_TRY(vx_log_search(exam->file, exam->header, &place, &trace, err));
    finding->repair = trace == VX_LOG_FOUND ? VHDX_REPAIR_LOSSLESS : VHDX_REPAIR_NONE;
    return VHDX_OK;
}

/* What nobody else has of the place is known by the anchor only. */
static vhdx_status class_of_anchor(struct vx_verification *v, const struct vx_range *anchor, struct vx_finding *finding,
                                   vhdx_error *err)
{
    bool content;
    VX_TRY(vx_leads_open(v->exam, &v->leads, err));
    VX_TRY(vx_lead_has_content(&v->leads, anchor->offset, anchor->length, &content, err));
    if (!content)
        return VHDX_OK;
    finding->repair = VHDX_REPAIR_SALVAGE;
    whole_block(&v->exam->geometry, anchor, &finding->lost_offset, &finding->lost_length);
    return VHDX_OK;
}

static vhdx_status add_overlap(struct vx_verification *v, const struct vx_overlap *overlap, vhdx_error *err)
{
    const struct vx_exam *exam = v->exam;
    bool ordered = overlap->first->owner_kind != overlap->second->owner_kind
                       ? overlap->first->owner_kind < overlap->second->owner_kind
                       : overlap->first->owner_index < overlap->second->owner_index;
    const struct vx_range *low = ordered ? overlap->first : overlap->second;
    const struct vx_range *high = ordered ? overlap->second : overlap->first;
    char name[NAME_ROOM], text[NAME_ROOM + 8];
    enum vx_find kind = kind_of(low->owner_kind, high->owner_kind);
    if (is_structure(high->owner_kind) && (low->owner_kind != OWNER_LOG || high->owner_kind != OWNER_REGION))
        return VHDX_OK; /* regions among themselves and in the header section: check_region.c, check_header.c */
    /* Of two payload blocks the lower one is named first, of all others it is the one that is in the wrong place. */
    const struct vx_range *subject = kind == VX_FIND_BAT_OVERLAP || is_structure(high->owner_kind) ? low : high;
    const struct vx_range *rival = subject == low ? high : low;
    struct vx_finding finding = vx_finding_at_index(kind, is_structure(subject->owner_kind) ? "log" : "BAT",
                                                    overlap->offset, subject->owner_index);
    name_owner(exam, rival, name);
    snprintf(text, sizeof text, kind == VX_FIND_BAT_ANCHOR ? "of %s" : "%s", name);
    finding.text = text;
    finding.other = rival->owner_index;
    finding.length = overlap->length;
    if (kind == VX_FIND_SPACE_LOG_OVERLAP && !vx_guid_is_zero(&exam->header->log_guid))
        VX_TRY(class_of_log(exam, &finding, err));
    if (kind == VX_FIND_BAT_ANCHOR)
        VX_TRY(class_of_anchor(v, subject, &finding, err));
    if (subject->owner_kind == OWNER_PAYLOAD)
        whole_block(&exam->geometry, subject, &finding.lost_offset, &finding.lost_length);
    vx_verify_add(v, &finding);
    if (kind == VX_FIND_BAT_ANCHOR)
        return VHDX_OK;
    const char *reason = vx_finding_kind(kind)->id;
    if (rival->owner_kind == OWNER_PAYLOAD) {
        uint64_t offset, length;
        whole_block(&exam->geometry, rival, &offset, &length);
        const vhdx_lost_range lost = vx_finding_lost(kind, offset, length);
        vx_report_add_lost(v->report, v->file, &lost);
    }
    if (subject->owner_kind == OWNER_BITMAP)
        VX_TRY(vx_lose_partial_blocks(v, subject->owner_index, reason, err));
    return rival->owner_kind == OWNER_BITMAP ? vx_lose_partial_blocks(v, rival->owner_index, reason, err) : VHDX_OK;
}

static void add_all(struct vx_verification *v)
{
    const vhdx_lost_range all = vx_finding_lost(VX_FIND_BAT_OVERLAP, 0, v->exam->geometry.virtual_size);
    vx_report_add_lost(v->report, v->file, &all);
}

static vhdx_status name_rivals(struct vx_verification *v, const struct vx_claims *claims, vhdx_error *err)
{
    struct rivals rivals = {.claims = claims};
    struct vx_overlap overlap = {0};
    vhdx_status status = gather_rivals(v, &rivals, err);
    vx_ranges_sort(&rivals.ranges);
    while (status == VHDX_OK && vx_ranges_next_overlap(&rivals.ranges, &overlap))
        status = add_overlap(v, &overlap, err);
    if (status == VHDX_OK && rivals.more) /* too many to name them all: then nothing of the disk is beyond doubt */
        add_all(v);
    vx_ranges_clear(&rivals.ranges);
    return status;
}

/* ---- what nobody claims ----------------------------------------------------------------------------------------- */

/* Reads at the host's next data in [offset, end): whether something else than zeros stands there. */
static vhdx_status probe(struct vx_exam *exam, uint64_t offset, uint64_t end, unsigned *probes, bool *holds,
                         vhdx_error *err)
{
    uint8_t bytes[PROBE_SIZE];
    while (offset < end && *probes < PROBES_MAX && !*holds) {
        uint64_t data, length;
        size_t got;
        vx_file_next_data(exam->view, offset, &data, &length);
        if (length == 0 || data >= end)
            return VHDX_OK;
        ++*probes;
        VX_TRY(vx_file_read_some(exam->view, bytes, (size_t)vx_min(sizeof bytes, end - data), data, &got, err));
        *holds = !vx_is_zero(bytes, got);
        offset = vx_round_down(data, VX_MIB) + VX_MIB;
    }
    return VHDX_OK;
}

static bool is_fixed(const struct vx_exam *exam)
{
    return (exam->parameters.flags & VX_PARAMETER_LEAVE_BLOCK_ALLOCATED) && !exam->geometry.has_parent;
}

/* Whether something else than zeros stands in what nobody claims. */
static vhdx_status probe_unowned(struct vx_exam *exam, const struct vx_claims *claims, bool *holds, vhdx_error *err)
{
    unsigned probes = 0;
    uint64_t slot = vx_claims_next_free(claims, 0);
    *holds = false;
    while (slot < claims->slots && !*holds && probes < PROBES_MAX) {
        uint64_t end = vx_claims_next_taken(claims, slot);
        VX_TRY(probe(exam, slot * VX_MIB, vx_min(end * VX_MIB, exam->survey->file_size), &probes, holds, err));
        slot = vx_claims_next_free(claims, end);
    }
    return VHDX_OK;
}

/*
 * Whether somebody has made the BAT empty: it says of blocks that they are zeros, the log that was just replayed has
 * emptied it (a trim that was cut off), or its first page is what was logged last.
 */
static vhdx_status is_meant(struct vx_verification *v, bool *meant, vhdx_error *err)
{
    const struct vx_exam *exam = v->exam;
    struct vx_log_witnesses log = {0};
    uint8_t logged[VX_PAGE], stored[VX_PAGE];
    size_t got = 0;
    *meant = false;
    if (!exam->header || !exam->has_log)
        return VHDX_OK;
    vhdx_status status = vx_log_witnesses_open(&log, exam->file, exam->header->log_offset, exam->header->log_length,
                                               &exam->header->log_guid, err);
    const struct vx_log_witness *page = status == VHDX_OK ? vx_log_witness_find(&log, exam->bat.file_offset) : NULL;
    if (page)
        status = vx_log_witness_page(&log, page, logged, err);
    if (page && status == VHDX_OK)
        status = vx_file_read_some(exam->view, stored, sizeof stored, exam->bat.file_offset, &got, err);
    *meant = page && status == VHDX_OK && got == sizeof stored && memcmp(logged, stored, sizeof stored) == 0;
    vx_log_witnesses_close(&log);
    return status;
}

/* MS-VHDX 2.5: nothing is wrong with an empty BAT, but with one in a file that is full of something. */
static vhdx_status check_content(struct vx_verification *v, const struct vx_claims *claims, uint64_t unowned,
                                 vhdx_error *err)
{
    struct vx_exam *exam = v->exam;
    const struct vx_absent_room room = {.file = exam->view,
                                        .file_size = exam->survey->file_size,
                                        .owned = claims,
                                        .block_size = exam->geometry.block_size,
                                        .creator = exam->survey->file_id.creator};
    struct vx_absent_left left;
    bool holds, meant, is_empty = v->owned_blocks == 0 && !v->nonsense_has_blocks;
    if (unowned == 0 || !is_empty)
        return VHDX_OK;
    VX_TRY(probe_unowned(exam, claims, &holds, err));
    if (holds) {
        struct vx_finding finding = vx_finding_at(VX_FIND_BAT_EMPTY, "BAT", exam->bat.file_offset);
        vx_finding_set_found(&finding, unowned);
        VX_TRY(is_meant(v, &meant, err));
        VX_TRY(vx_absent_look(&room, &left, err));
        bool given_up = meant || v->stated_blocks > 0; /* by the guest, perhaps */
        bool missing = left.block || left.part || is_fixed(exam);
        if (missing && !given_up)
            finding.severity = VHDX_SEVERITY_ERROR;
        if (missing || (!given_up && !vx_absent_is_qemu(&room))) /* smaller blocks than the disk says it has */
            finding.lost_length = exam->geometry.virtual_size;
        finding.advice_code = VHDX_ADVICE_LOSSY_TELLS;
        vx_verify_add(v, &finding);
    }
    return VHDX_OK;
}

/* A fixed disk has room for every block, wherever its blocks lie now. What is cut behind the virtual disk's end is not
 * missed. */
static vhdx_status check_fixed(struct vx_verification *v, vhdx_error *err)
{
    const struct vx_exam *exam = v->exam;
    const struct vx_geometry *geometry = &exam->geometry;
    uint64_t need = VX_HEADER_SECTION_SIZE + geometry->virtual_size;
    if (!is_fixed(exam))
        return VHDX_OK;
    need += exam->header && exam->has_log ? exam->header->log_length : 0;
    for (uint32_t i = 0; exam->regions && i < vx_min(exam->regions->count, VX_REGION_MAX); i++)
        need += exam->regions->entries[i].length;
    if (exam->survey->file_size >= need || v->beyond_end)
        return VHDX_OK;
    struct vx_finding finding = vx_finding_at(VX_FIND_BAT_FIXED_SHORT, "file", VHDX_NOWHERE);
    vx_finding_set_values(&finding, exam->survey->file_size, need);
    vx_verify_add(v, &finding);
    return vx_check_fixed_absent(v, err);
}

static void check_last_offset(struct vx_verification *v)
{
    const struct vx_survey *survey = v->exam->survey;
    if (survey->log != VX_SURVEY_LOG_ACTIVE || survey->sequence.head.last_file_offset >= v->owned_end)
        return;
    struct vx_finding finding =
        vx_finding_at(VX_FIND_LOG_LAST_OFFSET, "log entry", v->exam->header->log_offset + survey->sequence.head_offset);
    vx_finding_set_values(&finding, survey->sequence.head.last_file_offset, v->owned_end);
    vx_verify_add(v, &finding);
}

static void add_unowned(struct vx_verification *v, enum vx_find kind, uint64_t offset, uint64_t bytes)
{
    struct vx_finding finding = vx_finding_at(kind, "file", offset);
    finding.length = bytes;
    vx_finding_set_found(&finding, bytes);
    if (bytes > 0)
        vx_verify_add(v, &finding);
}

static vhdx_status check_unowned(struct vx_verification *v, struct vx_claims *claims, vhdx_error *err)
{
    const struct vx_exam *exam = v->exam;
    uint64_t size = exam->survey->file_size, end = vx_claims_end(claims);
    v->owned_end = end * VX_MIB;
    v->leaked_bytes = (end - vx_claims_count(claims, end)) * VX_MIB;
    /* without a BAT or the log's place nobody knows what is free */
    if (!exam->has_geometry || !exam->has_bat || !exam->header || exam->header_guessed)
        return VHDX_OK;
    uint64_t trailing = size > v->owned_end ? size - v->owned_end : 0;
    add_unowned(v, VX_FIND_SPACE_LEAK, vx_claims_next_free(claims, 0) * VX_MIB, v->leaked_bytes);
    add_unowned(v, VX_FIND_SPACE_TRAILING, v->owned_end, trailing);
    VX_TRY(check_fixed(v, err));
    check_last_offset(v);
    VX_TRY(vx_check_absent(v, claims, v->leaked_bytes + trailing, err));
    return check_content(v, claims, v->leaked_bytes + trailing, err);
}

/*
 * A parent locator in a disk without parent is left over, or the mark is gone that made the disk a child. Partial
 * blocks and a bitmap for them, which no single damage makes, say that it is the mark.
 */
static void judge_locator(struct vx_verification *v)
{
    struct vx_finding *finding;
    if (v->partial_in_base == 0 || !v->bitmap_in_base)
        return;
    for (size_t i = 0; (finding = vx_report_record(v->report, v->file, i)) != NULL; i++)
        if (finding->kind == VX_FIND_METADATA_LEFT_LOCATOR) {
            finding->severity = VHDX_SEVERITY_ERROR;
            finding->repair = VHDX_REPAIR_LOSSLESS;
            vx_report_advise(v->report, finding, VHDX_ADVICE_REPAIR_MARKS_CHILD, NULL, NULL);
        }
}

static vhdx_status check(struct vx_verification *v, struct vx_claims *claims, vhdx_error *err)
{
    VX_TRY(visit_structures(v->exam, take, claims, err));
    VX_TRY(vx_check_bat(v, claims, err));
    judge_locator(v);
    if (claims->contested)
        VX_TRY(name_rivals(v, claims, err));
    return check_unowned(v, claims, err);
}

vhdx_status vx_check_space(struct vx_verification *v, vhdx_error *err)
{
    struct vx_claims claims;
    uint64_t size = v->exam->survey->file_size, after;
    if (vx_file_size(v->exam->view, &after, NULL) == VHDX_OK)
        size = vx_max(size, after);
    VX_TRY(vx_claims_open(size, &claims, err));
    vhdx_status status = check(v, &claims, err);
    vx_claims_close(&claims);
    return status;
}
