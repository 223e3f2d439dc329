/*
 * Comparing a log with what stands on the disk. See log_needed.h.
 */
/* SPDX-License-Identifier: MIT */
#include "image/log_needed.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/guid.h"

#include <string.h>

#define USUAL_OFFSET VX_MIB
#define USUAL_LENGTH ((uint32_t)VX_MIB)
#define SEARCHED (1024 * VX_MIB)
#define WRONG_BYTES 16u          /* of a page */
#define JUDGED_MAX (64 * VX_MIB) /* real logs have 1 MiB */

struct reading {
    struct vx_file *file;
    struct vx_ring ring;
    uint8_t descriptors[VX_PAGE];
    bool needed;
};

static vhdx_status compare_page(struct reading *reading, const struct vx_log_descriptor *descriptor, uint64_t data_at,
                                vhdx_error *err)
{
    const uint8_t *sector;
    uint8_t page[VX_PAGE], home[VX_PAGE];
    size_t got;
    VX_TRY(vx_ring_sector(&reading->ring, data_at, &sector, err));
    if (!vx_log_data_matches(sector, descriptor->sequence_number)) {
        reading->needed = true;
        return VHDX_OK;
    }
    vx_log_data_restore(sector, descriptor, page);
    VX_TRY(vx_file_read_some(reading->file, home, sizeof home, descriptor->file_offset, &got, err));
    if (got < sizeof home || memcmp(page, home, sizeof home) != 0)
        reading->needed = true;
    return VHDX_OK;
}

static vhdx_status compare_descriptor(struct reading *reading, uint64_t at, uint32_t i, uint64_t *data_at,
                                      const struct vx_log_header *header, vhdx_error *err)
{
    struct vx_log_descriptor descriptor;
    uint64_t offset = vx_log_descriptor_offset(i);
    if (i == 0 || offset % VX_PAGE == 0) {
        const uint8_t *sector;
        VX_TRY(vx_ring_sector(&reading->ring, at + vx_round_down(offset, VX_PAGE), &sector, err));
        memcpy(reading->descriptors, sector, VX_PAGE);
    }
    struct vx_bytes in = vx_bytes_of(reading->descriptors + offset % VX_PAGE, VX_LOG_DESCRIPTOR_SIZE);
    if (vx_log_descriptor_decode(in, &descriptor) != VHDX_OK || descriptor.kind != VX_LOG_KIND_DATA ||
        (vx_log_descriptor_rules(&descriptor, header->sequence_number) & VX_DESCRIPTOR_INVALID)) {
        reading->needed = true;
        return VHDX_OK;
    }
    *data_at += VX_PAGE;
    return compare_page(reading, &descriptor, *data_at - VX_PAGE, err);
}

/* An entry of this log, whole or not. */
static vhdx_status compare_entry(struct reading *reading, uint64_t at, const struct vx_log_header *header,
                                 vhdx_error *err)
{
    uint64_t data_at = at + vx_log_descriptor_sectors(header->descriptor_count) * VX_PAGE;
    if (vx_log_header_rules(header, reading->ring.length, &header->log_guid) & VX_LOG_INVALID) {
        reading->needed = true;
        return VHDX_OK;
    }
    for (uint32_t i = 0; i < header->descriptor_count && !reading->needed; i++)
        VX_TRY(compare_descriptor(reading, at, i, &data_at, header, err));
    return VHDX_OK;
}

static vhdx_status compare_ring(struct reading *reading, const vhdx_guid *log_guid, vhdx_error *err)
{
    for (uint64_t at = vx_ring_next(&reading->ring, 0); at < reading->ring.length && !reading->needed;
         at = vx_ring_next(&reading->ring, at + VX_PAGE)) {
        const uint8_t *sector;
        struct vx_log_header header;
        VX_TRY(vx_ring_sector(&reading->ring, at, &sector, err));
        if (vx_log_header_decode(vx_bytes_of(sector, VX_PAGE), &header) == VHDX_OK &&
            vx_guid_equal(&header.log_guid, log_guid))
            VX_TRY(compare_entry(reading, at, &header, err));
    }
    return VHDX_OK;
}

vhdx_status vx_log_needed(struct vx_file *file, const struct vx_header *header, bool *needed, vhdx_error *err)
{
    struct reading *reading = vx_alloc(1, sizeof *reading);
    if (!reading)
        return vx_fail_memory(err, "the log");
    reading->file = file;
    vhdx_status status = vx_ring_open(&reading->ring, file, header->log_offset, header->log_length, err);
    if (status == VHDX_OK)
        status = compare_ring(reading, &header->log_guid, err);
    *needed = reading->needed;
    vx_ring_close(&reading->ring);
    vx_free(reading);
    return status;
}

