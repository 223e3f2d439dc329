/*
 * Applying a plan. See repair_apply.h for what holds at each instant.
 */
/* SPDX-License-Identifier: MIT */
#include "repair/repair_apply.h"

#include "base/alloc.h"
#include "base/guid.h"
#include "image/header_update.h"
#include "image/journal.h"
#include "image/log_replay.h"
#include "image/protect.h"

#include <stdlib.h>
#include <string.h>

/* Header updates that a repair may take; with fewer numbers left they begin anew. */
#define SEQUENCE_NUMBERS_LEFT 1024u
#define FIRST_SEQUENCE UINT64_C(1)
#define SAVED_AT_ONCE (16 * VX_MIB)

struct page {
    uint64_t offset;
    bool late;     /* BAT, bitmaps: behind the structures that say where these are */
    bool replayed; /* in new space, and the log has put something else there */
};

struct applying {
    struct vx_plan *plan;
    struct vx_header header; /* the current one, and where it is */
    int header_slot;
    struct vx_journal *journal;
    struct page *pages;
    size_t count, room;
};

/* ---- pages ---- */

static vhdx_status add_page(struct applying *applying, uint64_t offset, vhdx_error *err)
{
    struct page *pages = vx_room_for(applying->pages, applying->count, &applying->room, sizeof *pages);
    if (!pages)
        return vx_fail_memory(err, "the pages of a repair");
    applying->pages = pages;
    applying->pages[applying->count++] = (struct page){.offset = offset, .late = offset >= VX_HEADER_SECTION_SIZE};
    return VHDX_OK;
}

static int by_turn(const void *a, const void *b)
{
    const struct page *left = a, *right = b;
    if (left->late != right->late)
        return left->late - right->late;
    return (left->offset > right->offset) - (left->offset < right->offset);
}

static bool is_header(uint64_t offset)
{
    return offset == VX_HEADER1_OFFSET || offset == VX_HEADER2_OFFSET;
}

static vhdx_status read_regions(struct vx_file *view, uint64_t offset, struct vx_region_table *table, uint8_t *bytes,
                                vhdx_error *err)
{
    size_t got;
    VX_TRY(vx_file_read_some(view, bytes, VX_REGION_TABLE_SIZE, offset, &got, err));
    if (vx_region_table_decode(vx_bytes_of(bytes, got), table) != VHDX_OK)
        table->count = 0;
    return VHDX_OK;
}

/* Pages of the metadata region as the new tables place it take their turn with the tables. */
static vhdx_status find_metadata(struct applying *applying, struct vx_region *metadata, vhdx_error *err)
{
    struct vx_region_table *table = vx_alloc(1, sizeof *table);
    uint8_t *bytes = vx_alloc(VX_REGION_TABLE_SIZE, 1);
    vhdx_status status = table && bytes ? VHDX_OK : vx_fail_memory(err, "the region table");
    *metadata = (struct vx_region){.file_offset = 0};
    if (status == VHDX_OK)
        status = read_regions(applying->plan->sketch, VX_REGION_TABLE1_OFFSET, table, bytes, err);
    const struct vx_region *found = status == VHDX_OK ? vx_region_find(table, &vx_guid_metadata_region) : NULL;
    if (found)
        *metadata = *found;
    vx_free(bytes);
    vx_free(table);
    return status;
}

/* All pages of the plan, each once, in the order in which they are written. */
static vhdx_status gather_pages(struct applying *applying, vhdx_error *err)
{
    const struct vx_plan *plan = applying->plan;
    struct vx_region metadata;
    size_t kept = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct vx_plan_write *write = &plan->writes[i];
        uint64_t end = write->offset + write->length;
        if (write->length == 0 || is_header(write->offset))
            continue;
        for (uint64_t at = vx_round_down(write->offset, VX_PAGE); at < end; at += VX_PAGE)
            VX_TRY(add_page(applying, at, err));
    }
    VX_TRY(find_metadata(applying, &metadata, err));
    for (size_t i = 0; i < applying->count; i++) {
        struct page *page = &applying->pages[i];
        if (page->offset >= metadata.file_offset && page->offset - metadata.file_offset < metadata.length)
            page->late = false;
    }
    if (applying->count > 0)
        qsort(applying->pages, applying->count, sizeof *applying->pages, by_turn);
    for (size_t i = 0; i < applying->count; i++)
        if (kept == 0 || applying->pages[kept - 1].offset != applying->pages[i].offset)
            applying->pages[kept++] = applying->pages[i];
    applying->count = kept;
    return VHDX_OK;
}

