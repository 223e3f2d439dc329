/*
 * Replay of the active sequence, entry by entry from tail to head, descriptor by descriptor. See log_replay.h. Entries
 * were validated by the scan; here only their targets are judged.
 */
/* SPDX-License-Identifier: MIT */
#include "image/log_replay.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

struct replay {
    struct vx_ring ring;
    uint8_t descriptors[VX_PAGE]; /* the sector of them: the ring's own window goes to and fro with the data */
    struct vx_file *target;
    uint64_t log_offset, log_length;
};

/* [offset, offset + length) must stay clear of the log and within what a disk can be. */
static vhdx_status check_target(const struct replay *replay, const struct vx_log_descriptor *descriptor, uint64_t at,
                                vhdx_error *err)
{
    const char *path = vx_file_path(replay->ring.file);
    uint64_t end = descriptor->file_offset + descriptor->length; /* the scan has excluded overflow */
    if (descriptor->length > 0 && descriptor->file_offset < replay->log_offset + replay->log_length &&
        end > replay->log_offset)
        return vx_fail(err, VHDX_CORRUPT, vx_at(path, "log entry", replay->log_offset + at),
                       "a descriptor aims at the log itself (0x%" PRIx64 ")", descriptor->file_offset);
    if (end > VX_LONGEST_FILE)
        return vx_fail(err, VHDX_CORRUPT, vx_at(path, "log entry", replay->log_offset + at),
                       "a descriptor aims at 0x%" PRIx64 ", beyond the end of any disk", descriptor->file_offset);
    return VHDX_OK;
}

/* Zeros only what exists: what is beyond the end reads as zeros once the file is long enough. */
static vhdx_status zero_target(struct vx_file *target, uint64_t offset, uint64_t length, vhdx_error *err)
{
    uint64_t size;
    VX_TRY(vx_file_size(target, &size, err));
    if (offset < size)
        VX_TRY(vx_file_zero(target, offset, vx_min(length, size - offset), err));
    return vx_file_grow(target, offset + length, err);
}

static vhdx_status apply(struct replay *replay, const struct vx_log_descriptor *descriptor, uint64_t data_at,
                         vhdx_error *err)
{
    VX_TRY(check_target(replay, descriptor, data_at % replay->log_length, err));
    if (descriptor->kind == VX_LOG_KIND_ZERO)
        return zero_target(replay->target, descriptor->file_offset, descriptor->length, err);
    const uint8_t *sector;
    uint8_t page[VX_PAGE];
    VX_TRY(vx_ring_sector(&replay->ring, data_at, &sector, err));
    vx_log_data_restore(sector, descriptor, page);
    return vx_file_write(replay->target, page, VX_PAGE, descriptor->file_offset, err);
}

static vhdx_status load_descriptors(struct replay *replay, uint64_t at, vhdx_error *err)
{
    const uint8_t *sector;
    VX_TRY(vx_ring_sector(&replay->ring, at, &sector, err));
    memcpy(replay->descriptors, sector, VX_PAGE);
    return VHDX_OK;
}

static vhdx_status replay_entry(struct replay *replay, uint64_t at, const struct vx_log_header *header, vhdx_error *err)
{
    uint64_t data_at = at + vx_log_descriptor_sectors(header->descriptor_count) * VX_PAGE;
    for (uint32_t i = 0; i < header->descriptor_count; i++) {
        struct vx_log_descriptor descriptor;
        uint64_t offset = vx_log_descriptor_offset(i);
        if (i == 0 || offset % VX_PAGE == 0)
            VX_TRY(load_descriptors(replay, at + vx_round_down(offset, VX_PAGE), err));
        VX_TRY(vx_log_descriptor_decode(vx_bytes_of(replay->descriptors + offset % VX_PAGE, VX_LOG_DESCRIPTOR_SIZE),
                                        &descriptor));
        VX_TRY(apply(replay, &descriptor, data_at, err));
        data_at += descriptor.kind == VX_LOG_KIND_DATA ? VX_PAGE : 0;
    }
    return VHDX_OK;
}

static vhdx_status replay_all(struct replay *replay, const struct vx_log_sequence *sequence, vhdx_error *err)
{
    uint64_t at = sequence->tail;
    for (uint32_t i = 0; i < sequence->entry_count; i++) {
        const uint8_t *sector;
        struct vx_log_header header;
        VX_TRY(vx_ring_sector(&replay->ring, at, &sector, err));
        VX_TRY(vx_log_header_decode(vx_bytes_of(sector, VX_PAGE), &header));
        VX_TRY(replay_entry(replay, at, &header, err));
        at += header.entry_length;
    }
    if (sequence->head.last_file_offset > VX_LONGEST_FILE)
        return vx_fail(err, VHDX_CORRUPT, vx_at(vx_file_path(replay->ring.file), "log entry", VHDX_NOWHERE),
                       "the log asks for a file of 0x%" PRIx64 " bytes", sequence->head.last_file_offset);
    return vx_file_grow(replay->target, sequence->head.last_file_offset, err);
}

vhdx_status vx_log_replay(struct vx_file *file, const struct vx_header *header, const struct vx_log_sequence *sequence,
                          struct vx_file *target, vhdx_error *err)
{
    struct replay replay = {.target = target, .log_offset = header->log_offset, .log_length = header->log_length};
    uint64_t size;
    VX_TRY(vx_file_size(file, &size, err));
    if (size < sequence->head.flushed_file_offset)
        return vx_fail(
            err, VHDX_TRUNCATED, vx_at(vx_file_path(file), "log", header->log_offset + sequence->head_offset),
            "the file has 0x%" PRIx64 " bytes, its log knows of 0x%" PRIx64, size, sequence->head.flushed_file_offset);
    VX_TRY(vx_ring_open(&replay.ring, file, header->log_offset, header->log_length, err));
    vhdx_status status = replay_all(&replay, sequence, err);
    vx_ring_close(&replay.ring);
    return status;
}