/* ---- where is it? ---- */

bool vx_log_is_page(const uint8_t *page)
{
    uint32_t signature = vx_get32(page);
    return signature == VX_SIG_LOG_ENTRY || signature == VX_SIG_LOG_DATA || signature == VX_SIG_LOG_DATA_DESC ||
           signature == VX_SIG_LOG_ZERO;
}

static vhdx_status look_at(struct vx_file *file, struct vx_header *place, enum vx_log_trace *trace, vhdx_error *err)
{
    struct vx_log_sequence sequence = {0};
    uint8_t page[VX_PAGE];
    size_t got;
    VX_TRY(vx_file_read_some(file, page, sizeof page, place->log_offset, &got, err));
    if (place->log_offset != USUAL_OFFSET && (got < sizeof page || !vx_log_is_page(page)))
        return VHDX_OK;
    VX_TRY(vx_log_scan(file, place, &sequence, err));
    if (sequence.found)
        *trace = VX_LOG_FOUND;
    else if (sequence.own_sectors > 0)
        *trace = VX_LOG_TRACES;
    return VHDX_OK;
}

vhdx_status vx_log_search(struct vx_file *file, const struct vx_header *header, struct vx_header *place,
                          enum vx_log_trace *trace, vhdx_error *err)
{
    uint64_t size;
    *trace = VX_LOG_NOWHERE;
    *place = *header;
    if (vx_guid_is_zero(&header->log_guid))
        return VHDX_OK;
    VX_TRY(vx_file_size(file, &size, err));
    uint64_t end = vx_min(size, SEARCHED);
    place->log_length = USUAL_LENGTH;
    for (uint64_t at = USUAL_OFFSET; *trace != VX_LOG_FOUND && end >= USUAL_LENGTH && at <= end - USUAL_LENGTH;
         at += VX_MIB) {
        place->log_offset = at;
        VX_TRY(look_at(file, place, trace, err));
    }
    return VHDX_OK;
}

vhdx_status vx_log_is_unbegun(struct vx_file *file, const struct vx_header *header, bool *unbegun, vhdx_error *err)
{
    struct vx_ring ring;
    uint64_t size;
    VX_TRY(vx_file_size(file, &size, err));
    *unbegun = header->log_length > 0 && header->log_length <= JUDGED_MAX && header->log_offset <= size &&
               header->log_length <= size - header->log_offset;
    if (!*unbegun)
        return VHDX_OK;
    VX_TRY(vx_ring_open(&ring, file, header->log_offset, header->log_length, err));
    vhdx_status status = VHDX_OK;
    for (uint64_t at = 0; at < ring.length && *unbegun && status == VHDX_OK; at += VX_PAGE) {
        const uint8_t *page;
        status = vx_ring_sector(&ring, at, &page, err);
        if (status == VHDX_OK)
            *unbegun = vx_is_zero(page, VX_PAGE) || vx_log_is_page(page);
    }
    vx_ring_close(&ring);
    return status;
}

/* Some wrong bits in an empty log are no content. */
static bool holds_much(const uint8_t *bytes, size_t length)
{
    size_t set = 0;
    for (size_t i = 0; i < length && set <= WRONG_BYTES; i++)
        set += bytes[i] != 0;
    return set > WRONG_BYTES;
}

vhdx_status vx_log_is_foreign(struct vx_file *file, const struct vx_header *header, bool *foreign, vhdx_error *err)
{
    uint8_t page[VX_PAGE];
    bool anything = false, log = false;
    uint64_t data, length, end = header->log_offset + header->log_length;
    *foreign = false;
    if (header->log_length > JUDGED_MAX || header->log_offset > INT64_MAX / 2)
        return VHDX_OK;
    for (uint64_t at = header->log_offset; at < end && !log; at += VX_PAGE) {
        size_t got;
        vx_file_next_data(file, at, &data, &length);
        if (length == 0 || data >= end)
            break;
        at += (vx_max(data, at) - at) / VX_PAGE * VX_PAGE;
        VX_TRY(vx_file_read_some(file, page, sizeof page, at, &got, err));
        log = got == sizeof page && vx_log_is_page(page);
        anything = anything || holds_much(page, got);
    }
    *foreign = anything && !log;
    return VHDX_OK;
}