/* The new bytes of a page, as far as the new file goes. */
static vhdx_status new_page(const struct applying *applying, uint64_t offset, uint8_t bytes[VX_PAGE], size_t *length,
                            vhdx_error *err)
{
    return vx_file_read_some(applying->plan->sketch, bytes, VX_PAGE, offset, length, err);
}

/* ---- the undo file ---- */

static void log_range(const struct vx_header *header, struct vx_ranges *ranges, bool *added)
{
    struct vx_range range = {.offset = header->log_offset, .length = vx_min(header->log_length, SAVED_AT_ONCE)};
    *added = *added && vx_ranges_add(ranges, &range);
}

static vhdx_status gather_ranges(const struct applying *applying, struct vx_ranges *ranges, vhdx_error *err)
{
    const struct vx_plan *plan = applying->plan;
    bool added = true;
    for (size_t i = 0; i < applying->count && added; i++)
        added = vx_ranges_add(ranges, &(struct vx_range){.offset = applying->pages[i].offset, .length = VX_PAGE});
    if (plan->has_header)
        log_range(&plan->header, ranges, &added);
    if (plan->log == VX_PLAN_LOG_REPLAY)
        log_range(&plan->log_header, ranges, &added);
    if (!added)
        return vx_fail_memory(err, "the ranges of a repair");
    vx_ranges_sort(ranges);
    return VHDX_OK;
}

/* Also of a file that lacks its signature: as soon as that is back, this is who it is. */
static vhdx_status identify(struct vx_file *file, struct vx_identity *identity, vhdx_error *err)
{
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(file, survey, err);
    memset(identity, 0, sizeof *identity);
    if (status == VHDX_OK && survey->current >= 0)
        *identity = vx_header_identity(&survey->headers[survey->current].header);
    vx_free(survey);
    return status;
}

static vhdx_status with_target(struct applying *applying, const char *path, struct vx_undo **undo, vhdx_error *err)
{
    struct vx_plan *plan = applying->plan;
    struct vx_ranges ranges = {0};
    struct vx_undo_target target = {.file = plan->file};
    VX_TRY(identify(plan->file, &target.identity, err));
    vhdx_status status = gather_ranges(applying, &ranges, err);
    target.ranges = ranges.items;
    target.range_count = ranges.count;
    if (status == VHDX_OK)
        status = undo ? vx_undo_begin(plan->host, path, &target, 1, undo, err)
                      : vx_undo_check(plan->host, path, &target, 1, err);
    vx_ranges_clear(&ranges);
    return status;
}

vhdx_status vx_repair_check_undo(struct vx_plan *plan, const char *undo, vhdx_error *err)
{
    struct applying applying = {.plan = plan};
    return with_target(&applying, undo, NULL, err);
}

/* ---- the first MiB ---- */

/* No image can be opened on a damaged disk; the journal and the header updates need no more than this. */
static struct vx_head head_of(struct applying *applying)
{
    return (struct vx_head){applying->plan->host, applying->plan->file, &applying->header, &applying->header_slot};
}

static vhdx_status put_header(struct applying *applying, int slot, const struct vx_header *header, vhdx_error *err)
{
    uint8_t bytes[VX_HEADER_SIZE];
    struct vx_identity identity = vx_header_identity(header);
    struct vx_file *file = applying->plan->file;
    VX_TRY(vx_file_will_be(file, &identity, err));
    vx_header_encode(header, bytes);
    VX_TRY(vx_file_write(file, bytes, sizeof bytes, slot == 0 ? VX_HEADER1_OFFSET : VX_HEADER2_OFFSET, err));
    VX_TRY(vx_file_flush(file, err));
    applying->header = *header;
    applying->header_slot = slot;
    return VHDX_OK;
}

/* Both copies with the content that is current, and small numbers: the copy that is not current first. */
static vhdx_status begin_numbers_anew(struct applying *applying, vhdx_error *err)
{
    struct vx_header header = applying->header;
    int current = applying->header_slot;
    header.sequence_number = FIRST_SEQUENCE;
    VX_TRY(put_header(applying, 1 - current, &header, err));
    header.sequence_number++;
    return put_header(applying, current, &header, err);
}

