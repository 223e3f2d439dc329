/*
 * Log entry: header, descriptors and data sectors as replay meets them. The input is the beginning of the entry; up to
 * EntryLength zeros follow it, and a sector of zeros becomes a proper data sector, so that short inputs make long
 * entries.
 */
/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/crc32c.h"
#include "format/log_entry.h"

#include <string.h>

#define CHECKSUM 4u
#define ENTRY_LENGTH 8u
#define SEQUENCE 16u
#define ENTRY_MAX (16u * VX_PAGE)
#define LOG_LENGTH ((uint32_t)VX_MIB)

static void make_data_sector(uint8_t *sector, uint64_t sequence)
{
    vx_put32(sector, VX_SIG_LOG_DATA);
    vx_put32(sector + 4, (uint32_t)(sequence >> 32));
    vx_put32(sector + VX_PAGE - 4, (uint32_t)sequence);
}

/* Returns the length of the entry, a number of whole sectors. */
static size_t expand(const uint8_t *data, size_t size, uint8_t entry[ENTRY_MAX])
{
    fuzz_expand(data, size, entry, ENTRY_MAX);
    uint32_t stored = vx_get32(entry + ENTRY_LENGTH);
    size_t length = stored < VX_PAGE ? VX_PAGE : stored > ENTRY_MAX ? ENTRY_MAX : stored / VX_PAGE * VX_PAGE;
    for (size_t place = VX_PAGE; place < length; place += VX_PAGE)
        if (vx_is_zero(entry + place, VX_PAGE))
            make_data_sector(entry + place, vx_get64(entry + SEQUENCE));
    return length;
}

static uint32_t checksum_of(const uint8_t *data, size_t size)
{
    uint8_t entry[ENTRY_MAX];
    return vx_crc32c_without(entry, expand(data, size, entry), CHECKSUM);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    return fuzz_mutate_and_mend(data, size, max_size, seed, CHECKSUM, checksum_of);
}

/* The pages that the entry's descriptors stand for; false when it is none that may be replayed, or zeroes something. */
static bool read_pages(struct vx_bytes entry, const struct vx_log_header *header, struct vx_log_page *pages,
                       uint8_t (*content)[VX_PAGE])
{
    uint64_t place = vx_log_descriptor_sectors(header->descriptor_count) * VX_PAGE;
    for (uint32_t i = 0; i < header->descriptor_count; i++) {
        struct vx_bytes part;
        struct vx_log_descriptor descriptor;
        FUZZ_DEMAND(vx_bytes_part(entry, vx_log_descriptor_offset(i), VX_LOG_DESCRIPTOR_SIZE, &part));
        if (vx_log_descriptor_decode(part, &descriptor) != VHDX_OK ||
            vx_log_descriptor_rules(&descriptor, header->sequence_number) != 0)
            return false;
        FUZZ_DEMAND(descriptor.file_offset <= UINT64_MAX - descriptor.length);
        if (descriptor.kind != VX_LOG_KIND_DATA || !vx_bytes_part(entry, place, VX_PAGE, &part) ||
            !vx_log_data_matches(part.data, header->sequence_number))
            return false;
        vx_log_data_restore(part.data, &descriptor, content[i]);
        pages[i] = (struct vx_log_page){descriptor.file_offset, content[i]};
        place += VX_PAGE;
    }
    return place == entry.size;
}

/* An entry that is right in everything comes back to the byte, if nothing is behind its descriptors. */
static void demand_back(struct vx_bytes entry, const struct vx_log_header *header)
{
    static struct vx_log_page pages[ENTRY_MAX / VX_PAGE];
    static uint8_t content[ENTRY_MAX / VX_PAGE][VX_PAGE], back[ENTRY_MAX];
    if (header->descriptor_count >= ENTRY_MAX / VX_PAGE || !read_pages(entry, header, pages, content))
        return;
    FUZZ_DEMAND(vx_log_entry_size(header->descriptor_count) == entry.size);
    vx_log_entry_encode(header, pages, header->descriptor_count, back);
    size_t end = (size_t)vx_log_descriptor_offset(header->descriptor_count);
    size_t data = (size_t)vx_log_descriptor_sectors(header->descriptor_count) * VX_PAGE;
    FUZZ_DEMAND(memcmp(entry.data + CHECKSUM + 4, back + CHECKSUM + 4, end - CHECKSUM - 4) == 0);
    FUZZ_DEMAND(memcmp(entry.data + data, back + data, entry.size - data) == 0);
    if (vx_is_zero(entry.data + end, data - end) && header->checksum == vx_crc32c_without(entry.data, entry.size, 4))
        FUZZ_DEMAND(memcmp(entry.data, back, entry.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[ENTRY_MAX];
    struct vx_log_header header;
    struct vx_log_descriptor descriptor;
    vx_log_header_decode(vx_bytes_of(data, size), &header);
    vx_log_descriptor_decode(vx_bytes_of(data, size), &descriptor);
    struct vx_bytes entry = vx_bytes_of(bytes, expand(data, size, bytes));
    if (vx_log_header_decode(entry, &header) != VHDX_OK)
        return 0;
    uint32_t broken = vx_log_header_rules(&header, LOG_LENGTH, NULL);
    FUZZ_DEMAND((vx_log_header_rules(&header, LOG_LENGTH, &header.log_guid) & VX_LOG_OTHER_GUID) == 0);
    if (broken & VX_LOG_INVALID || header.entry_length != entry.size)
        return 0;
    FUZZ_DEMAND(vx_log_descriptor_offset(header.descriptor_count) <= entry.size);
    demand_back(entry, &header);
    return 0;
}
