/*
 * Headers and log, and the order in which the other witnesses are heard. See rebuild.h. Each step works on the view
 * that the step before has left, so that a value that the log brings back is a stored value for all that follow.
 */
/* SPDX-License-Identifier: MIT */
#include "rebuild/rebuild.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/header_update.h"
#include "image/log_needed.h"
#include "image/log_replay.h"
#include "io/overlay.h"
#include "rebuild/rebuild_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VIEW_LIMIT (96 * VX_MIB)
#define LOG_DEFAULT_LENGTH ((uint32_t)VX_MIB)

const char *vx_part_name(enum vx_part part)
{
    static const char *const names[VX_PART_COUNT] = {
        "file identifier", "header",         "log",         "region table",        "metadata table",
        "block size",      "disk's kind",    "disk's size", "logical sector size", "physical sector size",
        "virtual disk id", "parent locator", "BAT",
    };
    return (unsigned)part < VX_PART_COUNT ? names[part] : "";
}

/* ---- headers ---- */

/* A file that was cut off may end in its log; a length that no log has, and that the file has not, is a wrong one. */
static bool log_fits(const struct vx_rebuilding *work, const struct vx_header *header)
{
    return header->log_length > 0 && !(vx_header_rules(header) & VX_HEADER_LOG_MISPLACED) &&
           header->log_offset < work->out->file_size &&
           (header->log_length <= LOG_DEFAULT_LENGTH ||
            header->log_length <= work->out->file_size - header->log_offset);
}

/* A copy whose checksum is wrong, but whose fields all make sense. */
static bool is_legible(const struct vx_rebuilding *work, const struct vx_survey_header *copy)
{
    const struct vx_header *header = &copy->header;
    uint32_t allowed = VX_HEADER_BAD_CHECKSUM;
    return copy->status == VHDX_OK && !(copy->rules & ~allowed) && log_fits(work, header);
}

/*
 * Whether a whole log lies there: nothing but zeros and pages of entries, and one entry at least that breaks no rule.
 * It need not begin with one. What a guest keeps of such files lies in payload, beside something else.
 */
static vhdx_status is_ring(const struct vx_rebuilding *work, uint64_t offset, bool *is, vhdx_error *err)
{
    const struct vx_header place = {.log_offset = offset, .log_length = LOG_DEFAULT_LENGTH};
    struct vx_ring ring = {0};
    VX_TRY(vx_log_is_unbegun(work->file, &place, is, err));
    if (!*is)
        return VHDX_OK;
    VX_TRY(vx_ring_open(&ring, work->file, offset, LOG_DEFAULT_LENGTH, err));
    vhdx_status status = VHDX_OK;
    *is = false;
    for (uint64_t at = vx_ring_next(&ring, 0); status == VHDX_OK && !*is && at < ring.length;) {
        struct vx_log_header header;
        struct vx_log_judgement judgement;
        status = vx_log_judge(&ring, at, NULL, &header, &judgement, err);
        *is = status == VHDX_OK && judgement.fault == VX_LOG_FAULT_NONE;
        at = vx_ring_next(&ring, at + VX_PAGE);
    }
    vx_ring_close(&ring);
    return status;
}

static vhdx_status begins_log(const struct vx_rebuilding *work, uint64_t offset, bool *begins, vhdx_error *err)
{
    uint8_t bytes[VX_LOG_HEADER_SIZE];
    struct vx_log_header header;
    size_t got;
    VX_TRY(vx_file_read_some(work->file, bytes, sizeof bytes, offset, &got, err));
    *begins = vx_log_header_decode(vx_bytes_of(bytes, got), &header) == VHDX_OK &&
              !(vx_log_header_rules(&header, LOG_DEFAULT_LENGTH, NULL) & VX_LOG_INVALID);
    return VHDX_OK;
}

/* Ring entries where Windows and all others put the log; else the first MiB that begins with one; else one that has
 * any.
 */