/* The header on which all further updates build. */
static vhdx_status begin_header(struct applying *applying, const struct vx_survey *survey, vhdx_error *err)
{
    const struct vx_plan *plan = applying->plan;
    int slot = plan->header_slot >= 0 ? plan->header_slot : survey->current;
    if (survey->current < 0) {
        struct vx_header header = plan->header;
        header.sequence_number = FIRST_SEQUENCE;
        return put_header(applying, 0, &header, err);
    }
    applying->header = survey->headers[slot].header;
    applying->header_slot = slot;
    if (applying->header.sequence_number > UINT64_MAX - SEQUENCE_NUMBERS_LEFT)
        return begin_numbers_anew(applying, err);
    return VHDX_OK;
}

/* Eight bytes in one sector: they are there or they are not. */
static vhdx_status put_signature(struct applying *applying, vhdx_error *err)
{
    uint8_t bytes[8];
    struct vx_plan *plan = applying->plan;
    if (applying->count == 0 || applying->pages[0].offset != VX_FILE_ID_OFFSET)
        return VHDX_OK;
    VX_TRY(vx_file_read(plan->sketch, bytes, sizeof bytes, VX_FILE_ID_OFFSET, err));
    VX_TRY(vx_file_write(plan->file, bytes, sizeof bytes, VX_FILE_ID_OFFSET, err));
    return vx_file_flush(plan->file, err);
}

static vhdx_status begin(struct applying *applying, vhdx_error *err)
{
    struct vx_survey *survey = vx_alloc(1, sizeof *survey);
    if (!survey)
        return vx_fail_memory(err, "a look at a disk");
    vhdx_status status = vx_survey_headers(applying->plan->file, survey, err);
    bool header_first = status == VHDX_OK && survey->current < 0; /* A2 */
    if (status == VHDX_OK && header_first)
        status = begin_header(applying, survey, err);
    if (status == VHDX_OK)
        status = put_signature(applying, err);
    if (status == VHDX_OK && !header_first)
        status = begin_header(applying, survey, err);
    vx_free(survey);
    return status;
}

/* ---- everything else ---- */

/* MS-VHDX 2.3.3: new FileWriteGuid while LogGuid stays, replay, flush, and only then LogGuid becomes zero. */
static vhdx_status replay(struct applying *applying, vhdx_error *err)
{
    struct vx_plan *plan = applying->plan;
    struct vx_header header = applying->header;
    if (plan->log != VX_PLAN_LOG_REPLAY)
        return VHDX_OK;
    const struct vx_head head = head_of(applying);
    VX_TRY(vx_new_guid(plan->host, &header.file_write_guid, err));
    header.log_offset = plan->log_header.log_offset; /* where it was found, if the header did not say so */
    header.log_length = plan->log_header.log_length;
    VX_TRY(vx_header_update(&head, &header, err));
    VX_TRY(vx_log_replay(plan->file, &plan->log_header, &plan->sequence, plan->file, err));
    memset(&header.log_guid, 0, sizeof header.log_guid);
    return vx_header_update(&head, &header, err);
}

/* A3: what lies beyond the old end nobody refers to yet. */
static vhdx_status fill_new_space(struct applying *applying, vhdx_error *err)
{
    struct vx_plan *plan = applying->plan;
    uint64_t size;
    VX_TRY(vx_file_size(plan->file, &size, err));
    if (plan->new_size > size)
        VX_TRY(vx_file_grow(plan->file, plan->new_size, err));
    for (size_t i = 0; i < applying->count; i++) {
        uint8_t bytes[VX_PAGE];
        size_t length;
        if (applying->pages[i].offset < plan->old_size)
            continue;
        VX_TRY(new_page(applying, applying->pages[i].offset, bytes, &length, err));
        VX_TRY(vx_file_write(plan->file, bytes, length, applying->pages[i].offset, err));
    }
    return vx_file_flush(plan->file, err);
}

