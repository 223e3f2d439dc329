/*
 * The log, MS-VHDX 2.3: whether it can be replayed, what is wrong with its entries, and where they aim. The ring is
 * walked whole, also when nothing is to be replayed. The one thing that is easy to get wrong: a torn entry behind the
 * last good one, and entries of earlier times anywhere, are what a log looks like; they are notes.
 */
/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/guid.h"
#include "image/log_needed.h"
#include "image/bat_walk.h"

#define MUCH VX_GIB /* by which a log may lengthen a file beyond what the disk can hold */
#define TARGETS_MAX 65536u

struct ring_walk {
    struct vx_verification *v;
    struct vx_ring ring;
    const struct vx_header *header;
    bool dirty;
    uint64_t residue, broken_residue; /* entries of earlier times */
    uint64_t own_whole, own_broken;   /* of the present LogGuid */
};

static struct vx_finding found_entry(const struct ring_walk *walk, enum vx_find kind, uint64_t at)
{
    return vx_finding_at(kind, "log entry", walk->header->log_offset + at % walk->ring.length);
}

/* ---- entries that are not whole --------------------------------------------------------------------------------- */

static void add_header_fault(struct ring_walk *walk, uint64_t at, const struct vx_log_header *entry, uint32_t rules)
{
    struct vx_finding finding;
    if (rules & VX_LOG_BAD_LENGTH) {
        finding = found_entry(walk, VX_FIND_LOG_ENTRY_LENGTH, at);
        vx_finding_set_found(&finding, entry->entry_length);
        vx_verify_add(walk->v, &finding);
    } else if (rules & VX_LOG_BAD_COUNT) {
        finding = found_entry(walk, VX_FIND_LOG_ENTRY_COUNT, at);
        vx_finding_set_found(&finding, entry->descriptor_count);
        vx_verify_add(walk->v, &finding);
    }
    if (rules & VX_LOG_BAD_TAIL) {
        finding = found_entry(walk, VX_FIND_LOG_ENTRY_TAIL, at);
        vx_finding_set_found(&finding, entry->tail);
        vx_verify_add(walk->v, &finding);
    }
    if (rules & VX_LOG_BAD_SEQUENCE) {
        finding = found_entry(walk, VX_FIND_LOG_ENTRY_SEQUENCE, at);
        vx_finding_set_found(&finding, 0);
        vx_verify_add(walk->v, &finding);
    }
}

static const char *descriptor_text(uint32_t rules)
{
    return rules == 0                             ? "has no signature"
           : rules & VX_DESCRIPTOR_OTHER_SEQUENCE ? "belongs to another entry"
           : rules & VX_DESCRIPTOR_OVERFLOW       ? "aims beyond all bounds"
                                                  : "aims at no page";
}

/* What aims at the headers is no mere sign of damage: somebody wrote it so. */
static void add_fault(struct ring_walk *walk, uint64_t at, const struct vx_log_header *entry,
                      const struct vx_log_judgement *judgement)
{
    struct vx_finding finding;
    switch (judgement->fault) {
    case VX_LOG_FAULT_HEADER:
        add_header_fault(walk, at, entry, judgement->rules);
        return;
    case VX_LOG_FAULT_DESCRIPTOR:
        if (judgement->rules == VX_DESCRIPTOR_LOW_TARGET) {
            finding = found_entry(walk, VX_FIND_LOG_TARGET_LOW, at);
            vx_finding_set_found(&finding, judgement->found);
            break;
        }
        finding = found_entry(walk, VX_FIND_LOG_ENTRY_DESCRIPTOR, at);
        finding.index = judgement->index;
        finding.text = descriptor_text(judgement->rules);
        break;
    case VX_LOG_FAULT_SIZE:
        finding = found_entry(walk, VX_FIND_LOG_ENTRY_SIZE, at);
        vx_finding_set_values(&finding, judgement->found, judgement->expected);
        break;
    case VX_LOG_FAULT_DATA:
        finding = found_entry(walk, VX_FIND_LOG_ENTRY_DATA, at);
        finding.index = judgement->index;
        break;
    case VX_LOG_FAULT_CHECKSUM:
        finding = found_entry(walk, VX_FIND_LOG_ENTRY_CHECKSUM, at);
        vx_finding_set_values(&finding, judgement->found, judgement->expected);
        break;
    default:
        return;
    }
    vx_verify_add(walk->v, &finding);
}