static vhdx_status find_log(const struct vx_rebuilding *work, uint64_t *offset, bool *found, vhdx_error *err)
{
    uint64_t limit = vx_min(work->out->file_size, 1024 * VX_MIB);
    *found = false;
    for (uint64_t at = VX_MIB; at < limit && !*found; at += VX_MIB) {
        VX_TRY(begins_log(work, at, found, err));
        *offset = at;
    }
    for (uint64_t at = VX_MIB; at < limit && !*found; at += VX_MIB) {
        VX_TRY(is_ring(work, at, found, err));
        *offset = at;
    }
    return VHDX_OK;
}

/*
 * The log that was found, else new space behind the end of the file: where a log usually is, other writers have blocks.
 */
static vhdx_status find_place(const struct vx_rebuilding *work, uint64_t *offset, bool *found, vhdx_error *err)
{
    VX_TRY(find_log(work, offset, found, err));
    if (!*found && !vx_round_up(vx_max(work->out->file_size, VX_MIB), VX_OBJECT_ALIGNMENT, offset))
        return vx_fail(err, VHDX_LIMIT, vx_at_file(vx_file_path(work->file)),
                       "the file is too long for a log behind it");
    return VHDX_OK;
}

static vhdx_status make_header(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_header *header = &work->out->header;
    uint64_t offset;
    bool found;
    *header = (struct vx_header){.version = VX_HEADER_VERSION, .log_length = LOG_DEFAULT_LENGTH, .sequence_number = 1};
    VX_TRY(find_place(work, &offset, &found, err));
    header->log_offset = offset;
    VX_TRY(vx_new_guid(work->options->host, &header->file_write_guid, err));
    VX_TRY(vx_new_guid(work->options->host, &header->data_write_guid, err));
    vx_clue_set(work, VX_PART_HEADER, found ? VX_WITNESS_GEOMETRY : VX_WITNESS_DEFAULT, false,
                "both copies are gone; the log %s at 0x%" PRIx64 ", the disk's ids are new",
                found ? "was found" : "is made", header->log_offset);
    return VHDX_OK;
}

/* Without a checksum the place is believed where the log of that id is; an empty one can be anywhere. */
static vhdx_status has_its_log(const struct vx_rebuilding *work, const struct vx_header *header, bool *has,
                               vhdx_error *err)
{
    struct vx_log_sequence sequence = {0};
    *has = vx_guid_is_zero(&header->log_guid);
    if (*has)
        return VHDX_OK;
    VX_TRY(vx_log_scan(work->file, header, &sequence, err));
    *has = sequence.found || sequence.own_sectors > 0;
    return VHDX_OK;
}

static vhdx_status choose_legible(struct vx_rebuilding *work, const bool legible[2], bool *placed, vhdx_error *err)
{
    const struct vx_survey_header *headers = work->survey->headers;
    bool has[2] = {false, false};
    for (int i = 0; i < 2; i++)
        if (legible[i])
            VX_TRY(has_its_log(work, &headers[i].header, &has[i], err));
    bool newer = headers[1].header.sequence_number > headers[0].header.sequence_number;
    int slot = has[0] != has[1] ? has[1] : legible[0] != legible[1] ? legible[1] : newer;
    work->out->header = headers[slot].header;
    *placed = has[slot];
    vx_clue_set(work, VX_PART_HEADER, VX_WITNESS_RESIDUE, false,
                "no copy has a right checksum, but all fields of copy %d make sense", slot + 1);
    return VHDX_OK;
}

/* Two current headers that contradict each other: the one whose log holds entries of it knows more. */
static void take_tied_header(struct vx_rebuilding *work)
{
    const struct vx_survey_header *headers = work->survey->headers;
    int slot = vx_guid_is_zero(&headers[0].header.log_guid) && !vx_guid_is_zero(&headers[1].header.log_guid) ? 1 : 0;
    work->out->header = headers[slot].header;
    vx_clue_set(work, VX_PART_HEADER, VX_WITNESS_TWIN, false,
                "both copies have the same sequence number and differ; copy %d is taken", slot + 1);
}

