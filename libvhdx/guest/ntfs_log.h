/*
 * Structures of the log of NTFS ($LogFile): restart pages and pages of log records. Layouts as ntfs-3g documents them.
 * Only bytes to values. A number of the log (LSN) is a sequence number, which grows each time that
 * the log has gone round, over a place in the file in units of 8 bytes; so it grows with every record and tells where
 * the record is.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_GUEST_NTFS_LOG_H
#define VX_GUEST_NTFS_LOG_H

#include "base/bytes.h"

#define VX_NTFS_LOG_PAGE_MAX 65536u

struct vx_ntfs_restart {
    uint32_t page_size;
    uint64_t current;       /* LSN of the last record when the page was written */
    uint32_t sequence_bits; /* of an LSN */
    bool clean;             /* nothing has to be replayed */
    uint32_t first_page;    /* of those behind the restart pages and the copies of the last page, which go round */
    uint32_t data_offset;   /* of a record in its page */
};

struct vx_ntfs_log_page {
    uint64_t last;        /* LSN of the last record that begins in it or reaches into it */
    uint64_t last_end;    /* LSN of the last one that ends in it, 0 = none */
    uint32_t next_record; /* where the next one begins, from the page's start */
};

/* `page`: bytes put back. false: no restart page, or of another version than 1 and 2. */
bool vx_ntfs_restart_decode(struct vx_bytes page, struct vx_ntfs_restart *restart);
/* `page`: bytes put back, or only its beginning. */
bool vx_ntfs_log_page_decode(struct vx_bytes page, struct vx_ntfs_log_page *decoded);
/* The LSN that a record at `place` of the file has, in the round of another LSN. */
uint64_t vx_ntfs_lsn_at(const struct vx_ntfs_restart *restart, uint64_t round, uint64_t place);
/* Where the record of that LSN begins in the file. */
uint64_t vx_ntfs_lsn_place(const struct vx_ntfs_restart *restart, uint64_t lsn);

#endif
