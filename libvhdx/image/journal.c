/*
 * Pending pages, and their way into the log and home. The invariants J1 to J6 are in journal.h. The bytes of an entry
 * are format/log_entry.c's, its place in the ring is log_write.c's.
 */
/* SPDX-License-Identifier: MIT */
#include "image/journal.h"

#include "base/alloc.h"
#include "image/header_update.h"
#include "image/log_write.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MAX 1022u /* 4 MiB of pages, whatever the log's length */

struct slot {
    uint64_t file_offset;
    uint8_t *bytes; /* NULL: free */
};

struct vx_journal {
    struct vx_head head;
    struct vx_log_writer writer;
    struct slot *slots;  /* hash table, open addressing */
    uint32_t slot_count; /* power of two, at least twice the capacity */
    uint32_t capacity, used;
    struct vx_header header; /* which the first entry's LogGuid makes current */
    bool begun;              /* the header has that LogGuid */
    bool owed;               /* the last entry is durable, its pages are not all at home */
    bool failed;
    struct vx_log_page *pages; /* scratch for a commit */
    uint8_t *memory;           /* the pages' bytes */
};

static uint32_t hash(const struct vx_journal *journal, uint64_t file_offset)
{
    return (uint32_t)((file_offset / VX_PAGE * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (journal->slot_count - 1);
}

/* The slot of that page, or the free one where it would go. */
static struct slot *find_slot(const struct vx_journal *journal, uint64_t file_offset)
{
    uint32_t at = hash(journal, file_offset);
    while (journal->slots[at].bytes && journal->slots[at].file_offset != file_offset)
        at = (at + 1) & (journal->slot_count - 1);
    return &journal->slots[at];
}

const uint8_t *vx_journal_pending(const struct vx_journal *journal, uint64_t file_offset)
{
    return journal->used == 0 ? NULL : find_slot(journal, file_offset)->bytes;
}

uint32_t vx_journal_room(const struct vx_journal *journal)
{
    return journal->capacity - journal->used;
}

bool vx_journal_failed(const struct vx_journal *journal)
{
    return journal->failed || journal->owed;
}

vhdx_status vx_journal_page(struct vx_journal *journal, uint64_t file_offset, uint8_t **page, vhdx_error *err)
{
    struct slot *slot = find_slot(journal, file_offset);
    if (!slot->bytes) {
        if (journal->used == journal->capacity)
            return vx_fail(err, VHDX_STATE, vx_at(vx_file_path(journal->head.file), "journal", file_offset),
                           "one commit cannot take more than %u pages", journal->capacity);
        uint8_t *bytes = journal->memory + (size_t)journal->used * VX_PAGE;
        VX_TRY(vx_file_read(journal->head.file, bytes, VX_PAGE, file_offset, err));
        *slot = (struct slot){file_offset, bytes};
        journal->used++;
    }
    *page = slot->bytes;
    return VHDX_OK;
}

static void empty_slots(struct vx_journal *journal)
{
    memset(journal->slots, 0, journal->slot_count * sizeof *journal->slots);
    journal->used = 0;
}

static int by_file_offset(const void *a, const void *b)
{
    uint64_t left = ((const struct vx_log_page *)a)->file_offset;
    uint64_t right = ((const struct vx_log_page *)b)->file_offset;
    return (left > right) - (left < right);
}

static void gather_pages(struct vx_journal *journal)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < journal->slot_count; i++)
        if (journal->slots[i].bytes)
            journal->pages[count++] = (struct vx_log_page){journal->slots[i].file_offset, journal->slots[i].bytes};
    qsort(journal->pages, count, sizeof *journal->pages, by_file_offset);
}

static vhdx_status write_home(struct vx_journal *journal, vhdx_error *err)
{
    for (uint32_t i = 0; i < journal->used; i++)
        VX_TRY(vx_file_write(journal->head.file, journal->pages[i].bytes, VX_PAGE, journal->pages[i].file_offset, err));
    return VHDX_OK;
}

/* An undo file must have the pages before the entry is durable: from then on any program that replays the log may
 * overwrite them. */
static vhdx_status announce_pages(const struct vx_journal *journal, vhdx_error *err)
{
    struct vx_ranges ranges = {0};
    bool added = true;
    if (!vx_file_is_protected(journal->head.file))
        return VHDX_OK;
    for (uint32_t i = 0; i < journal->used && added; i++)
        added = vx_ranges_add(&ranges, &(struct vx_range){.offset = journal->pages[i].file_offset, .length = VX_PAGE});
    vhdx_status status = added ? vx_file_will_change(journal->head.file, ranges.items, ranges.count, err)
                               : vx_fail_memory(err, "the pages of a commit");
    vx_ranges_clear(&ranges);
    return status;
}

