/*
 * Ages of logs. See log_past.h. A page of the BAT tells by itself which of two versions is newer, as long as blocks are
 * only added: the one that leads to more of them. Of all other pages only equality counts, and of bitmaps their bits.
 */
/* SPDX-License-Identifier: MIT */
#include "image/log_past.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "format/bat.h"
#include "format/metadata.h"
#include "image/log_needed.h"

#include <stdlib.h>
#include <string.h>

#define ZERO_MAX VX_MIB      /* of a descriptor whose range is compared */
#define VERSIONS_MAX 262144u /* real logs hold 250 pages */
#define PLACES 64u           /* of newer blocks that are looked into */

/* The disk as it is in the file. */
struct home {
    struct vx_file *file;
    const struct vx_survey *survey;
    const struct vx_region_table *regions; /* NULL: not known */
    struct vx_region bat;
    uint32_t block_size;     /* 0: not known */
    bool never_gives_up;     /* QEMU wrote last, which only adds blocks */
    uint64_t known_end;      /* LastFileOffset: what is behind it is unknown to the log; UINT64_MAX = nothing does */
    uint64_t newer;          /* blocks of the file that the log does not know, and cannot */
    uint64_t taken_back;     /* blocks of the file that the log has given up, or has elsewhere */
    uint64_t places[PLACES]; /* of the first of the newer */
};

enum age { SAME, OLDER, NEWER }; /* of a page in the log, than the file */

static uint32_t block_size_of(struct vx_file *file, uint64_t metadata_offset)
{
    struct vx_metadata_table *table = vx_alloc(1, sizeof *table);
    uint8_t *bytes = vx_alloc(VX_METADATA_TABLE_SIZE, 1);
    struct vx_file_parameters parameters = {0};
    const struct vx_metadata_entry *entry = NULL;
    size_t got;
    if (table && bytes &&
        vx_file_read_some(file, bytes, VX_METADATA_TABLE_SIZE, metadata_offset, &got, NULL) == VHDX_OK &&
        vx_metadata_table_decode(vx_bytes_of(bytes, got), table) == VHDX_OK)
        entry = vx_metadata_find(table, &vx_guid_file_parameters);
    if (!entry || entry->length != 8 ||
        vx_file_read_some(file, bytes, 8, metadata_offset + entry->offset, &got, NULL) != VHDX_OK ||
        vx_file_parameters_decode(vx_bytes_of(bytes, got), &parameters) != VHDX_OK)
        parameters.block_size = 0;
    vx_free(bytes);
    vx_free(table);
    return parameters.block_size;
}

static bool home_open(struct vx_file *file, const struct vx_survey *survey, struct home *home)
{
    int copy = vx_survey_choose_regions(survey, file);
    *home = (struct home){.file = file, .survey = survey, .known_end = UINT64_MAX};
    if (copy < 0)
        return false;
    home->regions = &survey->regions[copy].table;
    home->bat = *vx_region_find(home->regions, &vx_guid_bat_region);
    home->block_size = block_size_of(file, vx_region_find(home->regions, &vx_guid_metadata_region)->file_offset);
    return home->block_size >= VX_MIB && home->block_size <= 256 * VX_MIB;
}

/* Names a block or a bitmap that is in the file. */
static bool leads(const struct vx_bat_entry *entry)
{
    return entry->file_offset > 0 && entry->state >= VX_PAYLOAD_FULLY_PRESENT;
}

static bool is_made_by_qemu(const struct vx_survey *survey)
{
    return strncmp(survey->file_id.creator, "QEMU", 4) == 0;
}

/*
 * Whether QEMU has made the LogGuid: it writes the version where the text of a GUID has it, all others where a GUID of
 * Windows has it; where both places fit, the maker of the disk decides. QEMU marks the log before each entry,
 * writes one block's entry at a time, and never gives a block up.
 */
static bool is_of_qemu(const struct vx_survey *survey)
{
    const uint8_t *bytes = survey->headers[survey->current].header.log_guid.bytes;
    return bytes[6] >> 4 == 4 && bytes[8] >> 6 == 2 && (bytes[7] >> 4 != 4 || is_made_by_qemu(survey));
}

/* ---- two versions of a page ------------------------------------------------------------------------------------- */

