/*
 * The log as a ring: which entries are valid, and which of them must be replayed (MS-VHDX 2.3.2, 2.3.3). Reads only.
 * The active sequence begins at the head entry's Tail, not at the first entry
 * of the run; what is before the tail may hit space that has been reused since.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_LOG_SCAN_H
#define VX_IMAGE_LOG_SCAN_H

#include "format/header.h"
#include "format/log_entry.h"
#include "io/io.h"

/* A window on the ring; offsets are relative to its start and wrap around. */
struct vx_ring {
    struct vx_file *file;
    uint64_t offset; /* of the log in the file */
    uint32_t length;
    uint32_t cached_at;   /* ring offset of the bytes in `cache` */
    uint32_t cached_size; /* 0 = none */
    uint8_t *cache;
};

vhdx_status vx_ring_open(struct vx_ring *ring, struct vx_file *file, uint64_t offset, uint32_t length, vhdx_error *err);
void vx_ring_close(struct vx_ring *ring);
/* The sector at a ring offset (taken modulo the length); valid until the next call. */
vhdx_status vx_ring_sector(struct vx_ring *ring, uint64_t ring_offset, const uint8_t **sector, vhdx_error *err);

/* Why the sector at some place of the ring begins no valid entry; in the order in which it is tested. */
enum vx_log_fault {
    VX_LOG_FAULT_NONE = 0,
    VX_LOG_FAULT_NO_ENTRY,   /* no signature */
    VX_LOG_FAULT_HEADER,     /* `rules` of the header, VX_LOG_*, OTHER_GUID among them */
    VX_LOG_FAULT_DESCRIPTOR, /* number `index`; `rules` VX_DESCRIPTOR_*, 0 = its signature is none */
    VX_LOG_FAULT_SIZE,       /* EntryLength is `found`, header, descriptors and data make `expected` */
    VX_LOG_FAULT_DATA,       /* data sector `index` belongs to no such entry */
    VX_LOG_FAULT_CHECKSUM,
};

struct vx_log_judgement {
    enum vx_log_fault fault;
    uint32_t rules;
    uint32_t index;
    uint64_t found, expected;
};

/*
 * The validity test of MS-VHDX 2.3.1 on the entry at a ring offset, in the order that bounds its cost: fields,
 * descriptors, exact length, data sectors, checksum. `log_guid` NULL: any. `header` is filled unless the fault is
 * NO_ENTRY. Fails only when reading does.
 */
vhdx_status vx_log_judge(struct vx_ring *ring, uint64_t at, const vhdx_guid *log_guid, struct vx_log_header *header,
                         struct vx_log_judgement *judgement, vhdx_error *err);

/*
 * The first sector from `at` on that may begin an entry; the ring's length when there is none. Passes over holes and
 * over what is behind the end of the file, because a header may claim a log of 4 GiB that was never written.
 */
uint64_t vx_ring_next(const struct vx_ring *ring, uint64_t at);

/* The active sequence */
struct vx_log_sequence {
    bool found;
    uint32_t tail;        /* ring offset of the first entry to replay */
    uint32_t entry_count; /* to replay */
    struct vx_log_header head;
    uint32_t head_offset;
    /* sectors of the ring that begin an entry with this LogGuid, valid or not; counted when none is found */
    uint32_t own_sectors;
};

/*
 * Looks for the active sequence of `header`'s LogGuid. OK with found = false when there is none. The range of the log
 * must be in the file (the caller has checked the header's rules).
 */
vhdx_status vx_log_scan(struct vx_file *file, const struct vx_header *header, struct vx_log_sequence *sequence,
                        vhdx_error *err);
/*
 * The same for a log of which a part is damaged: the run with the highest sequence number from its first entry on,
 * whether it holds the entry where replay should begin or not. What the missing entries held is lost.
 */
vhdx_status vx_log_scan_rest(struct vx_file *file, const struct vx_header *header, struct vx_log_sequence *sequence,
                             vhdx_error *err);

#endif
