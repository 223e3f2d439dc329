/*
 * Puts entries into the ring, one behind the other, each its own tail (MS-VHDX 2.3.2). When that is allowed is the
 * journal's to know.
 */
/* SPDX-License-Identifier: MIT */
#ifndef VX_IMAGE_LOG_WRITE_H
#define VX_IMAGE_LOG_WRITE_H

#include "format/header.h"
#include "format/log_entry.h"
#include "io/io.h"

struct vx_log_writer {
    uint64_t log_offset;
    uint32_t log_length;
    vhdx_guid log_guid;
    uint64_t next_sequence;
    uint32_t next_at; /* ring offset of the next entry */
    uint8_t *entry;   /* room for the longest entry */
    size_t entry_room;
};

/* Takes place, length and GUID of the log from `header`; the first entry goes to ring offset 0 with a random sequence
 * number. */
vhdx_status vx_log_writer_open(struct vx_log_writer *writer, const vhdx_host *host, const struct vx_header *header,
                               vhdx_error *err);
void vx_log_writer_close(struct vx_log_writer *writer);
/* Moves the place of the next entry to the beginning of the longest part of the ring that is all zeros. */
vhdx_status vx_log_writer_to_unused(struct vx_log_writer *writer, struct vx_file *file, vhdx_error *err);
/* Pages that fit into half the ring: two entries in a row never overlap. */
uint32_t vx_log_writer_page_limit(const struct vx_log_writer *writer);
/* Writes one entry with these pages. Does not flush. */
vhdx_status vx_log_write(struct vx_log_writer *writer, struct vx_file *file, const struct vx_log_page *pages,
                         uint32_t page_count, vhdx_error *err);

#endif