static enum age compare_entry(struct home *home, uint64_t logged, uint64_t stored)
{
    struct vx_bat_entry old = vx_bat_entry_decode(logged), now = vx_bat_entry_decode(stored);
    if (logged == stored)
        return SAME;
    if (!leads(&now) || leads(&old))
        return logged == 0 ? OLDER : NEWER;
    uint64_t size = home->survey->file_size;
    bool unknown = now.file_offset >= home->known_end && now.file_offset < size;
    if (logged == 0 && unknown) {
        if (home->newer < PLACES)
            home->places[home->newer] = now.file_offset;
        home->newer++;
        return OLDER;
    }
    home->taken_back++; /* a block that was added since, or was given up: only the writer's habits say which */
    return logged == 0 || (home->never_gives_up && old.state == VX_PAYLOAD_ZERO) ? OLDER : NEWER;
}

static enum age compare_bat(struct home *home, const uint8_t *logged, const uint8_t *stored)
{
    enum age age = SAME;
    for (size_t i = 0; i < VX_PAGE; i += VX_BAT_ENTRY_SIZE) {
        enum age entry = compare_entry(home, vx_get64(logged + i), vx_get64(stored + i));
        age = entry > age ? entry : age;
    }
    return age;
}

static enum age compare_bits(const uint8_t *logged, const uint8_t *stored)
{
    for (size_t i = 0; i < VX_PAGE; i++)
        if (logged[i] & ~stored[i])
            return NEWER;
    return OLDER;
}

static bool lies_in(const struct vx_region *region, uint64_t offset)
{
    return offset >= region->file_offset && offset - region->file_offset < region->length;
}