static vhdx_status rebuild_header(struct vx_rebuilding *work, vhdx_error *err)
{
    const struct vx_survey *survey = work->survey;
    const struct vx_survey_header *headers = survey->headers;
    bool legible[2] = {is_legible(work, &headers[0]), is_legible(work, &headers[1])}, placed = true;
    if (survey->current >= 0 && survey->tie) {
        take_tied_header(work);
    } else if (survey->current >= 0) {
        bool both = vx_survey_header_valid(&headers[0]) && vx_survey_header_valid(&headers[1]);
        work->out->header = headers[survey->current].header;
        vx_clue_set(work, VX_PART_HEADER, both ? VX_WITNESS_STORED : VX_WITNESS_TWIN, true, "%s",
                    both ? "" : "the other copy is whole");
    } else if (legible[0] || legible[1]) {
        VX_TRY(choose_legible(work, legible, &placed, err));
    } else {
        VX_TRY(make_header(work, err));
    }
    work->out->header.version = VX_HEADER_VERSION;
    bool foreign = !placed || !log_fits(work, &work->out->header);
    if (!foreign)
        VX_TRY(vx_log_is_foreign(work->file, &work->out->header, &foreign, err));
    if (!foreign)
        return VHDX_OK;
    /* nothing can be replayed from there, and nothing must be written there */
    work->out->header.log_length = LOG_DEFAULT_LENGTH;
    return find_place(work, &work->out->header.log_offset, &legible[0], err);
}

/* ---- log ---- */

static bool may_apply(const struct vx_rebuilding *work, uint64_t target)
{
    const struct vx_header *header = &work->out->header;
    if (target < VX_LOG_LOWEST_TARGET || target >= work->out->file_size)
        return false;
    return target < header->log_offset || target - header->log_offset >= header->log_length;
}

/* Writes the newest page of each place, of entries up to `rank`, into the view; counts those that differ from what
 * stands there. */
static vhdx_status apply_pages(struct vx_rebuilding *work, uint32_t rank, bool write, uint64_t *changed,
                               vhdx_error *err)
{
    const struct vx_log_witness *before = NULL;
    *changed = 0;
    for (size_t i = 0; i < work->log.count; i++) {
        const struct vx_log_witness *witness = &work->log.pages[i];
        uint8_t page[VX_PAGE], home[VX_PAGE];
        size_t got;
        bool older = before && before->target == witness->target;
        before = witness;
        if (older || witness->rank > rank || !may_apply(work, witness->target))
            continue;
        VX_TRY(vx_log_witness_page(&work->log, witness, page, err));
        VX_TRY(vx_file_read_some(work->view, home, VX_PAGE, witness->target, &got, err));
        if (memcmp(page, home, VX_PAGE) == 0)
            continue;
        ++*changed;
        if (write)
            VX_TRY(vx_file_write(work->view, page, VX_PAGE, witness->target, err));
    }
    return VHDX_OK;
}

/* The header says that something is to be replayed, and that cannot be done as it should. */
static vhdx_status rescue_log(struct vx_rebuilding *work, vhdx_error *err)
{
    uint64_t changed = 0;
    work->out->header.log_guid = (vhdx_guid){{0}};
    VX_TRY(apply_pages(work, 0, true, &changed, err));
    vx_clue_set(work, VX_PART_LOG, VX_WITNESS_LOG, false,
                "the log cannot be replayed as a whole; %" PRIu64 " pages of %zu entries that are whole were used",
                changed, work->log.own_entries);
    return VHDX_OK;
}

/* No header tells whether the log was in use. If its last pages all stand at their places, it was not, or that does not
 * matter. */
