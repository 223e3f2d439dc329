/*
 * Log entry, MS-VHDX 2.3.1. See log_entry.h. Nothing here knows where in the ring an entry is.
 */
/* SPDX-License-Identifier: MIT */
#include "format/log_entry.h"

#include "base/crc32c.h"
#include "base/guid.h"

#include <assert.h>
#include <string.h>

enum {
    CHECKSUM = 4,
    ENTRY_LENGTH = 8,
    TAIL = 12,
    SEQUENCE_NUMBER = 16,
    DESCRIPTOR_COUNT = 24,
    RESERVED = 28,
    LOG_GUID = 32,
    FLUSHED_FILE_OFFSET = 48,
    LAST_FILE_OFFSET = 56,
};
enum {
    DATA_TRAILING = 4,
    DATA_LEADING = 8,
    ZERO_RESERVED = 4,
    ZERO_LENGTH = 8,
    FILE_OFFSET = 16,
    DESCRIPTOR_SEQUENCE = 24
};
/* A data sector: the page's first 8 and last 4 bytes are in the descriptor, the halves of the sequence number in their
 * place. */
enum { SEQUENCE_HIGH = 4, DATA = 8, SEQUENCE_LOW = 4092, DATA_SIZE = SEQUENCE_LOW - DATA };

vhdx_status vx_log_header_decode(struct vx_bytes in, struct vx_log_header *out)
{
    if (in.size < VX_LOG_HEADER_SIZE)
        return VHDX_TRUNCATED;
    const uint8_t *p = in.data;
    if (vx_get32(p) != VX_SIG_LOG_ENTRY)
        return VHDX_CORRUPT;
    out->checksum = vx_get32(p + CHECKSUM);
    out->entry_length = vx_get32(p + ENTRY_LENGTH);
    out->tail = vx_get32(p + TAIL);
    out->sequence_number = vx_get64(p + SEQUENCE_NUMBER);
    out->descriptor_count = vx_get32(p + DESCRIPTOR_COUNT);
    out->reserved = vx_get32(p + RESERVED);
    memcpy(&out->log_guid, p + LOG_GUID, sizeof out->log_guid);
    out->flushed_file_offset = vx_get64(p + FLUSHED_FILE_OFFSET);
    out->last_file_offset = vx_get64(p + LAST_FILE_OFFSET);
    return VHDX_OK;
}

uint32_t vx_log_header_rules(const struct vx_log_header *header, uint32_t log_length, const vhdx_guid *log_guid)
{
    uint32_t broken = 0;
    if (header->entry_length == 0 || header->entry_length % VX_PAGE != 0 || header->entry_length > log_length)
        broken |= VX_LOG_BAD_LENGTH;
    if (header->tail % VX_PAGE != 0 || header->tail >= log_length)
        broken |= VX_LOG_BAD_TAIL;
    if (header->sequence_number == 0)
        broken |= VX_LOG_BAD_SEQUENCE;
    if (vx_log_descriptor_sectors(header->descriptor_count) * VX_PAGE > header->entry_length)
        broken |= VX_LOG_BAD_COUNT;
    if (log_guid && !vx_guid_equal(&header->log_guid, log_guid))
        broken |= VX_LOG_OTHER_GUID;
    if (header->flushed_file_offset % VX_OBJECT_ALIGNMENT != 0 || header->last_file_offset % VX_OBJECT_ALIGNMENT != 0)
        broken |= VX_LOG_OFFSETS_UNALIGNED;
    if (header->reserved != 0)
        broken |= VX_LOG_RESERVED_SET;
    return broken;
}

static void data_descriptor_decode(const uint8_t *p, struct vx_log_descriptor *out)
{
    out->kind = VX_LOG_KIND_DATA;
    out->length = VX_PAGE;
    memcpy(out->leading, p + DATA_LEADING, sizeof out->leading);
    memcpy(out->trailing, p + DATA_TRAILING, sizeof out->trailing);
}

static void zero_descriptor_decode(const uint8_t *p, struct vx_log_descriptor *out)
{
    out->kind = VX_LOG_KIND_ZERO;
    out->length = vx_get64(p + ZERO_LENGTH);
    out->reserved = vx_get32(p + ZERO_RESERVED);
}

vhdx_status vx_log_descriptor_decode(struct vx_bytes in, struct vx_log_descriptor *out)
{
    if (in.size < VX_LOG_DESCRIPTOR_SIZE)
        return VHDX_TRUNCATED;
    uint32_t signature = vx_get32(in.data);
    if (signature != VX_SIG_LOG_DATA_DESC && signature != VX_SIG_LOG_ZERO)
        return VHDX_CORRUPT;
    *out = (struct vx_log_descriptor){0};
    out->file_offset = vx_get64(in.data + FILE_OFFSET);
    out->sequence_number = vx_get64(in.data + DESCRIPTOR_SEQUENCE);
    if (signature == VX_SIG_LOG_DATA_DESC)
        data_descriptor_decode(in.data, out);
    else
        zero_descriptor_decode(in.data, out);
    return VHDX_OK;
}