/* A log that knows a longer file writes to the new space as well, and what it writes is older than the plan. */
static vhdx_status find_replayed(struct applying *applying, vhdx_error *err)
{
    for (size_t i = 0; applying->plan->log == VX_PLAN_LOG_REPLAY && i < applying->count; i++) {
        struct page *page = &applying->pages[i];
        uint8_t wanted[VX_PAGE], there[VX_PAGE];
        size_t length, got;
        if (page->offset < applying->plan->old_size)
            continue;
        VX_TRY(new_page(applying, page->offset, wanted, &length, err));
        VX_TRY(vx_file_read_some(applying->plan->file, there, length, page->offset, &got, err));
        page->replayed = got != length || memcmp(wanted, there, length) != 0;
    }
    return VHDX_OK;
}

static bool needs_journal(const struct applying *applying, const struct page *page)
{
    if (page->replayed)
        return true;
    return page->offset >= VX_LOG_LOWEST_TARGET && page->offset < applying->plan->old_size;
}

static vhdx_status journal_page(struct applying *applying, const struct page *page, vhdx_error *err)
{
    struct vx_journal *journal = applying->journal;
    uint8_t *bytes;
    size_t length;
    if (vx_journal_room(journal) == 0)
        VX_TRY(vx_journal_commit(journal, err));
    VX_TRY(vx_journal_page(journal, page->offset, &bytes, err));
    return new_page(applying, page->offset, bytes, &length, err);
}

static vhdx_status journal_pages(struct applying *applying, vhdx_error *err)
{
    for (size_t i = 0; i < applying->count; i++)
        if (needs_journal(applying, &applying->pages[i]))
            VX_TRY(journal_page(applying, &applying->pages[i], err));
    return vx_journal_commit(applying->journal, err);
}

static size_t count_journaled(const struct applying *applying)
{
    size_t count = 0;
    for (size_t i = 0; i < applying->count; i++)
        count += needs_journal(applying, &applying->pages[i]);
    return count;
}

/* The header's last change, and A4 between. */
static vhdx_status change(struct applying *applying, vhdx_error *err)
{
    struct vx_plan *plan = applying->plan;
    struct vx_header header = plan->has_header ? plan->header : applying->header;
    const struct vx_head head = head_of(applying);
    VX_TRY(vx_new_guid(plan->host, &header.file_write_guid, err));
    if (count_journaled(applying) == 0)
        return vx_header_update(&head, &header, err);
    header.log_version = VX_LOG_VERSION;
    VX_TRY(vx_journal_open(&head, &header, true, &applying->journal, err));
    vhdx_status status = VHDX_OK;
    if (!vx_guid_is_zero(&applying->header.log_guid)) /* it is given up, and may be the evidence for what is written */
        status = vx_journal_spare_entries(applying->journal, err);
    if (status == VHDX_OK)
        status = journal_pages(applying, err);
    if (status == VHDX_OK)
        status = vx_journal_close(applying->journal, err);
    vx_journal_free(applying->journal);
    applying->journal = NULL;
    return status;
}

/* A5 */
static vhdx_status cut(struct applying *applying, vhdx_error *err)
{
    struct vx_plan *plan = applying->plan;
    uint64_t size;
    VX_TRY(vx_file_size(plan->file, &size, err));
    return plan->new_size < size ? vx_file_cut(plan->file, plan->new_size, err) : VHDX_OK;
}

static vhdx_status write_all(struct applying *applying, vhdx_error *err)
{
    VX_TRY(begin(applying, err));
    VX_TRY(fill_new_space(applying, err));
    VX_TRY(replay(applying, err));
    VX_TRY(find_replayed(applying, err));
    VX_TRY(change(applying, err));
    VX_TRY(vx_file_flush(applying->plan->file, err));
    VX_TRY(cut(applying, err));
    return vx_file_flush(applying->plan->file, err);
}

vhdx_status vx_repair_apply(struct vx_plan *plan, const char *undo_path, bool *begun, vhdx_error *err)
{
    struct applying applying = {.plan = plan};
    struct vx_undo *undo = NULL;
    *begun = false;
    vhdx_status status = gather_pages(&applying, err);
    if (status == VHDX_OK && undo_path) {
        status = with_target(&applying, undo_path, &undo, err); /* A1 */
        *begun = status == VHDX_OK;
    }
    if (status == VHDX_OK)
        status = write_all(&applying, err);
    if (status == VHDX_OK && undo)
        status = vx_undo_end(undo, err);
    vx_undo_close(undo);
    vx_free(applying.pages);
    return status;
}