static vhdx_status guess_log(struct vx_rebuilding *work, vhdx_error *err)
{
    uint64_t changed = 0;
    struct vx_log_sequence sequence = {0};
    struct vx_header *header = &work->out->header;
    header->log_guid = (vhdx_guid){{0}};
    VX_TRY(apply_pages(work, 1, true, &changed, err));
    if (changed == 0) {
        vx_clue_set(work, VX_PART_LOG, VX_WITNESS_STORED, true, "%s", "");
        return VHDX_OK;
    }
    struct vx_header asked = *header;
    asked.log_guid = work->log.newest_guid;
    VX_TRY(vx_log_scan(work->file, &asked, &sequence, err));
    if (sequence.found)
        header->log_guid = asked.log_guid;
    vx_clue_set(work, VX_PART_LOG, VX_WITNESS_LOG, false,
                "the last entries of the log hold %" PRIu64 " pages that are not at their places yet", changed);
    return VHDX_OK;
}

/* The headers ask for a log, and name a place where it is not: it may be elsewhere, known by its id. */
static vhdx_status search_log(struct vx_rebuilding *work, bool *found, vhdx_error *err)
{
    struct vx_survey *survey = work->survey;
    struct vx_header place = survey->headers[survey->current].header;
    struct vx_log_sequence sequence = {0};
    enum vx_log_trace trace;
    *found = false;
    if (survey->tie || vx_guid_is_zero(&place.log_guid))
        return VHDX_OK;
    VX_TRY(vx_log_search(work->file, &survey->headers[survey->current].header, &place, &trace, err));
    const struct vx_header *header = &survey->headers[survey->current].header;
    if (trace != VX_LOG_FOUND || (place.log_offset == header->log_offset && place.log_length == header->log_length))
        return VHDX_OK;
    VX_TRY(vx_log_scan(work->file, &place, &sequence, err));
    *found = sequence.found;
    if (!*found)
        return VHDX_OK;
    vx_clue_set(work, VX_PART_LOG, VX_WITNESS_GEOMETRY, true, "the log was found at 0x%" PRIx64 ", by its id",
                place.log_offset);
    work->out->header.log_offset = place.log_offset;
    work->out->header.log_length = place.log_length;
    if (sequence.head.flushed_file_offset > work->out->file_size) /* the file was cut off; what the log says holds */
        sequence.head.flushed_file_offset = sequence.head.last_file_offset = 0;
    return vx_log_replay(work->file, &work->out->header, &sequence, work->view, err);
}

static vhdx_status rebuild_log(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    const struct vx_survey *survey = work->survey;
    bool from_disk = survey->current >= 0;
    bool void_log = from_disk && (survey->log == VX_SURVEY_LOG_UNBEGUN || survey->log == VX_SURVEY_LOG_STALE);
    vx_clue_set(work, VX_PART_LOG, VX_WITNESS_STORED, true, "%s", "");
    VX_TRY(vx_log_witnesses_open(&work->log, work->file, out->header.log_offset, out->header.log_length,
                                 void_log ? NULL : &out->header.log_guid, err));
    if (void_log) {
        vx_clue_set(work, VX_PART_LOG, VX_WITNESS_GEOMETRY, true, "%s",
                    survey->log == VX_SURVEY_LOG_STALE
                        ? "the log is older than the disk in all that it holds, and is not replayed"
                        : "the log is marked as used, but nothing was ever logged");
        out->header.log_guid = (vhdx_guid){{0}};
        return VHDX_OK;
    }
    if (from_disk && survey->log == VX_SURVEY_LOG_ACTIVE)
        return vx_log_replay(work->file, &out->header, &survey->sequence, work->view, err);
    bool found = false;
    if (from_disk && survey->log != VX_SURVEY_LOG_CLEAN)
        VX_TRY(search_log(work, &found, err));
    if (from_disk && survey->log != VX_SURVEY_LOG_CLEAN)
        return found ? VHDX_OK : rescue_log(work, err);
    return from_disk ? VHDX_OK : guess_log(work, err);
}

/* ---- all of it ---- */

