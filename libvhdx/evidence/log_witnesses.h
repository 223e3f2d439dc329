/*
 * Pages of metadata that entries of the log still hold, whether they have to be replayed or were long ago: Windows
 * leaves the ring as it is, so a lost page of the BAT or the metadata often stands there in one of its last versions.
 * The one thing that is easy to get wrong: an old version is only a witness; the page may have changed since in an
 * entry that was overwritten.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_EVIDENCE_LOG_WITNESSES_H
#define VX_EVIDENCE_LOG_WITNESSES_H

#include "image/log_scan.h"

struct vx_log_witness {
    uint64_t target; /* file offset of the page */
    uint64_t sequence_number;
    uint64_t last_file_offset;
    uint32_t rank;    /* 0 = of the header's own log; then by age of the session, as far as that can be told; last those
                         with a wrong checksum */
    uint32_t data_at; /* ring offset of the data sector */
    uint8_t leading[8], trailing[4];
};

struct vx_log_witnesses {
    struct vx_ring ring;
    bool open;
    struct vx_log_witness *pages; /* by target, then newest first */
    size_t count, room;
    size_t entries;        /* valid ones, of any LogGuid */
    size_t own_entries;    /* of the given LogGuid */
    vhdx_guid newest_guid; /* of the session that seems to be the last; zero: no entry */
};

/*
 * Gathers the pages of all valid entries in the log [offset, +length) of `file`. `own` NULL or zero: no LogGuid is
 * known. Begins as all zeros; vx_log_witnesses_close() ends it. Fails only for lack of memory or when the host fails.
 */
vhdx_status vx_log_witnesses_open(struct vx_log_witnesses *log, struct vx_file *file, uint64_t offset, uint32_t length,
                                  const vhdx_guid *own, vhdx_error *err);
void vx_log_witnesses_close(struct vx_log_witnesses *log);

/* The newest version of the page at `target`, NULL when no entry holds it. */
const struct vx_log_witness *vx_log_witness_find(const struct vx_log_witnesses *log, uint64_t target);
/* Its bytes. */
vhdx_status vx_log_witness_page(struct vx_log_witnesses *log, const struct vx_log_witness *witness,
                                uint8_t page[VX_PAGE], vhdx_error *err);

#endif
