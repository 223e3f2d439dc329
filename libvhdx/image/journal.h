/*
 * The only door for metadata writes (BAT, sector bitmaps, metadata region, region tables; MS-VHDX 2.3). Callers ask for
 * pages, change them in memory, and commit: then all of them are on disk after a power cut, or none.
 *
 * Invariants (the lines that uphold them name them):
 *  J1  Payload that committed metadata refers to is durable before the log entry is written.
 *  J2  A log entry is durable before any of its pages is written to its final place.
 *  J3  An entry is overwritten or left behind (its tail passed) only when its pages are durable at their final places.
 *  J4  At every instant at which the header has a LogGuid the ring holds a valid active sequence for it: the next entry
 *      never overlaps the one before it, because no entry is longer than half the ring.
 *  J5  Space that a commit releases is not allocated again before that commit is durable.
 *  J6  After a failure inside a commit nothing is written any more, and LogGuid stays set: replay will finish or forget
 *      the commit.
 *  J7  A commit that failed for want of space, and nothing else, may be tried again: its pages stay pending, and the
 *      next entry has all of them, so that it may take the place of one whose pages did not get home.
 *
 *      payload writes | flush J1,J3 | log entry | flush J2 | pages home | payload writes | flush J1,J3 | ...
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_JOURNAL_H
#define VX_IMAGE_JOURNAL_H

#include "base/status.h"

struct vx_head;
struct vx_header;
struct vx_journal;

/*
 * Begins a new log; the one before must be empty. Its first entry becomes durable, then the header names it and takes
 * `values`' other fields. That happens here, with an empty entry, or, when only metadata is going to change,
 * `with_first_commit`: two flushes less, and nothing at all is written when nothing is committed. What `head` points to
 * must outlive the journal.
 */
vhdx_status vx_journal_open(const struct vx_head *head, const struct vx_header *values, bool with_first_commit,
                            struct vx_journal **journal, vhdx_error *err);

/*
 * The first entry goes to the largest part of the ring that holds nothing, instead of its beginning: where a log is
 * given up whose entries are still the only copy of something, they stay until the header names the new log. Before the
 * first commit, of a journal that was opened `with_first_commit`.
 */
vhdx_status vx_journal_spare_entries(struct vx_journal *journal, vhdx_error *err);

/* The page at `file_offset` (a multiple of 4096), as it will be after the commit, to be changed in memory. Valid until
 * commit. */
vhdx_status vx_journal_page(struct vx_journal *journal, uint64_t file_offset, uint8_t **page, vhdx_error *err);
/* The pending page at that place, NULL when it is not pending. */
const uint8_t *vx_journal_pending(const struct vx_journal *journal, uint64_t file_offset);
/* How many more pages one commit can take. */
uint32_t vx_journal_room(const struct vx_journal *journal);

/* Makes the pending pages durable, all or none. Does nothing when there are none. */
vhdx_status vx_journal_commit(struct vx_journal *journal, vhdx_error *err);
/* Forgets the pending pages, unless an entry that has them is durable already (J7). */
void vx_journal_discard(struct vx_journal *journal);
/* Whether a commit failed half way (J6), or has pages to bring home (J7): then the log must stay. */
bool vx_journal_failed(const struct vx_journal *journal);

/* Clears the header's LogGuid; durable after the caller's next flush. Nothing may be pending. The journal itself is
 * freed by vx_journal_free. */
vhdx_status vx_journal_close(struct vx_journal *journal, vhdx_error *err);
/* Takes NULL. Writes nothing. */
void vx_journal_free(struct vx_journal *journal);

#endif