/* Outside of all regions and of the first MiB a log writes bitmaps only. */
static bool is_of_bitmap(const struct home *home, uint64_t target)
{
    uint32_t count = (uint32_t)vx_min(home->regions->count, VX_REGION_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (lies_in(&home->regions->entries[i], target))
            return false;
    return target >= VX_MIB;
}

static vhdx_status compare_page(struct home *home, uint64_t target, const uint8_t *logged, enum age *age,
                                vhdx_error *err)
{
    uint8_t stored[VX_PAGE];
    size_t got;
    VX_TRY(vx_file_read_some(home->file, stored, sizeof stored, target, &got, err));
    memset(stored + got, 0, sizeof stored - got);
    *age = NEWER;
    if (memcmp(logged, stored, VX_PAGE) == 0)
        *age = SAME;
    else if (lies_in(&home->bat, target))
        *age = compare_bat(home, logged, stored);
    else if (is_of_bitmap(home, target))
        *age = compare_bits(logged, stored);
    return VHDX_OK;
}

static vhdx_status compare_zeros(struct home *home, const struct vx_log_descriptor *zeros, enum age *age,
                                 vhdx_error *err)
{
    uint8_t stored[VX_PAGE];
    size_t got;
    *age = zeros->length > ZERO_MAX ? NEWER : SAME;
    for (uint64_t at = 0; at < zeros->length && *age == SAME; at += VX_PAGE) {
        VX_TRY(vx_file_read_some(home->file, stored, sizeof stored, zeros->file_offset + at, &got, err));
        *age = vx_is_zero(stored, got) ? SAME : NEWER;
    }
    return VHDX_OK;
}

/* ---- entries of the ring ---------------------------------------------------------------------------------------- */

typedef vhdx_status (*page_fn)(void *context, const struct vx_log_descriptor *descriptor, const uint8_t *page,
                               vhdx_error *err);

/*
 * The descriptors of the entry at `at`, which has passed the rules of its header and its descriptors. `page` is NULL
 * for zeros, and for a data sector that was not written with the entry.
 */
static vhdx_status visit_pages(struct vx_ring *ring, uint64_t at, const struct vx_log_header *entry, page_fn visit,
                               void *context, vhdx_error *err)
{
    uint64_t data_at = at + vx_log_descriptor_sectors(entry->descriptor_count) * VX_PAGE;
    for (uint32_t i = 0; i < entry->descriptor_count; i++) {
        struct vx_log_descriptor descriptor;
        const uint8_t *sector, *page = NULL;
        uint8_t bytes[VX_PAGE];
        uint64_t offset = vx_log_descriptor_offset(i);
        VX_TRY(vx_ring_sector(ring, at + vx_round_down(offset, VX_PAGE), &sector, err));
        if (vx_log_descriptor_decode(vx_bytes_of(sector + offset % VX_PAGE, VX_LOG_DESCRIPTOR_SIZE), &descriptor) !=
            VHDX_OK)
            return VHDX_OK;
        if (descriptor.kind == VX_LOG_KIND_DATA) {
            VX_TRY(vx_ring_sector(ring, data_at, &sector, err));
            data_at += VX_PAGE;
            if (vx_log_data_matches(sector, entry->sequence_number)) {
                vx_log_data_restore(sector, &descriptor, bytes);
                page = bytes;
            }
        }
        VX_TRY(visit(context, &descriptor, page, err));
    }
    return VHDX_OK;
}

/* ---- a log that was never begun --------------------------------------------------------------------------------- */

/* A page in an entry of earlier times. */
struct version {
    uint64_t target;
    uint32_t run, order; /* run: entries of one LogGuid, one behind the other */
    bool newer;
};

struct past {
    struct home home;
    struct vx_ring ring;
    const vhdx_guid *guid;
    struct version *versions;
    size_t count, room;
    uint32_t run;
    uint64_t run_end;
    struct vx_log_header before;
    bool any, whole_at_start; /* an entry of earlier times, whole, where every writer begins */
    uint32_t own;             /* entries of the header's LogGuid */
    struct vx_log_header own_entry;
    struct vx_log_judgement own_fault;
    uint64_t own_at;
    bool own_follows; /* directly behind a whole one */
    bool brings;      /* the own entry, torn as it is, holds a page that the file has not */
};

static vhdx_status add_version(void *context, const struct vx_log_descriptor *descriptor, const uint8_t *page,
                               vhdx_error *err)
{
    struct past *past = context;
    enum age age = NEWER;
    if (descriptor->kind == VX_LOG_KIND_ZERO)
        VX_TRY(compare_zeros(&past->home, descriptor, &age, err));
    else if (page)
        VX_TRY(compare_page(&past->home, descriptor->file_offset, page, &age, err));
    if (past->count == VERSIONS_MAX) { /* no real log: nothing is proven by it */
        past->brings = true;
        return VHDX_OK;
    }
    struct version *versions = vx_room_for(past->versions, past->count, &past->room, sizeof *versions);
    if (!versions)
        return vx_fail_memory(err, "old pages of the log");
    past->versions = versions;
    past->versions[past->count] = (struct version){
        .target = descriptor->file_offset, .run = past->run, .order = (uint32_t)past->count, .newer = age == NEWER};
    past->count++;
    return VHDX_OK;
}

static vhdx_status take_torn_page(void *context, const struct vx_log_descriptor *descriptor, const uint8_t *page,
                                  vhdx_error *err)
{
    struct past *past = context;
    enum age age = SAME;
    if (descriptor->kind == VX_LOG_KIND_ZERO)
        VX_TRY(compare_zeros(&past->home, descriptor, &age, err));
    else if (page)
        VX_TRY(compare_page(&past->home, descriptor->file_offset, page, &age, err));
    past->brings |= age == NEWER;
    return VHDX_OK;
}

static vhdx_status take_own(struct past *past, uint64_t at, const struct vx_log_header *entry,
                            const struct vx_log_judgement *judgement, vhdx_error *err)
{
    past->own++;
    past->own_entry = *entry;
    past->own_fault = *judgement;
    past->own_at = at;
    past->own_follows = past->any && past->run_end == at;
    if (judgement->fault != VX_LOG_FAULT_DATA && judgement->fault != VX_LOG_FAULT_CHECKSUM)
        return VHDX_OK;
    return visit_pages(&past->ring, at, entry, take_torn_page, past, err);
}

static vhdx_status take_earlier(struct past *past, uint64_t at, const struct vx_log_header *entry, vhdx_error *err)
{
    bool follows = past->any && past->run_end == at && entry->sequence_number == past->before.sequence_number + 1 &&
                   vx_guid_equal(&entry->log_guid, &past->before.log_guid);
    past->run += !follows;
    past->any = true;
    past->whole_at_start |= at == 0;
    past->before = *entry;
    past->run_end = at + entry->entry_length;
    return visit_pages(&past->ring, at, entry, add_version, past, err);
}

static vhdx_status walk(struct past *past, vhdx_error *err)
{
    uint64_t at = vx_ring_next(&past->ring, 0);
    while (at < past->ring.length) {
        struct vx_log_header entry;
        struct vx_log_judgement judgement;
        VX_TRY(vx_log_judge(&past->ring, at, NULL, &entry, &judgement, err));
        bool whole = judgement.fault == VX_LOG_FAULT_NONE;
        if (judgement.fault != VX_LOG_FAULT_NO_ENTRY && vx_guid_equal(&entry.log_guid, past->guid))
            VX_TRY(take_own(past, at, &entry, &judgement, err));
        else if (whole)
            VX_TRY(take_earlier(past, at, &entry, err));
        at = vx_ring_next(&past->ring, at + (whole ? entry.entry_length : VX_PAGE));
    }
    return VHDX_OK;
}

static int by_target(const void *left, const void *right)
{
    const struct version *a = left, *b = right;
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    if (a->run != b->run)
        return a->run < b->run ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* Whether the last version of a page in one of the runs holds something that the file has not. */
static bool earlier_entries_bring(struct past *past)
{
    if (past->count > 1)
        qsort(past->versions, past->count, sizeof *past->versions, by_target);
    for (size_t i = 0; i < past->count; i++) {
        const struct version *this = &past->versions[i], *next = i + 1 < past->count ? this + 1 : NULL;
        if (this->newer && !(next && next->target == this->target && next->run == this->run))
            return true;
    }
    return false;
}

/* The other header is the one before, and has no LogGuid: the writer did not come to its first entry. */
static bool was_just_marked(const struct vx_survey *survey)
{
    const struct vx_survey_header *other = &survey->headers[1 - survey->current];
    const struct vx_header *now = &survey->headers[survey->current].header;
    return vx_survey_header_valid(other) && vx_guid_is_zero(&other->header.log_guid) &&
           other->header.sequence_number + 1 == now->sequence_number;
}

/* What the first entry looks like when its writer was killed: at its place, the oldest itself, and not all written. */
static bool is_torn_first(const struct past *past)
{
    return past->own == 1 && past->home.never_gives_up && past->own_entry.tail == past->own_at &&
           (past->own_at == 0 || past->own_follows) &&
           (past->own_fault.fault == VX_LOG_FAULT_DATA || past->own_fault.fault == VX_LOG_FAULT_CHECKSUM);
}

/*
 * No entry of earlier times holds what the file has not; that is known already. QEMU has lengthened the file by a block
 * and written into it before it marks the log for this block's entry: on a disk that only it has written, nothing but
 * the write that was under way can be missing, and that was never reported as done.
 */
static bool nothing_was_logged(const struct past *past)
{
    if (past->own > 0)
        return is_torn_first(past);
    if (past->whole_at_start) /* where a new log would have begun */
        return true;
    return past->home.never_gives_up && (was_just_marked(past->home.survey) || is_made_by_qemu(past->home.survey));
}

vhdx_status vx_log_is_unbegun_by_proof(struct vx_file *file, const struct vx_survey *survey, bool *unbegun,
                                       vhdx_error *err)
{
    const struct vx_header *header = &survey->headers[survey->current].header;
    struct past past = {.guid = &header->log_guid};
    *unbegun = false;
    if (survey->sequence.own_sectors > 1 || survey->tie || !home_open(file, survey, &past.home))
        return VHDX_OK;
    VX_TRY(vx_log_is_unbegun(file, header, unbegun, err));
    if (!*unbegun)
        return VHDX_OK;
    *unbegun = false;
    past.home.never_gives_up = is_of_qemu(survey);
    VX_TRY(vx_ring_open(&past.ring, file, header->log_offset, header->log_length, err));
    vhdx_status status = walk(&past, err);
    if (status == VHDX_OK && !past.brings && !earlier_entries_bring(&past))
        *unbegun = nothing_was_logged(&past);
    vx_ring_close(&past.ring);
    vx_free(past.versions);
    return status;
}

/* ---- a log that is older than the disk -------------------------------------------------------------------------- */

struct comparison {
    struct home home;
    struct vx_file *replayed;
    uint64_t last; /* page that was compared */
    bool newer, was_logged;
};

static vhdx_status compare_replayed(void *context, const struct vx_log_descriptor *descriptor, const uint8_t *page,
                                    vhdx_error *err)
{
    struct comparison *comparison = context;
    uint8_t bytes[VX_PAGE];
    enum age age = SAME;
    size_t got;
    (void)page;
    if (descriptor->kind == VX_LOG_KIND_ZERO) {
        VX_TRY(compare_zeros(&comparison->home, descriptor, &age, err));
    } else if (descriptor->file_offset != comparison->last) {
        comparison->last = descriptor->file_offset;
        VX_TRY(vx_file_read_some(comparison->replayed, bytes, sizeof bytes, descriptor->file_offset, &got, err));
        memset(bytes + got, 0, sizeof bytes - got);
        VX_TRY(compare_page(&comparison->home, descriptor->file_offset, bytes, &age, err));
    }
    comparison->newer |= age == NEWER;
    return VHDX_OK;
}

static vhdx_status compare_sequence(struct comparison *comparison, struct vx_ring *ring,
                                    const struct vx_log_sequence *sequence, vhdx_error *err)
{
    uint64_t at = sequence->tail;
    for (uint32_t i = 0; i < sequence->entry_count; i++) {
        const uint8_t *sector;
        struct vx_log_header entry;
        VX_TRY(vx_ring_sector(ring, at, &sector, err));
        if (vx_log_header_decode(vx_bytes_of(sector, VX_PAGE), &entry) != VHDX_OK)
            return VHDX_OK;
        VX_TRY(visit_pages(ring, at, &entry, compare_replayed, comparison, err));
        at += entry.entry_length;
    }
    return VHDX_OK;
}

/* A page of the BAT that some entry of the ring has just as the file has it: then the file is the older of the two. */
static vhdx_status find_same(void *context, const struct vx_log_descriptor *descriptor, const uint8_t *page,
                             vhdx_error *err)
{
    struct comparison *comparison = context;
    uint8_t stored[VX_PAGE];
    size_t got;
    if (!page || !lies_in(&comparison->home.bat, descriptor->file_offset))
        return VHDX_OK;
    VX_TRY(vx_file_read_some(comparison->home.file, stored, sizeof stored, descriptor->file_offset, &got, err));
    if (got == sizeof stored && memcmp(stored, page, sizeof stored) == 0 && !vx_is_zero(page, VX_PAGE))
        comparison->was_logged = true;
    return VHDX_OK;
}

static vhdx_status search_ring(struct comparison *comparison, struct vx_ring *ring, vhdx_error *err)
{
    uint64_t at = vx_ring_next(ring, 0);
    while (at < ring->length && !comparison->was_logged) {
        struct vx_log_header entry;
        struct vx_log_judgement judgement;
        VX_TRY(vx_log_judge(ring, at, NULL, &entry, &judgement, err));
        bool whole = judgement.fault == VX_LOG_FAULT_NONE;
        if (whole)
            VX_TRY(visit_pages(ring, at, &entry, find_same, comparison, err));
        at = vx_ring_next(ring, at + (whole ? entry.entry_length : VX_PAGE));
    }
    return VHDX_OK;
}

static vhdx_status holds_something(const struct home *home, uint64_t place, bool *has, vhdx_error *err)
{
    uint8_t bytes[VX_PAGE];
    uint64_t end = vx_min(place + home->block_size, home->survey->file_size);
    uint64_t at = place, data, length;
    while (at < end && !*has) {
        size_t got;
        vx_file_next_data(home->file, at, &data, &length);
        if (length == 0 || data >= end)
            return VHDX_OK;
        at = vx_max(at, vx_round_down(data, VX_PAGE));
        VX_TRY(vx_file_read_some(home->file, bytes, (size_t)vx_min(sizeof bytes, end - at), at, &got, err));
        *has = !vx_is_zero(bytes, got);
        at += VX_PAGE;
    }
    return VHDX_OK;
}

/* Something is in one of the newer blocks. */
static vhdx_status has_content(const struct home *home, bool *has, vhdx_error *err)
{
    *has = false;
    for (uint64_t i = 0; i < vx_min(home->newer, PLACES) && !*has; i++)
        VX_TRY(holds_something(home, home->places[i], has, err));
    return VHDX_OK;
}

static vhdx_status compare(struct comparison *comparison, struct vx_ring *ring, struct vx_survey *survey,
                           vhdx_error *err)
{
    const struct home *home = &comparison->home;
    bool content = false;
    VX_TRY(compare_sequence(comparison, ring, &survey->sequence, err));
    if (home->newer == 0 || home->taken_back > 0)
        return VHDX_OK;
    VX_TRY(search_ring(comparison, ring, err));
    if (!comparison->was_logged && comparison->newer) /* both right in part: a block of zeros is no reason for doubts */
        VX_TRY(has_content(home, &content, err));
    else
        content = !comparison->was_logged; /* the disk has all that the log holds: nothing is risked */
    if (content) {
        survey->age.newer_blocks = home->newer;
        survey->age.log_is_needed = comparison->newer;
    }
    return VHDX_OK;
}

vhdx_status vx_log_compare_age(struct vx_file *file, struct vx_file *replayed, struct vx_survey *survey,
                               vhdx_error *err)
{
    const struct vx_header *header = &survey->headers[survey->current].header;
    const struct vx_log_header *head = &survey->sequence.head;
    struct comparison comparison = {.replayed = replayed, .last = UINT64_MAX};
    struct vx_ring ring;
    survey->age = (struct vx_survey_age){0};
    if (vx_max(head->last_file_offset, head->flushed_file_offset) >= survey->file_size ||
        !home_open(file, survey, &comparison.home))
        return VHDX_OK;
    comparison.home.known_end = vx_max(head->last_file_offset, head->flushed_file_offset);
    VX_TRY(vx_ring_open(&ring, file, header->log_offset, header->log_length, err));
    vhdx_status status = compare(&comparison, &ring, survey, err);
    vx_ring_close(&ring);
    return status;
}