/* MS-VHDX 2.3.2: first an entry with the new LogGuid, durable, then the header that names it; the other order leaves a
 * moment in which the header asks for a log that is not there. */
static vhdx_status write_entry(struct vx_journal *journal, vhdx_error *err)
{
    const struct vx_head *head = &journal->head;
    VX_TRY(vx_log_write(&journal->writer, head->file, journal->pages, journal->used, err));
    VX_TRY(vx_file_flush(head->file, err)); /* J2 */
    if (journal->begun)
        return VHDX_OK;
    VX_TRY(vx_header_update(head, &journal->header, err)); /* J4 */
    journal->begun = true;
    return VHDX_OK;
}

static vhdx_status commit(struct vx_journal *journal, vhdx_error *err)
{
    VX_TRY(announce_pages(journal, err));
    VX_TRY(vx_file_flush(journal->head.file, err)); /* J1: payload; J3: the pages of the commit before */
    VX_TRY(write_entry(journal, err));
    journal->owed = true;
    VX_TRY(write_home(journal, err));
    journal->owed = false;
    return VHDX_OK;
}

/* J7. A log that the header does not name yet is no place to go on from: what became of the header is not known. */
static bool may_try_again(const struct vx_journal *journal, vhdx_status status)
{
    return status == VHDX_NO_SPACE && journal->begun;
}

vhdx_status vx_journal_commit(struct vx_journal *journal, vhdx_error *err)
{
    if (journal->failed)
        return vx_fail(err, VHDX_POISONED, vx_at(vx_file_path(journal->head.file), "log", VHDX_NOWHERE),
                       "an earlier metadata update failed");
    if (journal->used == 0)
        return VHDX_OK;
    gather_pages(journal);
    vhdx_status status = commit(journal, err);
    if (status != VHDX_OK) {
        journal->failed = !may_try_again(journal, status); /* J6 */
        return status;
    }
    empty_slots(journal);
    return VHDX_OK;
}

void vx_journal_discard(struct vx_journal *journal)
{
    if (journal->owed)
        return;
    empty_slots(journal);
}

static vhdx_status allocate(struct vx_journal *journal, vhdx_error *err)
{
    journal->capacity = vx_log_writer_page_limit(&journal->writer); /* J4 */
    if (journal->capacity > CAPACITY_MAX)
        journal->capacity = CAPACITY_MAX;
    journal->slot_count = 64;
    while (journal->slot_count < 2 * journal->capacity)
        journal->slot_count *= 2;
    journal->slots = vx_alloc(journal->slot_count, sizeof *journal->slots);
    journal->pages = vx_alloc(journal->capacity, sizeof *journal->pages);
    journal->memory = vx_alloc(journal->capacity, VX_PAGE);
    return journal->slots && journal->pages && journal->memory ? VHDX_OK : vx_fail_memory(err, "the journal");
}

static vhdx_status start(struct vx_journal *journal, const struct vx_header *values, bool with_first_commit,
                         vhdx_error *err)
{
    journal->header = *values;
    VX_TRY(vx_new_guid(journal->head.host, &journal->header.log_guid, err));
    VX_TRY(vx_log_writer_open(&journal->writer, journal->head.host, &journal->header, err));
    VX_TRY(allocate(journal, err));
    return with_first_commit ? VHDX_OK : write_entry(journal, err);
}

vhdx_status vx_journal_open(const struct vx_head *head, const struct vx_header *values, bool with_first_commit,
                            struct vx_journal **out, vhdx_error *err)
{
    struct vx_journal *journal = vx_alloc(1, sizeof *journal);
    if (!journal)
        return vx_fail_memory(err, "the journal");
    journal->head = *head;
    vhdx_status status = start(journal, values, with_first_commit, err);
    if (status != VHDX_OK) {
        vx_journal_free(journal);
        return status;
    }
    *out = journal;
    return VHDX_OK;
}

vhdx_status vx_journal_spare_entries(struct vx_journal *journal, vhdx_error *err)
{
    return vx_log_writer_to_unused(&journal->writer, journal->head.file, err);
}

vhdx_status vx_journal_close(struct vx_journal *journal, vhdx_error *err)
{
    struct vx_header header = *journal->head.header;
    if (!journal->begun)
        return VHDX_OK;
    memset(&header.log_guid, 0, sizeof header.log_guid);
    return vx_header_update(&journal->head, &header, err); /* J3: flushes the pages first */
}

void vx_journal_free(struct vx_journal *journal)
{
    if (!journal)
        return;
    vx_log_writer_close(&journal->writer);
    vx_free(journal->slots);
    vx_free(journal->pages);
    vx_free(journal->memory);
    vx_free(journal);
}