static void judge(struct ring_walk *walk, uint64_t at, const struct vx_log_header *entry,
                  const struct vx_log_judgement *judgement)
{
    bool own = walk->dirty && vx_guid_equal(&entry->log_guid, &walk->header->log_guid);
    bool whole = judgement->fault == VX_LOG_FAULT_NONE;
    if (!own) {
        walk->residue++;
        walk->broken_residue += !whole;
        return;
    }
    walk->own_whole += whole;
    walk->own_broken += !whole;
    if (!whole)
        add_fault(walk, at, entry, judgement);
}

/* Every sector that begins an entry. A valid one is passed over whole; of others the next sector may begin one. */
static vhdx_status walk_ring(struct ring_walk *walk, vhdx_error *err)
{
    uint64_t at = vx_ring_next(&walk->ring, 0);
    while (at < walk->ring.length) {
        struct vx_log_header entry;
        struct vx_log_judgement judgement;
        VX_TRY(vx_log_judge(&walk->ring, at, NULL, &entry, &judgement, err));
        if (judgement.fault != VX_LOG_FAULT_NO_ENTRY)
            judge(walk, at, &entry, &judgement);
        at += judgement.fault == VX_LOG_FAULT_NONE ? entry.entry_length : VX_PAGE;
        at = vx_ring_next(&walk->ring, at);
    }
    return VHDX_OK;
}

/* ---- the active sequence ---------------------------------------------------------------------------------------- */

typedef void (*descriptor_fn)(struct ring_walk *walk, uint64_t at, const struct vx_log_descriptor *descriptor,
                              void *context);

static vhdx_status visit_descriptors(struct ring_walk *walk, uint64_t at, const struct vx_log_header *entry,
                                     descriptor_fn visit, void *context, vhdx_error *err)
{
    for (uint32_t i = 0; i < entry->descriptor_count; i++) {
        struct vx_log_descriptor descriptor;
        const uint8_t *sector;
        uint64_t offset = vx_log_descriptor_offset(i);
        VX_TRY(vx_ring_sector(&walk->ring, at + vx_round_down(offset, VX_PAGE), &sector, err));
        if (vx_log_descriptor_decode(vx_bytes_of(sector + offset % VX_PAGE, VX_LOG_DESCRIPTOR_SIZE), &descriptor) !=
            VHDX_OK)
            return VHDX_OK; /* it was whole a moment ago: the medium fails, which is told elsewhere */
        visit(walk, at, &descriptor, context);
    }
    return VHDX_OK;
}

typedef vhdx_status (*entry_fn)(struct ring_walk *walk, uint64_t at, const struct vx_log_header *entry, void *context,
                                vhdx_error *err);

/* The entries that are to be replayed, which the scan has found to be valid. */
static vhdx_status visit_sequence(struct ring_walk *walk, entry_fn visit, void *context, vhdx_error *err)
{
    const struct vx_log_sequence *sequence = &walk->v->exam->survey->sequence;
    uint64_t at = sequence->tail;
    for (uint32_t i = 0; i < sequence->entry_count; i++) {
        struct vx_log_header entry;
        const uint8_t *sector;
        VX_TRY(vx_ring_sector(&walk->ring, at, &sector, err));
        if (vx_log_header_decode(vx_bytes_of(sector, VX_PAGE), &entry) != VHDX_OK)
            return VHDX_OK; /* as above */
        VX_TRY(visit(walk, at, &entry, context, err));
        at += entry.entry_length;
    }
    return VHDX_OK;
}

/* Where a replay would do harm: into the log, or beyond what a disk can be. */
static void check_target(struct ring_walk *walk, uint64_t at, const struct vx_log_descriptor *descriptor, void *context)
{
    uint64_t log = walk->header->log_offset, end = descriptor->file_offset + descriptor->length;
    struct vx_finding finding;
    uint32_t *broken = context;
    if (descriptor->length > 0 && descriptor->file_offset < log + walk->header->log_length && end > log)
        finding = found_entry(walk, VX_FIND_LOG_TARGET_LOG, at);
    else if (end > VX_LONGEST_FILE)
        finding = found_entry(walk, VX_FIND_LOG_TARGET_RANGE, at);
    else
        return;
    vx_finding_set_found(&finding, descriptor->file_offset);
    vx_verify_add(walk->v, &finding);
    ++*broken;
}

static void note_reserved(struct ring_walk *walk, uint64_t at, const struct vx_log_descriptor *descriptor,
                          void *context)
{
    bool *reserved = context;
    (void)walk;
    (void)at;
    *reserved |= descriptor->reserved != 0;
}

