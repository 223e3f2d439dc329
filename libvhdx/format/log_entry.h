/*
 * Log entry, MS-VHDX 2.3.1: header, descriptors, data sectors. Where entries are in the ring and which of them count is
 * image/log_scan.c. Pieces are decoded one by one, because an entry may be as long as the log and wraps around its end.
 * Unused descriptor space is not zero in entries of old qemu versions, but is
 * under the checksum.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_FORMAT_LOG_ENTRY_H
#define VX_FORMAT_LOG_ENTRY_H

#include "base/bytes.h"
#include "format/layout.h"

struct vx_log_header {
    uint32_t checksum; /* as stored, over the whole entry */
    uint32_t entry_length;
    uint32_t tail;
    uint64_t sequence_number;
    uint32_t descriptor_count;
    uint32_t reserved;
    vhdx_guid log_guid;
    uint64_t flushed_file_offset;
    uint64_t last_file_offset;
};

enum {
    VX_LOG_BAD_LENGTH = 1 << 0,        /* 0, no multiple of 4096, longer than the log */
    VX_LOG_BAD_TAIL = 1 << 1,          /* no multiple of 4096, outside of the log */
    VX_LOG_BAD_SEQUENCE = 1 << 2,      /* 0 */
    VX_LOG_BAD_COUNT = 1 << 3,         /* descriptors do not fit EntryLength */
    VX_LOG_OTHER_GUID = 1 << 4,        /* not the current header's LogGuid: an entry of earlier times */
    VX_LOG_OFFSETS_UNALIGNED = 1 << 5, /* Flushed/LastFileOffset no multiple of 1 MiB: worth a warning, not invalid */
    VX_LOG_RESERVED_SET = 1 << 6,      /* likewise */
};
#define VX_LOG_INVALID                                                                                                 \
    (VX_LOG_BAD_LENGTH | VX_LOG_BAD_TAIL | VX_LOG_BAD_SEQUENCE | VX_LOG_BAD_COUNT | VX_LOG_OTHER_GUID)

enum vx_log_kind { VX_LOG_KIND_DATA, VX_LOG_KIND_ZERO };

struct vx_log_descriptor {
    enum vx_log_kind kind;
    uint64_t file_offset;
    uint64_t length; /* 4096 for data */
    uint64_t sequence_number;
    uint8_t leading[8];  /* data: bytes 0..7 of the page */
    uint8_t trailing[4]; /* data: bytes 4092..4095 */
    uint32_t reserved;   /* zero descriptor */
};

enum {
    VX_DESCRIPTOR_OTHER_SEQUENCE = 1 << 0,
    VX_DESCRIPTOR_UNALIGNED = 1 << 1,
    VX_DESCRIPTOR_OVERFLOW = 1 << 2,
    VX_DESCRIPTOR_LOW_TARGET = 1 << 3,   /* identifier or headers */
    VX_DESCRIPTOR_RESERVED_SET = 1 << 4, /* worth a warning only */
};
#define VX_DESCRIPTOR_INVALID                                                                                          \
    (VX_DESCRIPTOR_OTHER_SEQUENCE | VX_DESCRIPTOR_UNALIGNED | VX_DESCRIPTOR_OVERFLOW | VX_DESCRIPTOR_LOW_TARGET)

/* TRUNCATED: fewer than VX_LOG_HEADER_SIZE bytes. CORRUPT: no signature. */
vhdx_status vx_log_header_decode(struct vx_bytes in, struct vx_log_header *out);
/* `log_guid` NULL: any. */
uint32_t vx_log_header_rules(const struct vx_log_header *header, uint32_t log_length, const vhdx_guid *log_guid);
/* TRUNCATED: fewer than VX_LOG_DESCRIPTOR_SIZE bytes. CORRUPT: neither signature. */
vhdx_status vx_log_descriptor_decode(struct vx_bytes in, struct vx_log_descriptor *out);
uint32_t vx_log_descriptor_rules(const struct vx_log_descriptor *descriptor, uint64_t sequence_number);
/* Sectors that hold the header and so many descriptors; 64-bit, cannot wrap around. */
uint64_t vx_log_descriptor_sectors(uint32_t descriptor_count);
/* Place of a descriptor in its entry. */
uint64_t vx_log_descriptor_offset(uint32_t index);
/* Whether a data sector has its signature and the sequence number, both halves. `sector`: VX_PAGE bytes. */
bool vx_log_data_matches(const uint8_t *sector, uint64_t sequence_number);
/* The page that a data sector and its descriptor stand for. */
void vx_log_data_restore(const uint8_t *sector, const struct vx_log_descriptor *descriptor, uint8_t page[VX_PAGE]);

/* What an entry is to contain: pages, in any order. */
struct vx_log_page {
    uint64_t file_offset;
    const uint8_t *bytes; /* VX_PAGE of them */
};
/* Length of the entry for so many pages. */
uint64_t vx_log_entry_size(uint32_t page_count);
/* Writes the whole entry with its checksum. Of `header`, checksum, entry_length and descriptor_count are derived. */
void vx_log_entry_encode(const struct vx_log_header *header, const struct vx_log_page *pages, uint32_t page_count,
                         uint8_t *out);

#endif
