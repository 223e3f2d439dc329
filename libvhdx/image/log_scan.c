/*
 * Finding the active sequence. See log_scan.h. Replaying it is log_replay.c, extending it log_write.c. Hostile logs are
 * bounded: an entry is dropped at its first wrong sector, and a run of valid entries is walked once, so that the work
 * grows with the log's length only.
 */
/* SPDX-License-Identifier: MIT */
#include "image/log_scan.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/guid.h"

#include <string.h>

#define RING_CACHE (UINT32_C(256) * 1024)

vhdx_status vx_ring_open(struct vx_ring *ring, struct vx_file *file, uint64_t offset, uint32_t length, vhdx_error *err)
{
    *ring = (struct vx_ring){.file = file, .offset = offset, .length = length};
    ring->cache = vx_alloc(RING_CACHE, 1);
    return ring->cache ? VHDX_OK : vx_fail_memory(err, "the log");
}

void vx_ring_close(struct vx_ring *ring)
{
    vx_free(ring->cache);
    ring->cache = NULL;
}

vhdx_status vx_ring_sector(struct vx_ring *ring, uint64_t ring_offset, const uint8_t **sector, vhdx_error *err)
{
    uint32_t at = (uint32_t)(ring_offset % ring->length);
    if (ring->cached_size == 0 || at < ring->cached_at || at - ring->cached_at >= ring->cached_size) {
        uint32_t size = (uint32_t)vx_min(RING_CACHE, ring->length - at);
        size_t got; /* a file that ends inside its log: what is missing reads as zeros and is no valid entry */
        ring->cached_size = 0;
        VX_TRY(vx_file_read_some(ring->file, ring->cache, size, ring->offset + at, &got, err));
        ring->cached_at = at;
        ring->cached_size = size;
    }
    *sector = ring->cache + (at - ring->cached_at);
    return VHDX_OK;
}

static vhdx_status fault(struct vx_log_judgement *judgement, enum vx_log_fault what, uint32_t rules, uint32_t index)
{
    *judgement = (struct vx_log_judgement){.fault = what, .rules = rules, .index = index};
    return VHDX_OK;
}

/* Descriptors of one descriptor sector; counts those with data. false: one of them breaks a rule. */
static bool check_descriptors(const uint8_t *sector, uint32_t first, uint32_t count, uint64_t sequence,
                              uint64_t *data_count, struct vx_log_judgement *judgement)
{
    for (uint32_t i = 0; i < count; i++) {
        struct vx_log_descriptor descriptor;
        size_t at = (size_t)(vx_log_descriptor_offset(first + i) % VX_PAGE);
        struct vx_bytes in = vx_bytes_of(sector + at, VX_LOG_DESCRIPTOR_SIZE);
        uint32_t rules = 0;
        bool known = vx_log_descriptor_decode(in, &descriptor) == VHDX_OK;
        if (known)
            rules = vx_log_descriptor_rules(&descriptor, sequence) & VX_DESCRIPTOR_INVALID;
        if (!known || rules) {
            fault(judgement, VX_LOG_FAULT_DESCRIPTOR, rules, first + i);
            judgement->found = known ? descriptor.file_offset : 0;
            return false;
        }
        *data_count += descriptor.kind == VX_LOG_KIND_DATA;
    }
    return true;
}

vhdx_status vx_log_judge(struct vx_ring *ring, uint64_t at, const vhdx_guid *log_guid, struct vx_log_header *header,
                         struct vx_log_judgement *judgement, vhdx_error *err)
{
    const uint8_t *sector;
    VX_TRY(vx_ring_sector(ring, at, &sector, err));
    if (vx_log_header_decode(vx_bytes_of(sector, VX_PAGE), header) != VHDX_OK)
        return fault(judgement, VX_LOG_FAULT_NO_ENTRY, 0, 0);
    uint32_t rules = vx_log_header_rules(header, ring->length, log_guid) & VX_LOG_INVALID;
    if (rules)
        return fault(judgement, VX_LOG_FAULT_HEADER, rules, 0);

    uint64_t descriptor_sectors = vx_log_descriptor_sectors(header->descriptor_count);
    uint64_t data_count = 0;
    uint32_t crc = 0;
    uint32_t seen = 0;
    for (uint64_t i = 0; i < descriptor_sectors; i++) {
        VX_TRY(vx_ring_sector(ring, at + i * VX_PAGE, &sector, err));
        uint32_t room = i == 0 ? VX_LOG_FIRST_DESCRIPTORS : VX_LOG_MORE_DESCRIPTORS;
        uint32_t here = (uint32_t)vx_min(room, header->descriptor_count - seen);
        if (!check_descriptors(sector, seen, here, header->sequence_number, &data_count, judgement))
            return VHDX_OK;
        seen += here;
        crc = i == 0 ? vx_crc32c_without(sector, VX_PAGE, 4) : vx_crc32c(crc, sector, VX_PAGE);
    }
    fault(judgement, VX_LOG_FAULT_SIZE, 0, 0);
    judgement->found = header->entry_length;
    judgement->expected = (descriptor_sectors + data_count) * VX_PAGE;
    if (judgement->found != judgement->expected)
        return VHDX_OK;
    for (uint64_t i = 0; i < data_count; i++) {
        VX_TRY(vx_ring_sector(ring, at + (descriptor_sectors + i) * VX_PAGE, &sector, err));
        if (!vx_log_data_matches(sector, header->sequence_number))
            return fault(judgement, VX_LOG_FAULT_DATA, 0, (uint32_t)i);
        crc = vx_crc32c(crc, sector, VX_PAGE);
    }
    fault(judgement, crc == header->checksum ? VX_LOG_FAULT_NONE : VX_LOG_FAULT_CHECKSUM, 0, 0);
    judgement->found = header->checksum;
    judgement->expected = crc;
    return VHDX_OK;
}