static vhdx_status check_entry(struct ring_walk *walk, uint64_t at, const struct vx_log_header *entry, void *context,
                               vhdx_error *err)
{
    uint32_t rules = vx_log_header_rules(entry, walk->ring.length, NULL);
    bool reserved = (rules & VX_LOG_RESERVED_SET) != 0;
    struct vx_finding finding;
    if (rules & VX_LOG_OFFSETS_UNALIGNED) {
        finding = found_entry(walk, VX_FIND_LOG_FILE_OFFSETS, at);
        vx_finding_set_values(&finding, entry->flushed_file_offset, entry->last_file_offset);
        vx_verify_add(walk->v, &finding);
    }
    VX_TRY(visit_descriptors(walk, at, entry, note_reserved, &reserved, err));
    if (reserved) {
        finding = found_entry(walk, VX_FIND_LOG_RESERVED, at);
        vx_verify_add(walk->v, &finding);
    }
    return visit_descriptors(walk, at, entry, check_target, context, err);
}

enum { TARGET_UNKNOWN, TARGET_BITMAP, TARGET_PAYLOAD }; /* who owns the place that a descriptor aims at */

/* ---- places that are none for metadata -------------------------------------------------------------------------- */

static bool in_regions(const struct vx_exam *exam, uint64_t offset, uint64_t end)
{
    if (offset >= VX_REGION_TABLE1_OFFSET && end <= VX_REGION_TABLE2_OFFSET + VX_REGION_TABLE_SIZE)
        return true;
    uint32_t count = exam->regions ? (uint32_t)vx_min(exam->regions->count, VX_REGION_MAX) : 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct vx_region *region = &exam->regions->entries[i];
        if (offset >= region->file_offset && end - region->file_offset <= region->length)
            return true;
    }
    return false;
}

/*
 * Everything in the file begins at a multiple of 1 MiB, so it is the MiB of a target that has an owner or not. What
 * crosses such a boundary outside of all regions lies in no bitmap.
 */
static void gather_target(struct ring_walk *walk, uint64_t at, const struct vx_log_descriptor *descriptor,
                          void *context)
{
    struct vx_ranges *targets = context;
    uint64_t end = descriptor->file_offset + descriptor->length;
    uint64_t place = vx_round_down(descriptor->file_offset, VX_MIB);
    if (descriptor->length == 0 || end > VX_LONGEST_FILE || in_regions(walk->v->exam, descriptor->file_offset, end))
        return;
    if (end > place + VX_MIB) {
        struct vx_finding finding = found_entry(walk, VX_FIND_LOG_TARGET_STRAY, at);
        vx_finding_set_found(&finding, descriptor->file_offset);
        vx_verify_add(walk->v, &finding);
        return;
    }
    bool again = targets->count > 0 && targets->items[targets->count - 1].offset == place;
    if (!again && targets->count < TARGETS_MAX)
        (void)vx_ranges_add(targets, &(struct vx_range){place, VX_MIB, TARGET_UNKNOWN, at});
}

static vhdx_status gather_targets(struct ring_walk *walk, uint64_t at, const struct vx_log_header *entry, void *context,
                                  vhdx_error *err)
{
    return visit_descriptors(walk, at, entry, gather_target, context, err);
}

static void sort_targets(struct vx_ranges *targets)
{
    size_t kept = 0;
    vx_ranges_sort(targets);
    for (size_t i = 0; i < targets->count; i++)
        if (kept == 0 || targets->items[kept - 1].offset != targets->items[i].offset)
            targets->items[kept++] = targets->items[i];
    targets->count = kept;
}

