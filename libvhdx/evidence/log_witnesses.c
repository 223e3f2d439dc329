/*
 * Gathering old pages. See log_witnesses.h. Entries are found at every sector of the ring, on their own: a sequence
 * that can no longer be replayed as a whole still has pages that are right.
 */
/* SPDX-License-Identifier: MIT */
#include "evidence/log_witnesses.h"

#include "base/alloc.h"
#include "base/guid.h"

#include <stdlib.h>
#include <string.h>

#define WITNESSES_MAX (UINT32_C(1) << 20)
#define WEAK_RANK (UINT32_C(1) << 20) /* of an entry in which every sector is the right one, but some byte is not */

/* A run of entries one behind the other whose sequence numbers go up by one is a session, or the part of it that is
 * left. */
struct session {
    vhdx_guid first_guid;
    uint64_t first_sequence, next_sequence;
    uint64_t end; /* ring offset */
    uint32_t rank;
};

static vhdx_status add(struct vx_log_witnesses *log, const struct vx_log_witness *witness, vhdx_error *err)
{
    struct vx_log_witness *pages = vx_room_for(log->pages, log->count, &log->room, sizeof *pages);
    if (!pages)
        return vx_fail_memory(err, "old pages of the log");
    log->pages = pages;
    log->pages[log->count++] = *witness;
    return VHDX_OK;
}

static vhdx_status take_entry(struct vx_log_witnesses *log, uint64_t at, const struct vx_log_header *header,
                              uint32_t rank, vhdx_error *err)
{
    uint64_t data_at = at + vx_log_descriptor_sectors(header->descriptor_count) * VX_PAGE;
    for (uint32_t i = 0; i < header->descriptor_count && log->count < WITNESSES_MAX; i++) {
        const uint8_t *sector;
        struct vx_log_descriptor descriptor;
        uint64_t offset = vx_log_descriptor_offset(i);
        VX_TRY(vx_ring_sector(&log->ring, at + vx_round_down(offset, VX_PAGE), &sector, err));
        if (vx_log_descriptor_decode(vx_bytes_of(sector + offset % VX_PAGE, VX_LOG_DESCRIPTOR_SIZE), &descriptor) !=
            VHDX_OK)
            return VHDX_OK;
        struct vx_log_witness witness = {.target = descriptor.file_offset,
                                         .sequence_number = header->sequence_number,
                                         .last_file_offset = header->last_file_offset,
                                         .rank = rank,
                                         .data_at = (uint32_t)(data_at % log->ring.length)};
        memcpy(witness.leading, descriptor.leading, sizeof witness.leading);
        memcpy(witness.trailing, descriptor.trailing, sizeof witness.trailing);
        if (descriptor.kind == VX_LOG_KIND_DATA) {
            VX_TRY(add(log, &witness, err));
            data_at += VX_PAGE;
        }
    }
    return VHDX_OK;
}

/* Entries that go on where the session before them stopped belong to it; a new one is older, because each session
 * begins at the ring's start. */
static void join_session(struct session *session, uint64_t at, const struct vx_log_header *header, const vhdx_guid *own,
                         bool first)
{
    bool follows = !first && session->end == at && session->next_sequence == header->sequence_number;
    if (!follows) {
        session->rank = first ? 1 : session->rank + 1;
        session->first_guid = header->log_guid;
        session->first_sequence = header->sequence_number;
    }
    if (own && vx_guid_equal(&header->log_guid, own))
        session->rank = 0;
    session->next_sequence = header->sequence_number + 1;
    session->end = at + header->entry_length;
}

static int newest_first(const void *a, const void *b)
{
    const struct vx_log_witness *left = a, *right = b;
    if (left->target != right->target)
        return left->target < right->target ? -1 : 1;
    if (left->rank != right->rank)
        return left->rank < right->rank ? -1 : 1;
    if (left->sequence_number != right->sequence_number)
        return left->sequence_number > right->sequence_number ? -1 : 1;
    return (left->data_at > right->data_at) - (left->data_at < right->data_at);
}

/* The part of a session that lies behind newer entries of the same session, at the ring's end, is of the same rank:
 * only older. */
static uint32_t rank_of(const struct session *session, const struct session *newest)
{
    if (session->rank > 1 && vx_guid_equal(&session->first_guid, &newest->first_guid))
        return newest->rank;
    return session->rank;
}

static vhdx_status gather(struct vx_log_witnesses *log, const vhdx_guid *own, vhdx_error *err)
{
    struct session session = {0}, newest = {0};
    uint64_t at = vx_ring_next(&log->ring, 0);
    while (at < log->ring.length) {
        struct vx_log_header header;
        struct vx_log_judgement judgement;
        VX_TRY(vx_log_judge(&log->ring, at, NULL, &header, &judgement, err));
        if (judgement.fault == VX_LOG_FAULT_CHECKSUM)
            VX_TRY(take_entry(log, at, &header, WEAK_RANK, err));
        if (judgement.fault != VX_LOG_FAULT_NONE) {
            at = vx_ring_next(&log->ring, at + VX_PAGE);
            continue;
        }
        join_session(&session, at, &header, own, log->entries == 0);
        if (log->entries == 0)
            newest = session;
        log->entries++;
        log->own_entries += own && vx_guid_equal(&header.log_guid, own);
        VX_TRY(take_entry(log, at, &header, rank_of(&session, &newest), err));
        at = vx_ring_next(&log->ring, at + header.entry_length);
    }
    log->newest_guid = newest.first_guid;
    if (log->count > 1)
        qsort(log->pages, log->count, sizeof *log->pages, newest_first);
    return VHDX_OK;
}

vhdx_status vx_log_witnesses_open(struct vx_log_witnesses *log, struct vx_file *file, uint64_t offset, uint32_t length,
                                  const vhdx_guid *own, vhdx_error *err)
{
    *log = (struct vx_log_witnesses){0};
    VX_TRY(vx_ring_open(&log->ring, file, offset, length, err));
    log->open = true;
    return gather(log, own && !vx_guid_is_zero(own) ? own : NULL, err);
}

void vx_log_witnesses_close(struct vx_log_witnesses *log)
{
    if (log->open)
        vx_ring_close(&log->ring);
    vx_free(log->pages);
    *log = (struct vx_log_witnesses){0};
}

const struct vx_log_witness *vx_log_witness_find(const struct vx_log_witnesses *log, uint64_t target)
{
    size_t low = 0, high = log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->pages[middle].target < target)
            low = middle + 1;
        else
            high = middle;
    }
    return low < log->count && log->pages[low].target == target ? &log->pages[low] : NULL;
}

vhdx_status vx_log_witness_page(struct vx_log_witnesses *log, const struct vx_log_witness *witness,
                                uint8_t page[VX_PAGE], vhdx_error *err)
{
    const uint8_t *sector;
    struct vx_log_descriptor descriptor = {0};
    VX_TRY(vx_ring_sector(&log->ring, witness->data_at, &sector, err));
    memcpy(descriptor.leading, witness->leading, sizeof witness->leading);
    memcpy(descriptor.trailing, witness->trailing, sizeof witness->trailing);
    vx_log_data_restore(sector, &descriptor, page);
    return VHDX_OK;
}