/* A failed read is an error; an invalid entry is OK with *valid = false. */
static vhdx_status check_entry(struct vx_ring *ring, uint64_t at, const vhdx_guid *log_guid,
                               struct vx_log_header *header, bool *valid, vhdx_error *err)
{
    struct vx_log_judgement judgement;
    VX_TRY(vx_log_judge(ring, at, log_guid, header, &judgement, err));
    *valid = judgement.fault == VX_LOG_FAULT_NONE;
    return VHDX_OK;
}

/* A run: valid entries one behind the other whose sequence numbers go up by one. */
struct run {
    uint32_t *starts;
    size_t count, room;
    struct vx_log_header head;
    uint64_t end; /* ring offset behind the head, not yet wrapped */
};

static vhdx_status run_append(struct run *run, uint32_t start, vhdx_error *err)
{
    uint32_t *starts = vx_room_for(run->starts, run->count, &run->room, sizeof *starts);
    if (!starts)
        return vx_fail_memory(err, "the entries of the log");
    run->starts = starts;
    run->starts[run->count++] = start;
    return VHDX_OK;
}

/* Follows the run that begins at `start`; count is 0 when there is no valid entry. */
static vhdx_status follow_run(struct vx_ring *ring, uint32_t start, const vhdx_guid *log_guid, struct run *run,
                              vhdx_error *err)
{
    uint64_t used = 0;
    run->count = 0;
    run->end = start;
    while (used < ring->length) {
        struct vx_log_header header;
        bool valid;
        VX_TRY(check_entry(ring, run->end, log_guid, &header, &valid, err));
        if (!valid || header.entry_length > ring->length - used)
            break;
        if (run->count > 0 && header.sequence_number != run->head.sequence_number + 1)
            break;
        VX_TRY(run_append(run, (uint32_t)(run->end % ring->length), err));
        run->head = header;
        run->end += header.entry_length;
        used += header.entry_length;
    }
    return VHDX_OK;
}

/* The entry of the run at which the head says that replay begins; false when it is none of them. */
static bool run_tail(const struct run *run, size_t *index)
{
    for (size_t i = run->count; i-- > 0;) {
        if (run->starts[i] == run->head.tail) {
            *index = i;
            return true;
        }
    }
    return false;
}

static void take_candidate(const struct run *run, bool any_tail, struct vx_log_sequence *sequence)
{
    size_t tail = 0;
    if (run->count == 0 || (!run_tail(run, &tail) && !any_tail))
        return;
    if (sequence->found && run->head.sequence_number <= sequence->head.sequence_number)
        return;
    sequence->found = true;
    sequence->head = run->head;
    sequence->head_offset = run->starts[run->count - 1];
    sequence->tail = run->starts[tail];
    sequence->entry_count = (uint32_t)(run->count - tail);
}

uint64_t vx_ring_next(const struct vx_ring *ring, uint64_t at)
{
    uint64_t data, length;
    if (at >= ring->length || (at >= ring->cached_at && at - ring->cached_at < ring->cached_size))
        return at;
    vx_file_next_data(ring->file, ring->offset + at, &data, &length);
    return length == 0 ? ring->length : vx_max(at, vx_round_down(data - ring->offset, VX_PAGE));
}

/* How many sectors begin an entry of this LogGuid, whole or not: tells "never written" from "damaged". */
static vhdx_status count_own_sectors(struct vx_ring *ring, const vhdx_guid *log_guid, uint32_t *count, vhdx_error *err)
{
    *count = 0;
    for (uint64_t at = vx_ring_next(ring, 0); at < ring->length; at = vx_ring_next(ring, at + VX_PAGE)) {
        const uint8_t *sector;
        struct vx_log_header header;
        VX_TRY(vx_ring_sector(ring, at, &sector, err));
        if (vx_log_header_decode(vx_bytes_of(sector, VX_PAGE), &header) == VHDX_OK)
            *count += vx_guid_equal(&header.log_guid, log_guid);
    }
    return VHDX_OK;
}

static vhdx_status scan(struct vx_ring *ring, const vhdx_guid *log_guid, bool any_tail, struct run *run,
                        struct vx_log_sequence *sequence, vhdx_error *err)
{
    uint64_t tail = vx_ring_next(ring, 0);
    while (tail < ring->length) {
        VX_TRY(follow_run(ring, (uint32_t)tail, log_guid, run, err));
        take_candidate(run, any_tail, sequence);
        /* A run that was refused holds no acceptable run either that begins later in it and ends with the same head. */
        tail = vx_ring_next(ring, run->count > 0 ? run->end : tail + VX_PAGE);
    }
    return sequence->found ? VHDX_OK : count_own_sectors(ring, log_guid, &sequence->own_sectors, err);
}

static vhdx_status scan_log(struct vx_file *file, const struct vx_header *header, bool any_tail,
                            struct vx_log_sequence *sequence, vhdx_error *err)
{
    struct vx_ring ring;
    struct run run = {0};
    memset(sequence, 0, sizeof *sequence);
    VX_TRY(vx_ring_open(&ring, file, header->log_offset, header->log_length, err));
    vhdx_status status = scan(&ring, &header->log_guid, any_tail, &run, sequence, err);
    vx_free(run.starts);
    vx_ring_close(&ring);
    return status;
}

vhdx_status vx_log_scan(struct vx_file *file, const struct vx_header *header, struct vx_log_sequence *sequence,
                        vhdx_error *err)
{
    return scan_log(file, header, false, sequence, err);
}

vhdx_status vx_log_scan_rest(struct vx_file *file, const struct vx_header *header, struct vx_log_sequence *sequence,
                             vhdx_error *err)
{
    return scan_log(file, header, true, sequence, err);
}