uint32_t vx_log_descriptor_rules(const struct vx_log_descriptor *descriptor, uint64_t sequence_number)
{
    uint32_t broken = 0;
    uint64_t end;
    if (descriptor->sequence_number != sequence_number)
        broken |= VX_DESCRIPTOR_OTHER_SEQUENCE;
    if (descriptor->file_offset % VX_PAGE != 0 || descriptor->length % VX_PAGE != 0)
        broken |= VX_DESCRIPTOR_UNALIGNED;
    if (!vx_add(descriptor->file_offset, descriptor->length, &end))
        broken |= VX_DESCRIPTOR_OVERFLOW;
    if (descriptor->file_offset < VX_LOG_LOWEST_TARGET)
        broken |= VX_DESCRIPTOR_LOW_TARGET;
    if (descriptor->reserved != 0)
        broken |= VX_DESCRIPTOR_RESERVED_SET;
    return broken;
}

uint64_t vx_log_descriptor_sectors(uint32_t descriptor_count)
{
    return vx_ceil_div(vx_log_descriptor_offset(descriptor_count), VX_PAGE);
}

/* The header is as long as two descriptors, so they go on from sector to sector without a break. */
uint64_t vx_log_descriptor_offset(uint32_t index)
{
    return VX_LOG_HEADER_SIZE + (uint64_t)index * VX_LOG_DESCRIPTOR_SIZE;
}

bool vx_log_data_matches(const uint8_t *sector, uint64_t sequence_number)
{
    return vx_get32(sector) == VX_SIG_LOG_DATA && vx_get32(sector + SEQUENCE_HIGH) == sequence_number >> 32 &&
           vx_get32(sector + SEQUENCE_LOW) == (uint32_t)sequence_number;
}

void vx_log_data_restore(const uint8_t *sector, const struct vx_log_descriptor *descriptor, uint8_t page[VX_PAGE])
{
    memcpy(page, descriptor->leading, sizeof descriptor->leading);
    memcpy(page + DATA, sector + DATA, DATA_SIZE);
    memcpy(page + SEQUENCE_LOW, descriptor->trailing, sizeof descriptor->trailing);
}

uint64_t vx_log_entry_size(uint32_t page_count)
{
    return (vx_log_descriptor_sectors(page_count) + page_count) * VX_PAGE;
}

static void page_encode(const struct vx_log_page *page, uint64_t sequence_number, uint8_t *descriptor, uint8_t *sector)
{
    vx_put32(descriptor, VX_SIG_LOG_DATA_DESC);
    memcpy(descriptor + DATA_TRAILING, page->bytes + SEQUENCE_LOW, 4);
    memcpy(descriptor + DATA_LEADING, page->bytes, DATA);
    vx_put64(descriptor + FILE_OFFSET, page->file_offset);
    vx_put64(descriptor + DESCRIPTOR_SEQUENCE, sequence_number);
    vx_put32(sector, VX_SIG_LOG_DATA);
    vx_put32(sector + SEQUENCE_HIGH, (uint32_t)(sequence_number >> 32));
    memcpy(sector + DATA, page->bytes + DATA, DATA_SIZE);
    vx_put32(sector + SEQUENCE_LOW, (uint32_t)sequence_number);
}

static void log_header_encode(const struct vx_log_header *header, uint32_t length, uint32_t count, uint8_t *out)
{
    vx_put32(out, VX_SIG_LOG_ENTRY);
    vx_put32(out + ENTRY_LENGTH, length);
    vx_put32(out + TAIL, header->tail);
    vx_put64(out + SEQUENCE_NUMBER, header->sequence_number);
    vx_put32(out + DESCRIPTOR_COUNT, count);
    vx_put32(out + RESERVED, header->reserved);
    memcpy(out + LOG_GUID, &header->log_guid, sizeof header->log_guid);
    vx_put64(out + FLUSHED_FILE_OFFSET, header->flushed_file_offset);
    vx_put64(out + LAST_FILE_OFFSET, header->last_file_offset);
}

void vx_log_entry_encode(const struct vx_log_header *header, const struct vx_log_page *pages, uint32_t page_count,
                         uint8_t *out)
{
    uint64_t length = vx_log_entry_size(page_count);
    assert(length <= UINT32_MAX);
    uint8_t *data = out + vx_log_descriptor_sectors(page_count) * VX_PAGE;
    memset(out, 0, (size_t)(data - out));
    log_header_encode(header, (uint32_t)length, page_count, out);
    for (uint32_t i = 0; i < page_count; i++)
        page_encode(&pages[i], header->sequence_number, out + vx_log_descriptor_offset(i), data + (size_t)i * VX_PAGE);
    vx_put32(out + CHECKSUM, vx_crc32c_without(out, (size_t)length, CHECKSUM));
}