/* What a block claims: content that a replay would destroy, or a bitmap, which is where a log may write. */
static void compare_claim(struct vx_ranges *targets, uint64_t offset, uint64_t length, uint32_t owner)
{
    size_t low = 0, high = targets->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (targets->items[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < targets->count && targets->items[low].offset - offset < length; low++)
        if (targets->items[low].owner_kind != TARGET_PAYLOAD)
            targets->items[low].owner_kind = owner;
}

static vhdx_status compare_bat(struct ring_walk *walk, struct vx_ranges *targets, vhdx_error *err)
{
    struct vx_exam *exam = walk->v->exam;
    struct vx_bat_walk bat;
    VX_TRY(vx_bat_walk_open(exam, exam->bat_entries, &bat, err));
    vhdx_status status;
    while ((status = vx_bat_walk_next(&bat, err)) == VHDX_OK && bat.index < bat.end) {
        struct vx_bat_entry entry = vx_bat_entry_decode(bat.raw);
        uint64_t which;
        bool is_payload = vx_geometry_is_payload(&exam->geometry, bat.index++, &which);
        if (is_payload && vx_bat_payload_owns_space(&entry))
            compare_claim(targets, entry.file_offset, exam->geometry.block_size, TARGET_PAYLOAD);
        else if (!is_payload && entry.state == VX_BITMAP_PRESENT)
            compare_claim(targets, entry.file_offset, VX_BITMAP_BLOCK_SIZE, TARGET_BITMAP);
    }
    vx_bat_walk_close(&bat);
    return status;
}

/* A page that is written where a payload block lies destroys content; one where nobody lies is only odd. */
static vhdx_status check_strays(struct ring_walk *walk, vhdx_error *err)
{
    struct vx_ranges targets = {0};
    vhdx_status status = visit_sequence(walk, gather_targets, &targets, err);
    sort_targets(&targets);
    if (status == VHDX_OK && targets.count > 0 && walk->v->exam->has_geometry && walk->v->exam->has_bat)
        status = compare_bat(walk, &targets, err);
    for (size_t i = 0; status == VHDX_OK && i < targets.count; i++) {
        const struct vx_range *target = &targets.items[i];
        if (target->owner_kind == TARGET_BITMAP)
            continue;
        struct vx_finding finding = found_entry(walk, VX_FIND_LOG_TARGET_STRAY, target->owner_index);
        if (target->owner_kind != TARGET_PAYLOAD && walk->v->exam->has_geometry) /* else a block may be there */
            finding.severity = VHDX_SEVERITY_WARNING;
        vx_finding_set_found(&finding, target->offset);
        vx_verify_add(walk->v, &finding);
    }
    vx_ranges_clear(&targets);
    return status;
}

/* ---- what it comes to ------------------------------------------------------------------------------------------- */

static void check_growth(struct ring_walk *walk)
{
    struct vx_exam *exam = walk->v->exam;
    uint64_t size = exam->survey->file_size, after;
    if (vx_file_size(exam->view, &after, NULL) != VHDX_OK)
        return;
    uint64_t disk = exam->has_geometry ? exam->geometry.virtual_size : 0;
    if (after <= size || after - size <= disk + MUCH)
        return;
    struct vx_finding finding = vx_finding_at(VX_FIND_LOG_TARGET_FAR, "log", walk->header->log_offset);
    vx_finding_set_values(&finding, after, size);
    vx_verify_add(walk->v, &finding);
}

/* The file leads to blocks of which the log does not know, and which a replay would take away. */
static void add_contradiction(struct ring_walk *walk, vhdx_repair_class repair)
{
    const struct vx_survey *survey = walk->v->exam->survey;
    struct vx_finding finding =
        vx_finding_at(VX_FIND_LOG_STALE, "log", walk->header->log_offset + survey->sequence.tail);
    vx_finding_set_values(&finding, survey->age.newer_blocks, survey->sequence.head.last_file_offset);
    finding.repair = repair;
    if (repair == VHDX_REPAIR_LOSSLESS) {
        finding.text = "it is not replayed";
        finding.advice_code = VHDX_ADVICE_REPAIR_KEEPS_BLOCKS;
    } else {
        finding.severity = VHDX_SEVERITY_ERROR;
        finding.text = "and the log has something that the disk lacks";
        finding.advice_code = VHDX_ADVICE_SALVAGE_THEN_REPLAY;
    }
    vx_verify_add(walk->v, &finding);
}

static vhdx_status judge_active(struct ring_walk *walk, vhdx_error *err)
{
    const struct vx_survey *survey = walk->v->exam->survey;
    uint32_t broken = 0;
    struct vx_finding finding =
        vx_finding_at(VX_FIND_HEADER_DIRTY, "log", walk->header->log_offset + survey->sequence.tail);
    finding.count = survey->sequence.entry_count;
    vx_verify_add(walk->v, &finding);
    VX_TRY(visit_sequence(walk, check_entry, &broken, err));
    if (survey->age.newer_blocks > 0)
        add_contradiction(walk, VHDX_REPAIR_SALVAGE);
    check_growth(walk);
    return check_strays(walk, err);
}

/* A sequence was found, but replay refuses it. */
static vhdx_status judge_refused(struct ring_walk *walk, vhdx_error *err)
{
    const struct vx_survey *survey = walk->v->exam->survey;
    uint32_t broken = 0;
    struct vx_finding finding;
    if (!survey->sequence.found)
        return VHDX_OK; /* the header's fields are to blame, which check_header.c has told */
    if (survey->log_error.status == VHDX_TRUNCATED) {
        finding = vx_finding_at(VX_FIND_LOG_FILE_CUT, "log", walk->header->log_offset + survey->sequence.head_offset);
        vx_finding_set_values(&finding, survey->file_size, survey->sequence.head.flushed_file_offset);
        vx_verify_add(walk->v, &finding);
        return VHDX_OK;
    }
    VX_TRY(visit_sequence(walk, check_entry, &broken, err));
    if (broken == 0 && survey->sequence.head.last_file_offset > VX_LONGEST_FILE) {
        finding =
            vx_finding_at(VX_FIND_LOG_TARGET_RANGE, "log", walk->header->log_offset + survey->sequence.head_offset);
        vx_finding_set_found(&finding, survey->sequence.head.last_file_offset);
        vx_verify_add(walk->v, &finding);
    } else if (broken == 0) {
        finding = vx_finding_at(VX_FIND_LOG_REPLAY, "log", walk->header->log_offset);
        finding.text = survey->log_error.message;
        vx_verify_add(walk->v, &finding);
    }
    return VHDX_OK;
}

/* Proven by log_past.c. */
static void add_unbegun(struct ring_walk *walk)
{
    struct vx_finding finding = vx_finding_at(VX_FIND_LOG_NEVER_WRITTEN, "log", walk->header->log_offset);
    finding.severity = VHDX_SEVERITY_WARNING;
    finding.text = walk->own_broken > 0 ? " but a piece of the first; nothing is missing" : ": nothing is missing";
    vx_verify_add(walk->v, &finding);
}

/* No entry is there, and it is not proven that there never was one: lost with it is nothing when it is elsewhere. */
static vhdx_status judge_absent(struct ring_walk *walk, struct vx_finding *finding, vhdx_error *err)
{
    struct vx_header place;
    enum vx_log_trace trace;
    VX_TRY(vx_log_search(walk->v->exam->file, walk->header, &place, &trace, err));
    finding->repair = trace == VX_LOG_FOUND ? VHDX_REPAIR_LOSSLESS : VHDX_REPAIR_SALVAGE;
    return VHDX_OK;
}

/* Where all that the log holds stands already on the disk, nothing is lost with it. */
static vhdx_status judge_missing(struct ring_walk *walk, vhdx_error *err)
{
    bool needed = false;
    enum vx_find kind = walk->own_whole > 0    ? VX_FIND_LOG_NO_SEQUENCE
                        : walk->own_broken > 0 ? VX_FIND_LOG_DAMAGED
                                               : VX_FIND_LOG_NEVER_WRITTEN;
    struct vx_finding finding = vx_finding_at(kind, "log", walk->header->log_offset);
    finding.count = walk->own_whole > 0 ? walk->own_whole : vx_max(walk->own_broken, 1);
    if (kind == VX_FIND_LOG_NEVER_WRITTEN) {
        VX_TRY(judge_absent(walk, &finding, err));
    } else {
        VX_TRY(vx_log_needed(walk->v->exam->file, walk->header, &needed, err));
        if (!needed)
            finding.repair = VHDX_REPAIR_LOSSLESS;
    }
    vx_verify_add(walk->v, &finding);
    return VHDX_OK;
}

static vhdx_status check_ring(struct ring_walk *walk, vhdx_error *err)
{
    VX_TRY(walk_ring(walk, err));
    if (walk->residue > 0) {
        struct vx_finding finding = vx_finding_at(VX_FIND_LOG_RESIDUE, "log", walk->header->log_offset);
        finding.count = walk->residue;
        vx_finding_set_found(&finding, walk->broken_residue);
        finding.text = walk->broken_residue > 0 ? " (not all of them are whole)" : "";
        vx_verify_add(walk->v, &finding);
    }
    switch (walk->v->exam->survey->log) {
    case VX_SURVEY_LOG_ACTIVE:
        return judge_active(walk, err);
    case VX_SURVEY_LOG_STALE:
        add_contradiction(walk, VHDX_REPAIR_LOSSLESS);
        break;
    case VX_SURVEY_LOG_UNBEGUN:
        add_unbegun(walk);
        break;
    case VX_SURVEY_LOG_MISSING:
        return judge_missing(walk, err);
    case VX_SURVEY_LOG_UNUSABLE:
        return judge_refused(walk, err);
    case VX_SURVEY_LOG_CLEAN:
        break;
    }
    return VHDX_OK;
}

vhdx_status vx_check_log(struct vx_verification *v, vhdx_error *err)
{
    struct ring_walk walk = {.v = v, .header = v->exam->header};
    if (!v->exam->header || v->exam->header_guessed || !v->exam->has_log)
        return VHDX_OK;
    walk.dirty = !vx_guid_is_zero(&walk.header->log_guid);
    VX_TRY(vx_ring_open(&walk.ring, v->exam->file, walk.header->log_offset, walk.header->log_length, err));
    vhdx_status status = check_ring(&walk, err);
    vx_ring_close(&walk.ring);
    return status;
}