static void judge_file_id(struct vx_rebuilding *work)
{
    bool whole = work->survey->file_id_status == VHDX_OK;
    vx_clue_set(work, VX_PART_FILE_ID, whole ? VX_WITNESS_STORED : VX_WITNESS_DEFAULT,
                vx_survey_header_valid(&work->survey->headers[0]) || vx_survey_header_valid(&work->survey->headers[1]),
                "%s", whole ? "" : "the first eight bytes are the same in every disk");
}

static vhdx_status rebuild(struct vx_rebuilding *work, vhdx_error *err)
{
    struct vx_rebuilt *out = work->out;
    bool found;
    for (int i = 0; i < VX_PART_COUNT; i++)
        vx_clue_set(work, (enum vx_part)i, VX_WITNESS_NONE, false, "%s", "nothing is known of it");
    VX_TRY(vx_survey_make(work->file, &work->survey, err));
    out->file_size = work->survey->file_size;
    VX_TRY(vx_overlay_open(work->file, VIEW_LIMIT, &out->view, err));
    work->view = out->view;
    judge_file_id(work);
    VX_TRY(rebuild_header(work, err));
    VX_TRY(rebuild_log(work, err));
    VX_TRY(vx_file_size(work->view, &work->view_size, err));
    VX_TRY(vx_rebuild_regions(work, &found, err));
    if (found)
        VX_TRY(vx_rebuild_settle_places(work, err));
    VX_TRY(vx_rebuild_items(work, err));
    VX_TRY(vx_rebuild_values(work, err));
    VX_TRY(vx_rebuild_settle_lengths(work, err));
    if ((out->geometry.entry_count == 0 || work->size_unknown) && work->options->search_content)
        VX_TRY(vx_rebuild_pieces(work, err));
    if (out->geometry.entry_count == 0 || out->only_pieces)
        return VHDX_OK;
    VX_TRY(vx_rebuild_room(work, err));
    /* a BAT that moves is copied only for who reads the disk */
    if (out->room.cure == VX_ROOM_MOVE && !work->options->search_content)
        return VHDX_OK;
    return vx_rebuild_bat(work, err);
}

vhdx_status vx_rebuild(struct vx_file *file, const struct vx_rebuild_options *options, struct vx_rebuilt **rebuilt,
                       vhdx_error *err)
{
    struct vx_rebuilding work = {.file = file, .options = options};
    work.out = vx_alloc(1, sizeof *work.out);
    work.table = vx_alloc(1, sizeof *work.table);
    vhdx_status status = work.out && work.table ? rebuild(&work, err) : vx_fail_memory(err, "a disk that is rebuilt");
    vx_log_witnesses_close(&work.log);
    vx_survey_free(work.survey);
    if (status == VHDX_OK) {
        work.out->table = work.table;
        *rebuilt = work.out;
        return VHDX_OK;
    }
    vx_free(work.table);
    vx_rebuild_free(work.out);
    return status;
}

void vx_rebuild_free(struct vx_rebuilt *rebuilt)
{
    if (!rebuilt)
        return;
    vx_file_close(rebuilt->view);
    vx_free(rebuilt->locator);
    vx_free(rebuilt->placed);
    vx_free(rebuilt->strays);
    vx_free(rebuilt->lost_pages);
    vx_free(rebuilt->singles);
    vx_claims_close(&rebuilt->claims);
    vx_free(rebuilt->doubted);
    vx_free(rebuilt->moved_pages);
    vx_free(rebuilt->old_bits);
    vx_free(rebuilt->regions);
    vx_free(rebuilt->table);
    vx_free(rebuilt);
}

bool vx_rebuilt_differs(const struct vx_rebuilt *rebuilt, bool *lossless)
{
    bool differs = false;
    *lossless = true;
    for (int i = 0; i < VX_PART_COUNT; i++) {
        if (rebuilt->clues[i].witness == VX_WITNESS_STORED)
            continue;
        differs = true;
        *lossless = *lossless && rebuilt->clues[i].lossless;
    }
    return differs;
}
